"""The queue as a selector: who sees what, pages that neither repeat nor lose rows, and its cost."""

import datetime as dt

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.clock import now
from core.errors import BadParameter, NotFound
from desk import queue_filters, selectors
from desk.filters import LeadFilters
from desk.selectors import QueuePage, Scope
from leads.models import Lead
from leads.querysets import visibility
from leads.services import assign_lead
from scoring.models import Standing
from scoring.rescoring import rescore
from tests import factories

pytestmark = pytest.mark.django_db


def _queue(viewer: User, query: str = "", **options: object) -> QueuePage:
    filters = LeadFilters(
        QueryDict(query), Standing.objects.all(), viewer=viewer, also=queue_filters.PAGING
    )
    options = {"scope": Scope.ALL, **options}
    return selectors.queue(viewer, filters=filters, **options)  # type: ignore[arg-type]


def _ids(page: QueuePage) -> list[int]:
    return [row.id for row in page.rows]


def test_a_scope_never_shows_more_than_visibility_does(
    rep: User, manager: User, model_owner: User, admin: User, stranger: User
) -> None:
    for owner in (rep, stranger):
        factories.make_lead(owner=owner)
    factories.make_lead(team=rep.team)
    moved_away = factories.make_lead(owner=rep, team=stranger.team)
    for viewer in (rep, manager, model_owner, admin, stranger):
        allowed = set(Standing.objects.filter(visibility(viewer)).values_list("pk", flat=True))
        for scope in Scope:
            assert set(_ids(_queue(viewer, scope=scope))) <= allowed
        assert set(_ids(_queue(viewer))) == allowed
    assert moved_away.pk in _ids(_queue(rep, scope=Scope.MINE))


def test_scopes_show_own_team_and_unowned_leads(rep: User, manager: User) -> None:
    own = factories.make_lead(owner=rep)
    colleague = factories.make_user(team=rep.team)
    theirs = factories.make_lead(owner=colleague)
    free = factories.make_lead(team=rep.team)
    assert set(_ids(_queue(rep, scope=Scope.MINE))) == {own.pk}
    assert set(_ids(_queue(rep, scope=Scope.TEAM))) == {own.pk, theirs.pk, free.pk}
    assert set(_ids(_queue(rep, scope=Scope.UNOWNED))) == {free.pk}
    assert selectors.default_scope(rep) == Scope.MINE
    assert selectors.default_scope(manager) == Scope.TEAM


def test_a_person_without_a_team_does_not_see_the_leads_without_a_team(config: None) -> None:
    loner = factories.make_user(team=None)
    factories.make_lead()
    own = factories.make_lead(owner=loner)
    for scope in Scope:
        assert set(_ids(_queue(loner, scope=scope))) <= {own.pk}


def test_pages_forward_and_back_show_every_row_once_in_rank_order(rep: User) -> None:
    for number in range(12):
        factories.make_lead(owner=rep, value_minor=100_000 * (number % 4 + 1))
    whole = _ids(_queue(rep, limit=200))
    assert len(whole) == 12
    forward, page = [], _queue(rep, limit=5)
    befores = []
    while True:
        forward += _ids(page)
        befores.append(page.before)
        if page.next_cursor is None:
            break
        last = page
        page = _queue(rep, limit=5, after=page.next_cursor)
    assert forward == whole
    assert befores == [0, 5, 10]
    assert page.previous_cursor is not None
    back = _queue(rep, limit=5, before=page.previous_cursor)
    assert _ids(back) == _ids(last)
    assert back.before == 5
    assert back.next_cursor is not None
    assert _ids(_queue(rep, limit=5, after=back.next_cursor)) == _ids(page)


def test_rows_that_appear_above_do_not_shift_the_next_page(rep: User) -> None:
    for _ in range(6):
        factories.make_lead(owner=rep)
    first = _queue(rep, limit=3)
    factories.make_lead(owner=rep, value_minor=10**9)
    assert first.next_cursor is not None
    second = _queue(rep, limit=3, after=first.next_cursor)
    assert not set(_ids(first)) & set(_ids(second))
    assert len(_ids(second)) == 3


def test_a_cursor_of_another_person_filter_or_scope_is_refused(rep: User, manager: User) -> None:
    for _ in range(4):
        factories.make_lead(owner=rep)
    cursor = _queue(rep, limit=2).next_cursor
    assert cursor is not None
    for viewer, query, options in (
        (manager, "", {}),
        (rep, "tier=warm", {}),
        (rep, "", {"scope": Scope.MINE}),
    ):
        with pytest.raises(BadParameter):
            _queue(viewer, query, after=cursor, **options)
    with pytest.raises(BadParameter):
        _queue(rep, after=cursor[:-2] + "xx")


def test_running_clocks_stand_above_the_list_by_due_time_and_nowhere_else(rep: User) -> None:
    leads = [factories.make_lead(owner=rep) for _ in range(5)]
    for minutes, lead in ((30, leads[0]), (-5, leads[3])):
        Standing.objects.filter(pk=lead.pk).update(sla_due_at=now() + dt.timedelta(minutes=minutes))
    page = _queue(rep, limit=2)
    assert [row.id for row in page.clocks] == [leads[3].pk, leads[0].pk]
    assert page.count == 5
    assert page.next_cursor is not None
    second = _queue(rep, limit=2, after=page.next_cursor)
    assert second.clocks == []
    assert set(_ids(page)) | set(_ids(second)) == {leads[1].pk, leads[2].pk, leads[4].pk}


def test_closed_leads_leave_the_queue_unless_asked_for(rep: User) -> None:
    lead = factories.make_lead(owner=rep, stage="lost")
    assert _ids(_queue(rep)) == []
    assert _ids(_queue(rep, "stage=lost")) == [lead.pk]
    assert _ids(_queue(rep, "is_open=false")) == [lead.pk]


@pytest.mark.parametrize("count", [1, 50, 200])
def test_queries_do_not_grow_with_rows(rep: User, count: int) -> None:
    leads = Lead.objects.bulk_create(
        Lead(first_name=f"N{n}", owner=rep, team=rep.team) for n in range(count)
    )
    rescore([lead.pk for lead in leads])
    _queue(rep)  # texts that scoring keeps in memory
    with CaptureQueriesContext(connection) as queries:
        page = _queue(rep)
    assert len(page.rows) == min(count, 50)
    assert len(queries) == 7


def test_a_page_says_why_each_lead_stands_there(rep: User, lead: Lead) -> None:
    factories.make_evidence(lead, "budget", 100)
    page = _queue(rep)
    explanation = page.explained[lead.pk]
    assert explanation.score == page.rows[0].score
    assert any("Budget" in reason for reason in explanation.reasons)


def test_a_missing_lead_and_somebody_elses_look_the_same(stranger: User, lead: Lead) -> None:
    with pytest.raises(NotFound) as others:
        selectors.get_lead(stranger, lead.pk)
    with pytest.raises(NotFound) as missing:
        selectors.get_lead(stranger, 10**12)
    assert others.value.message == missing.value.message


def test_a_claimed_lead_moves_from_unowned_to_mine(rep: User) -> None:
    free = factories.make_lead(team=rep.team)
    assign_lead(free, rep, by=rep)
    assert _ids(_queue(rep, scope=Scope.UNOWNED)) == []
    assert _ids(_queue(rep, scope=Scope.MINE)) == [free.pk]
