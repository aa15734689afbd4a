import numpy as np
import pytest
from scipy.special import expit

from scoring.learning.levels import make_levels
from scoring.learning.screening import find_leak, rank_auc, screen
from tests.scoring.learning.worlds import made, table_of


def screened(columns, y):
    found = screen(table_of(columns), y)
    return [v.field for v in found.levels], {n.field: n.code for n in found.notices}, found


def test_ordinary_fields_stay():
    columns, y = made("strong", 500)
    kept, notices, _ = screened(columns, y)
    assert kept == list(columns)
    assert notices == {}


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("empty", lambda i: ""),
        ("constant", lambda i: "same"),
        ("identifier", lambda i: str(10_000 + i)),
        ("date", lambda i: f"2024-{i % 12 + 1:02}-{i % 28 + 1:02}"),
        ("free_text", lambda i: f"He said he would call back about offer {i}"),
        ("too_many_values", lambda i: f"company-{i}"),
    ],
)
def test_what_cannot_be_a_signal_is_named(code, texts):
    columns, y = made("strong", 400)
    columns["Odd"] = [texts(i) for i in range(400)]
    kept, notices, _ = screened(columns, y)
    assert "Odd" not in kept
    assert notices == {"Odd": code}


@pytest.mark.parametrize(
    ("name", "repeats", "kept"),
    [
        ("LeadID", 0, False),
        ("subject_id", 100, False),
        ("subject_id", 300, True),  # so often that it may say something
        ("paid", 100, True),
        ("Number of visits", 1, True),
    ],
)
def test_an_id_is_known_by_its_name_though_some_stand_twice(name, repeats, kept):
    columns, y = made("weak", 400)
    different = np.random.default_rng(0).choice(90_000, 400 - repeats, replace=False)
    columns[name] = [str(different[i % len(different)]) for i in range(400)]
    assert (name in screened(columns, y)[0]) == kept


def test_ten_thousand_different_values_are_handled():
    random = np.random.default_rng(0)
    columns, y = made("strong", 12_000)
    columns["Odd"] = [f"v{k}" for k in random.integers(10_000, size=12_000)]
    assert screened(columns, y)[1] == {"Odd": "too_many_values"}


def test_the_outcome_in_disguise_is_a_leak():
    columns, y = made("weak", 600)
    flip = np.random.default_rng(1).random(600) < 0.03
    columns["Signed"] = ["x" if won else "" for won in np.where(flip, 1 - y, y)]
    columns["Reason"] = [
        "" if won else ("price", "timing", "none of it")[i % 3] for i, won in enumerate(y)
    ]
    kept, notices, _ = screened(columns, y)
    assert {"Signed", "Reason"}.isdisjoint(kept)
    assert notices["Signed"] == notices["Reason"] == "leak"


def test_a_number_that_separates_the_outcomes_is_a_leak():
    columns, y = made("weak", 600)
    columns["Invoice"] = [
        f"{won * 5 + v:.2f}" for won, v in zip(y, np.random.default_rng(0).random(600), strict=True)
    ]
    assert screened(columns, y)[1] == {"Invoice": "leak"}


def test_a_field_that_tells_by_degrees_is_named_and_stays_while_a_noisy_outcome_is_left_out():
    random = np.random.default_rng(0)
    owed = random.normal(0, 1, 6000)
    y = (random.random(6000) < expit(-7.5 + 2.6 * owed)).astype(float)
    columns = {
        "Owed": [f"{value:.3f}" for value in owed],
        "Signed": ["yes" if v else "no" for v in (y == 1) ^ (random.random(6000) < 0.01)],
        "After": [f"{value:.3f}" for value in y + random.normal(0, 0.25, 6000)],
    }
    kept, notices, found = screened(columns, y)
    assert kept == ["Owed"]
    assert notices == {"Owed": "leak_possible", "Signed": "leak", "After": "leak"}
    assert not found.muted


def test_one_value_that_gives_it_away_loses_its_line_and_two_lose_the_field():
    random = np.random.default_rng(2)
    y = (random.random(3000) < 0.1).astype(float)
    plain = random.choice(["a", "b", "c"], size=3000)
    one = np.where((y == 1) & (random.random(3000) < 0.3), "paid", plain)
    two = np.where(
        (y == 1) & (random.random(3000) < 0.5), random.choice(["paid", "signed"], 3000), plain
    )
    kept, notices, found = screened(
        {"One": list(one), "Two": list(two), "Plain": list(plain[::-1])}, y
    )
    assert kept == ["One", "Plain"]
    assert notices == {"One": "leak", "Two": "leak"}
    levels = found.levels[0]
    assert [levels.label([i]) for i in found.muted["One"]] == ["paid"]


