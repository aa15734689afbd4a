"""Calls: answers are kept once and in order, and a finished call has all its consequences."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from accounts.models import User, Workspace
from calls import services
from calls.consequences import consequences
from calls.models import Call, CallAnswer, CallOutcome, CallPresence
from calls.scripts import script_of
from calls.selectors import frequent_captures
from core import clock
from core.clock import now
from core.errors import Conflict, Forbidden, Invalid, StaleVersion
from followups.live import play_version
from followups.models import Followup, Run
from followups.places import Places
from leads.activities import Kind
from leads.models import Activity, Consent, Lead
from leads.selectors import may_contact
from leads.services import record_activity
from leads.stages import CLOSED, StageKey
from scoring.models import Evidence, FrameworkVersion, ModelVersion, ScoreChange, Snapshot, Standing
from tests import factories
from tests.calls.conftest import answer, change_script, finish, progress_of

SOON = dt.timedelta(days=2)


# --- starting ----------------------------------------------------------------------------------


def test_a_call_keeps_the_score_that_it_began_with(call: Call, lead: Lead) -> None:
    standing = Standing.objects.get(pk=lead.pk)
    assert (call.start_score, call.start_low, call.start_high, call.start_tier) == (
        standing.score,
        standing.low,
        standing.high,
        standing.tier,
    )
    assert call.state == Call.State.OPEN


def test_starting_twice_resumes_the_open_call(call: Call, lead: Lead, manager: User) -> None:
    again, new = services.start_call(lead, by=manager)
    assert again.pk == call.pk
    assert not new


def test_an_outside_dialers_call_is_one_call_however_often_it_is_posted(
    lead: Lead, rep: User
) -> None:
    first, new = services.start_call(lead, by=rep, external_key="dialer-7")
    second, again = services.start_call(lead, by=rep, external_key="dialer-7")
    assert (first.pk, new, again) == (second.pk, True, False)
    with pytest.raises(Conflict):
        services.start_call(lead, by=rep, external_key="dialer-8")
    other = factories.make_lead(owner=rep)
    with pytest.raises(Conflict):
        services.start_call(other, by=rep, external_key="dialer-7")


def test_only_who_may_change_the_lead_calls_it(lead: Lead, model_owner: User) -> None:
    with pytest.raises(Forbidden):
        services.start_call(lead, by=model_owner)


def test_a_closed_lead_is_not_called(rep: User) -> None:
    lead = factories.make_lead(owner=rep, stage=StageKey.LOST)
    with pytest.raises(Conflict, match="closed"):
        services.start_call(lead, by=rep)


def test_a_call_begins_with_the_live_framework_only(lead: Lead, rep: User) -> None:
    other = FrameworkVersion.objects.create(key="old", number=1, definition={})
    with pytest.raises(Invalid) as error:
        services.start_call(lead, by=rep, framework_version=other.pk)
    assert error.value.problems[0].field == "framework_version"


def test_a_call_goes_on_by_its_script_when_a_newer_one_is_live(
    call: Call, lead: Lead, rep: User
) -> None:
    used = call.framework_version
    FrameworkVersion.objects.filter(pk=used.pk).update(state=FrameworkVersion.State.RETIRED)
    assert answer(call, "budget_funding", rep, answer="set_aside").rating == 100
    finish(call, "no_answer", rep)
    newer = FrameworkVersion.objects.filter(state=FrameworkVersion.State.LIVE).latest("pk")
    model = Standing.objects.get(pk=lead.pk).model_version
    assert model is not None
    ModelVersion.objects.filter(pk=model.pk).update(framework=newer)
    with pytest.raises(Invalid, match=f"is retired; the live version for this lead is {newer.pk}"):
        services.start_call(lead, by=rep, framework_version=used.pk)


# --- answers -----------------------------------------------------------------------------------


def test_an_answer_is_evidence_and_moves_the_score_at_once(call: Call, rep: User) -> None:
    before = Standing.objects.get(pk=call.lead_id)
    kept = answer(call, "budget_funding", rep, answer="set_aside", quote="40k for this year")
    after = Standing.objects.get(pk=call.lead_id)
    assert kept.rating == 100
    assert (kept.score_before, kept.score) == (before.score, after.score)
    assert after.score > before.score
    assert after.high - after.low < before.high - before.low
    assert kept.evidence is not None
    assert kept.evidence.question == "budget_funding"
    assert kept.evidence.source == "call"


def test_the_same_request_twice_is_one_answer(call: Call, rep: User) -> None:
    first = answer(call, "budget_funding", rep, "key-1", answer="set_aside")
    second = answer(call, "budget_funding", rep, "key-1", answer="set_aside")
    assert first.pk == second.pk
    assert Evidence.objects.filter(lead=call.lead).count() == 1


def test_a_key_does_not_stand_for_two_questions(call: Call, rep: User) -> None:
    answer(call, "budget_funding", rep, "key-1", answer="set_aside")
    with pytest.raises(Conflict):
        answer(call, "authority_role", rep, "key-1", answer="decides")


def test_all_answers_are_kept_in_order_and_the_newest_counts(call: Call, rep: User) -> None:
    for key in ("none", "findable", "planned", "set_aside"):
        answer(call, "budget_funding", rep, answer=key)
    kept = list(call.answers.values_list("answer", flat=True))
    assert kept == ["none", "findable", "planned", "set_aside"]
    current = Evidence.objects.get(lead=call.lead, dimension="budget", current=True)
    assert current.rating == 100


def test_two_reps_who_answer_one_question_are_told_of_each_other(
    call: Call, rep: User, manager: User
) -> None:
    first = answer(call, "budget_funding", rep, answer="set_aside", seen=0)
    second = answer(call, "budget_funding", manager, answer="none", seen=0)
    assert not first.unseen
    assert second.unseen
    assert second.replaces == first
    line = progress_of(call, rep).lines[0]
    assert line.given == second
    assert (line.given.author, str(line.given.author)) == (manager, str(manager))
    assert line.rival == first


def test_who_saw_the_other_answer_only_corrects_it(call: Call, rep: User) -> None:
    first = answer(call, "budget_funding", rep, answer="set_aside", seen=0)
    second = answer(call, "budget_funding", rep, answer="none", seen=first.pk)
    assert not second.unseen


def test_not_known_is_kept_and_is_no_evidence(call: Call, rep: User) -> None:
    kept = answer(call, "budget_funding", rep, unknown=True)
    same = answer(call, "budget_route", rep, answer="unknown")
    assert kept.kind == same.kind == CallAnswer.Kind.UNKNOWN
    assert not Evidence.objects.filter(lead=call.lead).exists()
    assert Activity.objects.filter(lead=call.lead, kind=Kind.ASKED_UNKNOWN).count() == 2


def test_ask_later_is_no_answer(call: Call, rep: User) -> None:
    kept = answer(call, "budget_funding", rep, later=True)
    assert kept.score == kept.score_before
    assert progress_of(call, rep).lines[0].state == "later"


@pytest.mark.parametrize(
    ("given", "field", "code"),
    [
        ({"question": "shoe_size", "rating": 50}, "question", "unknown_question"),
        ({"rating": 101}, "rating", "out_of_range"),
        ({"rating": -1}, "rating", "out_of_range"),
        ({"rating": True}, "rating", "out_of_range"),
        ({"answer": "maybe"}, "answer", "not_a_choice"),
        ({"answer": ""}, "answer", "required"),
        ({"answer": "set_aside", "rating": 5}, "rating", "contradiction"),
        ({"rating": 50, "quote": "x" * 5_001}, "quote", "too_long"),
        ({"rating": 50, "client_key": " "}, "client_key", "malformed"),
    ],
)
def test_a_wrong_answer_is_named_and_keeps_nothing(
    call: Call, rep: User, given: dict[str, Any], field: str, code: str
) -> None:
    values = {"question": "budget_funding", "client_key": "k", **given}
    with pytest.raises(Invalid) as error:
        services.save_answer(call.pk, services.AnswerInput(**values), by=rep)
    assert [(p.field, p.code) for p in error.value.problems] == [(field, code)]
    assert not call.answers.exists()


def test_concerns_and_competitors_become_evidence(call: Call, rep: User) -> None:
    services.capture(call.pk, "concern", "Fears lock-in", by=rep, client_key="a")
    services.capture(call.pk, "competitor", "Acme", by=rep, client_key="b")
    services.capture(call.pk, "competitor", "Acme", by=rep, client_key="b")
    found = Evidence.objects.filter(lead=call.lead).values_list("dimension", "quote")
    assert sorted(found) == [("competition", "Acme"), ("concern", "Fears lock-in")]
    assert "Concerns: Fears lock-in" in progress_of(call, rep).summary
    with pytest.raises(Invalid, match="word"):
        services.capture(call.pk, "concern", "  ", by=rep, client_key="c")


def test_a_question_is_asked_only_if_its_condition_holds(rep: User) -> None:
    lead = factories.make_lead(owner=rep)
    call, _ = services.start_call(lead, by=rep)
    anum = FrameworkVersion.objects.filter(key="anum").latest("number")
    Call.objects.filter(pk=call.pk).update(framework_version=anum)
    call.refresh_from_db()
    states = {line.question.key: line.state for line in progress_of(call, rep).lines}
    assert states["authority_access"] == "not_asked"
    assert states["authority_role"] == "open"


def test_an_amount_or_a_date_alone_tells_the_answer_where_it_can(call: Call, rep: User) -> None:
    Workspace.objects.update(rates={"USD": 0.5}, currency="EUR")
    Lead.objects.filter(pk=call.lead_id).update(value_minor=2_000_000, currency="EUR")
    worth, by_when = "budget_worth", "timing_by_when"
    with clock.at(dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)):
        for amount, key, rating in (
            ("30,000 EUR", "well_above", 100),
            ("30,000 USD", "about_price", 67),
            ("1k", "no_figure", 33),
            ("0", "nothing", 0),
        ):
            kept = answer(call, worth, rep, amount=amount)
            assert (kept.answer, kept.rating, kept.amount) == (key, rating, amount)
            assert kept.evidence is not None
            assert (kept.evidence.rating, kept.evidence.answer) == (rating, key)
        for amount, key in (
            ("next month", "three_months"),
            ("2027-05-26", "half_year"),
            ("2029", "later"),
        ):
            assert answer(call, by_when, rep, amount=amount).answer == key
        # Whoever calls knows better, and says so where nothing can be told.
        assert answer(call, by_when, rep, amount="next month", answer="later").answer == "later"
        for question, amount in ((by_when, "soon"), ("authority_signature", "Ms Ito, CFO")):
            with pytest.raises(Invalid) as error:
                answer(call, question, rep, amount=amount)
            assert error.value.problems[0].field == "answer"
        Lead.objects.filter(pk=call.lead_id).update(value_minor=None)
        with pytest.raises(Invalid):
            answer(call, worth, rep, amount="30,000 EUR")


def test_an_amount_is_kept_with_its_currency_and_has_a_number(call: Call, rep: User) -> None:
    change_script(call, budget_funding={"type": "number"})
    kept = answer(call, "budget_funding", rep, answer="set_aside", amount="40,000 EUR")
    assert kept.amount_parts == ("40,000", "EUR")
    assert kept.evidence is not None
    assert kept.evidence.quote == "40,000 EUR"
    with pytest.raises(Invalid) as error:
        answer(call, "budget_funding", rep, answer="set_aside", amount="a lot")
    assert error.value.problems[0].field == "amount"


def test_a_question_without_rated_answers_is_judged_or_yes_and_no(call: Call) -> None:
    bare = replace(script_of(call.framework_version_id).questions[0], answers=())
    assert [c.key for c in replace(bare, type="yes_no").choices] == ["yes", "no"]
    for kind in ("choice", "scale", "number", "period", "text", "person"):
        assert [c.rating for c in replace(bare, type=kind).choices] == [100, 67, 33, 0]


def test_consoles_see_each_other(call: Call, rep: User, manager: User) -> None:
    assert services.be_present(call, "tab-1", by=rep) == []
    assert services.be_present(call, "tab-2", by=manager) == [f"{rep} is in this call too"]
    assert services.be_present(call, "tab-3", by=rep) == [
        f"{manager} is in this call too",
        "You have this call open in another tab too",
    ]
    with clock.at(now() + dt.timedelta(minutes=20)):
        assert services.be_present(call, "tab-1", by=rep) == []
        assert list(CallPresence.objects.values_list("tab", flat=True)) == ["tab-1"]
    finish(call, "no_answer", rep)
    assert not CallPresence.objects.exists()


def test_what_comes_up_often_is_offered_within_the_team(rep: User, stranger: User) -> None:
    for number, words in enumerate(("Acme", "acme", "Once only", "x" * 41, "x" * 41)):
        call, _ = services.start_call(factories.make_lead(owner=rep), by=rep)
        services.capture(call.pk, "competitor", words, by=rep, client_key=str(number))
    assert list(frequent_captures(rep.team_id)) == ["competitor"]
    assert [said.lower() for said in frequent_captures(rep.team_id)["competitor"]] == ["acme"]
    assert frequent_captures(stranger.team_id) == {}


# --- notes -------------------------------------------------------------------------------------


def test_notes_that_changed_meanwhile_are_not_overwritten(
    call: Call, rep: User, manager: User
) -> None:
    services.save_notes(call.pk, "Hosting in the EU asked.", version=0, by=rep)
    with pytest.raises(StaleVersion):
        services.save_notes(call.pk, "Other words", version=0, by=manager)
    again = services.save_notes(call.pk, "Hosting in the EU asked.", version=0, by=rep)
    assert (again.notes, again.notes_version) == ("Hosting in the EU asked.", 1)


def test_a_note_of_a_megabyte_is_refused(call: Call, rep: User) -> None:
    with pytest.raises(Invalid) as error:
        services.save_notes(call.pk, "x" * 1_000_000, version=0, by=rep)
    assert error.value.problems[0].field == "notes"


# --- finishing ---------------------------------------------------------------------------------


def test_a_finished_call_is_on_the_timeline_scored_snapshotted_and_followed_up(
    call: Call, rep: User
) -> None:
    answer(call, "budget_funding", rep, answer="set_aside")
    at = now() + SOON
    done = finish(call, "callback", rep, callback_at=at)
    lead = Lead.objects.get(pk=call.lead_id)
    standing = Standing.objects.get(pk=lead.pk)
    logged = Activity.objects.get(lead=lead, kind=Kind.CALL_CONNECTED)
    assert logged.data["call"] == {"id": call.pk, "outcome": "callback"}
    assert "Budget: " in logged.data["text"]
    assert lead.stage == StageKey.ACCEPTED
    assert done.end_score == standing.score
    assert standing.stale_at is None
    assert done.followup is not None
    assert done.followup.due_at == at
    assert done.followup.title == "Call back as agreed"
    assert Snapshot.objects.filter(lead=lead, reason="call", cause=str(call.pk)).count() == 1


def test_a_call_is_finished_once(call: Call, rep: User, manager: User) -> None:
    finish(call, "no_answer", rep)
    with pytest.raises(Conflict, match="finished already"):
        finish(call, "voicemail", manager)
    assert Activity.objects.filter(lead=call.lead, kind=Kind.CALL_ATTEMPTED).count() == 1


def test_a_finished_call_takes_no_more_answers_but_knows_the_old_ones(
    call: Call, rep: User
) -> None:
    first = answer(call, "budget_funding", rep, "late", answer="none")
    finish(call, "no_answer", rep)
    assert answer(call, "budget_funding", rep, "late", answer="none") == first
    with pytest.raises(Conflict):
        answer(call, "authority_role", rep, answer="decides")
    with pytest.raises(Conflict):
        services.save_notes(call.pk, "more", version=0, by=rep)


@pytest.mark.parametrize(
    ("outcome", "given", "field", "code"),
    [
        ("fine", {}, "outcome", "not_a_choice"),
        ("callback", {}, "callback_at", "required"),
        (
            "callback",
            {"callback_at": dt.datetime(2001, 1, 1, tzinfo=dt.UTC)},
            "callback_at",
            "in_past",
        ),
        ("callback", {"callback_at": dt.datetime(2031, 1, 1)}, "callback_at", "no_time_zone"),
        (
            "callback",
            {"callback_at": dt.datetime(2999, 1, 1, tzinfo=dt.UTC)},
            "callback_at",
            "too_far",
        ),
        ("not_interested", {}, "reason", "required"),
        ("not_interested", {"reason": "Bad mood"}, "reason", "not_a_choice"),
        ("referred", {}, "note", "required"),
        ("no_answer", {"note": "x" * 20_001}, "note", "too_long"),
    ],
)
def test_an_outcome_says_what_it_still_needs(
    call: Call, rep: User, outcome: str, given: dict[str, Any], field: str, code: str
) -> None:
    with pytest.raises(Invalid) as error:
        finish(call, outcome, rep, **given)
    assert [(p.field, p.code) for p in error.value.problems] == [(field, code)]
    call.refresh_from_db()
    assert call.state == Call.State.OPEN
    assert not Followup.objects.filter(lead=call.lead, run=None).exists()


def test_a_set_meeting_moves_the_lead_as_far_as_its_gates_allow(call: Call, rep: User) -> None:
    finish(call, "meeting_set", rep, callback_at=now() + SOON)
    assert Lead.objects.get(pk=call.lead_id).stage == StageKey.ACCEPTED
    assert Activity.objects.filter(lead=call.lead, kind=Kind.MEETING_BOOKED).exists()


def test_a_set_meeting_with_the_gates_met_makes_an_sql(call: Call, rep: User) -> None:
    answer(call, "authority_role", rep, answer="decides")
    answer(call, "need_trigger", rep, rating=100)
    finish(call, "meeting_set", rep, callback_at=now() + SOON)
    assert Lead.objects.get(pk=call.lead_id).stage == StageKey.SQL


def test_not_interested_recycles_the_lead_with_its_reason(call: Call, rep: User) -> None:
    finish(call, "not_interested", rep, reason="No budget")
    moved = Activity.objects.filter(lead=call.lead, kind=Kind.STAGE_MOVED).latest("id")
    assert (moved.data["to"], moved.data["reason"]) == ("recycled", "Not interested: No budget")


def test_who_asked_not_to_be_called_is_not_called(call: Call, rep: User) -> None:
    finish(call, "do_not_call", rep)
    lead = Lead.objects.get(pk=call.lead_id)
    assert lead.stage == StageKey.DISQUALIFIED
    assert not may_contact(lead.pk, "call")
    said = Consent.objects.get(lead=lead)
    assert (said.channel, said.state, said.source) == ("call", "withdrawn", "call")
    Lead.objects.filter(pk=lead.pk).update(stage=StageKey.NEW)
    with pytest.raises(Conflict, match="not to be called"):
        services.start_call(lead, by=rep)
    inbound, new = services.start_call(lead, by=rep, direction="inbound")
    assert new
    finish(inbound, "technical", rep)
    with clock.at(now() + SOON):
        record_activity(lead, Kind.HAND_RAISED, by=rep)
    assert may_contact(lead.pk, "call")


def test_a_failed_line_ends_no_clock(call: Call, rep: User) -> None:
    finish(call, "technical", rep)
    kinds = set(Activity.objects.filter(lead=call.lead).values_list("kind", flat=True))
    assert not kinds & {Kind.CALL_ATTEMPTED, Kind.CALL_CONNECTED}


def test_a_due_call_step_is_done_by_the_call(call: Call, rep: User) -> None:
    step = Followup.objects.create(
        lead=call.lead, kind="call", title="Call", due_at=now(), assignee=rep
    )
    finish(call, "no_answer", rep)
    step.refresh_from_db()
    assert step.state == Followup.State.DONE
    attempts = Activity.objects.filter(lead=call.lead, kind=Kind.CALL_ATTEMPTED)
    assert [a.data["call"]["id"] for a in attempts] == [call.pk]


def test_a_chosen_next_step_replaces_the_outcomes(call: Call, rep: User) -> None:
    at = now() + SOON
    done = finish(call, "send_info", rep, next_title="Send the price list", next_at=at)
    assert done.followup is not None
    assert (done.followup.title, done.followup.due_at) == ("Send the price list", at)


def test_required_questions_that_nobody_asked_are_named(call: Call, rep: User) -> None:
    def missing() -> list[str]:
        return [line.question.key for line in progress_of(call, rep).missing]

    assert "budget_funding" in missing()
    answer(call, "budget_route", rep, answer="known_way")  # the same criterion, by another question
    assert "budget_funding" not in missing()
    answer(call, "authority_role", rep, unknown=True)
    answer(call, "timing_by_when", rep, later=True)
    assert missing() == ["need_trigger", "need_consequence", "timing_by_when"]
    assert finish(call, "send_info", rep).state == Call.State.FINISHED


@pytest.mark.parametrize("key", [
    "meeting_set", "send_info", "callback", "referred", "not_interested", "do_not_call",
    "wrong_number", "no_answer", "voicemail", "no_show", "technical",
])  # fmt: skip
def test_every_outcome_does_what_it_declares(call: Call, rep: User, key: str) -> None:
    outcome = CallOutcome.objects.get(pk=key)
    told = consequences(call.lead, [outcome], now(), Places())[0]
    done = finish(
        call,
        key,
        rep,
        reason=outcome.reasons[0] if outcome.reasons else "",
        callback_at=now() + SOON if outcome.needs_callback else None,
        note="Ask for Mrs Ito" if outcome.needs_note else "",
    )
    lead = Lead.objects.get(pk=call.lead_id)
    kinds = set(Activity.objects.filter(lead=lead).values_list("kind", flat=True))
    assert (Kind.CALL_CONNECTED in kinds) == outcome.connected
    assert bool(kinds & {Kind.CALL_CONNECTED, Kind.CALL_ATTEMPTED}) == outcome.ends_clock
    assert (done.followup is not None) == bool(outcome.followup_kind)
    if done.followup is not None:
        assert done.followup.title == told.title
        agreed = done.callback_at or told.at
        assert agreed is not None
        assert abs(done.followup.due_at - agreed) < dt.timedelta(minutes=1)
    run = Run.objects.filter(lead=lead, ended_at=None).first()
    if run is not None:
        assert play_version(run.play_version_id).play.phase == told.phase
    assert (told.phase == "") == (lead.stage in CLOSED)
    assert bool(may_contact(lead.pk, "call")) != outcome.bars_calls
    assert ScoreChange.objects.filter(lead=lead).count() <= 1
