"""Two-condition rules: where two conditions together say more than their sum."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit

from core import conditions
from core.conditions import Columns, FieldType
from scoring.features import Bools, Floats, Ints
from scoring.learning.design import build
from scoring.learning.levels import Levels

LEAST_Z = 3.5
MOST_RULES = 6
MOST_FIELDS = 25  # among which rules are looked for
LEAST_SUPPORT = 15
SUPPORT_SHARE = 0.01
LEAST_SPREAD = 5.0  # variance of the number won, below which z is not normal
ALIKE = 0.7  # share of leads that two rules on the same fields may have in common


@dataclass(frozen=True)
class Pair:
    """Two conditions, each some levels of a field."""

    first: Levels
    first_members: tuple[int, ...]
    second: Levels
    second_members: tuple[int, ...]

    @property
    def key(self) -> str:
        """What names the fields."""
        return f"{self.first.field} × {self.second.field}"

    @property
    def label(self) -> str:
        """What a person reads."""
        return (
            f"{self.first.field} {self.first.label(self.first_members)} and "
            f"{self.second.field} {self.second.label(self.second_members)}"
        )

    @property
    def rule(self) -> Mapping[str, Any]:
        """The condition tree; it is never unknown, since a missing value meets no condition."""
        parts: list[Mapping[str, Any]] = []
        for levels, members in (
            (self.first, self.first_members),
            (self.second, self.second_members),
        ):
            rule = levels.rule(members)
            if not any(levels.levels[i].kind == "missing" for i in members):
                parts.append({"field": levels.field, "op": "present"})
            parts.append(rule)
        return {"all": parts}

    def holds(self, columns: Columns, types: Mapping[str, FieldType]) -> Bools:
        """Return for which leads it is true, shape (n,)."""
        return conditions.evaluate(self.rule, columns, types) == conditions.TRUE

    def holds_here(self, fields: Mapping[str, Levels]) -> Bools:
        """Return for which leads it is true, from levels that are known already."""
        first, second = fields[self.first.field], fields[self.second.field]
        return np.isin(first.codes, self.first_members) & np.isin(second.codes, self.second_members)


def find_pairs(
    fields: Sequence[Levels], log_odds: Floats, y: Floats, weights: Floats, halves: Ints
) -> list[Pair]:
    """Return rules whose leads win more or less than their log-odds say, most striking first.

    A rule needs |z| ≥ 3.5, the same sign in both `halves` (n,) of 0 and 1, and support. What two
    conditions say apart was fitted already, so the residuals hold only what they say together.
    """
    among = set(
        sorted(range(len(fields)), key=lambda f: (-_spread(fields[f], log_odds), f))[:MOST_FIELDS]
    )
    sets = [s for number in sorted(among) for s in _sets(number, fields[number])]
    if len(sets) < 2:
        return []
    design, layout = build(fields)
    by_cell = replace(design, basis=None, field_of=np.arange(layout.cells))
    levels_of = np.zeros((len(sets), layout.cells))
    for index, (f, m) in enumerate(sets):
        levels_of[index, [layout.offsets[f] + level for level in m]] = 1.0
    p = expit(log_odds)
    residual, variance = weights * (y - p), weights**2 * p * (1 - p)

    def joint(of: Floats) -> Floats:
        result: Floats = levels_of @ by_cell.gram(of)[1:, 1:] @ levels_of.T
        return result

    total, spread, count = joint(residual), joint(variance), joint(np.ones(len(y)))
    first_half = joint(residual * (halves == 0))
    support = max(LEAST_SUPPORT, SUPPORT_SHARE * len(y))
    field_of = np.array([f for f, _ in sets])
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(spread > 0, total / np.sqrt(spread), 0.0)
    fit = (
        (field_of[:, None] < field_of[None, :])
        & (np.abs(z) >= LEAST_Z)
        & (count >= support)
        & (spread >= LEAST_SPREAD)
        & (first_half * (total - first_half) > 0)
    )
    rows, columns = np.nonzero(fit)
    order = np.argsort(-np.abs(z[rows, columns]), kind="stable")
    found: list[Pair] = []
    taken: list[tuple[set[int], Bools]] = []
    for index in order:
        (f, m), (g, k) = sets[rows[index]], sets[columns[index]]
        holds = np.isin(fields[f].codes, m) & np.isin(fields[g].codes, k)
        if any(
            pair == {f, g} and (holds & other).sum() >= ALIKE * min(holds.sum(), other.sum())
            for pair, other in taken
        ):
            continue
        taken.append(({f, g}, holds))
        found.append(Pair(fields[f], m, fields[g], k))
        if len(found) == MOST_RULES:
            break
    return found


def _spread(levels: Levels, log_odds: Floats) -> float:
    """Return how far the log-odds of leads with different levels are apart, as a variance."""
    known = levels.codes >= 0
    counts = levels.counts()
    means = np.bincount(levels.codes[known], log_odds[known], len(counts)) / np.maximum(counts, 1)
    middle = counts @ means / max(1.0, counts.sum())
    return float(counts @ (means - middle) ** 2 / len(log_odds))


def _sets(number: int, levels: Levels) -> list[tuple[int, tuple[int, ...]]]:
    """Return the conditions on a field: each level, and each range open to one side."""
    bins, k = levels.bins, len(levels.levels)
    singles = [(i,) for i in range(k)]
    below = [tuple(range(edge)) for edge in range(2, bins)]
    above = [tuple(range(edge, bins)) for edge in range(1, bins - 1)]
    return [(number, members) for members in (*singles, *below, *above)]
