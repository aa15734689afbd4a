"""What a lead names in a call, as a number: money, and by when. Pure.

A text that cannot be read for certain is None; then the person who calls says which answer it is.
"""

import calendar
import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal

from core.money import digits
from intake import cells
from intake.cells import Refused

_MONTHS = {name.casefold(): n for n, name in enumerate(calendar.month_name) if name}
_MONTHS |= {name.casefold(): n for n, name in enumerate(calendar.month_abbr) if name}
_AHEAD = re.compile(r"(?:in |within )?(\d{1,3}) (day|week|month|year)s?")
_QUARTER = re.compile(r"(?:in |by |end of )*q([1-4])(?: (\d{4}))?")
_MONTH = re.compile(r"(?:in |by |end of )*([a-z]{3,9})(?: (\d{4}))?")
_MOST_YEARS = 50


def money_of(text: str, rates: Mapping[str, float], currency: str) -> float | None:
    """Return an amount such as "40k EUR" in units of the workspace, None where it is none.

    `currency` is meant where the text names none; `rates` are the workspace's units per unit.
    """
    number, _, last = text.strip().rpartition(" ")
    if not (number and len(last) == 3 and last.isalpha() and last.isupper()):
        number, last = text, currency
    try:
        value = cells.number(number, None)
    except Refused:
        return None
    rate = rates.get(last)
    return None if rate is None else value * float(rate)


def share_of(
    text: str, value_minor: int | None, currency: str, rates: Mapping[str, float]
) -> float | None:
    """Return which share of a deal's value an amount is; None where either is not known."""
    rate = rates.get(currency)
    amount = money_of(text, rates, currency)
    if amount is None or not value_minor or rate is None:
        return None
    deal = float(Decimal(value_minor).scaleb(-digits(currency))) * rate
    return amount / deal if deal > 0 else None


def days_to(text: str, today: dt.date) -> int | None:
    """Return in how many days a date or the end of a period comes; None for one that has passed.

    Reads 2027-03-31, "next quarter", "in 6 weeks", "Q2 2027", "March", "this year", "2027".
    """
    try:
        end = _end_of(" ".join(text.casefold().replace(".", " ").split()), today)
    except (ValueError, OverflowError):
        return None
    if end is None or end < today or end.year > today.year + _MOST_YEARS:
        return None
    return (end - today).days


def _end_of(text: str, today: dt.date) -> dt.date | None:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return dt.date.fromisoformat(text)
    if re.fullmatch(r"\d{4}", text):
        return dt.date(int(text), 12, 31)
    if text in ("now", "today", "at once", "immediately"):
        return today
    if found := re.fullmatch(r"(this|next) (week|month|quarter|year)", text):
        return _end_of_this(found[2], today, later=found[1] == "next")
    if found := _AHEAD.fullmatch(text):
        return _after(today, int(found[1]), found[2])
    if found := _QUARTER.fullmatch(text):
        return _coming(int(found[1]) * 3, found[2], today)
    if (found := _MONTH.fullmatch(text)) and found[1] in _MONTHS:
        return _coming(_MONTHS[found[1]], found[2], today)
    return None


def _end_of_this(unit: str, today: dt.date, *, later: bool) -> dt.date:
    if unit == "week":
        return today + dt.timedelta(days=6 - today.weekday() + 7 * later)
    months = {"month": 1, "quarter": 3, "year": 12}[unit]
    last = today.year * 12 + (today.month - 1) // months * months + months - 1 + months * later
    return _last_day(last // 12, last % 12 + 1)


def _after(today: dt.date, number: int, unit: str) -> dt.date:
    if unit in ("day", "week"):
        return today + dt.timedelta(days=number * (7 if unit == "week" else 1))
    month = today.year * 12 + today.month - 1 + number * (12 if unit == "year" else 1)
    end = _last_day(month // 12, month % 12 + 1)
    return end.replace(day=min(end.day, today.day))


def _coming(month: int, year: str | None, today: dt.date) -> dt.date:
    """Return the end of a month of a year, else of the next one that has not passed."""
    named = int(year) if year else today.year + (month < today.month)
    return _last_day(named, month)


def _last_day(year: int, month: int) -> dt.date:
    return dt.date(year, month, calendar.monthrange(year, month)[1])
