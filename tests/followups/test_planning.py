"""Planning starts, moves and ends runs, and says what comes next for every lead."""

import datetime as dt
from collections import Counter

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Workspace
from core.invariants import breaks
from core.sweeps import run_sweep
from followups import planning
from followups.models import Followup, PlayVersion, Run
from followups.services import add_followup
from leads.activities import Kind
from leads.models import Activity, Lead, Outcome
from leads.services import ConsentInput, assign_lead, move_lead, record_consent, record_outcome
from scoring.models import Standing
from tests import factories
from tests.followups.conftest import (
    TUESDAY,
    definition_of,
    make_play,
    place,
    runs_of,
    standing,
    steps_of,
)

pytestmark = pytest.mark.django_db


def plan() -> int:
    return run_sweep(planning.SWEEP)


def assert_sound():
    found = [(name, text) for name, text in breaks() if name.startswith("followups.")]
    assert found == []


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


# --- consent -------------------------------------------------------------------------------------
def test_what_a_lead_refused_is_left_out_of_its_run_and_held_where_a_person_planned_it(put, rep):
    lead = put("hot")
    plan()
    by_hand = add_followup(
        lead, by=rep, kind="call", title="Ring", due_at=TUESDAY + dt.timedelta(hours=1)
    )
    record_consent(lead, ConsentInput("call", "withdrawn"), by=rep)
    planning.plan([lead.pk])
    call, email = Followup.objects.filter(run__isnull=False).order_by("step")
    assert (call.state, email.state, email.kind) == ("skipped", "scheduled", "email")
    assert call.note.startswith("Asked on")
    by_hand.refresh_from_db()
    assert (by_hand.state, by_hand.held) == ("scheduled", call.note)
    assert by_hand not in Followup.objects.to_do_by(rep)
    assert standing(lead).next_due_at == email.due_at
    assert_sound()
    # Without e-mail too, only the task is left of the play.
    record_consent(lead, ConsentInput("email", "withdrawn"), by=rep)
    planning.plan([lead.pk])
    task = Followup.objects.get(run__isnull=False, state="scheduled")
    assert (task.kind, task.step) == ("task", 2)
    assert_sound()
    record_consent(lead, ConsentInput("call", "granted", wording="“Do call me.”"), by=rep)
    planning.plan([lead.pk])
    by_hand.refresh_from_db()
    assert by_hand.held == ""
    assert_sound()


def test_a_play_begins_with_the_first_step_that_the_lead_has_not_refused(put, rep):
    lead = put("hot", phone="+4930123456")
    other = put("hot", phone="+4930123456")
    record_consent(other, ConsentInput("call", "withdrawn"), by=rep)
    record_consent(other, ConsentInput("email", "withdrawn"), by=rep)
    plan()
    (step,) = steps_of(lead)
    assert (step.kind, step.step) == ("email", 1)
    assert "Left out before this: This number is on the list" in step.body
    assert standing(lead).sla_due_at is None
    assert [step.kind for step in steps_of(other)] == ["task"]
    assert_sound()


def test_the_setting_for_consumers_plans_them_anew(put):
    lead, business = put("hot", kind="b2c"), put("hot")
    plan()
    Workspace.objects.update(consumers_must_agree=True)
    assert plan() == 1
    assert [step.state for step in steps_of(lead)] == ["skipped", "scheduled"]
    assert [step.kind for step in steps_of(business)] == ["call"]
    assert_sound()


# --- starting ------------------------------------------------------------------------------------
def test_a_scored_lead_gets_the_first_step_of_its_play(put, rep):
    lead = put("hot", company={"name": "Acme"})
    assert plan() == 1
    (run,) = runs_of(lead)
    (step,) = steps_of(lead)
    assert run.play_version.key == "test-hot-before-contact"
    assert (step.run, step.step, step.kind, step.state) == (run, 0, "call", "scheduled")
    assert step.title == "Call Ada at Acme"
    assert step.body == f"Hello Ada, {rep.name} here. You said: none noted yet"
    assert step.assignee == rep
    assert step.due_at == TUESDAY
    assert_sound()


