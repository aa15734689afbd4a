"""Holds leads out to measure on: the last in order, or a part with the same share won.

Repeats of one row stay on one side, or the measure would be of what was learned by heart.
"""

import numpy as np

from scoring.features import Floats, Ints


def last_in_order(group: Ints, share: float) -> tuple[Ints, Ints]:
    """Return the row numbers to learn from and those held out, of rows that are in order.

    `group` (n,) numbers what a row repeats. Repeats have one moment, so those before the cut keep
    the others of their group from being held out.
    """
    n = len(group)
    held = np.zeros(n, dtype=bool)
    held[n - max(1, round(share * n)) :] = True
    held &= ~np.isin(group, group[~held])
    return np.flatnonzero(~held), np.flatnonzero(held)


def part_of_each(y: Floats, group: Ints, share: float, seed: int) -> tuple[Ints, Ints]:
    """Return the row numbers to learn from and those held out, drawn with equal shares won.

    `group` (n,) numbers what a row repeats. Raises ValueError when one outcome is too rare.
    """
    n = len(y)
    if len(np.unique(group)) == n:
        return stratified(np.arange(n), y, seed, test_size=share)
    # Whole groups of repeats are held out, until their rows make up the share of each outcome.
    random = np.random.default_rng(seed)
    chosen: list[int] = []
    for outcome in (0.0, 1.0):
        members = group[y == outcome]
        groups, counts = np.unique(members, return_counts=True)
        room = round(share * len(members))
        for place in random.permutation(len(groups)):
            if counts[place] <= room:
                room -= int(counts[place])
                chosen.append(groups[place])
    held = np.isin(group, chosen)
    return np.flatnonzero(~held), np.flatnonzero(held)


def stratified(rows: Ints, y: Floats, seed: int, **sizes: float | None) -> tuple[Ints, Ints]:
    """Split row numbers with equal shares won on both sides (`sizes` as scikit-learn's).

    Raises ValueError when one outcome is too rare.
    """
    from sklearn.model_selection import (
        train_test_split,
    )  # late: scikit-learn costs each process 40 MB

    first, second = train_test_split(rows, stratify=y[rows], random_state=seed, **sizes)
    return np.sort(first), np.sort(second)
