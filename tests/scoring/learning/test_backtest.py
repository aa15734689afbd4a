import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from core.errors import Invalid
from intake.sheets import read_sheet
from scoring.learning.backtest import Options, order_keys, read_history, run_backtest, split
from scoring.learning.table import Sheet
from tests.scoring.learning.worlds import made, sheet_of

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
SALVIRT, BANK = DATA / "salvirt_b2b_opportunities.csv", DATA / "uci_bank_phone_campaign.csv"


def options(**changes):
    return Options(**{"outcome": "Outcome", "positive": "won", **changes})


def codes(result):
    return {notice.code for notice in result.notices}


def test_a_strong_signal_is_found_and_proposed():
    result = run_backtest(sheet_of(*made("strong", 2000, 1)), options())
    found = result.as_json()
    assert list(found) == [
        "n_train",
        "n_test",
        "learned",
        "start",
        "signals",
        "warnings",
        "verdict",
    ]
    assert found["verdict"] == "propose"
    assert found["n_train"] + found["n_test"] == 2000
    assert found["learned"]["auc"] > found["start"]["auc"] > 0.6
    tiers = found["learned"]["tiers"]
    assert tiers["hot"] > tiers["warm"] > tiers["cold"]
    assert found["learned"]["ece"] <= (result.floor or 0.0) + 0.015
    assert 0 < len(found["signals"]) <= 40
    assert all(line["low"] <= line["points"] <= line["high"] for line in found["signals"])


def test_a_column_that_gives_the_outcome_away_is_left_out_until_it_is_kept():
    columns, y = made("strong", 400)
    flip = np.random.default_rng(2).random(400) < 0.03
    columns["Signed"] = ["yes" if won else "no" for won in np.where(flip, 1 - y, y)]
    sheet = sheet_of(columns, y)
    found = run_backtest(sheet, options())
    assert {n.field: n.code for n in found.notices} == {"Signed": "leak"}
    kept = run_backtest(sheet, options(trust=("signed",)))
    assert {n.field: n.code for n in kept.notices}["Signed"] == "leak_kept"
    assert (kept.learned.auc or 0) > 0.95 > (found.learned.auc or 1)
    with pytest.raises(Invalid, match="trust"):
        run_backtest(sheet, options(trust=("Nothing",)))


def test_a_day_or_a_remark_that_comes_with_the_outcome_is_named():
    columns, y = made("strong", 400)
    columns["Signed"] = [f"2024-03-{1 + i % 28}" if won else "" for i, won in enumerate(y)]
    columns["Why"] = ["" if won else f"They said no, for reason {i}" for i, won in enumerate(y)]
    columns["Created"] = [f"2024-03-{1 + i % 28}" if i % 3 else "" for i in range(400)]
    found = run_backtest(sheet_of(columns, y), options())
    named = {n.field: n.code for n in found.notices}
    assert named == {"Signed": "leak", "Why": "leak", "Created": "date"}
    kept = run_backtest(sheet_of(columns, y), options(trust=("Signed",)))
    assert {n.field: n.code for n in kept.notices if n.field}["Signed"] == "date"


def test_whether_a_field_that_says_nearly_all_is_known_in_time_is_asked():
    columns, y = made("strong", 1000)
    call = np.random.default_rng(3).gamma(2.0 + 3.0 * y)
    columns["Length of the call"] = [f"{v:.2f}" for v in call]
    sheet = sheet_of(columns, y)
    asked = run_backtest(sheet, options()).notices
    assert [(n.code, n.field) for n in asked] == [("leak_possible", "Length of the call")]
    assert not run_backtest(sheet, options(exclude=("Length of the call",))).notices


def test_two_fields_that_give_the_outcome_away_together_are_named():
    columns, y = made("strong", 600)
    first = np.random.default_rng(5).random(600) < 0.5
    columns["Paid"] = ["yes" if v else "no" for v in first]
    columns["As agreed"] = [
        "yes" if v == bool(won) else "no" for v, won in zip(first, y, strict=True)
    ]
    found = run_backtest(sheet_of(columns, y), options())
    assert (found.learned.auc or 0) > 0.99
    (notice,) = [n for n in found.notices if n.code == "too_good"]
    assert "mostly by As agreed and Paid" in notice.text
    assert "too_good" not in codes(run_backtest(sheet_of(*made("strong", 600)), options()))


def test_pure_noise_is_hardly_ever_proposed():
    verdicts = []
    for seed in range(20):
        result = run_backtest(sheet_of(*made("noise", 400, seed)), options(seed=seed))
        verdicts.append(result.verdict)
    assert verdicts.count("propose") <= 1


def test_noise_is_said_to_be_noise():
    assert "no_signal" in codes(run_backtest(sheet_of(*made("noise", 2000, 3)), options()))


