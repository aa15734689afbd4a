"""Changes of a framework's definition: each takes one and returns another. Pure.

Nothing is checked here: `parse_framework` is what says whether the outcome can be.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Literal

Json = dict[str, Any]
Part = Literal["questions", "criteria"]
NAMES: Mapping[str, str] = {"questions": "key", "criteria": "dimension"}


def place_of(definition: Mapping[str, Any], part: Part, key: str) -> int:
    """Return where a question or criterion stands; KeyError when it is not there."""
    for at, item in enumerate(definition[part]):
        if item[NAMES[part]] == key:
            return at
    raise KeyError(key)


def key_from(text: str, taken: Sequence[str], most: int = 60) -> str:
    """Return a key made of the words of a text that is none of `taken`."""
    words = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")[: most - 4].strip("_") or "item"
    return next(
        key
        for number in range(1, len(taken) + 2)
        if (key := words if number == 1 else f"{words}_{number}") not in taken
    )


def put(definition: Mapping[str, Any], part: Part, key: str, item: Json) -> Json:
    """Replace the item of this key, or add it: a question behind the others of its dimension."""
    changed = deepcopy(dict(definition))
    items = changed[part]
    try:
        at = place_of(changed, part, key)
    except KeyError:
        ends = [
            place
            for place, other in enumerate(items, 1)
            if part == "questions" and other["dimension"] == item["dimension"]
        ]
        items.insert(ends[-1] if ends else len(items), item)
    else:
        items[at] = item
    return changed


def move(definition: Mapping[str, Any], part: Part, key: str, by: int) -> Json:
    """Move an item up (by −1) or down (1); at the end it stays."""
    changed = deepcopy(dict(definition))
    items = changed[part]
    at = place_of(changed, part, key)
    to = min(max(at + by, 0), len(items) - 1)
    items.insert(to, items.pop(at))
    return changed


def duplicate(definition: Mapping[str, Any], key: str) -> Json:
    """Add a copy of a question behind it."""
    changed = deepcopy(dict(definition))
    at = place_of(changed, "questions", key)
    copy = deepcopy(changed["questions"][at])
    copy["key"] = key_from(key, [question["key"] for question in changed["questions"]])
    copy.pop("archived", None)
    changed["questions"].insert(at + 1, copy)
    return changed


def archive(definition: Mapping[str, Any], key: str, *, archived: bool) -> Json:
    """Ask a question no more, or again."""
    changed = deepcopy(dict(definition))
    changed["questions"][place_of(changed, "questions", key)]["archived"] = archived
    return changed


def remove(definition: Mapping[str, Any], part: Part, key: str) -> Json:
    """Take an item out."""
    changed = deepcopy(dict(definition))
    changed[part].pop(place_of(changed, part, key))
    return changed
