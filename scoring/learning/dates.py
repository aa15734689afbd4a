"""Dates as people and programs write them: they put past leads in order, and are no signal."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence

import numpy as np

from scoring.features import Floats

MOSTLY = 0.9  # share of the values that must be dates for the field to be one
MONTHS: Mapping[str, int] = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar jän jänner januari janvier janv enero ene gennaio",
            "february feb februar februari février fevrier févr fevr febrero febbraio",
            "march mar märz mär maerz mrz maart mrt mars marzo",
            "april apr avril avr abril abr aprile", "may mai mei mayo maggio mag",
            "june jun juni juin junio giugno giu", "july jul juli juillet juil julio luglio lug",
            "august aug augustus août aout agosto ago",
            "september sep sept septembre septiembre settembre",
            "october oct oktober okt octobre octubre ottobre ott",
            "november nov novembre noviembre",
            "december dec dezember dez décembre déc diciembre dic dicembre",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_CLOCK = (
    r"(?:[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d+)?))?"
    r" *(?P<half>[ap]\.?m\.?)? *(?:[a-z]{1,5}|[-+]\d{2}:?\d{2})?)?"
)
_FORMS = tuple(
    re.compile(form + _CLOCK, re.IGNORECASE)
    for form in (
        r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})",
        r"(?P<a>\d{1,2})[-/. ]+(?P<b>\d{1,2})[-/. ]+(?P<y>\d{4}|\d{2})",
        r"(?:[^\W\d]+[., ]+)?(?P<d>\d{1,2})[-/. ]+(?:de +)?(?P<name>[^\W\d]+)[-/. ,]+(?:de +)?"
        r"(?P<y>\d{4}|\d{2})",
        r"(?:[^\W\d]+[., ]+)?(?P<name>[^\W\d]+)\.? +(?P<d>\d{1,2})(?:st|nd|rd|th)?,? +(?P<y>\d{4})",
        r"(?P<y>(?:19|20)\d{2})(?P<m>\d{2})(?P<d>\d{2})",
        # A month, a week or a quarter is its first day.
        r"(?P<y>(?:19|20)\d{2})[-/.](?P<m>\d{1,2})",
        r"(?P<m>\d{1,2})[-/.](?P<y>(?:19|20)\d{2})",
        r"(?P<name>[^\W\d]+)\.?[-/. ]+'?(?P<y>(?:19|20)\d{2}|\d{2})",
        r"(?P<y>(?:19|20)\d{2})[-/. ]*W(?P<w>\d{2})",
        r"(?P<y>(?:19|20)\d{2})[-/. ]*Q(?P<q>[1-4])",
        r"Q(?P<q>[1-4])[-/. ]*(?P<y>(?:19|20)\d{2})",
    )
)
_DIGIT = re.compile(r"\d")
LONGEST = 60  # characters of a date
# Numbers that are moments: days as YYYYMMDD, and (milli)seconds since 1970, of 2000 to 2049.
_FIRST, _LAST = 946_684_800, 2_524_607_999
LEAST_NUMBERS = 10  # different ones


def parse_dates(texts: Sequence[str]) -> dict[str, float]:
    """Return the days since year 1 of the texts that are dates; 3/4/2024 is 3 April, unless some
    date of the column can only have the month first.
    """
    matches = {
        text: next((m for form in _FORMS if (m := form.fullmatch(text.strip()))), None)
        for text in texts
        if len(text) <= LONGEST and _DIGIT.search(text)
    }
    pairs = [m.groupdict() for m in matches.values() if m and "a" in m.groupdict()]
    month_first = any(int(p["b"]) > 12 for p in pairs) and not any(int(p["a"]) > 12 for p in pairs)
    found = {}
    for text, match in matches.items():
        if match is None:
            continue
        try:
            found[text] = _days(match.groupdict(), month_first)
        except (ValueError, KeyError):
            continue
    return found


def _days(parts: Mapping[str, str | None], month_first: bool) -> float:
    """Return the days since year 1; raise ValueError or KeyError when it is no date."""
    year = int(parts["y"] or 0)
    year += 2000 if year < 100 else 0
    month, day = int(parts.get("m") or 1), int(parts.get("d") or 1)
    if "a" in parts:
        day, month = int(parts["a"] or 0), int(parts["b"] or 0)
        day, month = (month, day) if month_first else (day, month)
    elif "name" in parts:
        month = MONTHS[(parts["name"] or "").casefold()]
    elif "q" in parts:
        month = 3 * int(parts["q"] or 0) - 2
    elif "w" in parts:
        return float(dt.date.fromisocalendar(year, int(parts["w"] or 0), 1).toordinal())
    hour = int(parts["hour"] or 0)
    if parts["half"]:
        hour = hour % 12 + 12 * (parts["half"][0] in "pP")
    seconds = hour * 3600 + int(parts["minute"] or 0) * 60 + float(parts["second"] or 0)
    return dt.date(year, month, day).toordinal() + seconds / 86_400


def looks_like_dates(values: Sequence[str]) -> bool:
    """Return whether nearly all of the values are dates."""
    return bool(values) and len(parse_dates(values)) >= MOSTLY * len(set(values))


def are_moments(numbers: Floats) -> bool:
    """Return whether numbers without gaps are days or moments that a program wrote."""
    different = np.unique(numbers)
    if len(different) < LEAST_NUMBERS or np.any(different % 1 != 0):
        return False
    if np.all((different >= 1900_01_01) & (different <= 2099_12_31)):
        return len(parse_dates([_as_day(value) for value in different])) == len(different)
    return any(
        np.all((different >= _FIRST * unit) & (different <= _LAST * unit)) for unit in (1, 1000)
    )


def _as_day(value: float) -> str:
    digits = f"{value:.0f}"
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"