def test_what_points_miss_is_told():
    random = np.random.default_rng(0)
    a, b = random.integers(2, size=(2, 1500))
    c = random.integers(2, size=1500)
    y = (random.random(1500) < np.where(a ^ b ^ c, 0.75, 0.25)).astype(float)
    columns = {"A": [f"{v}." for v in a], "B": [f"{v}." for v in b], "C": [f"{v}." for v in c]}
    columns["Id"] = [f"x{i}" for i in range(1500)]
    assert "interactions" in codes(run_backtest(sheet_of(columns, y), options()))


def test_the_same_seed_gives_the_same_result():
    sheet = sheet_of(*made("weak", 600))
    first, second = (run_backtest(sheet, options(seed=4)).as_json() for _ in range(2))
    assert first == second


def test_with_an_order_the_last_leads_are_held_out_and_the_order_is_no_signal():
    columns, y = made("drift", 1500, 2)
    shuffled = np.random.default_rng(0).permutation(1500)
    columns = {name: [texts[i] for i in shuffled] for name, texts in columns.items()}
    sheet, wanted = sheet_of(columns, y[shuffled]), options(order="day", test_share=0.2)
    history = read_history(sheet, wanted)
    train, test = split(history, wanted)
    assert history.y.tolist() == y.tolist()
    assert (len(train), len(test), int(test.min())) == (1200, 300, 1200)
    result = run_backtest(sheet, wanted)
    assert "drift" in codes(result)
    assert "Day" not in {line.field for line in result.lines}


