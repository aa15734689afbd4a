import numpy as np
import pytest

from scoring.learning.table import column_of_texts, parse_numbers


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1", "2.5", "-3e2"], [1, 2.5, -300]),
        (["1,5", "2,25"], [1.5, 2.25]),
        (["1.234,50", "2,25"], [1234.5, 2.25]),
        (["1,234", "5,678,900"], [1234, 5678900]),
        (["1,234.50", "7"], [1234.5, 7]),
        (["€ 1 200", "35 %", "$7", "12 EUR"], [1200, 35, 7, 12]),
        (["CHF 1'200", "1’200.50", "9 kr", "US$ 7"], [1200, 1200.5, 9, 7]),
        (["1\u202f234,50 €", "−7,5", "(1.200)", "-$2"], [1234.5, -7.5, -1200, -2]),
        (["1.234", "12.500", "7.000", "950"], [1234, 12500, 7000, 950]),  # points for thousands
        (["1.234.567", "2.500", "7.000", "8"], [1234567, 2500, 7000, 8]),
        (["1.234", "0.500", "7.000", "950"], [1.234, 0.5, 7, 950]),
        (["1.234", "2.345", "3.456", "4.567"], [1.234, 2.345, 3.456, 4.567]),
        (["1.234", "2.345", "3.456", "5678"], [1.234, 2.345, 3.456, 5678]),
        (["1.2024", "2.2024"], [1.2024, 2.2024]),
    ],
)
def test_numbers_are_read_in_either_notation(texts, numbers):
    found = parse_numbers(texts)
    assert [found[text] for text in texts] == pytest.approx(numbers)


@pytest.mark.parametrize(
    "text",
    ["inf", "nan", "1e400", "12-03", "1e16", "x", "", "1,2,3", "+49 30 1234567", "0301234567"],
)
def test_what_is_no_finite_number_is_none(text):
    assert parse_numbers([text]) == {}


def test_a_stray_text_says_nothing_about_the_notation():
    found = parse_numbers(["1,234", "5,678", "some, or more", "e.g. 10,5 or so"])
    assert found == {"1,234": 1234, "5,678": 5678}
    assert parse_numbers(["1.234", "12.500", "7.000", "950", "n.a."])["7.000"] == 7000


def test_months_of_a_year_are_no_numbers():
    assert parse_numbers(["03.2024", "11.2023", "1.2024"]) == {}
    assert parse_numbers(["2024.03", "2023.11", "2024.01"]) == {}


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


def test_numbers_that_begin_with_zeros_are_codes():
    assert column_of_texts("Zip", [f"{v:05}" for v in range(9990, 10_100)]).type == "text"


def test_an_error_of_a_spreadsheet_is_missing():
    column = column_of_texts("a", ["1", "#DIV/0!", "inf", "2", "-inf", "3"])
    assert column.type == "number"
    assert int(column.missing.sum()) == 3


def test_a_field_half_of_words_is_a_text():
    assert column_of_texts("a", ["1", "2", "few", "many"]).type == "text"


def test_taking_rows_keeps_values():
    column = column_of_texts("a", ["x", "y", "x"]).take(np.array([1, 2]))
    assert column.codes is not None
    assert column.codes.tolist() == [1, 0]
