"""A person's day: what is overdue, due, later, waiting and done, and leads without a next step."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Team
from core.cursors import InvalidCursor
from core.errors import BadParameter, NotFound
from core.sweeps import run_sweep
from followups import planning, selectors
from followups.models import Followup
from followups.selectors import get_followup, page_for, plan_of, read_steps, today
from followups.services import add_followup, complete_followup, skip_followup
from leads.models import Lead
from scoring.models import Standing
from tests import factories
from tests.followups.conftest import TUESDAY, place, steps_of

pytestmark = pytest.mark.django_db
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


@pytest.fixture
def lead(put) -> Lead:
    """A lead of `rep` for which nothing is planned yet."""
    made = put("warm", company={"name": "Acme"})
    place(made, "warm", marked=False)
    return made


def step(lead: Lead, due_at: dt.datetime, **fields) -> Followup:
    values = {"kind": "task", "title": "Look", "assignee_id": lead.owner_id, **fields}
    return Followup.objects.create(lead=lead, due_at=due_at, **values)


def ids(group) -> list[int]:
    return [row.id for row in group.rows]


def test_a_day_is_the_persons_own(lead, rep):
    # Berlin's Tuesday lasts from 23:00 UTC on Monday to 23:00 UTC.
    yesterday = step(lead, TUESDAY.replace(day=23, hour=22, minute=59))
    early = step(lead, TUESDAY.replace(day=23, hour=23))
    late = step(lead, TUESDAY.replace(hour=22, minute=59))
    tomorrow = step(lead, TUESDAY.replace(hour=23))
    day = today(rep, now=TUESDAY)
    assert ids(day.overdue) == [yesterday.pk]
    assert ids(day.due) == [early.pk, late.pk]
    assert ids(day.later) == [tomorrow.pk]
    assert day.time_zone == "Europe/Berlin"


def test_a_row_says_who_what_and_why(lead, rep):
    place(lead, "warm")
    run_sweep(planning.SWEEP)
    (row,) = today(rep, now=TUESDAY + HOUR).due.rows
    assert (row.lead_id, row.name, row.company, row.tier) == (lead.pk, lead.name, "Acme", "warm")
    assert (row.kind, row.title, row.due_at) == ("call", "Call Ada at Acme", TUESDAY)
    assert row.why == "warm before_contact, step 1 of 3"
    assert row.is_late(TUESDAY + HOUR)
    assert not row.is_late(TUESDAY - HOUR)


def test_a_step_added_by_hand_says_so(lead, rep):
    add_followup(lead, by=rep, kind="task", title="Mine", due_at=TUESDAY + HOUR)
    why = {row.title: row.why for row in today(rep, now=TUESDAY).due.rows}
    assert why["Mine"] == "Added by hand"


def test_emails_wait_apart(lead, rep):
    waiting = step(lead, TUESDAY, kind="email", held="delivery not set up")
    day = today(rep, now=TUESDAY)
    assert ids(day.waiting) == [waiting.pk]
    assert day.waiting.rows[0].held == "delivery not set up"
    assert [*day.overdue.rows, *day.due.rows, *day.later.rows] == []


def test_what_was_finished_today_is_shown_newest_first(lead, rep, clock_at):
    first = step(lead, TUESDAY)
    second = step(lead, TUESDAY)
    clock_at(TUESDAY - DAY)
    complete_followup(step(lead, TUESDAY), by=rep)
    clock_at(TUESDAY)
    complete_followup(first, by=rep)
    clock_at(TUESDAY + HOUR)
    skip_followup(second, by=rep, reason="x")
    day = today(rep, now=TUESDAY + 2 * HOUR)
    assert ids(day.done) == [second.pk, first.pk]
    assert [row.state for row in day.done.rows] == ["skipped", "done"]
    assert day.done.count == 2


def test_only_ones_own_steps_are_in_ones_day(lead, rep, manager, admin):
    step(lead, TUESDAY)
    assert today(rep, now=TUESDAY).due.count == 1
    for other in (manager, admin):
        assert today(other, now=TUESDAY).due.count == 0


def test_a_lead_that_went_to_another_team_is_gone_from_ones_day_at_once(lead, rep, stranger):
    step(lead, TUESDAY)
    Lead.objects.filter(pk=lead.pk).update(owner=stranger, team=stranger.team)
    assert today(rep, now=TUESDAY).due.rows == []  # though no sweep has moved its steps yet


def test_unowned_leads_of_the_team_are_there_best_first(put, rep, team):
    worse, better = (put("warm", owner=None, team=team) for _ in range(2))
    put("hot", owner=None, team=Team.objects.create(name="Elsewhere"))
    put("hot", owner=None, team=None)
    closed = put("hot", owner=None, team=team)
    Lead.objects.filter(pk=closed.pk).update(stage="won")
    Standing.objects.filter(pk=better.pk).update(rank=9)
    Standing.objects.filter(pk=worse.pk).update(rank=8)
    group = today(rep, now=TUESDAY).unowned
    assert [row.lead_id for row in group.rows] == [better.pk, worse.pk]
    assert group.rows[0].name == better.name


def test_somebody_without_a_team_sees_no_unowned_leads(put, admin):
    put("warm", owner=None, team=None)
    assert today(admin, now=TUESDAY).unowned.rows == []


def test_own_leads_without_a_next_step_are_there_with_the_reason(put, rep):
    lead = put("hot")
    planned = put("hot")
    run_sweep(planning.SWEEP)
    Followup.objects.filter(lead=lead).delete()
    Standing.objects.filter(pk=lead.pk).update(next_due_at=None, next_step="Play finished — x")
    (row,) = today(rep, now=TUESDAY).no_next_step.rows
    assert (row.lead_id, row.reason) == (lead.pk, "Play finished — x")
    assert row.lead_id != planned.pk


def test_long_groups_come_page_by_page(lead, rep):
    steps = [step(lead, TUESDAY + dt.timedelta(minutes=i // 2)) for i in range(7)]
    found, data = [], {"limit": "3"}
    for _ in range(3):
        page = page_for(rep, "due", data)
        group = read_steps(rep, "due", page, now=TUESDAY, zone="Europe/Berlin")
        found += ids(group)
        assert group.count == 7
        data = {"limit": "3", "cursor": group.next_cursor or ""}
    assert found == [s.pk for s in steps]
    assert group.next_cursor is None


def test_pages_of_leads_and_of_what_is_done_go_on_too(put, rep, team):
    leads = [put("warm", owner=None, team=team) for _ in range(3)]
    for rank, one in enumerate(leads):
        Standing.objects.filter(pk=one.pk).update(rank=rank)
    first = selectors.read_leads_without(rep, "unowned", page_for(rep, "unowned", {"limit": "2"}))
    rest = selectors.read_leads_without(
        rep, "unowned", page_for(rep, "unowned", {"cursor": first.next_cursor or ""})
    )
    assert [row.lead_id for row in (*first.rows, *rest.rows)] == [
        lead.pk for lead in reversed(leads)
    ]

    mine = put("warm")
    steps = [step(mine, TUESDAY) for _ in range(3)]
    for one in steps:
        complete_followup(one, by=rep)
    done = read_steps(
        rep, "done", page_for(rep, "done", {"limit": "2"}), now=TUESDAY, zone="Europe/Berlin"
    )
    more = page_for(rep, "done", {"cursor": done.next_cursor or ""})
    rest_done = read_steps(rep, "done", more, now=TUESDAY, zone="Europe/Berlin")
    assert [*ids(done), *ids(rest_done)] == [s.pk for s in reversed(steps)]


def test_a_cursor_of_another_person_or_group_is_refused(lead, rep, manager):
    for minute in range(2):
        step(lead, TUESDAY + dt.timedelta(minutes=minute))
    page = page_for(rep, "due", {"limit": "1"})
    cursor = read_steps(rep, "due", page, now=TUESDAY, zone="UTC").next_cursor or ""
    with pytest.raises(InvalidCursor):
        page_for(manager, "due", {"cursor": cursor})
    with pytest.raises(InvalidCursor):
        page_for(rep, "later", {"cursor": cursor})


@pytest.mark.parametrize("data", [{"limit": "0"}, {"limit": "x"}, {"cursor": "garbled"}])
def test_bad_parameters_are_refused(rep, data):
    with pytest.raises(BadParameter):
        page_for(rep, "due", data)


def test_counting_stops_somewhere(lead, rep, monkeypatch):
    monkeypatch.setattr(selectors, "COUNT_CAP", 5)
    Followup.objects.bulk_create(
        Followup(lead=lead, kind="task", title="x", assignee=rep, due_at=TUESDAY) for _ in range(9)
    )
    assert today(rep, now=TUESDAY, limit=3).due.count == 5


def test_a_day_takes_as_many_queries_with_many_rows_as_with_few(lead, rep, put, team):
    def fill(number):
        Followup.objects.bulk_create(
            Followup(lead=lead, kind="task", title="x", assignee=rep, due_at=TUESDAY + i * DAY)
            for i in (-1, 0, 1)
            for _ in range(number)
        )
        for _ in range(number):
            put("warm", owner=None, team=team)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            today(rep, now=TUESDAY, limit=2)
        return len(captured)

    fill(3)
    few = queries()
    fill(30)
    assert queries() == few
    assert few <= 18


# --- one lead ------------------------------------------------------------------------------------
def test_the_plan_of_a_lead_shows_its_run_and_its_steps(put, rep):
    lead = put("hot")
    run_sweep(planning.SWEEP)
    complete_followup(steps_of(lead)[0], by=rep, result="no_answer", note="rang out")
    plan = plan_of(rep, lead)
    assert [row.title for row in plan.open] == ["Write to Ada"]
    assert [(row.title, row.note) for row in plan.past] == [
        ("Call Ada at their company", "rang out")
    ]
    assert plan.run is not None
    assert (plan.run.play, plan.run.step, plan.run.steps) == ("hot before_contact", 2, 3)
    assert (plan.run.started_by, plan.run.end_reason) == ("Tier", "")


def test_a_lead_that_was_never_planned_has_an_empty_plan(lead, rep):
    plan = plan_of(rep, lead)
    assert (list(plan.open), list(plan.past), plan.run) == ([], [], None)


def test_a_follow_up_of_somebody_elses_lead_is_not_found(lead, rep, stranger, manager):
    one = step(lead, TUESDAY)
    assert get_followup(rep, one.pk) == one
    assert get_followup(manager, one.pk) == one
    for viewer, pk in ((stranger, one.pk), (rep, one.pk + 1_000)):
        with pytest.raises(NotFound):
            get_followup(viewer, pk)
    assert list(plan_of(stranger, lead).open) == []


def test_a_deactivated_person_sees_nothing(lead, rep):
    step(lead, TUESDAY)
    rep.is_active = False
    assert today(rep, now=TUESDAY).due.rows == []


def test_a_name_is_never_empty(rep, plays, tuesday):
    lead = factories.make_lead(owner=rep, scored=False, first_name="", last_name="", email="")
    place(lead, "warm", marked=False)
    step(lead, TUESDAY)
    assert today(rep, now=TUESDAY).due.rows[0].name == f"Lead {lead.pk}"