@pytest.mark.parametrize(("kind", "told"), [("drift", ["Day"]), ("strong", [])])
def test_a_trend_that_a_random_part_held_out_hides_is_told(kind, told):
    columns, y = made(kind, 1500)
    columns["Day"] = [(date(2024, 1, 1) + timedelta(i // 3)).isoformat() for i in range(1500)]
    mixed = np.random.default_rng(0).permutation(1500)
    columns = {name: [texts[i] for i in mixed] for name, texts in columns.items()}
    found = run_backtest(sheet_of(columns, y[mixed]), options())
    assert [notice.field for notice in found.notices if notice.code == "drift"] == told


def test_leads_of_one_moment_are_not_held_out_by_the_order_of_the_file():
    columns, y = made("strong", 600, 1)
    by_outcome = np.argsort(-y, kind="stable")
    columns = {name: [texts[i] for i in by_outcome] for name, texts in columns.items()}
    columns["Year"] = ["2023" if i % 2 else "2024" for i in range(600)]
    history = read_history(sheet_of(columns, y[by_outcome]), options(order="Year"))
    _, test = split(history, options(order="Year"))
    assert history.y[test].mean() == pytest.approx(y.mean(), abs=0.1)
    columns["Year"] = ["2024"] * 600
    with pytest.raises(Invalid, match="the same for all leads"):
        run_backtest(sheet_of(columns, y[by_outcome]), options(order="Year"))


def test_identical_rows_stay_on_one_side():
    columns, y = made("strong", 300)
    often = np.repeat(np.arange(300), np.random.default_rng(0).integers(1, 4, size=300))
    columns = {name: [texts[i] for i in often] for name, texts in columns.items()}
    for seed in range(5):
        wanted = options(seed=seed)
        history = read_history(sheet_of(columns, y[often]), wanted)
        train, test = split(history, wanted)
        assert not set(history.row_of[train]) & set(history.row_of[test])
        assert len(test) == pytest.approx(0.3 * len(often), abs=3)
        assert history.y[test].mean() == pytest.approx(history.y.mean(), abs=0.02)


def test_leads_that_were_exported_twice_stay_together_though_their_numbers_differ():
    columns, y = made("noise", 300)
    often = np.random.default_rng(0).integers(300, size=800)
    columns = {name: [texts[i] for i in often] for name, texts in columns.items()}
    columns |= {"Id": [f"x{i}" for i in range(800)], "Day": [str(i) for i in range(800)]}
    for order in (None, "Day"):
        wanted = options(order=order)
        history = read_history(sheet_of(columns, y[often]), wanted)
        assert len(set(history.row_of)) == len(set(often))
        assert next(n.text for n in history.notices if n.code == "repeats").startswith(
            f"{800 - len(set(often))} leads differ from another in Id"
        )
        train, test = split(history, wanted)
        assert not set(history.row_of[train]) & set(history.row_of[test])
    # Leads of their own that look alike do not all end alike.
    other = (np.random.default_rng(1).random(800) < 0.4).astype(float)
    assert len(set(read_history(sheet_of(columns, other), options()).row_of)) == 800


def test_leads_that_differ_in_their_outcome_only_stay_together_and_stay_calibrated():
    random = np.random.default_rng(4)
    cells = random.random((2500, 8)) < 0.3
    y = (random.random(2500) < 1 / (1 + np.exp(1.5 - cells @ np.linspace(-1, 1.5, 8)))).astype(
        float
    )
    columns = {f"Q{i}": ["yes" if v else "no" for v in column] for i, column in enumerate(cells.T)}
    columns["Fee"] = ["40" if won else "" for won in y]
    columns["Key"] = [f"k{i}" for i in range(2500)]
    sheet = sheet_of(columns, y)
    above = []
    for seed in range(4):
        wanted = options(seed=seed, exclude=("Fee", "Key"))
        history = read_history(sheet, wanted)
        assert len(set(history.row_of)) == 2500  # an id that is left out still tells leads apart
        bare = Sheet([*sheet.header[:-2], "Outcome"], sheet.columns[:-2] + sheet.columns[-1:], [])
        wanted = options(seed=seed, exclude=("Fee",))
        history = read_history(bare, wanted)
        train, test = split(history, wanted)
        different = {tuple(row) for row in cells[train]}
        assert not different & {tuple(row) for row in cells[test]}
        assert len(test) == pytest.approx(750, abs=40)
        assert history.y[test].mean() == pytest.approx(history.y.mean(), abs=0.02)
        result = run_backtest(bare, wanted)
        assert result.floor is not None
        assert result.learned.ece is not None
        above.append(result.learned.ece - result.floor)
    assert np.mean(above) <= 0.015


def test_train_takes_so_many_and_too_few_are_never_proposed():
    result = run_backtest(sheet_of(*made("strong", 1000, 1)), options(train=60))
    assert (result.n_train, result.n_test, result.verdict) == (60, 300, "too_few")
    assert "too_few_outcomes" in codes(result)
    assert result.learned.auc is not None


@pytest.mark.parametrize("wins", [2, 498])
def test_a_handful_of_one_outcome_is_too_few(wins):
    columns, _ = made("strong", 500, 1)
    y = (np.arange(500) % 250 == 0) == (wins == 2)
    result = run_backtest(sheet_of(columns, y.astype(float)), options())
    assert result.verdict == "too_few"


def test_two_outcomes_show_no_probability():
    result = run_backtest(sheet_of(*made("strong", 200, 1)), options(train=2))
    assert result.verdict == "too_few"
    assert (result.learned.brier, result.learned.log_loss, result.learned.ece) == (None, None, None)


def test_odd_outcomes_are_named():
    columns, y = made("strong", 400)
    sheet = sheet_of(columns, y)
    labels = [
        "open" if i % 10 == 0 else "" if i % 10 == 1 else v for i, v in enumerate(sheet.columns[-1])
    ]
    result = run_backtest(
        Sheet(sheet.header, [*sheet.columns[:-1], labels], []), options(positive="WON")
    )
    assert {"outcome_values", "outcome_missing"} <= codes(result)
    assert result.n_train + result.n_test == 360


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"outcome": "Status"}, "outcome", "unknown_column"),
        ({"positive": "yes"}, "positive", "unknown_value"),
        ({"outcome": "Employees", "positive": "55"}, "outcome", "not_an_outcome"),
        ({"exclude": ("Hue",)}, "exclude", "unknown_column"),
        (
            {"exclude": ("Employees", "Industry", "Channel", "Budget", "Pages", "Colour")},
            "exclude",
            "no_columns",
        ),
        ({"order": "When"}, "order", "unknown_column"),
        ({"order": "Industry"}, "order", "not_an_order"),
        ({"order": "Outcome"}, "order", "contradiction"),
        ({"trust": ("Outcome",)}, "trust", "contradiction"),
        ({"trust": ("Pages",), "exclude": ("Pages",)}, "trust", "contradiction"),
        ({"seed": 2**32}, "seed", "out_of_range"),
        ({"test_share": 0.0}, "test_share", "out_of_range"),
        ({"test_share": float("nan")}, "test_share", "out_of_range"),
        ({"train": 1}, "train", "out_of_range"),
        ({"seed": -1}, "seed", "out_of_range"),
    ],
)
def test_wrong_options_are_refused_by_name(changes, field, code):
    with pytest.raises(Invalid) as error:
        run_backtest(sheet_of(*made("strong", 200)), options(**changes))
    assert [(p.field, p.code) for p in error.value.problems] == [(field, code)]


@pytest.mark.parametrize(
    ("y", "field", "code"),
    [([1.0] * 50, "outcome", "one_class"), ([1.0, 0.0] * 2, "file", "too_few_rows")],
)
def test_files_to_learn_nothing_from_are_refused(y, field, code):
    columns, _ = made("strong", len(y))
    with pytest.raises(Invalid) as error:
        run_backtest(sheet_of(columns, np.array(y)), options())
    assert [(p.field, p.code) for p in error.value.problems] == [(field, code)]


