import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import conditions
from scoring.learning.levels import MOST_BINS, make_levels, readable_between
from scoring.learning.table import Column, column_of_texts
from tests.scoring.learning.worlds import table_of

NUMBERS = st.lists(
    st.none() | st.integers(-50, 50) | st.floats(-1e6, 1e6, allow_nan=False),
    min_size=1,
    max_size=80,
)
WORDS = st.lists(st.sampled_from(["", "a", "b", "c", "d", "e"]), min_size=1, max_size=60)


def of(texts, least=3):
    table = table_of({"f": texts})
    return make_levels(table.columns["f"], least), table


@given(NUMBERS)
def test_rules_of_numbers_hold_for_the_leads_of_their_level(values):
    levels, table = of(["" if v is None else repr(float(v)) for v in values])
    assert levels.bins <= MOST_BINS
    assert (levels.counts() >= 3).all()
    assert levels.on(table, table.types).codes.tolist() == levels.codes.tolist()


@given(WORDS, st.integers(1, 6))
def test_any_union_of_values_is_one_rule_that_is_never_unknown_where_it_holds(texts, least):
    levels, table = of(texts, least)
    indices = range(len(levels.levels))
    for size in (1, 2, 3):
        for members in itertools.combinations(indices, size):
            rule = levels.rule(members)
            assert not list(conditions.problems(rule, table.types))
            holds = conditions.evaluate(rule, table, table.types) == conditions.TRUE
            assert holds.tolist() == np.isin(levels.codes, members).tolist()


def test_neighbouring_bins_make_one_range():
    levels, table = of([str(i) for i in range(100)])
    assert levels.bins == 10
    assert levels.rule([0, 1]) == {"field": "f", "op": "lte", "value": 19.0}
    assert levels.rule([8, 9]) == {"field": "f", "op": "gt", "value": 79.0}
    assert levels.label([3, 4]) == "over 29 to 49"
    assert conditions.evaluate(levels.rule([3, 4]), table, table.types).tolist().count(2) == 20


def test_a_frequent_value_does_not_starve_the_other_bins():
    levels, _ = of(["0"] * 70 + [str(i) for i in range(1, 31)])
    assert levels.levels[0].only == 0
    assert levels.bins >= 8


def test_bins_are_finer_where_few_leads_are_won():
    y = np.zeros(4000)
    y[3800::2] = 1  # 2.5 % won, all in the last twentieth
    column = table_of({"f": [str(i) for i in range(4000)]}).columns["f"]
    plain, finer = make_levels(column, 5), make_levels(column, 5, y)
    assert plain.bins == finer.bins == MOST_BINS
    last = [int((levels.codes[3800:] != levels.codes[3800]).sum()) for levels in (plain, finer)]
    assert last[0] == 0
    assert last[1] > 100
    # Where enough are won, or hardly any, the bins are those of the numbers alone.
    for won in ((np.arange(4000) % 3 == 0), (np.arange(4000) >= 3901)):
        assert make_levels(column, 5, won.astype(float)).levels == plain.levels


def test_rare_values_are_grouped_and_blanks_are_a_level():
    levels, _ = of(["a"] * 5 + ["b", "c", "d"] + [""] * 4)
    assert [level.kind for level in levels.levels] == ["value", "other", "missing"]
    assert levels.label([0, 2]) == "a or not filled in"
    assert levels.label([1]) == "other values"


def test_a_yes_or_no_has_two_levels_with_their_own_rules():
    column = Column("f", "bool", numbers=np.array([0.0, 1.0] * 5))
    levels = make_levels(column, 3)
    assert [levels.rule([i])["value"] for i in (0, 1)] == [False, True]
    assert [levels.label([i]) for i in (0, 1)] == ["no", "yes"]


def test_many_values_in_a_label_are_counted():
    levels, _ = of([v for v in "abcdef" for _ in range(3)])
    assert levels.label(range(6)) == "a, b, c, d and 2 more"


@pytest.mark.parametrize(
    ("low", "high", "between"),
    [(1.02, 1.37, 1.1), (17.4, 42.0, 20), (-3.7, -2.1, -3), (-1.0, 0.5, 0), (5, 6, 5), (0, 1, 0)],
)
def test_edges_are_short_numbers(low, high, between):
    assert readable_between(low, high) == pytest.approx(between)


def test_a_field_with_one_value_has_one_level():
    assert len(make_levels(column_of_texts("f", ["x"] * 10), 3).levels) == 1