def test_the_standing_shows_the_next_step_and_loses_its_mark(put):
    lead = put("hot", company={"name": "Acme"})
    plan()
    now = standing(lead)
    assert (now.next_step, now.next_due_at) == ("Call Ada at Acme", TUESDAY)
    assert now.unplanned_at is None


def test_planning_again_changes_nothing(put):
    lead = put("hot")
    plan()
    before = (runs_of(lead), steps_of(lead), standing(lead).next_due_at, standing(lead).sla_due_at)
    place(lead, "hot")
    assert plan() == 1
    after = (runs_of(lead), steps_of(lead), standing(lead).next_due_at, standing(lead).sla_due_at)
    assert after == before
    assert plan() == 0


def test_the_concerns_of_a_call_are_carried_into_the_text(put):
    lead = put("warm")
    for quote, days in (("old one", 9), ("too dear", 1), ("no time", 2), ("who are you", 3)):
        factories.make_evidence(
            lead,
            "concern",
            33,
            quote=quote,
            observed_at=TUESDAY - dt.timedelta(days=days),
            expires_at=TUESDAY + dt.timedelta(days=30),
        )
    place(lead, "warm")
    plan()
    assert steps_of(lead)[0].body.endswith("You said: too dear; no time; who are you")


def test_texts_with_quotes_and_backslashes_arrive_as_they_are(put):
    lead = put("warm", first_name='Ann "\\n" {company}', company={"name": "Ö'B, {NULL}"})
    plan()
    assert steps_of(lead)[0].title == 'Call Ann "\\n" {company} at Ö\'B, {NULL}'


def test_a_title_never_outgrows_its_column(put):
    lead = put("warm", first_name="A" * 100, company={"name": "B" * 200})
    plan()
    assert len(steps_of(lead)[0].title) == 120


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"state": "unscored", "tier": ""}, "Not scored yet"),
        ({"state": "disqualified", "tier": ""}, "Disqualified: no follow-up"),
    ],
)
def test_a_lead_that_is_not_to_be_worked_gets_a_reason_instead(put, fields, reason):
    lead = put("hot")
    Standing.objects.filter(pk=lead.pk).update(**fields)
    plan()
    assert runs_of(lead) == []
    assert standing(lead).next_step == reason
    assert_sound()


def test_without_a_play_there_is_a_reason(put):
    PlayVersion.objects.filter(state="live").update(state="retired")
    lead = put("cold")
    plan()
    assert standing(lead).next_step == "No play for cold, before contact"
    assert_sound()


def test_a_closed_lead_starts_nothing(put, rep):
    lead = put("hot")
    record_outcome(lead, "won", by=rep)
    plan()
    assert runs_of(lead) == []
    assert standing(lead).next_step == ""
    assert_sound()


def test_a_lead_whose_round_has_its_outcome_starts_nothing(put):
    lead = put("hot")
    Outcome.objects.create(lead=lead, round=1, result="lost", reason="price", imported=True)
    place(lead, "hot")
    plan()
    assert runs_of(lead) == []
    assert standing(lead).next_step == "The round has its outcome already"


def test_an_email_step_is_held_and_never_sent(put):
    PlayVersion.objects.filter(key="test-cold-before-contact").update(state="retired")
    make_play(
        "cold",
        "before_contact",
        key="mail",
        steps=[{"kind": "email", "title": "Write", "body": "Hi {first_name}, {concerns}"}],
    )
    lead = put("cold")
    plan()
    (step,) = steps_of(lead)
    assert (step.kind, step.state, step.held) == ("email", "scheduled", "delivery not set up")
    assert step.body == "Hi Ada, your questions"


# --- time and place ------------------------------------------------------------------------------
def test_a_call_waits_for_the_leads_morning(put):
    lead = put("hot", country="US")
    plan()
    assert steps_of(lead)[0].due_at == at("2026-11-24 14:00")  # nine in New York


def test_the_leads_own_zone_wins_over_its_country(put):
    lead = put("hot", country="US", time_zone="Europe/London")
    plan()
    assert steps_of(lead)[0].due_at == at("2026-11-24 09:00")


