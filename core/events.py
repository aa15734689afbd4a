"""News between apps, told after commit.

An event is a frozen dataclass of ids, named in the past tense. A subscriber only nudges a sweep:
if it never runs, beat finds the same work in the rows, so losing an event loses no fact.
"""

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from django.db import transaction

Event = TypeVar("Event")
Reaction = Callable[[Event], None]

_subscribers: dict[type, list[Callable[[Any], None]]] = defaultdict(list)


def subscribe(kind: type[Event]) -> Callable[[Reaction[Event]], Reaction[Event]]:
    """Register the decorated function as a reaction to events of `kind`."""

    def register(reaction: Reaction[Event]) -> Reaction[Event]:
        _subscribers[kind].append(reaction)
        return reaction

    return register


def publish(event: object) -> None:
    """Tell every subscriber of `type(event)` once the current transaction has committed.

    An error in a subscriber is logged and never reaches the writer, whose work is already safe.
    """
    for reaction in _subscribers[type(event)]:
        transaction.on_commit(partial(reaction, event), robust=True)
