"""Today and the follow-ups on the lead page: done, snooze, skip, undo, plan, claim."""

import datetime as dt
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from calls.services import FinishInput, finish_call, start_call
from core import clock
from followups.models import Followup
from leads.models import Activity, Lead
from tests import factories
from tests.desk.conftest import log_in

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true", "HX-Target": "today", "HX-Current-URL": "http://testserver/today/"}
# A Tuesday at noon in the team's zone, so that "today" does not depend on when tests run.
NOON = dt.datetime(2026, 11, 24, 11, 0, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _at_noon(db: None) -> Any:
    with clock.at(NOON):
        yield


def make_followup(lead: Lead, hours: float = -1, **fields: Any) -> Followup:
    """Make a scheduled follow-up of the lead's owner, due `hours` from now."""
    values = {"kind": "task", "title": "Send the case study", "assignee": lead.owner, **fields}
    return Followup.objects.create(lead=lead, due_at=NOON + dt.timedelta(hours=hours), **values)


def _today(client: Client, query: str = "") -> str:
    response = client.get(f"/today/{query}")
    assert response.status_code == 200
    return response.content.decode()


def _post(client: Client, followup: Followup, action: str, **data: Any) -> Any:
    return client.post(f"/followups/{followup.pk}/{action}/", data, headers=HTMX)


def test_today_sorts_by_overdue_due_later_and_done(rep_client: Client, lead: Lead) -> None:
    for title, hours in (("Yesterday", -30), ("Noon", -1), ("Evening", 6), ("Friday", 72)):
        make_followup(lead, hours, title=title)
    done = make_followup(lead, title="Finished")
    _post(rep_client, done, "complete")
    html = _today(rep_client)
    order = [html.index(f"group-{key}") for key in ("overdue", "due", "later", "done")]
    assert order == sorted(order)
    places = [html.index(title) for title in ("Yesterday", "Noon", "Evening", "Friday")]
    assert places == sorted(places)
    assert "30 h overdue" in html
    assert lead.name in html


def test_nothing_due_points_to_the_queue(rep_client: Client) -> None:
    assert "Nothing is due" in _today(rep_client)


def test_done_takes_a_task_away_and_undo_brings_it_back(rep_client: Client, lead: Lead) -> None:
    followup = make_followup(lead)
    response = _post(rep_client, followup, "complete")
    assert response.status_code == 200
    html = response.content.decode()
    assert "<html" not in html
    assert f"Done: {followup.title}, {lead.name}." in html
    assert f'action="/followups/{followup.pk}/reopen/"' in html
    followup.refresh_from_db()
    assert followup.state == "done"
    response = rep_client.post(f"/followups/{followup.pk}/reopen/", {"next": "/today/"})
    assert response["Location"] == "/today/"
    followup.refresh_from_db()
    assert followup.state == "scheduled"


def test_a_call_is_done_with_its_result_and_note(rep_client: Client, lead: Lead) -> None:
    call = make_followup(lead, kind="call", title="First call")
    response = _post(rep_client, call, "complete")
    assert response.status_code == 422
    assert "say how the call went" in response.content.decode()
    assert response["HX-Retarget"] == "#problem"
    _post(rep_client, call, "complete", result="connected", note="Wants a demo.")
    activity = Activity.objects.get(lead=lead, kind="call_connected")
    assert activity.data["text"] == "Wants a demo."
    html = rep_client.get(f"/leads/{lead.pk}/").content.decode()
    assert "Wants a demo." in html
    assert "First call" in html


@pytest.mark.parametrize(
    ("data", "due"),
    [
        ({"until": "hour"}, NOON + dt.timedelta(hours=1)),
        ({"until": "tomorrow"}, dt.datetime(2026, 11, 25, 8, 0, tzinfo=dt.UTC)),
        ({"until": "week"}, dt.datetime(2026, 11, 30, 8, 0, tzinfo=dt.UTC)),
        (
            {"until": "at", "at": "2026-12-03T14:30"},
            dt.datetime(2026, 12, 3, 13, 30, tzinfo=dt.UTC),
        ),
    ],
)
def test_snooze_moves_a_step_in_the_zone_of_the_team(
    rep_client: Client, lead: Lead, data: dict[str, str], due: dt.datetime
) -> None:
    followup = make_followup(lead)
    response = _post(rep_client, followup, "snooze", **data)
    assert response.status_code == 200
    followup.refresh_from_db()
    assert (followup.due_at, followup.snoozed) == (due, 1)
    local = due.astimezone(timezone.get_fixed_timezone(60))
    assert f"Snoozed until {local:%a %-d %b, %H:%M}" in response.content.decode()


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"until": "never"},
        {"until": "at"},
        {"until": "at", "at": "soon"},
        {"until": "at", "at": "2020-01-01T09:00"},
        {"until": "at", "at": "2999-01-01T09:00"},
    ],
)
def test_a_snooze_to_no_moment_is_refused(
    rep_client: Client, lead: Lead, data: dict[str, str]
) -> None:
    followup = make_followup(lead)
    assert _post(rep_client, followup, "snooze", **data).status_code == 422
    followup.refresh_from_db()
    assert followup.snoozed == 0


def test_a_skip_needs_a_reason(rep_client: Client, lead: Lead) -> None:
    followup = make_followup(lead)
    assert _post(rep_client, followup, "skip").status_code == 422
    _post(rep_client, followup, "skip", reason="They called us.")
    followup.refresh_from_db()
    assert (followup.state, followup.note) == ("skipped", "They called us.")


