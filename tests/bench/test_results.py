import json
from pathlib import Path

import pytest
from django.conf import settings

from bench.results import Result, middle, table, write


def test_the_ratio_is_ours_to_raw_and_the_limit_bounds_it():
    kept, broken = (Result("a", 1, ours, 2.0, "s", 1.5) for ours in (3.0, 3.1))
    assert (kept.ratio, kept.ok) == (1.5, True)
    assert broken.ok is False


def test_without_a_floor_the_limit_bounds_the_value_itself():
    assert Result("queries", 1, 12, None, "", 12.0).ok is True
    assert Result("queries", 1, 13, None, "", 12.0).ok is False


def test_a_least_value_is_kept_from_above():
    assert Result("faster", 1, 41, None, "×", 40.0, least=True).ok is True
    assert Result("faster", 1, 39, None, "×", 40.0, least=True).ok is False


def test_what_has_no_limit_is_only_told():
    assert Result("told", 1, 5, None, "s", None).ok is None


def test_rounds_give_the_medians_of_both_sides():
    line = middle("a", 1, [9.0, 1.0, 2.0], [4.0, 1.0, 0.1], 2.0)
    assert (line.ours, line.raw, line.ratio) == (2.0, 1.0, 2.0)


def test_the_table_names_what_is_over_its_limit():
    lines = table(
        [Result("good", 10, 1.0, 1.0, "s", 1.3), Result("bad", 10, 0.002, 0.001, "s", 1.3)]
    ).splitlines()
    assert lines[1].endswith("ok")
    assert "2.00" in lines[2]
    assert lines[2].endswith("OVER")


def test_the_latest_results_are_kept_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settings, "DATA_DIR", tmp_path)
    file = write([Result("a", 7, 3.0, 2.0, "s", 1.5)])
    assert file == tmp_path / "bench" / "latest.json"
    [line] = json.loads(file.read_text())
    assert {key: line[key] for key in ("name", "n", "ours", "raw", "ratio", "limit", "ok")} == {
        "name": "a",
        "n": 7,
        "ours": 3.0,
        "raw": 2.0,
        "ratio": 1.5,
        "limit": 1.5,
        "ok": True,
    }
