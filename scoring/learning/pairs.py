"""Two-condition rules: where two conditions together say more than their sum."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import NormalDist
from typing import Any

import numpy as np
from scipy.special import expit

from core import conditions
from core.conditions import Columns, FieldType
from scoring.features import Bools, Floats, Ints
from scoring.learning.design import build
from scoring.learning.levels import Levels

CHANCE = 0.2  # that one of all the rules tried says nothing; what they gain is measured then
MOST_RULES = 6
MOST_FIELDS = 25  # among which rules are looked for
MOST_OF_TWO = 100  # rules on the same two fields that are compared with each other
LEAST_SUPPORT = 15
SUPPORT_SHARE = 0.01
LEAST_SPREAD = 5.0  # variance of the number won, below which z is not normal
LEAST_OWN = 0.25  # of that variance: what the two fields apart do not tell
RIDGE = 1.0  # the levels of two fields add up to the same, and small ones tell little


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

    A rule needs support, the same sign in both `halves` (n,) of 0 and 1, and a score test that
    chance among all the rules tried hardly explains. What the two fields say apart counts neither
    in its sum nor in its variance, where fitting them left some of the one and took most of the
    other. A rule changes what is left for the others on its fields, so they are taken one by one.
    """
    among = sorted(range(len(fields)), key=lambda f: (-_spread(fields[f], log_odds), f))
    among = sorted(among[:MOST_FIELDS])
    design, layout = build(fields)
    by_cell = replace(design, basis=None, field_of=np.arange(layout.cells))
    p = expit(log_odds)
    residual, variance = weights * (y - p), weights**2 * p * (1 - p)
    total, spread, count, first = (
        by_cell.gram(of)[1:, 1:]
        for of in (residual, variance, np.ones(len(y)), residual * (halves == 0))
    )
    support = max(LEAST_SUPPORT, SUPPORT_SHARE * len(y))
    cells = [np.arange(*layout.offsets[f : f + 2]) for f in range(len(fields))]
    sets = {f: _sets(fields[f]) for f in among}
    enough: dict[tuple[int, int], Bools] = {}
    tried = 0
    for f, g in combinations(among, 2):
        at = np.ix_(cells[f], cells[g])
        told = sets[f] @ spread[at] @ sets[g].T
        enough[f, g] = (sets[f] @ count[at] @ sets[g].T >= support) & (told >= LEAST_SPREAD)
        # Ranges overlap: two fields act together in no more ways than their levels allow.
        tried += min(int(enough[f, g].sum()), (len(cells[f]) - 1) * (len(cells[g]) - 1))
    least = NormalDist().inv_cdf(1 - CHANCE / 2 / max(1, tried))
    searches = []
    for (f, g), fit in enough.items():
        at, both = np.ix_(cells[f], cells[g]), np.concatenate([cells[f], cells[g]])
        search = _Search(
            fields=(f, g),
            sets=(sets[f], sets[g]),
            spread=(spread[at], spread[np.ix_(both, both)]),
            total=(total[at], np.diag(total)[both]),
            first=(first[at], np.diag(first)[both]),
        )
        if search.find(fit, least):
            searches.append(search)
    found: list[Pair] = []
    while searches and len(found) < MOST_RULES:
        best = max(searches, key=_Search.best)
        if best.best() < least:
            break
        first_members, second_members = best.take()
        f, g = best.fields
        found.append(Pair(fields[f], first_members, fields[g], second_members))
    return found


class _Search:
    """The rules on two fields, and the score test of what each says beyond the two fields apart and
    the rules that were taken.

    `sets` are the conditions on either field. `spread`, `total` and `first` are the variance of the
    residuals, their sum, and that of the first half: by the levels of both fields (k, l), and by
    those of each one after the other.
    """

    def __init__(
        self,
        fields: tuple[int, int],
        sets: tuple[Floats, Floats],
        spread: tuple[Floats, Floats],
        total: tuple[Floats, Floats],
        first: tuple[Floats, Floats],
    ) -> None:
        self.fields, self.sets, (self.spread, inner) = fields, sets, spread
        self.apart = np.linalg.inv(inner + RIDGE * np.eye(len(inner)))
        # What the fields apart would still take is taken from the sums by both.
        k = len(self.spread)
        self.sum, self.first_sum = (
            by_both - self.spread * (left[:k, None] + left[k:])
            for by_both, left in ((by, self.apart @ each) for by, each in (total, first))
        )

    def find(self, fit: Bools, least: float) -> bool:
        """Look among the rules that are `fit`; return whether one has a test of `least` or more."""
        told = self.sets[0] @ self.spread @ self.sets[1].T
        seeming = np.abs(self.sets[0] @ self.sum @ self.sets[1].T)
        # No other can reach it, however little variance is its own.
        rows, columns = np.nonzero(fit & (seeming >= least * np.sqrt(LEAST_OWN * told)))
        if not len(rows):
            return False
        m, k = self.sets[0][rows], self.sets[1][columns]
        shared = np.hstack([m * (k @ self.spread.T), k * (m @ self.spread)])
        self.own = told[rows, columns] - ((shared @ self.apart) * shared).sum(axis=1)
        self.least = LEAST_OWN * told[rows, columns]
        self.total = ((m @ self.sum) * k).sum(axis=1)
        self.first = ((m @ self.first_sum) * k).sum(axis=1)
        z = self._test()
        kept = np.argsort(-z, kind="stable")[:MOST_OF_TWO]
        self.m, self.k, self.z, self.own, self.least, self.total, self.first = (
            of[kept] for of in (m, k, z, self.own, self.least, self.total, self.first)
        )
        both = (self.m[:, :, None] * self.k[:, None, :]).reshape(len(kept), self.spread.size)
        shared = shared[kept]
        self.joint = (both * self.spread.ravel()) @ both.T - shared @ self.apart @ shared.T
        return self.best() >= least

    def _test(self) -> Floats:
        holds = (self.own >= self.least) & (self.first * (self.total - self.first) > 0)
        return np.where(holds, np.abs(self.total) / np.sqrt(np.maximum(self.own, self.least)), 0.0)

    def best(self) -> float:
        """Return the score test of the most striking rule."""
        return float(self.z.max())

    def take(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the levels of the most striking rule; what it says the others say no more."""
        i = int(self.z.argmax())
        share = self.joint[i] / self.joint[i, i]
        self.total = self.total - share * self.total[i]
        self.first = self.first - share * self.first[i]
        self.joint = self.joint - np.outer(share, self.joint[i])
        self.own = np.diag(self.joint)
        self.z = self._test()
        members = [tuple(int(level) for level in np.flatnonzero(x[i])) for x in (self.m, self.k)]
        return members[0], members[1]


def _spread(levels: Levels, log_odds: Floats) -> float:
    """Return how far the log-odds of leads with different levels are apart, as a variance."""
    known = levels.codes >= 0
    counts = levels.counts()
    means = np.bincount(levels.codes[known], log_odds[known], len(counts)) / np.maximum(counts, 1)
    middle = counts @ means / max(1.0, counts.sum())
    return float(counts @ (means - middle) ** 2 / len(log_odds))


def _sets(levels: Levels) -> Floats:
    """Return the conditions on a field, as sets of its levels (sets, levels) of 0 and 1: each
    level, and each range open to one side.
    """
    bins, k = levels.bins, len(levels.levels)
    single = np.eye(k)
    below = [single[:edge].sum(axis=0) for edge in range(2, bins)]
    above = [single[edge:bins].sum(axis=0) for edge in range(1, bins - 1)]
    return np.array([*single, *below, *above])
