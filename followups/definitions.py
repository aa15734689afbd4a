"""The content of a play: parsed, checked, immutable, and its texts filled in. Pure.

`parse_play` takes the JSON of a version's `definition` and raises `core.errors.Invalid` that names
every wrong field (docs/domain/followups.md).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from django.db import models

from scoring.definitions import Reader
from scoring.tiers import Tier

MOST_STEPS = 50
MOST_TITLE = 120  # characters, as `Followup.title`
MOST_BODY = 10_000
MOST_WAIT_HOURS = 1_000
MOST_WAIT_DAYS = 365
MOST_SLA_MINUTES = 7 * 24 * 60


class Phase(models.TextChoices):
    """Where a lead is on its way, as far as plays tell it apart."""

    BEFORE_CONTACT = "before_contact", "before contact"
    IN_CONVERSATION = "in_conversation", "in conversation"
    RECYCLED = "recycled", "recycled"


class StepKind(models.TextChoices):
    """Who does a step and how: people call and do tasks, the machine sends e-mails."""

    CALL = "call", "Call"
    TASK = "task", "Task"
    EMAIL = "email", "E-mail"


class Exit(models.TextChoices):
    """What ends a run of a play early, where the play says so."""

    REPLY = "reply", "Reply"
    MEETING_BOOKED = "meeting_booked", "Meeting booked"
    OPT_OUT = "opt_out", "Opt-out"


class Wait(NamedTuple):
    """Time between a step and the one before it: business hours, or whole business days."""

    hours: float = 0.0
    days: int = 0


@dataclass(frozen=True)
class Step:
    """One thing to do: `wait` after the one before it (the first: after the start)."""

    kind: str
    title: str
    body: str
    wait: Wait

    @cached_property
    def names_concerns(self) -> bool:
        """True when its texts name the concerns that the lead raised."""
        return mentions(self.title, "concerns") or mentions(self.body, "concerns")


@dataclass(frozen=True)
class Play:
    """A follow-up plan for the leads of one tier in one phase.

    `sla_minutes` (business minutes) is the time to the first contact after a live hand-raise or
    tier change; None starts no clock.
    """

    name: str
    tier: str
    phase: str
    sla_minutes: int | None
    steps: tuple[Step, ...]
    exits: frozenset[str]

    @property
    def target(self) -> tuple[str, str]:
        """The tier and phase that the play is for."""
        return self.tier, self.phase


@dataclass(frozen=True)
class PublishedPlay:
    """A version of a play that is or was live: `id` is the row's, `key` and `number` its name."""

    id: int
    key: str
    number: int
    play: Play


def parse_play(definition: Any) -> Play:
    """Parse a play; raise Invalid naming each wrong field."""
    read = Reader()
    top = read.object(definition, "", {"name", "tier", "phase", "sla_minutes", "steps", "exits"})
    steps = [
        _step(read, raw, f"steps[{i}]")
        for i, raw in enumerate(read.items(top, "steps", "", least=1)[:MOST_STEPS])
    ]
    if len(read.items(top, "steps", "")) > MOST_STEPS:
        read.bad("steps", "too_many", f"has at most {MOST_STEPS} steps")
    sla = None
    if top.get("sla_minutes") is not None:
        sla = _whole(read, top, "sla_minutes", "", low=1, high=MOST_SLA_MINUTES)
        if steps and steps[0].kind != StepKind.CALL:
            read.bad("sla_minutes", "no_call", "needs a call as the first step to meet it with")
    exits = read.items(top, "exits", "")
    for i, given in enumerate(exits):
        if given not in Exit.values:
            options = ", ".join(Exit.values)
            read.bad(f"exits[{i}]", "not_a_choice", f"must be one of {options}")
    play = Play(
        name=_text(read, top, "name", "", most=100),
        tier=read.choice(top, "tier", "", [tier.value for tier in reversed(Tier)]),
        phase=read.choice(top, "phase", "", Phase.values),
        sla_minutes=sla,
        steps=tuple(steps),
        exits=frozenset(given for given in exits if isinstance(given, str)),
    )
    read.finish()
    return play


def _step(read: Reader, raw: Any, path: str) -> Step:
    node = read.object(raw, path, {"kind", "title", "body", "wait_hours", "wait_days"})
    if "wait_hours" in node and "wait_days" in node:
        read.bad(f"{path}.wait_days", "contradiction", "give hours or days to wait, not both")
    wait = Wait(
        hours=read.number(node, "wait_hours", path, low=0, high=MOST_WAIT_HOURS, default=0),
        days=_whole(read, node, "wait_days", path, low=0, high=MOST_WAIT_DAYS, default=0),
    )
    return Step(
        kind=read.choice(node, "kind", path, StepKind.values),
        title=_text(read, node, "title", path, most=MOST_TITLE),
        body=_text(read, node, "body", path, most=MOST_BODY, default=""),
        wait=wait,
    )


def _whole(
    read: Reader,
    node: Mapping[str, Any],
    key: str,
    path: str,
    *,
    low: int,
    high: int,
    default: int | None = None,
) -> int:
    number = read.number(node, key, path, low=low, high=high, default=default)
    if number != int(number):
        read.bad(f"{path}.{key}".lstrip("."), "wrong_type", "must be a whole number")
    return int(number)


def _text(
    read: Reader,
    node: Mapping[str, Any],
    key: str,
    path: str,
    *,
    most: int,
    default: str | None = None,
) -> str:
    """Return a text of at most `most` characters whose placeholders are all known."""
    text = read.text(node, key, path, default)
    at = f"{path}.{key}".lstrip(".")
    if len(text) > most:
        read.bad(at, "too_long", f"has at most {most} characters")
    for name in _PLACEHOLDER.findall(text):
        if name not in PLACEHOLDERS:
            known = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
            read.bad(at, "unknown_placeholder", f"{{{name}}} is not one of {known}")
    return text


# --- texts --------------------------------------------------------------------------------------
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class Words(NamedTuple):
    """What the placeholders of a text stand for; '' where nothing is known."""

    first_name: str = ""
    company: str = ""
    owner_name: str = ""
    concerns: str = ""


PLACEHOLDERS = Words._fields
# What stands where nothing is known: an e-mail speaks to the lead, a call or task about it.
_TO_LEAD = Words("there", "your company", "our team", "your questions")
_ABOUT_LEAD = Words("the lead", "their company", "our team", "none noted yet")


def fill_in(text: str, words: Words, kind: str) -> str:
    """Return `text` with its placeholders replaced, in one pass: what a lead typed into its name
    is never read as a placeholder.
    """
    literals, places = _split(text)
    if not places:
        return text
    instead = _TO_LEAD if kind == StepKind.EMAIL else _ABOUT_LEAD
    filled = list(literals)
    filled[1::2] = [words[place] or instead[place] for place in places]
    return "".join(filled)


@lru_cache(maxsize=1024)
def _split(text: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Split a checked text into literal, placeholder, literal, …; return them, and what stands at
    the odd places as indexes of `Words`.
    """
    parts = tuple(_PLACEHOLDER.split(text))
    return parts, tuple(PLACEHOLDERS.index(name) for name in parts[1::2])


def mentions(text: str, placeholder: str) -> bool:
    """True when a text uses this placeholder."""
    return placeholder in _split(text)[0][1::2]
