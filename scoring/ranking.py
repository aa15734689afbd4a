"""Probability, expected value and the queue's order. Pure.

rank = log2(p · value) + days(intent) / 7 is the order of p × value × ½^(age / 7 days): the same at
every moment, so it changes only with facts.
"""

from math import exp, log, sqrt

import numpy as np

from scoring.definitions import Model
from scoring.features import DAY, Floats, Ints

RECENCY_DAYS = 7.0  # an intent a week older counts half
LEAST_VALUE_MINOR = 1.0
LEAST_SHOWN = 20  # outcomes below which no interval is told
NORMAL_90 = 1.6449


def probability(model: Model, total: Floats) -> Floats:
    """Return p(win) by the model's two-parameter logistic, from exact scores.

    The two anchors fix it: for the default map p(40) = .08 and p(60) = .25.
    """
    intercept, slope = curve(model)
    return 1.0 / (1.0 + np.exp(-(intercept + slope * total)))


def curve(model: Model) -> tuple[float, float]:
    """Return the intercept and the slope a point of the logistic, in log-odds."""
    (s0, p0), (s1, p1) = model.p_anchors
    slope = (log(p1 / (1 - p1)) - log(p0 / (1 - p0))) / (s1 - s0)
    return log(p0 / (1 - p0)) - slope * s0, slope


def p_interval(model: Model, p: float) -> tuple[float, float] | None:
    """Return the 90 % interval of a probability that a learned model gives; None for others, and
    below LEAST_SHOWN outcomes, where none is told.
    """
    learned = model.learned
    if learned is None or learned.n < LEAST_SHOWN or not 0 < p < 1:
        return None
    intercept, slope = curve(model)
    odds = log(p / (1 - p))
    points = (odds - intercept) / slope
    level, both, steep = learned.covariance
    reach = NORMAL_90 * sqrt(max(0.0, level + 2 * both * points + steep * points**2))
    low, high = (1.0 / (1.0 + exp(-o)) for o in (odds - reach, odds + reach))
    return low, high


def expected_minor(p: Floats, value_minor: Floats, factor: Floats) -> Ints:
    """Return p × value × repeat-customer factor in whole minor units."""
    return np.round(p * value_minor * factor).astype(np.int64)


def rank(p: Floats, value_minor: Floats, intent_at: Floats) -> Floats:
    """Return the rank; `intent_at` in seconds since the epoch."""
    value = np.maximum(value_minor, LEAST_VALUE_MINOR)
    return np.log2(p * value) + intent_at / DAY / RECENCY_DAYS
