import numpy as np
import pytest

from scoring.learning.points import define
from scoring.learning.screening import screen
from scoring.learning.signals import learn_signals
from tests.scoring.learning.worlds import made, table_of


def screened(columns, y):
    found = screen(table_of(columns), y)
    return [v.field for v in found.levels], {n.field: n.code for n in found.notices}


def with_gaps(texts, share, random):
    return [str(text) for text in np.where(random.random(len(texts)) < share, "", texts)]


def with_slips(texts, share, random):
    slipped = random.random(len(texts)) < share
    return [str(text) for text in np.where(slipped, random.permutation(texts), texts)]


def test_copies_and_near_copies_count_once():
    columns, y = made("strong", 1500)
    random = np.random.default_rng(3)
    turned = random.random(1500) < 0.01
    noisy = [float(v) * 1.13 + random.normal(0, 0.01) for v in columns["Employees"]]
    columns["Copy"] = [f"{v:.3f}" for v in noisy]
    columns["Branch"] = [f"{text[:3].upper()}!" for text in columns["Industry"]]
    columns["Funds"] = [
        "1" if (b == "yes") != t else "0" for b, t in zip(columns["Budget"], turned, strict=True)
    ]
    kept, notices = screened(columns, y)
    assert len(kept) == 6
    assert list(notices.values()) == ["copy"] * 3
    assert {"Employees", "Industry"} <= set(kept)
    assert len({"Budget", "Funds"} & set(kept)) == 1


@pytest.mark.parametrize("n", [150, 400])
@pytest.mark.parametrize("first", [False, True])
def test_copies_with_gaps_slips_or_units_are_found_before_or_after_their_fields(n, first):
    random = np.random.default_rng(3)
    columns, y = made("strong", n)
    copies: dict[str, list[str]] = {}
    for i in range(5):
        copies |= {
            f"E{i}": with_gaps(columns["Employees"], 0.2, random),
            f"I{i}": with_gaps(columns["Industry"], 0.2, random),
            f"B{i}": with_slips(columns["Budget"], 0.03, random),
            f"C{i}": with_slips(columns["Channel"], 0.04, random),
            f"P{i}": [f"{text} pages" for text in columns["Pages"]],
        }
    kept, notices = screened({**copies, **columns} if first else {**columns, **copies}, y)
    # A copy of a few yes or no may have no slip, and is the field itself.
    assert {name for name in kept if name[0] != "B"} == set(columns) - {"Budget"}
    assert len(kept) == len(columns)
    assert list(notices.values()) == ["copy"] * len(copies)


@pytest.mark.parametrize("kind", ["gaps", "slips", "units"])
def test_copies_move_no_probability_wherever_they_stand(kind):
    random = np.random.default_rng(4)
    columns, y = made("strong", 300)
    field = columns["Employees"]
    copies = {
        f"Copy {i}": {
            "gaps": lambda: with_gaps(field, 0.2, random),
            "slips": lambda: with_slips(field, 0.05, random),
            "units": lambda: [f"{text} seats" for text in field],
        }[kind]()
        for i in range(5)
    }
    p = []
    for given in (columns, {**copies, **columns}):
        table = table_of(given)
        definitions = define(learn_signals(table, y), table)
        assert definitions is not None
        p.append(definitions.probability(table))
    assert np.abs(p[0] - p[1]).max() <= 0.02


def test_one_slipped_copy_is_counted_as_the_field_that_says_more():
    random = np.random.default_rng(5)
    columns, y = made("strong", 600)
    slipped = with_slips(columns["Employees"], 0.05, random)
    assert screened({"Size": slipped, **columns}, y)[1] == {"Size": "copy"}
    assert screened({**columns, "Size": slipped}, y)[1] == {"Size": "copy"}


def test_a_gap_that_tells_the_outcome_makes_a_field_of_its_own():
    random = np.random.default_rng(6)
    columns, y = made("strong", 800)
    gone = random.random(800) < np.where(y == 1, 0.02, 0.35)
    columns["Asked again"] = list(np.where(gone, "", columns["Industry"]))
    assert "Asked again" in screened(columns, y)[0]


def test_questions_that_are_asked_of_the_same_few_are_no_copies():
    random = np.random.default_rng(7)
    columns, y = made("weak", 1000)
    asked = random.random(1000) < 0.1
    for name in ("Fits", "Likes"):
        columns[name] = list(np.where(asked, random.choice(["yes", "no"], 1000), ""))
    assert screened(columns, y)[1] == {}


def test_a_region_and_its_country_are_no_copies():
    random = np.random.default_rng(0)
    regions = random.integers(12, size=2000)
    kept, notices = screened(
        {"Region": [f"r{r}" for r in regions], "Country": [f"c{r // 4}" for r in regions]},
        (random.random(2000) < 0.3).astype(float),
    )
    assert len(kept) == 2
    assert notices == {}
