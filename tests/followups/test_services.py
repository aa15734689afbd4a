"""What people do with follow-ups, and what follows from it in the same transaction."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.invariants import breaks
from core.sweeps import run_sweep
from followups import planning
from followups.models import Followup
from followups.services import (
    NextStep,
    add_followup,
    complete_followup,
    reopen_followup,
    skip_followup,
    snooze_followup,
)
from leads.activities import Kind
from leads.models import Activity, Lead
from scoring.models import Engagement
from tests.followups.conftest import TUESDAY, place, runs_of, standing, steps_of

pytestmark = pytest.mark.django_db
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


@pytest.fixture
def call(put) -> Followup:
    """The first step of a hot lead: a call, now."""
    lead = put("hot")
    run_sweep(planning.SWEEP)
    (step,) = steps_of(lead)
    return step


@pytest.fixture
def task(call, rep) -> Followup:
    """A task added by hand for the same lead."""
    return add_followup(
        call.lead, by=rep, kind="task", title="Send the offer", due_at=TUESDAY + HOUR
    )


def problem_of(caught) -> tuple[str, str]:
    (problem,) = caught.value.problems
    return problem.field, problem.code


def timeline(lead: Lead) -> list[Activity]:
    return list(Activity.objects.filter(lead=lead).order_by("id"))


def assert_sound():
    assert [text for name, text in breaks() if name.startswith("followups.")] == []


# --- complete ------------------------------------------------------------------------------------
def test_a_call_that_did_not_connect_makes_the_next_step_at_once(call, rep):
    complete_followup(call, by=rep, result="no_answer", note="rang out")
    done, following = steps_of(call.lead)
    assert (done.state, done.ended_by, done.ended_at, done.note) == (
        "done",
        rep,
        TUESDAY,
        "rang out",
    )
    assert (following.step, following.state) == (1, "scheduled")
    assert standing(call.lead).next_due_at == following.due_at
    assert standing(call.lead).next_step == "Write to Ada"
    assert_sound()


def test_a_call_is_written_on_the_timeline_and_counts_as_engagement(call, rep):
    complete_followup(call, by=rep, result="voicemail", note="please call back")
    activity = timeline(call.lead)[-1]
    assert (activity.kind, activity.actor) == (Kind.CALL_ATTEMPTED, rep)
    assert activity.data == {
        "followup": call.pk,
        "title": call.title,
        "text": "please call back",
        "result": "voicemail",
    }


def test_a_call_that_connected_moves_the_lead_into_conversation(call, rep):
    complete_followup(call, by=rep, result="connected")
    lead = Lead.objects.get(pk=call.lead_id)
    assert lead.contacted_at == TUESDAY
    assert Engagement.objects.filter(lead=lead, kind=Kind.CALL_CONNECTED).exists()
    old, new = runs_of(lead)
    assert old.ended_at == TUESDAY
    assert new.play_version.definition["phase"] == "in_conversation"
    assert [step.state for step in steps_of(lead)] == ["done", "scheduled"]
    assert standing(lead).stale_at is None  # scored in the same transaction
    assert_sound()


def test_a_call_stops_the_clock(call, rep):
    assert standing(call.lead).sla_due_at is not None
    complete_followup(call, by=rep, result="no_answer")
    assert standing(call.lead).sla_due_at is None


def test_a_task_is_done_without_a_result(task, rep):
    complete_followup(task, by=rep, note="sent")
    assert timeline(task.lead)[-1].kind == Kind.FOLLOWUP_DONE
    assert standing(task.lead).next_step.startswith("Call Ada")
    assert_sound()


def test_a_person_may_plan_what_comes_next(call, rep):
    step = NextStep("call", "Call back after lunch", TUESDAY + 3 * HOUR)
    complete_followup(call, by=rep, result="no_answer", next_step=step)
    assert standing(call.lead).next_step == "Call back after lunch"
    assert len(steps_of(call.lead, state="scheduled")) == 2
    assert_sound()


@pytest.mark.parametrize("result", ["", "lovely"])
def test_a_call_needs_a_result_that_is_known(call, rep, result):
    with pytest.raises(Invalid) as caught:
        complete_followup(call, by=rep, result=result)
    assert problem_of(caught) == ("result", "not_a_choice")
    assert steps_of(call.lead)[0].state == "scheduled"


def test_a_task_has_no_result(task, rep):
    with pytest.raises(Invalid) as caught:
        complete_followup(task, by=rep, result="connected")
    assert problem_of(caught) == ("result", "not_wanted")


def test_a_note_has_a_limit_and_loses_what_no_database_stores(task, rep):
    with pytest.raises(Invalid) as caught:
        complete_followup(task, by=rep, note="x" * 20_001)
    assert problem_of(caught) == ("note", "too_long")
    complete_followup(task, by=rep, note="a\x00b\ud800")
    task.refresh_from_db()
    assert task.note == "ab?"


def test_a_bad_next_step_is_named_and_nothing_is_finished(call, rep):
    with pytest.raises(Invalid) as caught:
        complete_followup(
            call, by=rep, result="no_answer", next_step=NextStep("fax", "x", TUESDAY + DAY)
        )
    assert problem_of(caught) == ("next_step.kind", "not_a_choice")
    assert steps_of(call.lead)[0].state == "scheduled"
    assert timeline(call.lead) == []


def test_what_is_done_already_is_a_conflict(call, rep):
    complete_followup(call, by=rep, result="no_answer")
    with pytest.raises(Conflict, match="done already"):
        complete_followup(call, by=rep, result="no_answer")
    with pytest.raises(Conflict):
        skip_followup(call, by=rep, reason="x")
    with pytest.raises(Conflict):
        snooze_followup(call, by=rep, until=TUESDAY + DAY)
    assert len(steps_of(call.lead)) == 2


def test_an_email_is_not_a_persons_to_complete(call, rep):
    complete_followup(call, by=rep, result="no_answer")
    email = steps_of(call.lead)[-1]
    with pytest.raises(Forbidden, match="sent by the system"):
        complete_followup(email, by=rep)


def test_what_does_not_exist_any_more_is_not_found(task, rep):
    Followup.objects.filter(pk=task.pk).delete()
    with pytest.raises(NotFound):
        complete_followup(task, by=rep)


# --- skip ----------------------------------------------------------------------------------------
def test_a_skipped_step_lets_the_run_go_on(call, rep):
    skip_followup(call, by=rep, reason="talked yesterday")
    skipped, following = steps_of(call.lead)
    assert (skipped.state, skipped.note) == ("skipped", "talked yesterday")
    assert following.step == 1
    activity = timeline(call.lead)[-1]
    assert (activity.kind, activity.data["text"]) == (Kind.FOLLOWUP_SKIPPED, "talked yesterday")
    assert standing(call.lead).sla_due_at is not None  # nobody has called
    assert_sound()


def test_a_skip_needs_a_reason(call, rep):
    with pytest.raises(Invalid) as caught:
        skip_followup(call, by=rep, reason="  ")
    assert problem_of(caught) == ("reason", "required")


def test_a_skipped_email_is_cancelled_and_the_run_goes_on(call, rep):
    complete_followup(call, by=rep, result="no_answer")
    email = steps_of(call.lead)[-1]
    skip_followup(email, by=rep, reason="wrote myself")
    assert [step.state for step in steps_of(call.lead)] == ["done", "cancelled", "scheduled"]
    assert steps_of(call.lead)[-1].kind == "task"
    assert_sound()


# --- snooze --------------------------------------------------------------------------------------
def test_a_snooze_moves_the_step_and_is_counted(call, rep):
    until = TUESDAY + DAY
    snooze_followup(call, by=rep, until=until)
    snooze_followup(call, by=rep, until=until + HOUR)
    call.refresh_from_db()
    assert (call.due_at, call.snoozed, call.state) == (until + HOUR, 2, "scheduled")
    assert standing(call.lead).next_due_at == until + HOUR
    assert_sound()


@pytest.mark.parametrize(
    ("until", "code"),
    [
        (TUESDAY, "in_past"),
        (TUESDAY - DAY, "in_past"),
        (TUESDAY + 400 * DAY, "too_far"),
        (dt.datetime(2026, 11, 25, 9), "no_time_zone"),
    ],
)
def test_a_snooze_leads_into_the_next_year_and_not_back(call, rep, until, code):
    with pytest.raises(Invalid) as caught:
        snooze_followup(call, by=rep, until=until)
    assert problem_of(caught) == ("until", code)


# --- add -----------------------------------------------------------------------------------------
def test_a_step_added_by_hand_belongs_to_no_run_and_to_the_owner(task, rep):
    assert (task.run, task.step, task.assignee, task.state) == (None, None, rep, "scheduled")
    assert standing(task.lead).next_step.startswith("Call")  # due earlier
    assert_sound()


def test_a_step_for_a_closed_lead_is_welcome(call, rep):
    Lead.objects.filter(pk=call.lead_id).update(stage="won")
    add_followup(call.lead, by=rep, kind="call", title="Ask how it goes", due_at=TUESDAY + DAY)
    assert standing(call.lead).next_step == "Ask how it goes"
    assert_sound()


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"kind": "email"}, "kind", "not_a_choice"),
        ({"kind": ""}, "kind", "not_a_choice"),
        ({"title": " "}, "title", "required"),
        ({"title": "x" * 121}, "title", "too_long"),
        ({"due_at": TUESDAY - HOUR}, "due_at", "in_past"),
        ({"due_at": TUESDAY + 500 * DAY}, "due_at", "too_far"),
        ({"due_at": dt.datetime(2026, 11, 25, 9)}, "due_at", "no_time_zone"),
        ({"body": "x" * 20_001}, "body", "too_long"),
    ],
)
def test_a_wrong_field_of_a_new_step_is_named(call, rep, fields, field, code):
    given = {"kind": "task", "title": "Look", "due_at": TUESDAY + DAY, **fields}
    with pytest.raises(Invalid) as caught:
        add_followup(call.lead, by=rep, **given)
    assert problem_of(caught) == (field, code)
    assert len(steps_of(call.lead)) == 1


# --- reopen --------------------------------------------------------------------------------------
def test_what_was_done_can_be_undone_on_the_same_day(call, rep, clock_at):
    complete_followup(call, by=rep, result="no_answer", note="oops")
    clock_at(TUESDAY + HOUR)
    reopen_followup(call, by=rep)
    (step,) = steps_of(call.lead)
    assert (step.state, step.ended_at, step.ended_by, step.note) == ("scheduled", None, None, "")
    assert standing(call.lead).next_step == step.title
    assert_sound()


def test_what_was_undone_can_be_done_again(call, rep):
    complete_followup(call, by=rep, result="no_answer")
    reopen_followup(call, by=rep)
    complete_followup(call, by=rep, result="no_answer")
    assert [step.state for step in steps_of(call.lead)] == ["done", "scheduled"]
    assert_sound()


def test_a_finished_play_is_reopened_with_its_last_step(call, rep):
    complete_followup(call, by=rep, result="no_answer")
    skip_followup(steps_of(call.lead)[-1], by=rep, reason="x")
    last = steps_of(call.lead)[-1]
    complete_followup(last, by=rep)
    assert runs_of(call.lead)[0].end_reason == "finished"
    reopen_followup(last, by=rep)
    (run,) = runs_of(call.lead)
    assert (run.ended_at, run.end_reason) == (None, "")
    assert standing(call.lead).next_step == "Look again"
    assert_sound()


def test_yesterdays_cannot_be_undone(call, rep, clock_at):
    complete_followup(call, by=rep, result="no_answer")
    clock_at(TUESDAY + DAY)
    with pytest.raises(Forbidden, match="on the day"):
        reopen_followup(call, by=rep)


def test_what_was_not_finished_cannot_be_reopened(call, rep):
    with pytest.raises(Forbidden):
        reopen_followup(call, by=rep)


def test_a_step_cannot_be_undone_once_the_next_was_worked_on(call, rep):
    complete_followup(call, by=rep, result="no_answer")
    skip_followup(steps_of(call.lead)[-1], by=rep, reason="x")
    with pytest.raises(Conflict, match="moved on"):
        reopen_followup(call, by=rep)


def test_a_step_cannot_be_undone_once_another_play_has_begun(call, rep):
    complete_followup(call, by=rep, result="connected")
    with pytest.raises(Conflict, match="moved on"):
        reopen_followup(call, by=rep)


# --- who may -------------------------------------------------------------------------------------
@pytest.mark.parametrize("who", ["stranger", "model_owner"])
def test_others_may_not_touch_it(call, request, who):
    other = request.getfixturevalue(who)
    for act in (
        lambda: complete_followup(call, by=other, result="connected"),
        lambda: skip_followup(call, by=other, reason="x"),
        lambda: snooze_followup(call, by=other, until=TUESDAY + DAY),
        lambda: reopen_followup(call, by=other),
        lambda: add_followup(call.lead, by=other, kind="task", title="x", due_at=TUESDAY + DAY),
    ):
        with pytest.raises(Forbidden):
            act()
    assert [step.state for step in steps_of(call.lead)] == ["scheduled"]


@pytest.mark.parametrize("who", ["rep", "manager", "admin"])
def test_the_owner_their_manager_and_admins_may(call, request, who):
    complete_followup(call, by=request.getfixturevalue(who), result="no_answer")


def test_a_lead_that_nobody_owns_is_claimed_first(call, rep):
    Lead.objects.filter(pk=call.lead_id).update(owner=None)
    with pytest.raises(Forbidden, match="Claim it first"):
        complete_followup(call, by=rep, result="no_answer")


# --- cost ----------------------------------------------------------------------------------------
def test_finishing_a_step_costs_the_same_whatever_a_lead_has_behind_it(call, rep):
    def queries(step) -> int:
        with CaptureQueriesContext(connection) as captured:
            complete_followup(step, by=rep, result="no_answer")
        return len(captured)

    few = queries(call)
    lead = call.lead
    Activity.objects.bulk_create(
        Activity(lead=lead, kind=Kind.PAGE_VIEWED, at=TUESDAY - DAY) for _ in range(200)
    )
    Followup.objects.bulk_create(
        Followup(lead=lead, kind="call", title="x", due_at=TUESDAY, state="done")
        for _ in range(200)
    )
    place(lead, "hot", marked=False)
    step = add_followup(lead, by=rep, kind="call", title="Again", due_at=TUESDAY + HOUR)
    assert queries(step) <= few
    assert few <= 40
