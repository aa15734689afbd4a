import numpy as np
import pytest
from scipy.special import expit

from scoring.learning.screening import rank_auc
from scoring.learning.weights import SLOPE, learn_weights

LIVE = np.array([20.0, -10.0, 10.0, 5.0])
LABELS = ["Size", "Free mail", "Budget", "Need"]


def leads(n, truth, seed=0):
    random = np.random.default_rng(seed)
    x = random.integers(2, size=(n, 4)).astype(float)
    y = (random.random(n) < expit(x @ truth - 1.0)).astype(float)
    return x, y


def test_many_outcomes_move_weights_to_the_truth():
    truth = np.array([1.5, -1.0, 0.0, 1.0])
    x, y = leads(6000, truth)
    found = learn_weights(x, y, LIVE, LABELS)
    assert found.b == pytest.approx(truth, abs=0.25)
    assert found.enough


def test_few_outcomes_move_them_a_little_and_more_outcomes_more():
    truth = np.array([0.0, 0.0, 2.0, 0.0])
    moved = []
    for n in (2, 30, 150, 3000):
        x, y = leads(n, truth)
        y[:2] = [0, 1]
        found = learn_weights(x, y, LIVE, LABELS)
        away = np.abs(found.b - found.slope * LIVE).max()
        moved.append(away / max(found.slope, SLOPE))
        if n < 300:
            assert moved[-1] <= 10 * n / 300 + 1e-9
    assert moved == sorted(moved)


@pytest.mark.parametrize(
    ("truth", "backwards"), [([-1.5, 2.5, -1.0, -0.5], True), ([0.0, 0.0, 1.5, 1.0], False)]
)
def test_points_that_say_little_or_the_opposite_do_not_hold_few_outcomes_back(truth, backwards):
    x, y = leads(2200, np.array(truth))
    found = learn_weights(x[:200], y[:200], LIVE, LABELS)
    assert ("backwards" in {notice.code for notice in found.notices}) == backwards
    before, after = (
        rank_auc(y[200:], score) for score in (x[200:] @ LIVE, found.log_odds(x[200:]))
    )
    assert after > max(before, 0.6) + 0.05
    centre = 0.0 if backwards else found.slope * LIVE
    assert np.abs(found.b - centre).max() <= SLOPE * 10 * 200 / 300 + 1e-9


@pytest.mark.parametrize("y", [[1.0, 0.0], [1.0, 1.0], []])
def test_two_outcomes_show_no_probability(y):
    x = np.zeros((len(y), 4))
    found = learn_weights(x, np.array(y), LIVE, LABELS)
    assert found.probability(np.ones((3, 4))) is None
    assert np.abs(found.b / found.slope - LIVE).max() < 0.1


def test_an_unknown_signal_counts_as_the_average_of_history():
    truth = np.array([1.5, -1.0, 0.5, 1.0])
    x, y = leads(2000, truth)
    found = learn_weights(x, y, LIVE, LABELS)
    unknown = np.full((1, 4), np.nan)
    assert found.log_odds(unknown)[0] == pytest.approx(found.log_odds(x).mean())


def test_a_strong_answer_that_lowers_the_odds_is_shown():
    x, y = leads(3000, np.array([1.0, -1.0, -1.0, 1.0]))
    notices = learn_weights(x, y, LIVE, LABELS).notices
    assert [(notice.code, notice.field) for notice in notices] == [("turned", "Budget")]


@pytest.mark.parametrize("n", [40, 120, 400, 2500])
def test_five_copies_of_a_signal_count_once(n):
    x, y = leads(n, np.array([1.5, -0.5, 0.3, 0.8]))
    found = learn_weights(x, y, LIVE, LABELS)
    wider, points = np.hstack([x, np.repeat(x[:, :1], 5, axis=1)]), np.append(LIVE, np.zeros(5))
    again = learn_weights(wider, y, points, [*LABELS, *"abcde"])
    assert again.log_odds(wider) == pytest.approx(found.log_odds(x), abs=0.02)


@pytest.mark.parametrize("first", [False, True])
def test_copies_of_a_signal_with_slips_count_once_wherever_they_stand(first):
    x, y = leads(150, np.array([1.5, -0.5, 0.3, 0.8]))
    found = learn_weights(x, y, LIVE, LABELS)
    random = np.random.default_rng(0)
    slipped = np.where(random.random((150, 5)) < 0.03, 1 - x[:, :1], x[:, :1])
    parts = [(x, LIVE, LABELS), (slipped, np.zeros(5), [*"abcde"])]
    matrix, points, labels = zip(*(parts[::-1] if first else parts), strict=True)
    wider = np.hstack(matrix)
    again = learn_weights(wider, y, np.concatenate(points), [name for p in labels for name in p])
    assert expit(again.log_odds(wider)) == pytest.approx(expit(found.log_odds(x)), abs=0.02)