def test_a_file_of_useless_columns_keeps_the_weights():
    y = (np.arange(400) % 3 == 0).astype(float)
    columns = {"Id": [str(i) for i in range(400)], "Same": ["x"] * 400}
    result = run_backtest(sheet_of(columns, y), options())
    assert result.verdict == "keep"
    assert {"identifier", "constant", "nothing_learned"} <= codes(result)
    assert result.learned.auc == 0.5


def _odd_columns(n, y):
    random = np.random.default_rng(8)
    number = random.normal(size=n)
    words = ("good", "lead", "wants", "price", "call", "back")
    return {
        "Number": [f"{v:.3f}" for v in number],
        "Gaps": ["nan" if i % 3 else f"{v:.3f}" for i, v in enumerate(number)],
        "Huge": ["1e300" if i % 9 == 0 else f"{v * 1e14:.0f}" for i, v in enumerate(number)],
        "Mixed": [("5", "abc", "")[i] for i in random.integers(3, size=n)],
        "Distinct": [f"v{i}" for i in range(n)],
        "Text": [" ".join(random.choice(words, 8)) + str(i) for i in range(n)],
        "When": [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(n)],
        "Constant": ["x"] * n,
        "Never": ["NaN"] * n,
        "Disguise": ["closed" if won else "dead" for won in y],
    }


@pytest.mark.parametrize(
    ("n", "wins", "train"), [(400, 0.4, None), (400, 0.4, 2), (400, 0.4, 5), (30, 0.5, None)]
)
def test_odd_columns_are_named_and_never_a_traceback(n, wins, train):
    y = (np.random.default_rng(4).random(n) < wins).astype(float)
    result = run_backtest(sheet_of(_odd_columns(n, y), y), options(train=train))
    json.dumps(result.as_json(), allow_nan=False)
    said = {(notice.code, notice.field) for notice in result.notices}
    assert ("date", "When") in said or train is not None
    assert {("constant", "Constant"), ("empty", "Never")} <= said
    if n == 400 and train is None:
        assert {("leak", "Disguise"), ("free_text", "Text")} <= said
        assert ("too_many_values", "Distinct") in said
        assert "Disguise" not in {line.field for line in result.lines}
    else:
        assert result.verdict == "too_few"
    assert (result.learned.brier is None) == (result.n_train < 20)


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["10", "9", "11.5"], [1, 0, 2]),
        (["2024-02-01", "2023-12-31 23:00", "2024-01-31T08:00:00Z"], [1, 2, 0]),
        (["1/2/2024", "13/1/2024", "3/1/24"], [2, 1, 0]),
        (["2/1/2024", "1/13/2024", "1/3/24"], [2, 1, 0]),
        (["3 Mar 2024", "28-feb-2024", "1 March 2024"], [1, 2, 0]),
        (["Mar 3, 2024", "28. Februar 2024", "Q1 2024"], [2, 1, 0]),
        (["2024-01-01 10:00", "2024-01-01 09:59", "2024-01-01 10:00:30"], [1, 0, 2]),
    ],
)
def test_numbers_and_dates_are_put_in_order(texts, order):
    assert np.argsort(order_keys(texts, "When")).tolist() == order


@pytest.mark.skipif(not SALVIRT.exists(), reason="shared/data is not here")
def test_real_opportunities_are_learned_as_well_as_the_goal_says():
    sheet = read_sheet(SALVIRT.open("rb"))
    rows = list(dict.fromkeys(zip(*sheet.columns, strict=True)))
    sheet = Sheet(sheet.header, [list(column) for column in zip(*rows, strict=True)], [])
    found = [run_backtest(sheet, Options("Status", "Won", seed=seed)).learned for seed in range(20)]
    assert np.mean([metrics.auc for metrics in found]) >= 0.83
    assert np.mean([metrics.brier for metrics in found]) <= 0.167
    assert np.mean([metrics.ece for metrics in found]) <= 0.10


@pytest.mark.skipif(not BANK.exists(), reason="shared/data is not here")
def test_real_phone_contacts_are_learned_as_well_as_the_goal_says():
    sheet = read_sheet(BANK.open("rb"))
    called = run_backtest(sheet, Options("y", "yes"))  # known only after the call
    assert [(n.code, n.field) for n in called.notices] == [("leak_possible", "duration")]
    result = run_backtest(sheet, Options("y", "yes", exclude=("duration",)))
    found = result.as_json()["learned"]
    assert found["auc"] >= 0.735
    assert found["brier"] <= 0.092
    assert found["ece"] <= 0.03
    assert found["tiers"]["hot"] > found["tiers"]["warm"] > found["tiers"]["cold"]
