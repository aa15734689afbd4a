"""How much more often leads win where a line of a score model holds. Pure."""

from math import exp, sqrt
from statistics import NormalDist

import numpy as np

from scoring.features import Bools, Floats

STRONG = 0.5  # of x, from which a line holds; engagement holds where it happened at all
LEAST_KNOWN = 50  # leads about whom a line is known, before it is judged
LEAST_SIDE = 5  # of them on either side
COVER = 0.95  # of the interval
_Z = NormalDist().inv_cdf(0.5 + COVER / 2)


def holds(values: Floats, *, happens: bool) -> Bools:
    """Return where a line with x `values` (n,), NaN unknown, holds; `happens` for engagement."""
    held: Bools = values > 0 if happens else values >= STRONG  # never where unknown
    return held


def lift_of(won: int, n: int, other_won: int, other_n: int) -> tuple[float, float, float]:
    """Return the ratio of two win rates with its 95 % interval (log method, half a lead added)."""
    a, b, c, d = won + 0.5, n + 0.5, other_won + 0.5, other_n + 0.5
    ratio = (a / b) / (c / d)
    spread = _Z * sqrt(max(0.0, 1 / a - 1 / b + 1 / c - 1 / d))
    return ratio, ratio * exp(-spread), ratio * exp(spread)


def lift_where(won: Bools, known: Bools, strong: Bools) -> tuple[float | None, float, float, int]:
    """Return the lift of leads where a line holds (`strong`) over all others, each (n,), with its
    interval, and how many more must be `known` about before it is told.
    """
    needed = max(0, LEAST_KNOWN - int(known.sum()))
    side = min(int(strong.sum()), int((~strong).sum()))
    if needed or side < LEAST_SIDE:
        return None, 0.0, 0.0, needed
    rest = np.logical_not(strong)
    return *lift_of(
        int(won[strong].sum()), int(strong.sum()), int(won[rest].sum()), int(rest.sum())
    ), 0
