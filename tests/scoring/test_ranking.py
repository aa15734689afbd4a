"""Probability and rank."""

import numpy as np
import pytest

from scoring import ranking
from tests.scoring.models import DAY, NOW, model


def test_the_default_map_passes_through_its_two_anchors() -> None:
    p = ranking.probability(model(), np.array([40.0, 60.0]))
    assert p == pytest.approx([0.08, 0.25])


def test_an_intent_a_week_older_counts_half() -> None:
    p = np.array([0.2, 0.1])
    value = np.array([100_000.0, 100_000.0])
    fresh, old = NOW, NOW - 7 * DAY
    double_but_older = ranking.rank(p, value, np.array([old, fresh]))
    assert double_but_older[0] == pytest.approx(double_but_older[1])


def test_the_order_does_not_depend_on_when_it_is_asked() -> None:
    p, value = np.array([0.3, 0.1]), np.array([5e5, 9e5])
    intent = np.array([NOW - 3 * DAY, NOW])
    later = ranking.rank(p, value, intent) - 30 * DAY / DAY / 7
    assert np.argsort(later).tolist() == np.argsort(ranking.rank(p, value, intent)).tolist()


def test_expected_value_counts_repeat_customers() -> None:
    expected = ranking.expected_minor(np.array([0.25]), np.array([1000.0]), np.array([1.2]))
    assert expected.tolist() == [300]


def test_a_learned_probability_has_an_interval_that_outcomes_narrow() -> None:
    few, many = (
        model(
            p={
                "anchors": [[40, 0.2], [60, 0.6]],
                "of": "points",
                "learned": {"n": n, "won": n // 2, "covariance": [50 / n, -1 / n, 0.02 / n]},
            }
        )
        for n in (100, 10_000)
    )
    assert ranking.p_interval(model(), 0.4) is None
    wide, narrow = ranking.p_interval(few, 0.4), ranking.p_interval(many, 0.4)
    assert wide is not None
    assert narrow is not None
    assert 0 < wide[0] < narrow[0] < 0.4 < narrow[1] < wide[1] < 1
    none = model(
        p={
            "anchors": [[40, 0.2], [60, 0.6]],
            "learned": {"n": 2, "won": 1, "covariance": [1, 0, 1]},
        }
    )
    assert ranking.p_interval(none, 0.4) is None  # two outcomes are none
