"""Plays of known content, and leads in the situations that planning meets."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from followups.definitions import Phase
from followups.models import Followup, PlayVersion, Run
from leads.models import Lead
from scoring.models import Standing
from tests import factories

# A Tuesday, ten o'clock in Berlin: everybody works.
TUESDAY = dt.datetime(2026, 11, 24, 9, tzinfo=dt.UTC)


def definition_of(tier: str, phase: str, **changes: Any) -> dict[str, Any]:
    """A play of three steps: call now, e-mail after two days, task after one."""
    return {
        "name": f"{tier} {phase}",
        "tier": tier,
        "phase": phase,
        "sla_minutes": 5 if tier == "hot" else None,
        "steps": [
            {
                "kind": "call",
                "title": "Call {first_name} at {company}",
                "body": "Hello {first_name}, {owner_name} here. You said: {concerns}",
            },
            {"kind": "email", "title": "Write to {first_name}", "body": "Hi", "wait_days": 2},
            {"kind": "task", "title": "Look again", "wait_days": 1},
        ],
        "exits": ["reply", "meeting_booked", "opt_out"],
        **changes,
    }


def make_play(tier: str, phase: str, key: str = "", **changes: Any) -> PlayVersion:
    """Make a live play; its key has no other version."""
    return PlayVersion.objects.create(
        key=key or f"test-{tier}-{phase}".replace("_", "-"),
        number=1,
        state=PlayVersion.State.LIVE,
        definition=definition_of(tier, phase, **changes),
    )


@pytest.fixture
def plays(config: None) -> dict[tuple[str, str], PlayVersion]:
    """The nine plays of this suite, and no others, live."""
    PlayVersion.objects.filter(state=PlayVersion.State.LIVE).update(state=PlayVersion.State.RETIRED)
    return {
        (tier, phase): make_play(tier, phase)
        for tier in ("hot", "warm", "cold")
        for phase in Phase.values
    }


@pytest.fixture
def clock_at(config: None) -> Any:
    """A function that moves the database's clock until the end of the test."""

    def move(moment: dt.datetime) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('leadqual.clock', %s, false)", [moment.isoformat()])

    yield move
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('leadqual.clock', '', false)")


Put = Callable[..., Lead]


@pytest.fixture
def tuesday(clock_at: Callable[[dt.datetime], None]) -> dt.datetime:
    """It is Tuesday morning."""
    clock_at(TUESDAY)
    return TUESDAY


def place(lead: Lead, tier: str, *, state: str = "scored", marked: bool = True) -> Lead:
    """Give a lead a tier as a rescore would, and the mark that asks for planning.

    Its facts count as scored: what is under test here is what follows from a tier.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE scoring_standing SET tier = %s, state = %s, stale_at = NULL,
                model_version_id = (SELECT max(id) FROM scoring_modelversion WHERE state = 'live'),
                unplanned_at = CASE WHEN %s THEN leadqual_now() END
            WHERE lead_id = %s
            """,
            [tier, state, marked, lead.pk],
        )
    return lead


@pytest.fixture
def put(rep: User, plays: Any, tuesday: dt.datetime) -> Put:
    """A function that makes a lead of `rep` with a tier, created now, to be planned."""

    def make(tier: str = "hot", **fields: Any) -> Lead:
        lead = factories.make_lead(scored=False, **{"owner": rep, "created_at": TUESDAY, **fields})
        return place(lead, tier)

    return make


def standing(lead: Lead) -> Standing:
    """A lead's standing as it is now."""
    return Standing.objects.get(pk=lead.pk)


def runs_of(lead: Lead) -> list[Run]:
    """A lead's runs, oldest first."""
    return list(Run.objects.filter(lead=lead).order_by("id"))


def steps_of(lead: Lead, **filters: Any) -> list[Followup]:
    """A lead's follow-ups in the order in which they were made."""
    return list(Followup.objects.filter(lead=lead, **filters).order_by("id"))
