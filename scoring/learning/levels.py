"""The levels of a field: bins of numbers, values of a text, and "not filled in".

Any set of levels has one rule (core.conditions) that holds for its values and no others, so that
it means the same as a band of an ICP, in a two-condition rule and here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from core import conditions
from core.conditions import Columns, FieldType
from scoring.features import Floats, Ints
from scoring.learning.table import Column

Rule = Mapping[str, Any]

MOST_BINS = 10
# Of what leads count when bins are cut, at least so much has the rarer outcome, of so many.
RARER, LEAST_RARER = 0.3, 100
MOST_VALUES = 100  # of a text that stand alone; the rest are "other values"
FEW_OUTCOMES, FEW_SUPPORT = 300, 3  # a strict support rule costs .026 AUC at 100 outcomes
MANY_SUPPORT = 5  # five leads say as much in a long file as in a short one, and are shrunk alike
LONGEST = 200  # characters of a value that a condition can hold
MOST_NAMED = 4  # values that a label spells out


@dataclass(frozen=True)
class Level:
    """One level: a bin (low, high] of a number, a value of a text, all other values, or missing.

    A bin's open end is None; `only` is its value when it has but one.
    """

    kind: str  # bin | value | other | missing
    low: float | None = None
    high: float | None = None
    only: float | None = None
    value: str = ""


@dataclass(frozen=True)
class Levels:
    """The levels of a field; `codes` (n,) index them, −1 where none holds.

    Bins come first, in order.
    """

    field: str
    type: FieldType
    levels: tuple[Level, ...]
    codes: Ints

    @property
    def bins(self) -> int:
        """How many of the levels are bins."""
        return sum(level.kind == "bin" for level in self.levels)

    def counts(self) -> Floats:
        """Return how many leads have each level."""
        known = self.codes[self.codes >= 0]
        return np.bincount(known, minlength=len(self.levels)).astype(float)

    def take(self, rows: Ints) -> "Levels":
        """Return the same levels for some of the leads."""
        return Levels(self.field, self.type, self.levels, self.codes[rows])

    def on(self, columns: Columns, types: Mapping[str, FieldType]) -> "Levels":
        """Return the same levels for other leads, by their rules."""
        codes = np.full(columns.n, -1, dtype=np.int64)
        for index in range(len(self.levels)):
            codes[conditions.evaluate(self.rule([index]), columns, types) == conditions.TRUE] = (
                index
            )
        return Levels(self.field, self.type, self.levels, codes)

    def rule(self, members: Sequence[int]) -> Rule:
        """Return the rule that holds for any of the levels `members` (bins in one run)."""
        chosen = [self.levels[i] for i in members]
        parts: list[Rule] = []
        bins = [level for level in chosen if level.kind == "bin"]
        if bins:
            parts.append(self._range(bins[0].low, bins[-1].high, bins))
        values = [level.value for level in chosen if level.kind == "value"]
        if any(level.kind == "other" for level in chosen):
            parts.append(self._other(values))
        elif values:
            parts.append(self._leaf("in", values))
        if any(level.kind == "missing" for level in chosen):
            parts.append(self._leaf("missing"))
        return parts[0] if len(parts) == 1 else {"any": parts}

    def _leaf(self, op: str, value: Any = None) -> Rule:
        leaf: dict[str, Any] = {"field": self.field, "op": op}
        return leaf if value is None else {**leaf, "value": value}

    def _range(self, low: float | None, high: float | None, bins: Sequence[Level]) -> Rule:
        if low is None and high is None:
            return self._leaf("present")
        if self.type == "bool":
            return self._leaf("eq", low is not None)
        above, within = self._leaf("gt", low), self._leaf("lte", high)
        if low is None:
            return within
        return above if high is None else {"all": [above, within]}

    def _other(self, beside: Sequence[str]) -> Rule:
        """Return the rule for all values but those that stand alone, and for those `beside`."""
        alone = [level.value for level in self.levels if level.kind == "value"]
        excluded = [value for value in alone if value not in beside]
        present = self._leaf("present")
        return {"all": [present, self._leaf("not_in", excluded)]} if excluded else present

    def label(self, members: Sequence[int]) -> str:
        """Return what the levels `members` are called."""
        chosen = [self.levels[i] for i in members]
        parts = []
        bins = [level for level in chosen if level.kind == "bin"]
        if bins:
            parts.append(self._range_label(bins))
        values = [level.value for level in chosen if level.kind == "value"]
        if any(level.kind == "other" for level in chosen):
            alone = {level.value for level in self.levels if level.kind == "value"} - set(values)
            parts.append("other values" if alone else "filled in")
            values = values if len(values) <= MOST_NAMED and alone else []
        if len(values) > MOST_NAMED:
            parts.append(", ".join(values[:MOST_NAMED]) + f" and {len(values) - MOST_NAMED} more")
        else:
            parts += values
        if any(level.kind == "missing" for level in chosen):
            parts.append("not filled in")
        return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " or " + parts[-1]

    def _range_label(self, bins: Sequence[Level]) -> str:
        low, high = bins[0].low, bins[-1].high
        if low is None and high is None:
            return "filled in"
        if self.type == "bool":
            return "no" if low is None else "yes"
        if len(bins) == 1 and bins[0].only is not None:
            return _in_words(bins[0].only)
        if low is None:
            return f"at most {_in_words(high)}"
        over = f"over {_in_words(low)}"
        return over if high is None else f"{over} to {_in_words(high)}"


def _in_words(value: float | None) -> str:
    """Return a number as people read it: thousands are set apart where it is no year."""
    assert value is not None
    return f"{value:,.12g}" if abs(value) >= 10_000 else f"{value:.12g}"


def least_support(n: int) -> int:
    """Return how many of n leads a level needs to stand alone."""
    return FEW_SUPPORT if n < FEW_OUTCOMES else MANY_SUPPORT


def make_levels(column: Column, least: int, y: Floats | None = None) -> Levels:
    """Return the levels of a column, each with at least `least` leads; there may be none.

    With outcomes y (n,) of 0 and 1 bins are finer where the rarer outcome is.
    """
    levels, codes = (
        _of_texts(column, least) if column.type == "text" else _of_numbers(column, least, y)
    )
    if levels and int(column.missing.sum()) >= least:
        codes = np.where(column.missing, len(levels), codes)
        levels = [*levels, Level("missing")]
    return Levels(column.name, column.type, tuple(levels), codes)


def _of_numbers(column: Column, least: int, y: Floats | None = None) -> tuple[list[Level], Ints]:
    numbers = column.numbers
    assert numbers is not None
    filled = ~np.isnan(numbers)
    known = numbers[filled]
    if len(known) < least:
        return [], np.full(len(numbers), -1, dtype=np.int64)
    edges = _edges(known, least, np.ones(len(known)) if y is None else _telling(y)[filled])
    codes = np.searchsorted(edges, numbers, side="left").astype(np.int64)
    codes[np.isnan(numbers)] = -1
    bounds = [None, *(float(edge) for edge in edges), None]
    levels = []
    for index, (low, high) in enumerate(pairwise(bounds)):
        inside = numbers[codes == index]
        only = float(inside[0]) if inside.min() == inside.max() else None
        levels.append(Level("bin", low=low, high=high, only=only))
    return levels, codes


def _telling(y: Floats) -> Floats:
    """Return what leads with outcomes y (n,) count when bins are cut: where few are won, nearly all
    of what a number says may be in its last tenth; a handful of them would cut bins by chance.
    """
    rarer = y == (1.0 if y.mean() <= 0.5 else 0.0)
    if rarer.sum() < LEAST_RARER:
        return np.ones(len(y))
    share = float(rarer.mean())
    return np.where(rarer, max(1.0, RARER * (1 - share) / ((1 - RARER) * share)), 1.0)


def _edges(known: Floats, least: int, weights: Floats) -> Floats:
    """Return the upper bounds of all bins but the last: readable numbers between quantiles of the
    numbers, each counted by its weight.
    """
    values, place, counts = np.unique(known, return_inverse=True, return_counts=True)
    if len(values) < 2:
        return np.empty(0)
    many = len(values) > MOST_BINS
    sums = np.bincount(place, weights)
    want = float(sums.sum()) / MOST_BINS if many else 0.0
    edges: list[float] = []
    held, held_sum, left, left_sum = 0, 0.0, len(known), float(sums.sum())
    for value, following, count, amount in zip(
        values[:-1], values[1:], counts[:-1], sums[:-1], strict=True
    ):
        held, held_sum = held + count, held_sum + amount
        left, left_sum = left - count, left_sum - amount
        # A value that alone fills the next bin is not dragged into this one.
        if held >= least and held_sum >= want * 0.999 and left >= least:
            edges.append(readable_between(float(value), float(following)))
            # Later bins share what is left, so that ties early on do not starve them.
            bins_left = MOST_BINS - len(edges)
            if bins_left <= 1 and many:
                break
            held, held_sum = 0, 0.0
            if many:
                want = left_sum / bins_left
    return np.array(edges)


def readable_between(low: float, high: float) -> float:
    """Return the number with the fewest digits in [low, high)."""
    for digits in range(-12, 13):
        candidate = round(float(np.ceil(low * 10.0**digits - 1e-9)) / 10.0**digits, max(digits, 0))
        if low <= candidate < high:
            return candidate + 0.0  # not -0.0
    return low


def _of_texts(column: Column, least: int) -> tuple[list[Level], Ints]:
    codes = column.codes
    assert codes is not None
    counts = np.bincount(codes[codes >= 0], minlength=len(column.values))
    by_count = sorted(range(len(column.values)), key=lambda v: (-counts[v], v))
    alone = [v for v in by_count if counts[v] >= least and len(column.values[v]) <= LONGEST]
    alone = alone[:MOST_VALUES]
    level_of = np.full(len(column.values) + 1, -1, dtype=np.int64)
    level_of[alone] = np.arange(len(alone))
    levels = [Level("value", value=column.values[v]) for v in alone]
    if int(counts.sum() - counts[alone].sum()) >= least:
        level_of[:-1][level_of[:-1] < 0] = len(levels)
        levels.append(Level("other"))
    return levels, level_of[codes]
