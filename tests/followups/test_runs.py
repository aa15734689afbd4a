"""When a run starts and ends, and whether a clock starts with it."""

import pytest

from followups.definitions import Exit, Phase, Play, PublishedPlay, Step, Wait
from followups.runs import (
    LIVE_CAUSES,
    LIVE_SECONDS,
    NEW_MODEL,
    EndReason,
    LastRun,
    News,
    Situation,
    StartedBy,
    decide,
    origin,
    phase_of,
)
from scoring.models import ScoreChange

NOW = 1_800_000_000.0
AGO = NOW - 60.0
LONG_AGO = NOW - 30 * 86_400.0
BEFORE, TALKING = Phase.BEFORE_CONTACT, Phase.IN_CONVERSATION


def published(number: int, tier: str, phase: str) -> PublishedPlay:
    step = Step("call", "Call", "", Wait())
    play = Play(f"{tier} {phase}", tier, phase, 5, (step,), frozenset(Exit.values))
    return PublishedPlay(number, f"{tier}-{phase}", 1, play)


HOT = published(1, "hot", BEFORE)
WARM = published(2, "warm", BEFORE)
HOT_TALKING = published(3, "hot", TALKING)
PLAYS = {play.play.target: play for play in (HOT, WARM, HOT_TALKING)}


def run(tier="hot", phase=BEFORE, ended=None, reason=""):
    return LastRun(7, 1, (tier, phase), LONG_AGO, ended, reason)


def situation(**changes) -> Situation:
    values = {
        "is_open": True,
        "state": "scored",
        "tier": "hot",
        "phase": BEFORE,
        "has_outcome": False,
        "last": None,
        "news": News(created=LONG_AGO),
        **changes,
    }
    return Situation(**values)


@pytest.mark.parametrize(
    ("stage", "contacted", "phase"),
    [
        ("new", False, BEFORE),
        ("mql", False, BEFORE),
        ("accepted", False, BEFORE),
        ("new", True, TALKING),
        ("sql", False, TALKING),
        ("opportunity", False, TALKING),
        ("recycled", True, Phase.RECYCLED),
    ],
)
def test_the_phase_follows_from_stage_and_contact(stage, contacted, phase):
    assert phase_of(stage, contacted) == phase


def test_a_lead_without_a_run_starts_the_play_for_its_tier_and_phase():
    assert decide(situation(), PLAYS).play == HOT
    assert decide(situation(tier="warm"), PLAYS).play == WARM


def test_a_run_goes_on_while_tier_and_phase_stay():
    decision = decide(situation(last=run()), PLAYS)
    assert (decision.end, decision.play, decision.reason) == ("", None, "")


def test_a_run_goes_on_though_its_play_is_not_live_any_more():
    assert decide(situation(last=run()), {}).end == ""


@pytest.mark.parametrize(
    ("changes", "reason", "play"),
    [
        ({"tier": "warm"}, EndReason.TIER, WARM),
        ({"phase": TALKING}, EndReason.STAGE, HOT_TALKING),
        ({"tier": "warm", "phase": TALKING}, EndReason.TIER, None),
        ({"is_open": False}, EndReason.OUTCOME, None),
        ({"has_outcome": True}, EndReason.OUTCOME, None),
        ({"state": "disqualified", "tier": ""}, EndReason.DISQUALIFIED, None),
    ],
)
def test_a_change_ends_the_run_and_starts_what_fits(changes, reason, play):
    decision = decide(situation(last=run(), **changes), PLAYS)
    assert decision.end == reason
    assert decision.play == play


def test_without_a_play_there_is_a_reason():
    assert decide(situation(tier="cold"), PLAYS).reason == "No play for cold, before contact"


@pytest.mark.parametrize(
    "changes",
    [
        {"is_open": False},
        {"has_outcome": True},
        {"state": "disqualified", "tier": ""},
        {"state": "unscored", "tier": ""},
    ],
)
def test_leads_that_are_not_to_be_worked_start_nothing(changes):
    assert decide(situation(**changes), PLAYS).play is None


@pytest.mark.parametrize(
    "reason",
    [EndReason.FINISHED, EndReason.REPLY, EndReason.MEETING_BOOKED, EndReason.OPT_OUT],
)
def test_a_play_that_is_over_does_not_start_again_by_itself(reason):
    decision = decide(situation(last=run(ended=AGO, reason=reason)), PLAYS)
    assert decision.play is None
    assert decision.reason == f"{reason.label} — choose a next step"


@pytest.mark.parametrize("reason", [EndReason.FINISHED, EndReason.REPLY, EndReason.MEETING_BOOKED])
def test_another_tier_or_phase_starts_after_any_end(reason):
    over = run(ended=AGO, reason=reason)
    assert decide(situation(last=over, phase=TALKING), PLAYS).play == HOT_TALKING
    assert decide(situation(last=over, tier="warm"), PLAYS).play == WARM


