"""The learner's measurements: what they are made from, and that they can fail."""

from pathlib import Path

import numpy as np
import pytest

from bench import learn
from bench.past_leads import made, of_world, sheet_of
from core.errors import Invalid
from scoring.learning.intervals import weight_intervals


def test_the_world_wins_as_its_truth_says() -> None:
    x, y, weights = of_world("b2b", 4000, 1)
    assert x.shape == (4000, len(weights))
    assert set(np.unique(y)) == {0.0, 1.0}
    found = weight_intervals(x, y, np.ones(4000)).estimate
    assert np.corrcoef(found, weights)[0, 1] > 0.9


def test_without_the_real_files_the_other_sets_are_measured(tmp_path: Path) -> None:
    assert set(dict(learn._sets(tmp_path))) == {"strong", "weak", "blanks", "cells"}


def test_a_folder_may_name_further_files(tmp_path: Path) -> None:
    columns, y = made("strong", 400)
    columns["Fee"] = ["9" if won else "" for won in y]
    columns["When"] = [str(i) for i in range(400)]
    sheet = sheet_of(columns, y)
    rows = [sheet.header, *zip(*sheet.columns, strict=True)]
    (tmp_path / "past.csv").write_text("\n".join(",".join(row) for row in rows))
    listing = tmp_path / "sets.toml"
    listing.write_text(
        '[mine]\nfile = "past.csv"\noutcome = "Outcome"\npositive = "won"\n'
        'exclude = ["Fee"]\norder = "When"\n'
    )
    told: list[str] = []
    mine = {"mine": dict(learn._sets(tmp_path))["mine"]}
    lines = {line.name: line for line in learn._whole(mine, told.append)}
    assert lines["learn, mine: AUC above LR and WoE"].ok
    assert lines["learn, mine: ECE above a perfect model's"].ok
    words = told[-1].split()
    assert (words[0], words[-1]) == ("mine", "propose")
    listing.write_text('[mine]\nfile = "past.csv"\noutcome = "Outcome"\n')
    with pytest.raises(Invalid, match="mine needs file, outcome and positive"):
        dict(learn._sets(tmp_path))


def test_copies_are_told_by_how_much_p_changes() -> None:
    lines = list(learn._copies())
    assert len(lines) == 4
    assert all(line.ok and line.limit == 0.02 for line in lines)
