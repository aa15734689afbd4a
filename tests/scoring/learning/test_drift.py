import numpy as np
import pytest
from scipy.special import expit

from scoring.features import Floats
from scoring.learning.drift import Recency, choose_recency, drift_notice, later_notice
from scoring.learning.evaluate import calibration_error
from scoring.learning.points import define
from scoring.learning.signals import learn_signals
from tests.scoring.learning.worlds import made, table_of

BLOCKS = 20


def test_refitted_as_outcomes_arrive_it_stays_calibrated_under_drift():
    columns, y = made("drift", 3000, 4)
    del columns["Day"]
    table = table_of(columns)
    at_once: list[tuple[Floats, Floats]] = []
    late: list[tuple[Floats, Floats]] = []
    codes = set()
    for block in range(4, BLOCKS):
        known = np.arange(len(y) * block // BLOCKS)
        model = learn_signals(table.take(known), y[known], in_order=True)
        definitions = define(model, table.take(known))
        assert definitions is not None
        codes |= {notice.code for notice in model.notices}
        for delay, into in ((0, at_once), (1, late)):
            start, end = (len(y) * (block + delay + i) // BLOCKS for i in (0, 1))
            rows = np.arange(start, end)
            if len(rows) and end <= len(y):
                into.append((y[rows], definitions.probability(table.take(rows))))
    for pairs, most in ((at_once, 0.04), (late, 0.07)):
        seen, predicted = (np.concatenate(part) for part in zip(*pairs, strict=True))
        assert calibration_error(seen, predicted) <= most
    assert "drift" in codes


def test_without_drift_old_outcomes_mostly_count_in_full():
    kept = 0
    for seed in range(5):
        columns, y = made("strong", 2000, seed)
        recency = choose_recency(table_of(columns), y)
        kept += recency.half_life is None
        assert abs(recency.step) <= 0.5
        assert drift_notice(y, Recency()) is None
    assert kept >= 4


def test_of_half_lives_about_as_good_one_that_forgets_least_is_chosen():
    """One of eight fields turns over; what the others say is worth keeping."""
    random = np.random.default_rng(0)
    x = random.integers(4, size=(2000, 8))
    effects = random.normal(0, 0.5, (8, 4))
    log_odds = sum(effects[i][x[:, i]] for i in range(8)) - 1.2
    log_odds += np.where(np.arange(2000) < 1100, -0.45, 0.45) * (x[:, 0] - 1.5)
    y = (random.random(2000) < expit(log_odds)).astype(float)
    columns = {f"F{i}": [f"v{value}" for value in x[:, i]] for i in range(8)}
    assert choose_recency(table_of(columns), y).half_life == 1000  # the very best is 500


def test_too_few_outcomes_choose_nothing():
    columns, y = made("drift", 120)
    assert choose_recency(table_of(columns), y) == Recency()


def test_the_newest_outcome_counts_in_full_and_one_half_life_ago_half():
    assert Recency(10.0).weights(21)[[20, 10, 0]] == pytest.approx([1, 0.5, 0.25])
    assert Recency().weights(3).tolist() == [1, 1, 1]


def test_a_base_rate_that_moved_is_told():
    notice = later_notice(np.array([1.0] * 150 + [0.0] * 50), np.full(200, 0.5))
    assert notice is not None
    assert notice.code == "drift"
    assert later_notice(np.array([1.0, 0.0] * 100), np.full(200, 0.5)) is None
