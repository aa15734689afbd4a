"""News on a timeline ends runs in the writer's own transaction, and asks for planning."""

import datetime as dt

import pytest
from django.db import connection

from core.sweeps import run_sweep
from followups import planning
from followups.models import PlayVersion
from leads.activities import Kind
from leads.models import Activity, Lead
from tests.followups.conftest import TUESDAY, make_play, place, runs_of, standing, steps_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead(put) -> Lead:
    """A hot lead with an open run and no mark."""
    made = put("hot")
    run_sweep(planning.SWEEP)
    return made


def note(lead: Lead, kind: str, **fields) -> None:
    Activity.objects.create(lead=lead, kind=kind, **fields)


def is_marked(lead: Lead) -> bool:
    return standing(lead).unplanned_at is not None


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Kind.EMAIL_REPLIED, "reply"),
        (Kind.MEETING_BOOKED, "meeting_booked"),
        (Kind.UNSUBSCRIBED, "opt_out"),
        (Kind.HAND_RAISED, "hand_raised"),
    ],
)
def test_an_exit_ends_the_run_and_its_step_before_any_planning(lead, kind, reason):
    note(lead, kind)
    (run,), (step,) = runs_of(lead), steps_of(lead)
    assert (run.end_reason, run.ended_at) == (reason, TUESDAY)
    assert (step.state, step.ended_at) == ("cancelled", TUESDAY)
    assert is_marked(lead)


def test_an_exit_that_the_play_does_not_name_ends_nothing(put):
    PlayVersion.objects.filter(key="test-warm-before-contact").update(state="retired")
    make_play("warm", "before_contact", key="stubborn", exits=["reply"])
    lead = put("warm")
    run_sweep(planning.SWEEP)
    note(lead, Kind.UNSUBSCRIBED)
    assert runs_of(lead)[0].ended_at is None
    note(lead, Kind.EMAIL_REPLIED)
    assert runs_of(lead)[0].end_reason == "reply"


def test_a_hand_raise_ends_any_run_so_that_it_starts_again(put):
    PlayVersion.objects.filter(key="test-warm-before-contact").update(state="retired")
    make_play("warm", "before_contact", key="stubborn", exits=[])
    lead = put("warm")
    run_sweep(planning.SWEEP)
    note(lead, Kind.HAND_RAISED)
    assert runs_of(lead)[0].end_reason == "hand_raised"


def test_history_that_is_brought_in_late_ends_nothing(lead):
    note(lead, Kind.EMAIL_REPLIED, at=TUESDAY - dt.timedelta(days=3))
    assert runs_of(lead)[0].ended_at is None
    assert is_marked(lead)  # it was a contact all the same


@pytest.mark.parametrize("kind", [Kind.CALL_CONNECTED, Kind.MEETING_HELD, Kind.CALL_ATTEMPTED])
def test_contact_and_calls_ask_for_planning_and_leave_the_run(lead, kind):
    note(lead, kind)
    assert is_marked(lead)
    assert runs_of(lead)[0].ended_at is None


@pytest.mark.parametrize(
    "kind", [Kind.PAGE_VIEWED, Kind.NOTE, Kind.EMAIL_SENT, Kind.FORM_SUBMITTED]
)
def test_other_news_asks_for_no_planning(lead, kind):
    note(lead, kind)
    assert not is_marked(lead)


def test_history_of_leads_that_were_never_planned_marks_nothing(put):
    lead = put("hot", contacted_at=TUESDAY)
    place(lead, "hot", marked=False)
    note(lead, Kind.EMAIL_REPLIED)
    note(lead, Kind.UNSUBSCRIBED)
    note(lead, Kind.CALL_ATTEMPTED)
    assert not is_marked(lead)
    note(lead, Kind.HAND_RAISED)
    assert is_marked(lead)


def test_the_first_contact_of_a_lead_without_a_run_marks_it(put):
    lead = put("hot")
    place(lead, "hot", marked=False)
    note(lead, Kind.EMAIL_REPLIED)
    assert is_marked(lead)


def test_one_statement_about_many_leads_ends_what_it_should(put):
    leads = [put("hot") for _ in range(4)]
    run_sweep(planning.SWEEP)
    kinds = [Kind.EMAIL_REPLIED, Kind.PAGE_VIEWED, Kind.MEETING_BOOKED, Kind.CALL_CONNECTED]
    rows = [Activity(lead=lead, kind=kind) for lead, kind in zip(leads, kinds, strict=True)]
    Activity.objects.bulk_create([*rows, Activity(lead=leads[0], kind=Kind.NOTE)])
    assert [runs_of(lead)[0].end_reason for lead in leads] == ["reply", "", "meeting_booked", ""]
    assert [is_marked(lead) for lead in leads] == [True, False, True, True]


def test_it_fires_before_the_trigger_of_scoring_so_that_locks_have_one_order():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'leads_activity'::regclass "
            'AND NOT tgisinternal AND tgtype & 4 = 4 ORDER BY tgname COLLATE "C"'
        )
        names = [name for (name,) in cursor.fetchall()]
    assert names[0].startswith("pgtrigger_changes_plans")
    assert any(name.startswith("pgtrigger_counts_engagement") for name in names[1:])
