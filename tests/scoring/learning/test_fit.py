from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from scoring.learning.design import build
from scoring.learning.fit import Design, fit_map, log_evidence
from scoring.learning.intervals import weight_intervals
from scoring.learning.levels import make_levels
from scoring.learning.shrinkage import folds, shift_to, shrink
from tests.scoring.learning.worlds import made, table_of


def dense(x):
    return Design(x, None, np.arange(x.shape[1]), np.ones(x.shape[1]))


def leads(n=800, p=4, seed=0):
    random = np.random.default_rng(seed)
    x = random.random((n, p))
    b = np.array([2.0, -1.0, 0.5, 0.0])[:p]
    y = (random.random(n) < expit(x @ b - 0.8)).astype(float)
    return x, y, b


def test_the_mode_is_scikit_learns():
    x, y, _ = leads()
    ours = fit_map(dense(x), y, np.ones(len(y)), np.full(4, 2.0))
    theirs = LogisticRegression(C=0.5, tol=1e-10, max_iter=1000).fit(x, y)
    assert ours.b == pytest.approx(theirs.coef_[0], abs=1e-5)
    assert ours.intercept == pytest.approx(theirs.intercept_[0], abs=1e-5)


def test_a_weight_of_two_is_a_row_that_stands_there_twice():
    x, y, _ = leads(300)
    weights = np.random.default_rng(1).integers(1, 4, size=300).astype(float)
    rows = np.repeat(np.arange(300), weights.astype(int))
    once = fit_map(dense(x), y, weights, np.ones(4))
    often = fit_map(dense(x[rows]), y[rows], np.ones(len(rows)), np.ones(4))
    assert once.b == pytest.approx(often.b, abs=1e-6)


def test_a_strong_prior_keeps_its_centre_and_outcomes_move_a_weak_one():
    x, y, b = leads(3000)
    centre = np.array([-1.0, 1.0, 1.0, 1.0])
    strong = fit_map(dense(x), y, np.ones(3000), np.full(4, 1e6), centre)
    weak = fit_map(dense(x), y, np.ones(3000), np.full(4, 1e-3), centre)
    assert strong.b == pytest.approx(centre, abs=1e-2)
    assert weak.b == pytest.approx(b, abs=0.4)


def test_levels_and_their_dense_matrix_fit_alike():
    columns, y = made("strong", 400)
    levels = [make_levels(c, 3) for c in table_of(columns).columns.values()]
    design, _ = build(levels, [levels[0].codes == 1])
    assert design.basis is not None
    by_hand = dense(design.cells @ design.basis)
    sparse = replace(design, cells=scipy.sparse.csr_matrix(design.cells))
    precision = np.full(design.p, 3.0)
    ours = fit_map(design, y, np.ones(400), precision)
    for other in (fit_map(d, y, np.ones(400), precision) for d in (by_hand, sparse)):
        assert ours.b == pytest.approx(other.b, abs=1e-6)
        assert log_evidence(ours) == pytest.approx(log_evidence(other), abs=1e-6)


def test_many_rows_start_from_a_part_of_them_and_end_at_the_same_mode():
    x, y, _ = leads(140_000)
    ours = fit_map(dense(x), y, np.ones(len(y)), np.ones(4))
    theirs = LogisticRegression(C=1, tol=1e-10, max_iter=1000).fit(x, y)
    assert ours.b == pytest.approx(theirs.coef_[0], abs=1e-5)


def test_the_evidence_prefers_a_strong_prior_on_noise_and_a_weak_one_on_signal():
    x, y, _ = leads(2500)
    noise = np.random.default_rng(2).permutation(y)
    ones = np.ones(2500)
    assert shrink(dense(x), y, ones, 0).strength < shrink(dense(x), noise, ones, 0).strength


def test_separated_outcomes_stay_finite():
    x = np.eye(40)[:, :2]
    y = np.zeros(40)
    y[0] = 1
    fit = fit_map(dense(x), y, np.ones(40), np.ones(2))
    assert np.isfinite(fit.b).all()
    assert np.abs(fit.b).max() < 10


@pytest.mark.parametrize("n", [2, 3, 12, 90])
def test_shrinking_works_with_any_number_of_outcomes_and_is_deterministic(n):
    x, y, _ = leads(n)
    y[:2] = [0, 1]
    first, second = (shrink(dense(x), y, np.ones(n), 7) for _ in range(2))
    assert np.isfinite(first.b).all()
    assert first.b.tolist() == second.b.tolist()
    p = expit(first.intercept + x @ first.b)
    assert p.mean() == pytest.approx(y.mean(), abs=1e-6)


def test_folds_share_out_both_outcomes():
    y = np.array([1.0] * 10 + [0.0] * 90)
    fold_of = folds(y, 3)
    assert [int(y[fold_of == fold].sum()) for fold in range(5)] == [2] * 5


def test_the_shift_meets_the_share_won():
    log_odds = np.random.default_rng(0).normal(0, 2, 500)
    y = (np.arange(500) < 30).astype(float)
    shift = shift_to(log_odds, y, np.ones(500))
    assert expit(log_odds + shift).mean() == pytest.approx(0.06, abs=1e-9)


def test_nine_of_ten_intervals_hold_the_truth():
    inside = []
    for seed in range(40):
        x, y, b = leads(1000, seed=seed)
        found = weight_intervals(x, y, np.ones(1000))
        inside += list((found.low <= b) & (b <= found.high))
    assert 0.87 <= np.mean(inside) <= 0.97


def test_intervals_widen_when_old_outcomes_fade():
    x, y, _ = leads(1000)
    full = weight_intervals(x, y, np.ones(1000))
    faded = weight_intervals(x, y, np.exp2(-np.arange(1000)[::-1] / 100))
    assert ((faded.high - faded.low) > 1.5 * (full.high - full.low)).all()


@pytest.mark.parametrize("gaps", [False, True])
def test_a_sparse_design_curves_as_the_same_one_dense(gaps):
    random = np.random.default_rng(3)
    cells = np.zeros((200, 9))
    for first, width in ((0, 4), (4, 3), (7, 2)):
        cells[np.arange(200), first + random.integers(width, size=200)] = 1.0
    if gaps:  # a lead may lack the level of a field
        cells[:5, :4] = 0.0
    weights = random.random(200)
    grams = [
        Design(matrix, None, np.arange(9), np.ones(9)).gram(weights)
        for matrix in (cells, scipy.sparse.csr_matrix(cells))
    ]
    assert grams[1] == pytest.approx(grams[0])
