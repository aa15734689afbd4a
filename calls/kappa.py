"""Cohen's kappa with linear weights for ordered grades, and its interval. Pure."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEAST = 20  # pairs below which a figure would say nothing
_SAMPLES = 1_000
_SEED = 7


@dataclass(frozen=True)
class Kappa:
    """Agreement beyond chance of n pairs; `value` None where chance leaves nothing to agree on.

    1 is always the same, 0 what chance gives. `low` and `high` bound it with 95 %.
    """

    n: int
    value: float | None
    low: float | None
    high: float | None


def kappa(first: npt.ArrayLike, second: npt.ArrayLike, grades: int) -> Kappa:
    """Return the weighted kappa of two raters' grades 0 … `grades` − 1, pair by pair.

    A pair that is k grades apart counts k ÷ (grades − 1) of a disagreement (Cohen 1968). The
    interval comes from resampling pairs, with a fixed seed.
    """
    cells = np.asarray(first, dtype=np.int64) * grades + np.asarray(second, dtype=np.int64)
    n = len(cells)
    if n == 0:
        return Kappa(0, None, None, None)
    value = _values(_tables(cells[None, :], grades))[0]
    if np.isnan(value):
        return Kappa(n, None, None, None)
    draws = np.random.default_rng(_SEED).integers(0, n, size=(_SAMPLES, n))
    found = _values(_tables(cells[draws], grades))
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return Kappa(n, float(value), float(low), float(high))


def _tables(cells: npt.NDArray[np.int64], grades: int) -> npt.NDArray[np.float64]:
    """Return the shares of each pair of grades, shape (samples, grades, grades)."""
    size = grades * grades
    rows = np.arange(len(cells))[:, None] * size
    counted = np.bincount((cells + rows).ravel(), minlength=len(cells) * size)
    return counted.reshape(len(cells), grades, grades) / cells.shape[1]


def _values(tables: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return 1 − observed ÷ expected disagreement; NaN where none is to be expected."""
    grades = tables.shape[1]
    steps = np.arange(grades)
    weights = np.abs(steps[:, None] - steps[None, :]) / (grades - 1)
    expected = tables.sum(axis=2)[:, :, None] * tables.sum(axis=1)[:, None, :]
    chance = (weights * expected).sum(axis=(1, 2))
    apart = (weights * tables).sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(chance > 0, 1 - apart / chance, np.nan)
