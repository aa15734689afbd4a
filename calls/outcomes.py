"""What a bundle says of a call's outcome: read and checked. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from core.errors import FieldProblem
from leads.activities import CONTACT, RECORDABLE
from leads.stages import StageKey

FIELDS = (
    "key",
    "label",
    "position",
    "connected",
    "ends_clock",
    "needs_note",
    "needs_callback",
    "needs_reason",
    "reasons",
    "moves_to",
    "activity",
    "followup_kind",
    "followup_title",
    "followup_hours",
    "followup_tries",
    "reminder_hours",
    "bars_calls",
)
FLAGS = (
    "connected",
    "ends_clock",
    "needs_note",
    "needs_callback",
    "needs_reason",
    "bars_calls",
)
MOST_LABEL, MOST_TITLE, MOST_REASON, MOST_REASONS = 60, 120, 200, 20
MOST_HOURS = 1_000  # hours of work, about half a year
MOST_TRIES = 50
MOST_REMINDER = 24 * 7  # hours before the call
ACTIVITIES = tuple(kind for kind in RECORDABLE if kind in CONTACT)
TARGETS = tuple(stage for stage in StageKey if stage not in (StageKey.NEW, StageKey.WON))


def problems(item: Mapping[str, Any], path: str) -> Iterator[FieldProblem]:
    """Yield what is wrong with one outcome, each under its path in the bundle."""

    def bad(name: str, code: str, message: str) -> FieldProblem:
        return FieldProblem(f"{path}.{name}", code, message)

    def is_text(value: Any, most: int, *, blank: bool = False) -> bool:
        return isinstance(value, str) and len(value) <= most and (blank or bool(value.strip()))

    if not is_text(item["label"], MOST_LABEL):
        yield bad("label", "wrong_type", f"must be a text of 1 to {MOST_LABEL} characters")
    numbers = (
        ("position", 1_000),
        ("followup_hours", MOST_HOURS),
        ("followup_tries", MOST_TRIES),
        ("reminder_hours", MOST_REMINDER),
    )
    for name, most in numbers:
        if type(item[name]) is not int or not 0 <= item[name] <= most:
            yield bad(name, "wrong_type", f"must be a whole number from 0 to {most}")
    for name in FLAGS:
        if type(item[name]) is not bool:
            yield bad(name, "wrong_type", "must be true or false")
    reasons = item["reasons"]
    if (
        not isinstance(reasons, list)
        or len(reasons) > MOST_REASONS
        or not all(is_text(reason, MOST_REASON) for reason in reasons)
    ):
        yield bad("reasons", "wrong_type", f"must be a list of at most {MOST_REASONS} texts")
    choices: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("moves_to", ("", *TARGETS)),
        ("activity", ("", *ACTIVITIES)),
        ("followup_kind", ("", "call", "task")),
    )
    for name, values in choices:
        if item[name] not in values:
            options = ", ".join(value or '""' for value in values)
            yield bad(name, "not_a_choice", f"must be one of {options}")
    if not is_text(item["followup_title"], MOST_TITLE, blank=True):
        yield bad("followup_title", "wrong_type", f"has at most {MOST_TITLE} characters")
    elif bool(item["followup_kind"]) != bool(item["followup_title"].strip()):
        yield bad("followup_title", "contradiction", "a follow-up has both a kind and a title")
    if item["connected"] is True and item["ends_clock"] is False:
        yield bad("ends_clock", "contradiction", "who was spoken with waits no longer")
    if item["reminder_hours"] != 0 and item["needs_callback"] is not True:
        yield bad("reminder_hours", "contradiction", "only a time that was agreed is reminded of")
    if item["needs_callback"] is True and item["followup_kind"] == "":
        yield bad("followup_kind", "contradiction", "a callback needs a follow-up at its time")
    if item["moves_to"] in (StageKey.LOST, StageKey.DISQUALIFIED) and item["followup_kind"]:
        yield bad("followup_kind", "contradiction", "a closed lead has no follow-up")