def test_hours_that_never_meet_are_said_in_the_text(put):
    lead = put("hot", time_zone="Pacific/Honolulu")
    plan()
    (step,) = steps_of(lead)
    assert step.due_at == at("2026-11-24 19:00")  # nine in Honolulu
    assert "never meets your team's hours" in step.body


def test_a_team_has_its_own_hours(put, team):
    team.time_zone, team.country = "Asia/Kathmandu", "NP"
    team.save()
    lead = put("hot")
    Lead.objects.filter(pk=lead.pk).update(time_zone="Asia/Kathmandu")
    place(lead, "hot")
    plan()
    # 9:00 UTC is 14:45 there; the team works until 17.
    assert steps_of(lead)[0].due_at == TUESDAY


# --- clocks --------------------------------------------------------------------------------------
def test_a_live_hot_lead_starts_a_clock_of_business_minutes(put):
    lead = put("hot")
    plan()
    assert standing(lead).sla_due_at == TUESDAY + dt.timedelta(minutes=5)
    assert_sound()


def test_a_warm_lead_starts_none(put):
    lead = put("warm")
    plan()
    assert standing(lead).sla_due_at is None


def test_a_clock_counts_from_the_event_not_from_the_sweep(put, clock_at):
    lead = put("hot")
    clock_at(TUESDAY + dt.timedelta(minutes=20))
    plan()
    assert standing(lead).sla_due_at == TUESDAY + dt.timedelta(minutes=5)


def test_an_imported_lead_starts_no_clock(put):
    lead = put("hot")
    Activity.objects.create(lead=lead, kind=Kind.IMPORTED)
    place(lead, "hot")
    plan()
    assert standing(lead).sla_due_at is None
    assert runs_of(lead)[0].started_by == "import"


def test_a_backfilled_lead_starts_no_clock(put):
    lead = put("hot", created_at=TUESDAY - dt.timedelta(days=90))
    plan()
    assert standing(lead).sla_due_at is None
    assert runs_of(lead)[0].started_by == "backfill"


def test_a_live_hand_raise_starts_the_clock_of_an_imported_lead(put, clock_at):
    lead = put("hot")
    Activity.objects.create(lead=lead, kind=Kind.IMPORTED)
    place(lead, "hot")
    plan()
    later = TUESDAY + dt.timedelta(hours=1)
    clock_at(later)
    Activity.objects.create(lead=lead, kind=Kind.HAND_RAISED)
    place(lead, "hot")
    plan()
    old, new = runs_of(lead)
    assert (old.end_reason, new.started_by) == ("hand_raised", "hand_raise")
    assert standing(lead).sla_due_at == later + dt.timedelta(minutes=5)
    assert [step.state for step in steps_of(lead)] == ["cancelled", "scheduled"]
    assert steps_of(lead)[1].due_at == later
    assert_sound()


def test_the_first_call_stops_the_clock(put):
    lead = put("hot")
    plan()
    Activity.objects.create(lead=lead, kind=Kind.CALL_ATTEMPTED)
    place(lead, "hot", marked=False)
    assert standing(lead).sla_due_at is not None
    Standing.objects.filter(pk=lead.pk).update(unplanned_at=TUESDAY)
    plan()
    assert standing(lead).sla_due_at is None
    assert runs_of(lead)[0].ended_at is None
    assert_sound()


def test_the_end_of_a_run_stops_the_clock(put, rep):
    lead = put("hot")
    plan()
    record_outcome(lead, "lost", by=rep, reason="gone")
    plan()
    assert standing(lead).sla_due_at is None


# --- changes -------------------------------------------------------------------------------------
def test_a_change_of_tier_ends_the_old_play_and_starts_the_new_one(put):
    lead = put("warm")
    plan()
    place(lead, "hot")
    plan()
    old, new = runs_of(lead)
    assert (old.end_reason, old.ended_at) == ("tier", TUESDAY)
    assert new.play_version.key == "test-hot-before-contact"
    assert [step.state for step in steps_of(lead)] == ["cancelled", "scheduled"]
    assert_sound()


