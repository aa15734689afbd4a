"""Gives joined levels the effects that keep the fitted log-odds best.

Joining changes fields that go together at once, so each mean by itself is not the best. The fit
is to the log-odds that were learned and never to the outcomes again, which would fit their chance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import expit

from scoring.features import Floats
from scoring.learning.levels import Levels
from scoring.learning.merging import Grouped

MOST_ROWS = 50_000
RIDGE = 1.0


def project(
    grouped: Sequence[Grouped],
    wanted: Floats,
    by_name: Mapping[str, Levels],
    weights: Floats,
    share_won: float,
) -> list[Grouped]:
    """Return the groups with effects whose sums are nearest to `wanted` (n,), up to a constant.

    Nearness counts by p(1 − p), as the log loss does; the mean effect of a field is zero.
    """
    if not grouped:
        return []
    rows = np.linspace(0, len(wanted) - 1, min(len(wanted), MOST_ROWS)).astype(np.int64)
    wanted, weights = wanted[rows], weights[rows]
    columns, owner = [], []
    for number, group in enumerate(grouped):
        group_of = np.full(len(group.levels.levels) + 1, -1)
        for index, members in enumerate(group.members):
            group_of[list(members)] = index
        codes = group_of[by_name[group.levels.field].codes[rows]]
        for index in range(len(group.members)):
            columns.append(codes == index)
            owner.append(number)
    matrix = np.stack(columns, axis=1).astype(float)
    start = np.concatenate([group.effects for group in grouped])
    p = expit(wanted - wanted.mean() + np.log(share_won / (1 - share_won)))
    weights = weights * p * (1 - p)
    left = wanted - matrix @ start
    left -= np.average(left, weights=weights)
    centred = matrix - np.average(matrix, axis=0, weights=weights)
    gram = centred.T @ (centred * weights[:, None]) + RIDGE * np.eye(len(owner))
    effects = start + np.linalg.solve(gram, centred.T @ (weights * left))
    numbers = np.array(owner)
    found = []
    for number, group in enumerate(grouped):
        own = effects[numbers == number]
        found.append(replace(group, effects=own - np.average(own, weights=group.counts)))
    return found
