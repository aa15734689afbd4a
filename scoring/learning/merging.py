"""Joins levels whose effects differ least, until the scorecard has few enough lines to read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoring.features import Floats
from scoring.learning.levels import Levels

MOST_LINES = 40


@dataclass(frozen=True)
class Grouped:
    """The levels of a field in groups that count alike.

    `members` lists the levels of each group, `effects` the log-odds of each, `counts` its leads.
    """

    levels: Levels
    members: tuple[tuple[int, ...], ...]
    effects: Floats
    counts: Floats

    @property
    def lines(self) -> int:
        """How many lines it takes: every group but the one that the others compare with."""
        return len(self.members) - 1


class _Groups:
    """The groups of one field while they are being joined."""

    def __init__(self, levels: Levels, effects: Floats, unit: float) -> None:
        self.levels, self.unit = levels, unit
        self.members = [[i] for i in range(len(levels.levels))]
        self.effects = [float(effect) for effect in effects]
        self.counts = [float(count) for count in levels.counts()]

    def cheapest(self) -> tuple[float, int, int]:
        """Return (log loss that joining costs, a, b) of the two groups that differ least."""
        best = (np.inf, -1, -1)
        for a in range(len(self.members)):
            for b in range(a + 1, len(self.members)):
                if not self._may_join(a, b):
                    continue
                n_a, n_b = self.counts[a], self.counts[b]
                both = max(n_a + n_b, 1e-9)
                cost = self.unit * n_a * n_b / both * (self.effects[a] - self.effects[b]) ** 2
                best = min(best, (cost, a, b))
        return best

    def _may_join(self, a: int, b: int) -> bool:
        bins_a = [i for i in self.members[a] if self.levels.levels[i].kind == "bin"]
        bins_b = [i for i in self.members[b] if self.levels.levels[i].kind == "bin"]
        if bins_a and bins_b:
            return bins_a[-1] + 1 == bins_b[0] or bins_b[-1] + 1 == bins_a[0]
        return True

    def join(self, a: int, b: int) -> None:
        """Make one group of two; its effect is their mean by leads."""
        n_a, n_b = self.counts[a], self.counts[b]
        both = max(n_a + n_b, 1e-9)
        self.effects[a] = (n_a * self.effects[a] + n_b * self.effects[b]) / both
        self.counts[a] = n_a + n_b
        self.members[a] = sorted(self.members[a] + self.members[b])
        del self.members[b], self.effects[b], self.counts[b]

    def done(self) -> Grouped:
        """Return what it has come to."""
        members = tuple(tuple(m) for m in self.members)
        return Grouped(self.levels, members, np.array(self.effects), np.array(self.counts))


def merge(
    fields: Sequence[Levels], effects: Sequence[Floats], share_won: float, most_lines: int
) -> list[Grouped]:
    """Join levels until at most `most_lines` lines are left; a field may come to one group.

    Each time the two levels go together whose joining costs the least log loss:
    p(1 − p)/2 · n_a·n_b/(n_a + n_b) · (e_a − e_b)². Bins join their neighbours only.
    """
    unit = share_won * (1 - share_won) / 2
    groups = [_Groups(f, e, unit) for f, e in zip(fields, effects, strict=True)]
    cheapest = [g.cheapest() for g in groups]
    lines = sum(len(g.members) - 1 for g in groups)
    while lines > most_lines:
        field = min(range(len(groups)), key=lambda i: cheapest[i][0])
        _, a, b = cheapest[field]
        groups[field].join(a, b)
        cheapest[field] = groups[field].cheapest()
        lines -= 1
    return [g.done() for g in groups]