def test_the_same_play_starts_again_after_the_tier_was_another_one():
    away = run(ended=AGO, reason=EndReason.TIER)
    assert decide(situation(last=away), PLAYS).play == HOT


def test_a_hand_raise_starts_a_finished_play_again():
    over = run(ended=LONG_AGO, reason=EndReason.FINISHED)
    raised = News(created=LONG_AGO, hand_raised=AGO)
    assert decide(situation(last=over, news=raised), PLAYS).play == HOT
    ended_by_it = run(ended=AGO, reason=EndReason.HAND_RAISED)
    assert decide(situation(last=ended_by_it, news=raised), PLAYS).play == HOT


def test_nothing_starts_after_an_opt_out_until_the_lead_asks():
    out = News(created=LONG_AGO, opted_out=AGO)
    decision = decide(situation(news=out), PLAYS)
    assert decision.play is None
    assert "Opted out" in decision.reason
    back = out._replace(hand_raised=NOW)
    assert decide(situation(news=back), PLAYS).play == HOT


def test_an_opt_out_is_no_matter_to_a_play_that_does_not_end_on_it():
    step = Step("call", "Call", "", Wait())
    play = PublishedPlay(9, "x", 1, Play("x", "hot", BEFORE, None, (step,), frozenset()))
    out = situation(news=News(created=LONG_AGO, opted_out=AGO))
    assert decide(out, {play.play.target: play}).play == play


def started(last=None, tier="hot", phase=BEFORE, **news):
    return origin(
        situation(last=last, tier=tier, phase=phase, news=News(**{"created": LONG_AGO, **news})),
        NOW,
    )


def test_a_new_live_lead_starts_a_clock():
    assert started(created=AGO) == (StartedBy.TIER, AGO)


def test_an_imported_lead_starts_none():
    assert started(created=AGO, imported=AGO, tier_changed=AGO) == (StartedBy.IMPORT, None)


def test_a_lead_from_the_past_starts_none():
    assert started(created=NOW - LIVE_SECONDS - 1) == (StartedBy.BACKFILL, None)


def test_a_live_hand_raise_starts_a_clock_at_its_own_moment():
    assert started(hand_raised=AGO, hand_recorded=AGO) == (StartedBy.HAND_RAISE, AGO)
    later = started(imported=LONG_AGO, hand_raised=AGO, hand_recorded=AGO)
    assert later == (StartedBy.HAND_RAISE, AGO)


def test_a_hand_raise_that_an_import_brought_starts_none():
    found = started(imported=AGO, hand_raised=AGO, hand_recorded=AGO)
    assert found == (StartedBy.IMPORT, None)


def test_an_old_or_answered_hand_raise_starts_none():
    old = NOW - LIVE_SECONDS - 1
    assert started(hand_raised=old, hand_recorded=old)[1] is None
    assert started(hand_raised=AGO - 5, hand_recorded=AGO - 5, responded=AGO)[1] is None


@pytest.mark.parametrize("cause", sorted(LIVE_CAUSES))
def test_a_live_change_of_tier_starts_a_clock(cause):
    found = started(run("warm"), tier_changed=AGO, tier_cause=cause, touched=AGO)
    assert found == (StartedBy.TIER, AGO)


def test_time_alone_changes_the_play_and_starts_no_clock():
    assert started(run("warm"), tier_changed=AGO, tier_cause="time") == (StartedBy.TIER, None)


def test_a_new_score_model_starts_no_clock_and_is_spread():
    found = started(run("warm"), tier_changed=AGO, tier_cause=NEW_MODEL)
    assert found == (StartedBy.BACKFILL, None)


def test_an_import_that_changes_the_tier_of_a_known_lead_starts_none():
    found = started(run("warm"), tier_changed=AGO, tier_cause="facts", imported=AGO, touched=AGO)
    assert found == (StartedBy.IMPORT, None)
    live = started(
        run("warm"), tier_changed=AGO, tier_cause="facts", imported=AGO - 60, touched=AGO
    )
    assert live == (StartedBy.TIER, AGO)


def test_a_change_of_tier_by_a_call_starts_none():
    found = started(run("warm"), tier_changed=AGO, tier_cause="facts", touched=AGO, responded=AGO)
    assert found == (StartedBy.TIER, None)


def test_a_tier_that_waited_for_its_play_is_spread():
    found = started(run("warm"), tier_changed=LONG_AGO, tier_cause="facts")
    assert found == (StartedBy.BACKFILL, None)


def test_a_change_of_phase_starts_no_clock():
    assert started(run("hot"), phase=TALKING) == (StartedBy.STAGE, None)


def test_the_causes_are_those_of_score_changes():
    assert {*LIVE_CAUSES, NEW_MODEL, "time"} == set(ScoreChange.Cause.values)
