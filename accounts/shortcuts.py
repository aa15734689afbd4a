"""Single-key shortcuts: what each key does, and what a person has made of it. Pure.

Keys of pages are told apart by their default: one key does what fits the page. Actions of the call
console have names. A person's choice is kept as what differs from the defaults (WCAG 2.1.4).
"""

import re
from collections.abc import Mapping
from typing import Any

from core.errors import FieldProblem, Invalid

PAGE: Mapping[str, str] = {
    "g": "Go to a page, by the letter after it",
    "/": "Search",
    "?": "Help",
    "z": "Undo",
    "j": "Next row",
    "k": "Previous row",
    "e": "Done, on Today; edit facts, on a lead",
    "h": "Snooze",
    "c": "Call or claim",
    "s": "Start working the queue; skip, in work mode",
    "f": "Filters",
    "a": "Add an answer",
    "n": "Note",
    "t": "Next step",
    "m": "Move stage",
    "o": "Owner",
    "w": "What if",
    "b": "Back",
    "l": "Leave work mode",
    "r": "Reschedule",
}
CALL: Mapping[str, tuple[str, str]] = {  # action: its default and what it does
    "back": ("b", "Question before"),
    "later": ("u", "Ask later"),
    "next": ("Enter", "Next open question"),
    "unknown": ("0", "Asked, not known"),
    "best": ("n", "The best next question"),
    "jump": ("/", "Go to a question"),
    "quote": ("q", "In their words"),
    "amount": ("m", "Amount, date or name"),
    "notes": ("k", "Notes"),
    "capture": ("c", "Concern or competitor"),
    "dial": ("d", "Dial"),
    "recording": ("r", "Told of the recording, and agreed"),
    "wrap_up": ("w", "Wrap up"),
}
SCOPES = ("page", "call")
_KEY = re.compile(r"[a-z0-9/?.,;'\-]|Enter")
_ANSWERS = "123456789"  # choose an answer in a call


def defaults(scope: str) -> dict[str, str]:
    """Return the default key of each action of "page" or "call"."""
    return {key: key for key in PAGE} if scope == "page" else {k: d for k, (d, _) in CALL.items()}


def label(scope: str, action: str) -> str:
    """Return what an action does, in words."""
    return PAGE[action] if scope == "page" else CALL[action][1]


def keys_of(kept: Mapping[str, Any], scope: str) -> dict[str, str]:
    """Return the key of each action for whoever keeps these choices."""
    chosen = kept.get(scope, {})
    return {action: chosen.get(action, key) for action, key in defaults(scope).items()}


def checked(on: bool, given: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return what to keep of `given` keys by scope and action; raise Invalid naming each wrong one.

    A field is named "page:e" or "call:back"; of two actions with one key both names are told.
    """
    kept: dict[str, Any] = {"on": on}
    wrong = []
    for scope in SCOPES:
        usual = defaults(scope)
        keys = {action: given[scope].get(action, key) for action, key in usual.items()}
        taken: dict[str, str] = {}
        for action, key in keys.items():
            field = f"{scope}:{action}"
            if not _KEY.fullmatch(key) or (key == "Enter" and scope == "page"):
                wrong.append(FieldProblem(field, "not_a_key", "must be one letter, digit or sign"))
            elif scope == "call" and key in _ANSWERS:
                wrong.append(FieldProblem(field, "taken", "1 to 9 choose an answer"))
            elif key in taken:
                message = (
                    f"“{label(scope, action)}” and “{label(scope, taken[key])}” are both on {key}"
                )
                wrong.append(FieldProblem(field, "taken", message))
            taken.setdefault(key, action)
        kept[scope] = {action: key for action, key in keys.items() if key != usual[action]}
    if wrong:
        raise Invalid(wrong)
    return kept