def test_a_live_change_of_tier_starts_a_clock(put):
    lead = put("warm")
    plan()
    Activity.objects.create(lead=lead, kind=Kind.FORM_SUBMITTED)
    Activity.objects.create(lead=lead, kind=Kind.TIER_CHANGED, data={"cause": "facts"})
    place(lead, "hot")
    plan()
    assert standing(lead).sla_due_at == TUESDAY + dt.timedelta(minutes=5)


@pytest.mark.parametrize("cause", ["time", "model"])
def test_time_and_a_new_score_model_start_no_clock(put, cause):
    lead = put("warm")
    plan()
    Activity.objects.create(lead=lead, kind=Kind.TIER_CHANGED, data={"cause": cause})
    place(lead, "hot")
    plan()
    assert runs_of(lead)[1].play_version.key == "test-hot-before-contact"
    assert standing(lead).sla_due_at is None


def test_a_change_of_stage_inside_a_phase_leaves_the_run(put, rep):
    lead = put("hot")
    plan()
    move_lead(lead, "accepted", by=rep)
    place(lead, "hot")
    plan()
    assert len(runs_of(lead)) == 1
    assert runs_of(lead)[0].ended_at is None


def test_a_change_of_phase_changes_the_play(put, rep):
    lead = put("hot")
    plan()
    move_lead(lead, "recycled", by=rep, reason="no budget this year")
    place(lead, "hot")
    plan()
    old, new = runs_of(lead)
    assert old.end_reason == "stage"
    assert new.play_version.key == "test-hot-recycled"
    assert new.started_by == "stage"
    assert_sound()


def test_contact_is_noted_on_the_lead_and_changes_the_play(put):
    lead = put("hot")
    plan()
    first = TUESDAY - dt.timedelta(hours=2)
    Activity.objects.create(lead=lead, kind=Kind.MEETING_HELD, at=first)
    Activity.objects.create(lead=lead, kind=Kind.CALL_CONNECTED)
    place(lead, "hot")
    plan()
    lead.refresh_from_db()
    assert lead.contacted_at == first
    assert runs_of(lead)[1].play_version.key == "test-hot-in-conversation"
    assert_sound()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Kind.EMAIL_REPLIED, "reply"),
        (Kind.MEETING_BOOKED, "meeting_booked"),
        (Kind.UNSUBSCRIBED, "opt_out"),
    ],
)
def test_an_exit_ends_the_run_and_its_step(put, kind, reason):
    lead = put("hot")
    plan()
    Activity.objects.create(lead=lead, kind=kind)
    plan()
    assert runs_of(lead)[0].end_reason == reason
    assert steps_of(lead)[0].state == "cancelled"
    assert_sound()


def test_a_second_reply_leaves_the_next_step_to_a_person(put):
    lead = put("hot")
    plan()
    for _ in range(2):
        Activity.objects.create(lead=lead, kind=Kind.EMAIL_REPLIED)
        place(lead, "hot")
        plan()
    assert [run.end_reason for run in runs_of(lead)] == ["reply", "reply"]
    assert standing(lead).next_step == "Replied — choose a next step"
    assert standing(lead).next_due_at is None
    assert_sound()


def test_nothing_starts_after_an_opt_out_though_the_tier_changes(put):
    lead = put("hot")
    plan()
    Activity.objects.create(lead=lead, kind=Kind.UNSUBSCRIBED)
    place(lead, "warm")
    plan()
    assert len(runs_of(lead)) == 1
    assert standing(lead).next_step == "Opted out — contact only on their own request"


@pytest.mark.parametrize("result", ["won", "lost", "disqualified"])
def test_an_outcome_ends_the_run(put, rep, result):
    lead = put("hot")
    plan()
    record_outcome(lead, result, by=rep, reason="because")
    plan()
    assert runs_of(lead)[0].end_reason == "outcome"
    assert steps_of(lead)[0].state == "cancelled"
    assert (standing(lead).next_step, standing(lead).next_due_at) == ("", None)
    assert_sound()


