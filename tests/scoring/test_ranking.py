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
