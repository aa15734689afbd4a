"""What single cells mean."""

import contextlib
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake import cells
from intake.cells import Refused


@pytest.mark.parametrize(
    ("cell", "comma", "point"),
    [
        ("1.234,5", 1234.5, 1234.5),
        ("1,234.5", 1234.5, 1234.5),
        ("1.234", 1234, 1.234),
        ("1,234", 1.234, 1234),
        ("40.000 €", 40000, 40.0),
        ("1.5", 1.5, 1.5),
        ("1,5", 1.5, 1.5),
        ("0.123", 0.123, 0.123),
        ("1.234.567", 1234567, 1234567),
        ("1 234", 1234, 1234),
        ("1'234.50", 1234.5, 1234.5),
        ("12k", 12000, 12000),
        ("3,5 Mio €", 3_500_000, 3_500_000),
        ("EUR 12,-", 12, 12),
        ("(350)", -350, -350),
        ("-€5", -5, -5),
        ("−5 %", -5, -5),
        ("1e3", 1000, 1000),
    ],
)
def test_numbers_are_read_in_their_many_forms(cell: str, comma: float, point: float) -> None:
    assert cells.number(cell, ",") == comma
    assert cells.number(cell, ".") == point


@pytest.mark.parametrize("cell", ["1e400", "NaN", "inf", "1,2,3", "1.2.3", "abc", "", "-", "--"])
def test_what_is_no_finite_number_is_refused(cell: str) -> None:
    with pytest.raises(Refused):
        cells.number(cell, ".")


@given(st.floats(min_value=-1e12, max_value=1e12).map(lambda x: round(x, 2)))
def test_numbers_written_the_german_and_the_english_way_are_the_same(value: float) -> None:
    english = f"{value:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    assert cells.number(english, ".") == cells.number(german, ",") == value


@given(st.text(max_size=30))
def test_no_text_makes_a_parser_fail_otherwise_than_by_refusal(text: str) -> None:
    for parse in (
        lambda c: cells.number(c, ","),
        cells.truth,
        cells.money,
        cells.head_count,
        lambda c: cells.moment(c, "dmy", "Europe/Berlin"),
        cells.country,
        cells.time_zone,
        cells.currency,
    ):
        with contextlib.suppress(Refused):
            parse(text)
    cells.split_name(text)
    cells.clean(text)


def test_amounts_with_three_digits_behind_a_point_are_thousands() -> None:
    assert cells.money("40.000") == cells.money("40,000") == 4_000_000
    assert cells.money("40.00") == 4_000


@pytest.mark.parametrize(
    ("cell", "count"),
    [("51-200", 125), ("10,000+", 10000), ("1.001 - 5.000", 3000), ("200 employees", 200)],
)
def test_sizes_of_companies_may_be_ranges(cell: str, count: int) -> None:
    assert cells.head_count(cell) == count


@pytest.mark.parametrize(
    ("cell", "order", "day"),
    [
        ("2026-11-03", "mdy", "2026-11-03"),
        ("03/11/2026", "dmy", "2026-11-03"),
        ("03/11/2026", "mdy", "2026-03-11"),
        ("13/02/2026", "mdy", "2026-02-13"),
        ("02/13/2026", "dmy", "2026-02-13"),
        ("3.11.26", "dmy", "2026-11-03"),
        ("3. März 2026", "dmy", "2026-03-03"),
        ("Nov 3, 2026", "dmy", "2026-11-03"),
        ("Tue, 3 Nov 2026 14:05", "dmy", "2026-11-03"),
        ("20261103", "dmy", "2026-11-03"),
        ("2026-10-06T10:04:17+00:00", "dmy", "2026-10-06"),
    ],
)
def test_dates_are_read_in_their_many_forms(cell: str, order: cells.DateOrder, day: str) -> None:
    assert cells.date(cell, order) == day


def test_a_time_without_a_zone_is_in_the_workspaces() -> None:
    local = cells.moment("3.11.2026 2:05 PM", "dmy", "Europe/Berlin")
    assert local.astimezone(dt.UTC) == dt.datetime(2026, 11, 3, 13, 5, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "cell", ["31/02/2026", "0000-00-00", "9999-01-01", "1.1.1800", "2026-10-06T25:00", "soon"]
)
def test_days_that_do_not_exist_are_refused(cell: str) -> None:
    with pytest.raises(Refused):
        cells.moment(cell, "dmy", "UTC")


@pytest.mark.parametrize(
    ("cell", "first", "last"),
    [
        ("Ito, Haruka", "Haruka", "Ito"),
        ("Haruka Ito", "Haruka", "Ito"),
        ("Dr. Ludwig van Beethoven", "Ludwig", "van Beethoven"),
        ("Prof. Dr. Hans-Peter Meyer", "Hans-Peter", "Meyer"),
        ("Madonna", "", "Madonna"),
    ],
)
def test_full_names_are_split(cell: str, first: str, last: str) -> None:
    assert cells.split_name(cell) == (first, last)


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("'=1+1", "=1+1"),
        ("=1+1", "=1+1"),
        ("'+49 170 1", "+49 170 1"),
        ("'@handle", "@handle"),
        ("''=1", "''=1"),
        ("'quoted'", "'quoted'"),
        ("\u200bAda\u202e ", "Ada"),
    ],
)
def test_the_mark_of_our_export_goes_and_everything_else_stays_data(cell: str, kept: str) -> None:
    assert cells.clean(cell) == kept
