"""What an outcome of a call would bring about, told before it does."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from calls.models import CallOutcome
from followups.cadence import step_due
from followups.definitions import StepKind, Wait
from followups.live import live_plays
from followups.places import Places
from followups.runs import phase_of
from leads.models import Lead
from leads.stages import CLOSED


@dataclass(frozen=True)
class Consequence:
    """`title` of the follow-up that an outcome starts, "" for none, due `at` unless a time is
    agreed; `phase` is where the lead is then, which chooses its play, "" for a closed one.
    """

    outcome: CallOutcome
    title: str
    at: dt.datetime | None
    phase: str


def step_at(lead: Lead, outcome: CallOutcome, moment: dt.datetime, places: Places) -> dt.datetime:
    """Return when the follow-up of an outcome is due by itself: hours of team time later, and
    within the lead's day for a call.
    """
    team = places.team_calendar(lead.team_id)
    window = places.window(lead.team_id, lead.time_zone, lead.country)
    wait = Wait(hours=outcome.followup_hours)
    return step_due(moment, wait, outcome.followup_kind or StepKind.TASK, team, window).at


def consequences(
    lead: Lead, outcomes: Sequence[CallOutcome], moment: dt.datetime, places: Places
) -> list[Consequence]:
    """Return what each outcome would bring about for a lead now."""
    return [
        Consequence(
            outcome=outcome,
            title=outcome.followup_title,
            at=step_at(lead, outcome, moment, places)
            if outcome.followup_kind and not outcome.needs_callback
            else None,
            phase=_phase(lead, outcome),
        )
        for outcome in outcomes
    ]


def _phase(lead: Lead, outcome: CallOutcome) -> str:
    if outcome.moves_to in CLOSED:
        return ""
    contacted = outcome.connected or lead.contacted_at is not None
    return phase_of(outcome.moves_to or lead.stage, contacted)


def play_names() -> list[tuple[str, str, str]]:
    """Return tier, phase and name of every live play; one query."""
    return [(tier, phase, found.play.name) for (tier, phase), found in live_plays().items()]
