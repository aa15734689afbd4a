import numpy as np
import pytest

from scoring.learning.evaluate import (
    auc_gain,
    bootstrap,
    calibration_bins,
    calibration_error,
    calibration_floor,
    gain_curve,
    measure,
    reach,
    recalibrate,
    share_won,
    verdict,
    wilson,
    wins_at,
)
from scoring.learning.screening import rank_auc


def drawn(n, seed=0, spread=1.0):
    random = np.random.default_rng(seed)
    log_odds = random.normal(-0.5, spread, n)
    p = 1 / (1 + np.exp(-log_odds))
    return (random.random(n) < p).astype(float), p


def test_a_perfect_model_shows_its_floor_and_no_more():
    errors = [calibration_error(*drawn(500, seed)) for seed in range(30)]
    assert calibration_floor(drawn(500)[1]) == pytest.approx(np.mean(errors), abs=0.005)
    y, p = drawn(500)
    assert calibration_error(y, np.clip(p + 0.2, 0, 1)) > 0.12


def test_shares_won_count_ties_by_their_part():
    y = np.array([1.0, 0.0, 1.0, 0.0])
    assert share_won(y, np.zeros(4), 0.0, 0.2) == 0.5
    assert share_won(y, np.array([4.0, 3.0, 2.0, 1.0]), 0.0, 0.25) == 1.0
    assert share_won(y, np.array([4.0, 3.0, 3.0, 1.0]), 0.25, 0.5) == 0.5


def test_measures_of_one_outcome_say_what_they_can():
    found = measure(np.ones(10), np.full(10, 0.9), np.arange(10.0))
    assert found.auc is None
    assert found.brier == pytest.approx(0.01)
    assert found.tiers["hot"] == 1.0


def test_nothing_is_said_about_probabilities_that_are_not_shown():
    found = measure(np.array([0.0, 1.0]), None, np.array([0.0, 1.0]))
    assert (found.brier, found.log_loss, found.ece) == (None, None, None)
    assert found.auc == 1.0


def test_the_gain_in_auc_has_the_spread_of_its_draws():
    gains, sure = [], []
    for seed in range(200):
        random = np.random.default_rng(seed)
        y = (random.random(300) < 0.4).astype(float)
        ours, theirs = y + random.normal(0, 2, 300), y + random.normal(0, 2, 300)
        gain, low, high = auc_gain(y, ours, theirs)
        assert gain == pytest.approx(rank_auc(y, ours) - rank_auc(y, theirs))
        gains.append(gain)
        sure.append((high - low) / 2 / 1.96)
    assert np.mean(sure) == pytest.approx(np.std(gains), rel=0.15)


def test_a_bootstrap_interval_holds_its_statistic():
    y, p = drawn(400)
    low, high = bootstrap(lambda rows: rank_auc(y[rows], p[rows]), y)
    assert low < rank_auc(y, p) < high


def test_recalibrated_scores_are_probabilities():
    y, p = drawn(4000)
    score = 40 + 10 * np.log(p / (1 - p))
    assert np.abs(recalibrate(score, y, score) - p).mean() < 0.02
    assert recalibrate(np.zeros(50), y[:50], np.zeros(3)) == pytest.approx(
        np.full(3, y[:50].mean()), abs=0.01
    )


@pytest.mark.parametrize(
    ("n", "won", "expected"),
    [(99, 50, "too_few"), (1000, 29, "too_few"), (1000, 971, "too_few"), (1000, 300, "propose")],
)
def test_a_model_is_proposed_only_from_enough_outcomes(n, won, expected):
    y, p = drawn(2000, spread=1.5)
    live = np.random.default_rng(1).normal(size=2000)
    assert verdict(y, p, live, np.full(2000, y.mean()), y.mean(), n, won, 5.0) == expected


def test_luck_on_the_leads_held_out_alone_is_not_proposed():
    y, p = drawn(2000, spread=1.5)
    live = np.random.default_rng(1).normal(size=2000)
    assert verdict(y, p, live, np.full(2000, y.mean()), y.mean(), 1000, 300, 1.0) == "keep"


def test_a_better_ranking_with_worse_probabilities_is_not_proposed():
    y, p = drawn(2000, spread=1.5)
    live = np.random.default_rng(1).normal(size=2000)
    assert verdict(y, p**6, live, np.full(2000, y.mean()), y.mean(), 1000, 300, 5.0) == "keep"
    assert verdict(y, p, p, p, y.mean(), 1000, 300, 5.0) == "keep"
    assert verdict(np.ones(2000), p, live, p, 0.5, 1000, 300, 5.0) == "keep"


def test_the_gain_curve_counts_the_won_among_the_best():
    y = np.array([1.0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    assert gain_curve(y, -np.arange(10.0), 10)[:4] == pytest.approx([0, 0.5, 0.5, 1])
    assert gain_curve(y, np.zeros(10), 10) == pytest.approx(np.arange(11) / 10)  # all alike
    assert wins_at(y, -np.arange(10.0), 3) == 2


def test_the_same_calls_win_more_by_a_better_ranking():
    random = np.random.default_rng(0)
    y = (random.random(600) < 0.3).astype(float)
    ours, theirs = y + random.normal(0, 0.7, 600), random.random(600)
    found = reach(y, ours, theirs, 200)
    assert found.shape == (201, 4)
    assert found[0] == pytest.approx([0, 0, 0, 0])
    assert found[-1] == pytest.approx([y.sum(), y.sum(), 0, 0])
    wins, other, low, high = found[40]  # a fifth
    assert (wins, other) == (wins_at(y, ours, 120), pytest.approx(wins_at(y, theirs, 120)))
    assert 0 < low < wins - other < high
    assert reach(y, y, y, 10)[:, 2:] == pytest.approx(np.zeros((11, 2)))
    # Of more leads than are drawn the interval is that of all of them, not of the draw.
    many = np.tile(np.arange(600), 20)
    jitter = random.normal(0, 1e-6, (2, len(many)))
    wide = reach(y[many], ours[many] + jitter[0], theirs[many] + jitter[1], 5)[1]
    assert (wide[3] - wide[2]) / (high - low) == pytest.approx(np.sqrt(20), rel=0.2)


def test_bins_of_calibration_carry_the_interval_of_what_was_seen():
    y = np.array([0.0] * 90 + [1.0] * 10)
    bins = calibration_bins(y, np.linspace(0, 1, 100))
    assert [b.n for b in bins] == [10] * 10
    assert (bins[-1].rate, bins[0].rate) == (1.0, 0.0)
    assert bins[0].low == 0 < bins[0].high < 0.3
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(3, 10) == pytest.approx((0.1269, 0.5583), abs=1e-4)