def test_a_reopened_lead_starts_again(put, rep):
    lead = put("hot")
    plan()
    record_outcome(lead, "lost", by=rep, reason="price")
    plan()
    move_lead(lead, "recycled", by=rep, reason="asks again")
    place(lead, "cold")
    plan()
    assert runs_of(lead)[-1].play_version.key == "test-cold-recycled"
    assert_sound()


def test_open_steps_follow_the_owner(put, rep, team, manager):
    colleague = factories.make_user("colleague@leadqual.example", team=team)
    lead = put("hot")
    other = put("hot")
    plan()
    assign_lead(lead, colleague, by=manager)
    assign_lead(other, None, by=manager)
    place(lead, "hot")
    place(other, "hot")
    plan()
    assert steps_of(lead)[0].assignee == colleague
    assert steps_of(other)[0].assignee is None
    assert len(runs_of(lead)) == 1


def test_a_step_added_by_hand_stays_when_the_run_ends(put, rep):
    lead = put("hot")
    plan()
    mine = Followup.objects.create(
        lead=lead, kind="task", title="Mine", due_at=TUESDAY + dt.timedelta(days=3)
    )
    record_outcome(lead, "lost", by=rep, reason="price")
    plan()
    mine.refresh_from_db()
    assert mine.state == "scheduled"
    assert standing(lead).next_step == "Mine"
    assert_sound()


def test_a_run_keeps_its_version_when_a_new_one_is_published(put, plays):
    lead = put("hot")
    plan()
    old = plays["hot", "before_contact"]
    PlayVersion.objects.filter(pk=old.pk).update(state="retired")
    new = PlayVersion.objects.create(
        key=old.key,
        number=2,
        state="live",
        definition=definition_of("hot", "before_contact", name="New"),
    )
    other = put("hot")
    place(lead, "hot")
    plan()
    assert runs_of(lead)[0].play_version == old
    assert runs_of(lead)[0].ended_at is None
    assert runs_of(other)[0].play_version == new


# --- going on ------------------------------------------------------------------------------------
def test_a_run_goes_on_with_the_next_step_when_one_is_finished(put):
    lead = put("hot")
    plan()
    Followup.objects.filter(lead=lead).update(state="done", ended_at=TUESDAY)
    place(lead, "hot")
    plan()
    first, second = steps_of(lead)
    assert (second.run, second.step, second.kind) == (first.run, 1, "email")
    assert second.due_at == at("2026-11-26 08:00")  # two working days on, nine in Berlin
    assert_sound()


def test_a_run_ends_after_its_last_step(put):
    lead = put("hot")
    for _ in range(4):
        plan()
        Followup.objects.filter(lead=lead, state="scheduled").update(state="done", ended_at=TUESDAY)
        place(lead, "hot")
    (run,) = runs_of(lead)
    assert [step.step for step in steps_of(lead)] == [0, 1, 2]
    assert run.end_reason == "finished"
    assert standing(lead).next_step == "Play finished — choose a next step"
    place(lead, "hot")
    plan()
    assert len(runs_of(lead)) == 1
    assert_sound()


def test_a_run_waits_while_a_machine_has_its_step(put):
    lead = put("hot")
    plan()
    Followup.objects.filter(lead=lead).update(state="sending")
    place(lead, "hot")
    plan()
    assert len(steps_of(lead)) == 1
    assert standing(lead).next_step == "Being sent"


# --- spreading -----------------------------------------------------------------------------------
def imported(put, number: int, tier: str, **fields) -> list[Lead]:
    leads = [put(tier, **fields) for _ in range(number)]
    Activity.objects.bulk_create(Activity(lead=lead, kind=Kind.IMPORTED) for lead in leads)
    for rank, lead in enumerate(leads):
        place(lead, tier)
        Standing.objects.filter(pk=lead.pk).update(rank=1000 + rank)
    return leads


def days_of(leads) -> list[int]:
    steps = Followup.objects.filter(lead__in=leads).order_by("due_at", "id")
    return [step.due_at.day for step in steps]


def test_imported_leads_are_spread_by_what_a_person_takes_hot_first(put, team):
    team.capacity = 3
    team.save()
    cold = imported(put, 5, "cold")
    hot = imported(put, 4, "hot")
    warm = imported(put, 2, "warm")
    plan()
    assert days_of(hot) == [24, 24, 24, 25]
    assert days_of(warm) == [25, 25]
    assert days_of(cold) == [26, 26, 26, 27, 27]
    assert_sound()


