"""What a version would have been worth: intervals that hold the difference, however many leads."""

import numpy as np
import pytest

from scoring.appraising import Predictions, Slice, appraise, sentence
from scoring.learning.evaluate import MOST_DRAWN


def _predictions(logits: np.ndarray) -> Predictions:
    return Predictions(logits, 1 / (1 + np.exp(-logits)))


@pytest.mark.parametrize("n", [2_000, 4 * MOST_DRAWN])
def test_an_interval_is_of_all_leads_and_not_of_the_latest(n: int) -> None:
    random = np.random.default_rng(3)
    known, noise = random.normal(size=(2, n))
    # Among the earlier leads it is known who wins; among the last quarter nobody could have said.
    told = np.where(np.arange(n) < 0.75 * n, 2 * known, 0.0)
    y = (random.random(n) < 1 / (1 + np.exp(1 - told))).astype(float)
    found = appraise(y, _predictions(noise), _predictions(known), [], n // 5, None, 0)
    at = found["capacity"]
    assert at["low"] < at["ours"] - at["live"] < at["high"]
    for middle, low, high in found["differences"].values():
        assert low <= middle <= high
    low, high = (found["differences"]["auc"][i] for i in (1, 2))
    # As wide as an AUC of so many leads is uncertain: about 0.6 / √(won), for two models.
    assert 0.5 < (high - low) * np.sqrt(y.sum()) / 1.4 < 2


def test_versions_that_rank_alike_are_said_to() -> None:
    random = np.random.default_rng(1)
    known = random.normal(size=400)
    y = (random.random(400) < 1 / (1 + np.exp(1 - known))).astype(float)
    same = appraise(y, _predictions(known), _predictions(known), [], 80, None, 0)
    assert sentence(same).startswith("Leads are ranked as before: ")
    other = appraise(y, _predictions(-known), _predictions(known), [], 80, None, 0)
    assert sentence(other).startswith("With the same 80 calls you would have reached ")


def test_a_slice_that_is_worse_by_next_to_nothing_is_not_to_be_acknowledged() -> None:
    random = np.random.default_rng(5)
    n = 20_000
    known = random.normal(size=n)
    y = (random.random(n) < 1 / (1 + np.exp(-known))).astype(float)
    part = Slice("Country", "US", np.arange(n) % 2 == 0)
    for shift, named in ((-0.1, []), (0.5, ["US"])):
        moved = _predictions(np.where(part.members, known + shift, known))
        found = appraise(y, _predictions(known), moved, [part], n // 5, None, 0)
        assert [s["value"] for s in found["slices"]] == named, shift
