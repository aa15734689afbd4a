import numpy as np
import pytest

from scoring.learning.table import column_of_texts, looks_like_dates, parse_numbers


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1", "2.5", "-3e2"], [1, 2.5, -300]),
        (["1,5", "2,25"], [1.5, 2.25]),
        (["1.234,50", "2,25"], [1234.5, 2.25]),
        (["1,234", "5,678,900"], [1234, 5678900]),
        (["1,234.50", "7"], [1234.5, 7]),
        (["€ 1 200", "35 %", "$7", "12 EUR"], [1200, 35, 7, 12]),
    ],
)
def test_numbers_are_read_in_either_notation(texts, numbers):
    found = parse_numbers(texts)
    assert [found[text] for text in texts] == pytest.approx(numbers)


@pytest.mark.parametrize("text", ["inf", "nan", "1e400", "12-03", "1e16", "x", "", "1,2,3"])
def test_what_is_no_finite_number_is_none(text):
    assert parse_numbers([text]) == {}


def test_blanks_are_missing_and_unknown_is_an_answer():
    column = column_of_texts("a", ["yes", "", "N/A", "Unknown", "YES", "-"])
    assert column.values == ("yes", "Unknown")
    assert column.codes is not None
    assert column.codes.tolist() == [0, -1, -1, 1, 0, -1]


def test_a_field_of_numbers_keeps_its_stray_words_apart():
    texts = [str(i) for i in range(95)] + ["lots"] * 5
    column = column_of_texts("a", texts)
    assert column.type == "number"
    assert column.stray == 5
    assert int(column.missing.sum()) == 5


def test_a_field_half_of_words_is_a_text():
    assert column_of_texts("a", ["1", "2", "few", "many"]).type == "text"


@pytest.mark.parametrize(
    ("texts", "dates"),
    [
        (["2024-01-31", "2024-02-01 10:00"], True),
        (["31/01/2024", "1.2.24"], True),
        (["3 Mar 2024", "14-October-2023"], True),
        (["10-50", "51-200"], False),
        (["red", "2024-01-31"], False),
        ([], False),
    ],
)
def test_dates_are_told_from_ranges(texts, dates):
    assert looks_like_dates(texts) is dates


def test_taking_rows_keeps_values():
    column = column_of_texts("a", ["x", "y", "x"]).take(np.array([1, 2]))
    assert column.codes is not None
    assert column.codes.tolist() == [1, 0]
