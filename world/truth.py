"""The hidden truth of the made-up world: why its leads buy. Pure.

A lead is won with probability 1 / (1 + e^−z), z = intercept + what its attributes, its ratings and
its engagement at the time of the decision give + noise that nobody records. An attribute that is
blank and a question that nobody asked still count: blanks hide the truth, they do not change it.
Learning sees only facts and outcomes; its tests compare what it found with `true_weights`.

Attributes and bands are those of the default bundle, so that its signals can find them. What they
are worth differs from the bundle's points on purpose: there is something to learn.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leads.activities import Kind
from scoring.definitions import Icp, Model

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Measure:
    """How an activity kind is counted, as in scoring.definitions.Signal."""

    cap: float = 1.0
    half_life_days: int = 0
    window_days: int | None = None


@dataclass(frozen=True)
class Truth:
    """All weights are log-odds: of being in a band, of a rating of 100 (linear from 0), of an
    engagement signal at x = 1. `noise` is the standard deviation of what nobody records.
    """

    intercept: float
    bands: Mapping[str, Mapping[str, float]]
    ratings: Mapping[str, float]
    engagement: Mapping[str, float]
    noise: float


MEASURES: Mapping[str, Measure] = {
    Kind.HAND_RAISED: Measure(window_days=90),
    Kind.MEETING_HELD: Measure(half_life_days=90),
    Kind.CALL_CONNECTED: Measure(half_life_days=60),
    Kind.EMAIL_REPLIED: Measure(half_life_days=60),
    Kind.WEBINAR_ATTENDED: Measure(cap=2, half_life_days=60),
    Kind.PRICING_VIEWED: Measure(cap=2, half_life_days=30),
    Kind.FORM_SUBMITTED: Measure(cap=2, half_life_days=90),
    Kind.EMAIL_CLICKED: Measure(cap=3, half_life_days=30),
    Kind.PAGE_VIEWED: Measure(cap=5, half_life_days=30),
    Kind.UNSUBSCRIBED: Measure(),
}

TRUTHS: Mapping[str, Truth] = {
    "b2b": Truth(
        intercept=-5.2,
        bands={
            "company_size": {
                "micro": -1.0,
                "small": -0.2,
                "mid": 0.8,
                "upper_mid": 1.1,
                "large": 0.1,
            },
            "industry": {"core": 0.8, "near": 0.4, "far": -0.6},
            "region": {"home": 0.4, "europe": 0.1, "overseas": -0.5},
            "seniority": {
                "c_level": 0.4,
                "vp": 0.7,
                "director": 0.6,
                "manager": 0.1,
                "individual": -0.7,
                "student": -3.0,
            },
            "email": {"own": 0.3, "free": -0.7},
        },
        ratings={"budget": 1.0, "authority": 0.7, "need": 1.9, "timing": 1.2},
        engagement={
            Kind.HAND_RAISED: 0.9,
            Kind.MEETING_HELD: 1.3,
            Kind.CALL_CONNECTED: 0.3,
            Kind.EMAIL_REPLIED: 0.6,
            Kind.WEBINAR_ATTENDED: 0.2,
            Kind.PRICING_VIEWED: 1.2,
            Kind.FORM_SUBMITTED: 0.3,
            Kind.EMAIL_CLICKED: 0.2,
            Kind.PAGE_VIEWED: 0.1,
            Kind.UNSUBSCRIBED: -1.2,
        },
        noise=0.4,
    ),
    "b2c": Truth(
        intercept=-4.6,
        bands={
            "age_band": {"18_24": -0.7, "25_34": 0.3, "35_54": 0.5, "55_64": 0.2, "65_up": -0.4},
            "means": {"low": -0.6, "middle": 0.3, "high": 0.9},
            "region": {"home": 0.5, "europe": 0.0, "overseas": -0.6},
        },
        ratings={"budget": 1.4, "authority": 0.4, "need": 1.6, "timing": 0.8},
        engagement={
            Kind.HAND_RAISED: 1.1,
            Kind.MEETING_HELD: 0.9,
            Kind.CALL_CONNECTED: 0.4,
            Kind.EMAIL_REPLIED: 0.5,
            Kind.WEBINAR_ATTENDED: 0.1,
            Kind.PRICING_VIEWED: 1.0,
            Kind.FORM_SUBMITTED: 0.4,
            Kind.EMAIL_CLICKED: 0.3,
            Kind.PAGE_VIEWED: 0.2,
            Kind.UNSUBSCRIBED: -1.4,
        },
        noise=0.4,
    ),
}


def true_weights(kind: str, model: Model, icp: Icp) -> dict[tuple[str, str], float]:
    """Return the true log-odds behind each line of `model` for leads of a kind ("b2b", "b2c").

    Keys are (signal key, band key), the band '' where the signal is no attribute's. A band that
    the signal gives no points for, and what the truth does not know, are left out.
    """
    truth = TRUTHS[kind]
    found: dict[tuple[str, str], float] = {}
    for signal in model.signals:
        if signal.dimension is not None and signal.dimension in truth.ratings:
            found[signal.key, ""] = truth.ratings[signal.dimension]
        elif signal.activity is not None and signal.activity in truth.engagement:
            found[signal.key, ""] = truth.engagement[signal.activity]
        elif signal.attribute is not None and signal.attribute in truth.bands:
            for band in icp.attribute(signal.attribute).bands:
                weight = truth.bands[signal.attribute].get(band.key)
                if weight is not None and signal.values.get(band.key, band.x) > 0:
                    found[signal.key, band.key] = weight
    return found


def win_probability(
    kind: str,
    bands: Mapping[str, npt.NDArray[np.str_]],
    ratings: Mapping[str, Ints],
    engagement: Mapping[str, Floats],
    noise: Floats,
) -> Floats:
    """Return p(win) of n leads of one kind.

    `bands` names each lead's band per attribute, `ratings` are 0–100 per dimension, `engagement`
    is x in 0–1 per activity kind, `noise` standard normal; all of shape (n,).
    """
    truth = TRUTHS[kind]
    z = truth.intercept + truth.noise * noise
    for attribute, weights in truth.bands.items():
        for band, weight in weights.items():
            z = z + np.where(bands[attribute] == band, weight, 0.0)
    for dimension, weight in truth.ratings.items():
        z = z + weight * ratings[dimension] / 100.0
    for activity, weight in truth.engagement.items():
        z = z + weight * engagement[activity]
    probability: Floats = 1.0 / (1.0 + np.exp(-z))
    return probability
