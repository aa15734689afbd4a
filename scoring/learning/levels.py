"""The levels of a field: bins of numbers, values of a text, and "not filled in".

Each level has a rule of its own (core.conditions) that holds for its values and no others, so a
level means the same in an ICP, in a two-condition rule and here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.features import Floats, Ints
from scoring.learning.table import Column

Rule = Mapping[str, Any]

MOST_BINS = 10
MOST_VALUES = 30  # of a text that stand alone; the rest are "other"
FEW_OUTCOMES, FEW_SUPPORT = 300, 3  # a strict support rule costs .026 AUC at 100 outcomes
SUPPORT_SHARE = 0.005
LONGEST = 200  # characters of a value that a condition can hold


@dataclass(frozen=True)
class Level:
    """One level. `order` is its place on the scale of a number; None for texts and missing."""

    label: str
    rule: Rule
    order: int | None = None


@dataclass(frozen=True)
class Levels:
    """The levels of a field; `codes` (n,) index them, −1 where none holds.

    Levels with an order come first, in order. `edges` are the upper bounds of bins, `listed` the
    values of a text by level.
    """

    field: str
    levels: tuple[Level, ...]
    codes: Ints

    @property
    def ordered(self) -> int:
        """How many of the levels have an order."""
        return sum(level.order is not None for level in self.levels)

    def take(self, rows: Ints) -> "Levels":
        """Return the same levels for some of the leads."""
        return Levels(self.field, self.levels, self.codes[rows])


def least_support(n: int) -> int:
    """Return how many of n leads a level needs to stand alone."""
    return FEW_SUPPORT if n < FEW_OUTCOMES else max(FEW_SUPPORT, round(SUPPORT_SHARE * n))


def make_levels(column: Column, least: int) -> Levels:
    """Return the levels of a column, each with at least `least` leads; there may be none."""
    if column.type == "text":
        return _of_texts(column, least)
    return _of_numbers(column, least)


def _of_numbers(column: Column, least: int) -> Levels:
    numbers = column.numbers
    assert numbers is not None
    known = numbers[~np.isnan(numbers)]
    edges = _edges(known, least)
    codes = np.searchsorted(edges, numbers, side="left").astype(np.int64)
    codes[np.isnan(numbers)] = -1
    levels: list[Level] = []
    if len(known) >= least and (len(edges) or len(known) < len(numbers)):
        levels = [
            _bin(column, None if i == 0 else edges[i - 1], None if i == len(edges) else edges[i], i)
            for i in range(len(edges) + 1)
        ]
    else:
        codes[:] = -1
    return _with_missing(column, levels, codes, least)


def _edges(known: Floats, least: int) -> Floats:
    """Return the upper bounds of all bins but the last: readable numbers between quantiles."""
    values, counts = np.unique(known, return_counts=True)
    if len(values) < 2:
        return np.empty(0)
    share = len(known) / MOST_BINS
    want = max(float(least), share if len(values) > MOST_BINS else 0.0)
    edges: list[float] = []
    held, left = 0, len(known)
    for value, following, count in zip(values[:-1], values[1:], counts[:-1], strict=True):
        held += count
        left -= count
        # A value that alone fills the next bin is not dragged into this one.
        if held >= want * 0.999 and left >= least:
            edges.append(readable_between(float(value), float(following)))
            # Later bins share what is left, so that ties early on do not starve them.
            bins_left = MOST_BINS - len(edges)
            if bins_left <= 1 and len(values) > MOST_BINS:
                break
            held = 0
            if len(values) > MOST_BINS:
                want = max(float(least), left / bins_left)
    return np.array(edges)


def readable_between(low: float, high: float) -> float:
    """Return the number with the fewest digits in [low, high)."""
    for digits in range(-12, 13):
        candidate = round(float(np.ceil(low * 10.0**digits - 1e-9)) / 10.0**digits, max(digits, 0))
        if low <= candidate < high:
            return candidate + 0.0  # not -0.0
    return low


def _bin(column: Column, low: float | None, high: float | None, order: int) -> Level:
    field = column.name
    if column.type == "bool":
        value = order == 1
        return Level("yes" if value else "no", {"field": field, "op": "eq", "value": value}, order)
    above = {"field": field, "op": "gt", "value": low}
    within = {"field": field, "op": "lte", "value": high}
    if low is None and high is None:
        return Level("filled in", {"field": field, "op": "present"}, order)
    if low is None:
        return Level(f"at most {high:.12g}", within, order)
    if high is None:
        return Level(f"over {low:.12g}", above, order)
    return Level(f"over {low:.12g} to {high:.12g}", {"all": [above, within]}, order)


def _of_texts(column: Column, least: int) -> Levels:
    codes, field = column.codes, column.name
    assert codes is not None
    counts = np.bincount(codes[codes >= 0], minlength=len(column.values))
    by_count = sorted(range(len(column.values)), key=lambda v: (-counts[v], v))
    alone = [
        v for v in by_count if counts[v] >= least and len(column.values[v]) <= LONGEST
    ][:MOST_VALUES]
    level_of = np.full(len(column.values) + 1, -1, dtype=np.int64)
    for level, value in enumerate(alone):
        level_of[value] = level
    levels = [
        Level(column.values[v], {"field": field, "op": "in", "value": [column.values[v]]})
        for v in alone
    ]
    rest = int(counts.sum() - counts[alone].sum())
    if rest >= least:
        others = np.flatnonzero(level_of[:-1] < 0)
        level_of[others] = len(levels)
        levels.append(_other(field, [column.values[v] for v in alone]))
    return _with_missing(column, levels, level_of[codes], least)


def _other(field: str, listed: Sequence[str]) -> Level:
    present = {"field": field, "op": "present"}
    if not listed:
        return Level("filled in", present)
    rule = {"all": [present, {"field": field, "op": "not_in", "value": list(listed)}]}
    return Level("other values", rule)


def _with_missing(column: Column, levels: list[Level], codes: Ints, least: int) -> Levels:
    if int(column.missing.sum()) >= least and levels:
        codes = np.where(column.missing, len(levels), codes)
        levels = [*levels, Level("not filled in", {"field": column.name, "op": "missing"})]
    return Levels(column.name, tuple(levels), codes)
