"""Spreading first steps over working days, hot leads first. Pure.

A person begins with so many leads a day. A step goes to the first day on which those of its own
tier and of hotter ones leave room: a hot lead that comes later never waits behind cold ones.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from followups.cadence import Calendar, Due, open_days
from scoring.tiers import CODES, Tier

Holder = tuple[int | None, int | None]  # (owner, None), or (None, team) for unowned leads


class OpenDays:
    """The working days of a calendar from a moment on, as far as anybody has asked."""

    def __init__(self, start: dt.datetime, calendar: Calendar) -> None:
        self._coming: Iterator[tuple[dt.date, dt.datetime]] = open_days(start, calendar)
        self._known: list[tuple[dt.date, dt.datetime]] = []

    def __getitem__(self, index: int) -> tuple[dt.date, dt.datetime]:
        """Return the date of the working day number `index` and its first open moment."""
        while len(self._known) <= index:
            self._known.append(next(self._coming))
        return self._known[index]


@dataclass
class Loads:
    """How many first steps stand on each date of each holder, by tier."""

    steps: dict[tuple[Holder, dt.date], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0] * len(Tier))
    )
    # Working days before this one are full for the tier; only ever an earlier bound.
    _full_before: dict[tuple[Holder, str], int] = field(default_factory=lambda: defaultdict(int))

    def add(self, holder: Holder, date: dt.date, tier: str, number: int = 1) -> None:
        """Count steps that stand there."""
        self.steps[holder, date][CODES[tier]] += number

    def place(
        self,
        holder: Holder,
        tier: str,
        per_day: int,
        days: OpenDays,
        due_from: Callable[[dt.datetime], Due],
    ) -> Due:
        """Return when a first step is due, and count it. `due_from` gives the first moment from
        another at which this lead's step may be due; it may lie on a later date.
        """
        code = CODES[tier]
        first = self._full_before[holder, tier]
        for index in count(first):
            date, opening = days[index]
            due = due_from(opening)
            load = self.steps[holder, due.date]
            if sum(load[code:]) < per_day:
                load[code] += 1
                return due
            if index == first and sum(self.steps[holder, date][code:]) >= per_day:
                first = self._full_before[holder, tier] = index + 1
        raise AssertionError("working days go on without end")
