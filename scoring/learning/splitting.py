"""Holds leads out to measure on: the last in order, or a part with the same share won.

Repeats of one row stay on one side, or the measure would be of what was learned by heart. Their
outcomes may differ: were they told apart by it, one would be learned lost and measured won.
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
    numbers, number_of = np.unique(group, return_inverse=True)
    if len(numbers) == n:
        return stratified(np.arange(n), y, seed, test_size=share)
    # Whole groups of repeats are held out, until their rows make up the share of each outcome.
    outcomes = np.stack([np.bincount(number_of, y == won) for won in (0, 1)], axis=1)
    room = np.round(share * outcomes.sum(axis=0))
    chosen = np.zeros(len(numbers), dtype=bool)
    for number in np.random.default_rng(seed).permutation(len(numbers)):
        if (outcomes[number] <= room).all():
            room -= outcomes[number]
            chosen[number] = True
    held = chosen[number_of]
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