def test_a_strong_reason_is_named_and_stays_while_a_sure_one_is_left_out():
    random = np.random.default_rng(0)
    y = (random.random(1500) < 0.45).astype(float)
    # 79 % of those with history win and 6 % of the others: both outcomes are seen on both sides.
    history = random.random(1500) < np.where(y == 1, 0.93, 0.2)
    paid = (y == 1) & (random.random(1500) < 0.5)
    lacks = (y == 0) & (random.random(1500) < 0.5)
    columns = {
        "History": [("no", "yes")[int(v)] for v in history],
        "Paid": [("no", "yes")[int(v)] for v in paid],
        "Size": ["" if v else "5" for v in lacks],
    }
    kept, notices, found = screened(columns, y)
    assert kept == ["History"]
    assert notices == {"History": "leak_possible", "Paid": "leak", "Size": "leak"}
    assert not found.muted


@pytest.mark.parametrize(("win", "told"), [(1, "100 % won"), (0, "0 % won")])
@pytest.mark.parametrize("fill", ["reason", "amount", "zero"])
def test_what_is_written_down_with_some_of_the_outcomes_is_a_leak(fill, win, told):
    random = np.random.default_rng(5)
    columns, y = made("strong", 800)
    filled = (y == win) & (random.random(800) < 0.4)
    texts = {
        "reason": random.choice(["price", "timing", "need", "rival"], 800),
        "amount": random.integers(100, 9000, 800).astype(str),
        "zero": random.integers(100, 9000, 800).astype(str),
    }[fill]
    columns["Late"] = list(np.where(filled, texts, "0" if fill == "zero" else ""))
    kept, notices, found = screened(columns, y)
    assert "Late" not in kept
    assert notices == {"Late": "leak"}
    assert f"of {int(filled.sum())} such leads {told}" in found.notices[0].text


def test_what_hardly_ever_loses_is_named_on_few_leads():
    columns, y = made("strong", 800)
    seen = (y == 1) & (np.random.default_rng(5).random(800) < 0.1)
    columns["Late"] = ["x" if v else "" for v in seen]
    assert screened(columns, y)[1] == {"Late": "leak_possible"}


def test_what_hardly_ever_wins_is_no_leak_where_few_win():
    random = np.random.default_rng(0)
    has_one = random.random(4000) < 0.45
    y = (random.random(4000) < np.where(has_one, 0.002, 0.22)).astype(float)
    kept, notices, _ = screened({"Has one": [("no", "yes")[int(v)] for v in has_one]}, y)
    assert (kept, notices) == (["Has one"], {"Has one": "leak_possible"})


def test_a_value_without_support_is_no_leak():
    def found(support: int) -> object:
        y = np.zeros(600)
        y[: support + 60] = 1
        texts = ["rare"] * support + ["b"] * (600 - support)
        return find_leak(make_levels(table_of({"f": texts}).columns["f"], 3), y, 0)[0]

    assert found(15) is None
    assert found(40) is not None


def test_chance_is_no_leak_on_few_outcomes():
    for seed in range(20):
        columns, y = made("noise", 60, seed)
        assert "leak" not in screened(columns, y)[1].values()


def test_ties_count_half_in_an_auc():
    assert rank_auc(np.array([0, 1, 0, 1.0]), np.array([1, 1, 0, 2.0])) == 0.875
    assert rank_auc(np.zeros(3), np.arange(3.0)) == 0.5


def test_of_a_wide_file_the_most_telling_fields_are_kept():
    random = np.random.default_rng(1)
    y = (random.random(400) < 0.4).astype(float)
    columns = {f"F{i}": [f"v{k}" for k in random.integers(3, size=400)] for i in range(70)}
    columns["F69"] = [f"v{int(v)}" if random.random() < 0.3 else "v2" for v in y]
    found = screen(table_of(columns), y)
    assert len(found.levels) == 60
    assert "F69" in {levels.field for levels in found.levels}
    assert [n.code for n in found.notices if n.code == "too_many_fields"] == ["too_many_fields"]
