"""Random columns in plausible shapes. Pure."""

from collections.abc import Sequence

import numpy as np

from scoring.features import DAY
from world.chunk import Floats, Ints
from world.lists import NOTHING

Rng = np.random.Generator


def draw(rng: Rng, shares: Sequence[float], n: int) -> Ints:
    """Draw n codes with the given shares, which need not sum to one."""
    edges = np.cumsum(shares) / np.sum(shares)
    return np.minimum(np.searchsorted(edges, rng.random(n), side="right"), len(edges) - 1)


def blank(rng: Rng, codes: Ints, share: float) -> Ints:
    """Leave a share of the values blank."""
    return np.where(rng.random(len(codes)) < share, NOTHING, codes)


def office(rng: Rng, at: Floats) -> Floats:
    """Move times forward into office hours of a weekday (08:00 to 16:30 UTC)."""
    day = np.floor(at / DAY)
    hour = (at / DAY - day) * 24.0
    day = np.where(hour > 16.5, day + 1, day)
    weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
    weekend = weekday >= 5
    day = np.where(weekend, day + 7 - weekday, day)
    morning = 8.0 + 3.0 * rng.random(len(at))
    hour = np.where((hour > 16.5) | (hour < 8.0) | weekend, morning, hour)
    return day * DAY + np.round(hour * 3600.0)


def between(rng: Rng, table: Sequence[tuple[str, int, int, float]], code: Ints) -> Ints:
    """Draw a whole number from each one's range."""
    low, high = (np.array([row[i] for row in table])[code] for i in (1, 2))
    return rng.integers(low, high + 1)


def sigmoid(z: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-z))


def normal_quantiles(p: Floats) -> Floats:
    """Return quantiles of the standard normal distribution, to three digits (Tocher's logit)."""
    return np.log(p / (1.0 - p)) / 1.702