def test_a_finished_step_is_not_finished_twice(rep_client: Client, lead: Lead) -> None:
    followup = make_followup(lead)
    _post(rep_client, followup, "complete")
    response = _post(rep_client, followup, "complete")
    assert response.status_code == 409
    assert "is done already" in response.content.decode()


def test_steps_of_leads_that_one_may_not_see_are_missing(
    stranger: User, rep: User, lead: Lead
) -> None:
    followup = make_followup(lead)
    client = log_in(stranger)
    for action in ("complete", "skip", "snooze", "reopen"):
        assert _post(client, followup, action).status_code == 404
        assert client.post(f"/followups/{10**12}/{action}/").status_code == 404
    colleague = log_in(factories.make_user(team=rep.team))
    assert _post(colleague, followup, "complete").status_code == 403
    followup.refresh_from_db()
    assert followup.state == "scheduled"


def test_unowned_leads_of_the_team_are_claimed_from_today(
    rep_client: Client, rep: User, stranger: User
) -> None:
    free = factories.make_lead(team=rep.team, first_name="Free")
    factories.make_lead(team=stranger.team, first_name="Foreign")
    html = _today(rep_client)
    assert "Unowned in my team" in html
    assert "Free Number" in html
    assert "Foreign Number" not in html
    response = rep_client.post(f"/leads/{free.pk}/owner/", {"owner": "me"}, headers=HTMX)
    assert response.status_code == 200
    assert 'id="today"' in response.content.decode()
    free.refresh_from_db()
    assert free.owner == rep


def test_open_leads_without_a_next_step_are_listed(rep_client: Client, lead: Lead) -> None:
    html = _today(rep_client)
    assert "No next step" in html
    assert lead.name in html


def test_a_long_group_goes_on_page_by_page(rep_client: Client, lead: Lead) -> None:
    for number in range(60):
        make_followup(lead, hours=-1 - number / 100, title=f"Step {number:02}")
    html = _today(rep_client)
    assert "Step 59" in html
    assert "Step 00" not in html
    cursor = html.split("group=due&cursor=")[1].split('"')[0]
    second = _today(rep_client, f"?group=due&cursor={cursor}")
    assert "Step 00" in second
    assert "Step 59" not in second


@pytest.mark.parametrize("query", ["?group=never", "?group=due&cursor=x", "?colour=red"])
def test_a_query_that_today_does_not_know_is_a_400(rep_client: Client, query: str) -> None:
    assert rep_client.get(f"/today/{query}").status_code == 400


def test_a_call_due_today_is_dialled_from_the_console_which_knows_who_must_not_be_called(
    rep_client: Client, lead: Lead
) -> None:
    lead.phone = "+4930901820"
    lead.save(update_fields=["phone"])
    make_followup(lead, kind="call", title="Ring back")
    html = _today(rep_client)
    form = re.search(f'<form[^>]*action="/leads/{lead.pk}/call/">.*?</form>', html)
    assert form is not None
    assert 'name="next" value="/today/"' in form[0]  # after the call one is back here
    assert 'data-key="c"' in form[0]
    assert "no number" not in html
    Lead.objects.update(phone="")
    assert "no number" in _today(rep_client)
    assert "tel:" not in html


def test_calls_that_were_begun_and_not_finished_are_told(
    rep_client: Client, rep: User, manager: User, lead: Lead
) -> None:
    assert "Not finished" not in _today(rep_client)
    call, _ = start_call(lead, by=rep)
    assert f'href="/calls/{call.pk}/?next=/today/">call with {lead.name}</a>' in _today(rep_client)
    assert "Not finished" not in _today(log_in(manager))
    finish_call(call.pk, FinishInput("no_answer"), by=rep)
    assert "Not finished" not in _today(rep_client)


def test_the_cost_of_today_does_not_grow_with_rows(rep_client: Client, lead: Lead) -> None:
    costs = []
    for _ in range(2):  # a group of more than one page, and of three
        for number in range(30):
            make_followup(lead, title=f"Step {number}")
        _today(rep_client)
        with CaptureQueriesContext(connection) as queries:
            _today(rep_client)
        costs.append([query["sql"][:200] for query in queries])
    assert len(costs[0]) == len(costs[1]), costs


def test_a_step_is_planned_by_hand_on_the_lead_page(rep_client: Client, lead: Lead) -> None:
    path = f"/leads/{lead.pk}/followups/"
    data = {"kind": "call", "title": "Ring after the board", "due_at": "2026-11-26T10:00"}
    response = rep_client.post(path, data)
    assert response.status_code == 302
    followup = Followup.objects.get(lead=lead, title="Ring after the board")
    assert followup.due_at == dt.datetime(2026, 11, 26, 9, 0, tzinfo=dt.UTC)
    html = rep_client.get(f"/leads/{lead.pk}/").content.decode()
    assert "Ring after the board" in html
    for wrong in ({"title": ""}, {"due_at": "soon"}, {"due_at": "2001-01-01T10:00"}, {"kind": "x"}):
        response = rep_client.post(path, data | wrong)
        assert response.status_code == 422
        assert 'id="followup-form"' in response.content.decode()


def test_planning_for_a_lead_of_another_team_is_a_404(stranger: User, lead: Lead) -> None:
    data = {"kind": "call", "title": "x", "due_at": "2026-11-26T10:00"}
    assert log_in(stranger).post(f"/leads/{lead.pk}/followups/", data).status_code == 404


def test_scripts_of_steps_are_shown_and_escaped(rep_client: Client, lead: Lead) -> None:
    make_followup(lead, body="Ask <b>openly</b>.")
    html = _today(rep_client)
    assert "Ask &lt;b&gt;openly&lt;/b&gt;." in html
