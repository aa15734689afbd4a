"""Probability, expected value and the queue's order. Pure.

rank = log2(p · value) + days(intent) / 7 is the order of p × value × ½^(age / 7 days): the same at
every moment, so it changes only with facts.
"""

from math import log

import numpy as np

from scoring.definitions import Model
from scoring.features import DAY, Floats, Ints

RECENCY_DAYS = 7.0  # an intent a week older counts half
LEAST_VALUE_MINOR = 1.0


def probability(model: Model, total: Floats) -> Floats:
    """Return p(win) by the model's two-parameter logistic, from exact scores.

    The two anchors fix it: for the default map p(40) = .08 and p(60) = .25.
    """
    (s0, p0), (s1, p1) = model.p_anchors
    slope = (log(p1 / (1 - p1)) - log(p0 / (1 - p0))) / (s1 - s0)
    intercept = log(p0 / (1 - p0)) - slope * s0
    return 1.0 / (1.0 + np.exp(-(intercept + slope * total)))


def expected_minor(p: Floats, value_minor: Floats, factor: Floats) -> Ints:
    """Return p × value × repeat-customer factor in whole minor units."""
    return np.round(p * value_minor * factor).astype(np.int64)


def rank(p: Floats, value_minor: Floats, intent_at: Floats) -> Floats:
    """Return the rank; `intent_at` in seconds since the epoch."""
    value = np.maximum(value_minor, LEAST_VALUE_MINOR)
    return np.log2(p * value) + intent_at / DAY / RECENCY_DAYS