def test_of_one_tier_the_best_come_first(put, team):
    team.capacity = 1
    team.save()
    first, second, third = imported(put, 3, "warm")
    plan()
    order = [steps_of(lead)[0].due_at.day for lead in (third, second, first)]
    assert order == [24, 25, 26]


def test_hot_leads_of_a_later_import_do_not_wait_behind_the_cold_of_an_earlier_one(put, team):
    team.capacity = 2
    team.save()
    imported(put, 6, "cold")
    plan()
    hot = imported(put, 2, "hot")
    plan()
    assert days_of(hot) == [24, 24]


def test_a_later_import_goes_behind_an_earlier_one_of_its_tier(put, team):
    team.capacity = 2
    team.save()
    imported(put, 3, "cold")
    plan()
    assert days_of(imported(put, 2, "cold")) == []
    plan()
    counts = Counter(step.due_at.day for step in Followup.objects.all())
    assert counts == {24: 2, 25: 2, 26: 1}


def test_a_lead_that_is_planned_by_name_waits_for_no_other(put):
    (cold,) = imported(put, 1, "cold")
    imported(put, 1, "hot")
    assert planning.plan([cold.pk]) == 1
    assert days_of([cold]) == [24]
    assert standing(cold).unplanned_at is None


def test_a_live_lead_is_never_spread(put, team):
    team.capacity = 1
    team.save()
    imported(put, 3, "hot")
    live = put("hot")
    plan()
    assert days_of([live]) == [24]


def test_unowned_leads_are_spread_over_the_whole_team(put, team, rep, manager):
    team.capacity = 1
    team.save()
    leads = imported(put, 5, "cold", owner=None, team=team)  # rep and manager: two a day
    plan()
    assert days_of(leads) == [24, 24, 25, 25, 26]


def test_a_capacity_of_nothing_still_takes_one_a_day(put, team):
    team.capacity = 0
    team.save()
    leads = imported(put, 2, "cold")
    plan()
    assert days_of(leads) == [24, 25]


# --- bulk ----------------------------------------------------------------------------------------
def many(number: int, rep) -> None:
    Lead.objects.bulk_create(
        Lead(first_name=f"L{i}", owner=rep, team=rep.team, country=("DE", "US", "JP")[i % 3])
        for i in range(number)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO leads_activity (lead_id, kind, data) "
            "SELECT id, 'imported', '{}' FROM leads_lead"
        )
        cursor.execute(
            "UPDATE scoring_standing SET stale_at = NULL, state = 'scored', tier = "
            "(ARRAY['hot', 'warm', 'cold'])[1 + lead_id % 3], unplanned_at = leadqual_now()"
        )


def test_a_thousand_leads_take_as_many_queries_as_ten(rep, plays, tuesday):
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            planning.plan_pending()
        return len(captured)

    many(10, rep)
    few = queries()
    many(1_000, rep)
    assert queries() <= few
    assert few <= 30
    assert Run.objects.filter(ended_at=None).count() == 1_010
    assert Standing.objects.filter(unplanned_at=None).count() == 1_010
    assert_sound()


def test_a_batch_that_fails_leaves_every_mark(put):
    lead = put("hot")

    def plan_and_die():
        with transaction.atomic():
            planning.plan([lead.pk])
            raise RuntimeError("the worker dies here")

    with pytest.raises(RuntimeError):
        plan_and_die()
    assert standing(lead).unplanned_at is not None
    assert runs_of(lead) == []
    assert plan() == 1
    assert_sound()


def test_a_stale_lead_is_scored_before_it_is_planned(put):
    lead = put("cold")
    Standing.objects.filter(pk=lead.pk).update(stale_at=TUESDAY)
    plan()
    now = standing(lead)
    assert now.stale_at is None
    assert now.model_version_id is not None
    assert runs_of(lead)[0].play_version.definition["tier"] == now.tier
    assert len(runs_of(lead)) == 1
