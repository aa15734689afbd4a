"""The learner's measurements: what they are made from, and that they can fail."""

from pathlib import Path

import numpy as np

from bench import learn
from bench.past_leads import of_world
from scoring.learning.intervals import weight_intervals


def test_the_world_wins_as_its_truth_says() -> None:
    x, y, weights = of_world("b2b", 4000, 1)
    assert x.shape == (4000, len(weights))
    assert set(np.unique(y)) == {0.0, 1.0}
    found = weight_intervals(x, y, np.ones(4000)).estimate
    assert np.corrcoef(found, weights)[0, 1] > 0.9


def test_without_the_real_files_the_other_sets_are_measured(tmp_path: Path) -> None:
    assert set(dict(learn._sets(tmp_path))) == {"strong", "weak", "blanks", "cells"}


def test_copies_are_told_by_how_much_p_changes() -> None:
    (line,) = learn._copies()
    assert line.ok
    assert line.limit == 0.02
