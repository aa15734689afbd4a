"""What a lead names is a number where that is certain, and nothing where it is not."""

import datetime as dt

import pytest

from calls.amounts import days_to, share_of

TODAY = dt.date(2026, 11, 26)  # a Thursday
RATES = {"EUR": 1.0, "USD": 0.92}


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2027-03-31", dt.date(2027, 3, 31)),
        ("today", TODAY),
        ("this week", dt.date(2026, 11, 29)),
        ("This month", dt.date(2026, 11, 30)),
        ("next month", dt.date(2026, 12, 31)),
        ("this quarter", dt.date(2026, 12, 31)),
        ("next  quarter", dt.date(2027, 3, 31)),
        ("this year", dt.date(2026, 12, 31)),
        ("next year", dt.date(2027, 12, 31)),
        ("in 6 weeks", dt.date(2027, 1, 7)),
        ("3 months", dt.date(2027, 2, 26)),
        ("within 1 year", dt.date(2027, 11, 26)),
        ("Q1", dt.date(2027, 3, 31)),
        ("end of Q4", dt.date(2026, 12, 31)),
        ("Q2 2028", dt.date(2028, 6, 30)),
        ("February", dt.date(2027, 2, 28)),
        ("end of Nov.", dt.date(2026, 11, 30)),
        ("by March 2028", dt.date(2028, 3, 31)),
        ("2027", dt.date(2027, 12, 31)),
    ],
)
def test_a_period_ends_where_people_mean_it_to(text: str, end: dt.date) -> None:
    assert days_to(text, TODAY) == (end - TODAY).days


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "as soon as possible",
        "2026-11-25",
        "2025",
        "2027-02-30",
        "03/04/2027",
        "9999",
        "mayor 2027",
        "q5",
        "in 6 moons",
        "March 0000",
        "in 999 years",
    ],
)
def test_what_is_no_date_ahead_tells_nothing(text: str) -> None:
    assert days_to(text, TODAY) is None


@pytest.mark.parametrize(
    ("text", "share"),
    [("40k", 2.0), ("20,000 EUR", 1.0), ("€ 10.000", 0.5), ("20000 USD", 0.92), ("0", 0.0)],
)
def test_an_amount_is_a_share_of_the_deal(text: str, share: float) -> None:
    assert share_of(text, 2_000_000, "EUR", RATES) == pytest.approx(share)


def test_an_amount_tells_nothing_without_a_deal_a_number_or_a_rate() -> None:
    for text, value in (("40k", None), ("a lot", 2_000_000), ("40k XAU", 2_000_000), ("40k", 0)):
        assert share_of(text, value, "EUR", RATES) is None
    assert share_of("30", 2_000, "JPY", {**RATES, "JPY": 0.006}) == pytest.approx(0.015)
