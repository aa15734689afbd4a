import numpy as np
import pytest

from scoring.learning.dates import are_moments, looks_like_dates, parse_dates


@pytest.mark.parametrize(
    ("texts", "dates"),
    [
        (["2024-01-31", "2024-02-01 10:00"], True),
        (["31/01/2024", "1.2.24"], True),
        (["3 Mar 2024", "14-October-2023"], True),
        (["10-50", "51-200"], False),
        (["red", "2024-01-31"], False),
        ([], False),
        (["1. 3. 2024", "12. Oktober 2024", "März 3, 2024"], True),
        (["Mon, 4 Jan 2024 10:00:00 +0000", "2024-01-31 10:10:10 UTC", "1/2/2024 1:05 PM"], True),
        (["2024-09", "Q3 2024", "Oct 2024"], True),
        (["09/2024", "Oct-24", "2024-W05", "20240131", "11.2024"], True),
        (["3 mars 2024", "3 de enero de 2024", "1 gennaio 2024", "2 mei 2024"], True),
        (["Gen 11", "Gen 12"], False),
        (["11-50", "51-200", "2024-W60", "20241301"], False),
        (["2024-13", "2024-02-31", "Studio 2024"], False),
    ],
)
def test_dates_are_told_from_ranges(texts, dates):
    assert looks_like_dates(texts) is dates


def test_dates_are_in_order_whatever_their_form():
    texts = [
        "Jan-24",
        "2024-W02",
        "20240110",
        "2024-01-31 11:00 pm",
        "Feb 1, 2024 12:10 AM",
        "1. Februar 2024 01:00",
        "Q2 2024",
    ]
    found = parse_dates(texts)
    assert sorted(texts, key=lambda text: found[text]) == texts


@pytest.mark.parametrize(
    ("numbers", "moments"),
    [
        ([20240101 + i for i in range(28)], True),
        ([20240120 + i for i in range(28)], False),  # 32 January
        ([1_700_000_000 + 86_000 * i for i in range(28)], True),
        ([1_700_000_000_000 + 86_000 * i for i in range(28)], True),
        ([20240101] * 28, False),
        ([1e9 + i / 2 for i in range(28)], False),
    ],
)
def test_numbers_that_a_program_wrote_for_moments_are_told(numbers, moments):
    assert are_moments(np.array(numbers, dtype=float)) is moments
