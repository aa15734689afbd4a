"""What one cell means: numbers, dates, truth, names. Pure.

Each parser takes a cell that is not blank and returns its value, or raises `Refused` with a stable
code and a reason that completes the sentence "The cell …".
"""

import datetime as dt
import re
import zoneinfo
from functools import lru_cache
from typing import Literal

from intake.countries import country_code
from leads.identity import clean_text
from scoring.learning.dates import MONTHS

DateOrder = Literal["dmy", "mdy", "iso"]
DecimalMark = Literal[",", "."]

MOST_NUMBER = 1e15
EARLIEST, LATEST = 1900, 2100  # years


class Refused(ValueError):
    """A cell cannot be taken."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


# Our exports put this mark before cells that a spreadsheet would take for a formula.
_ESCAPED = re.compile("^'(?=[=+\\-@\t\r\u0000＝＋－＠])")


def clean(cell: str) -> str:
    """Return a cell without the export's mark, control characters and outer spaces.

    A cell that begins with = + - @ is data like any other.
    """
    if cell[:1] == "'":
        cell = _ESCAPED.sub("", cell)
    if cell.isascii() and cell.isprintable():
        return cell.strip()
    return clean_text(cell)


def text(most: int, cell: str) -> str:
    """Return a text of at most `most` characters."""
    if len(cell) > most:
        raise Refused("too_long", f"has more than {most:,} characters")
    return cell


_SPACES = re.compile("[\\s\u00a0\u2007\u2009\u202f'’]+")
_UNIT = re.compile(
    r"^(?:€|\$|£|¥|%|eur|euros?|usd|gbp|chf|sfr\.?|fr\.|rs\.?|kr\.?|pln|zł|czk|kč|dkk|sek|nok|us\$)"
    r"|(?:€|\$|£|¥|%|eur|euros?|usd|gbp|chf|sfr\.?|kr\.?|pln|zł|czk|kč|dkk|sek|nok|us\$|,-|\.-)$",
    re.IGNORECASE,
)
_FACTORS = {
    "k": 1e3, "tsd": 1e3, "tsd.": 1e3, "t": 1e3, "thousand": 1e3,
    "m": 1e6, "mio": 1e6, "mio.": 1e6, "mn": 1e6, "mln": 1e6, "million": 1e6, "millionen": 1e6,
    "mrd": 1e9, "mrd.": 1e9, "bn": 1e9, "b": 1e9, "billion": 1e9,
}  # fmt: skip
_NUMBER = re.compile(r"([+-]?)(\d[\d.,]*|[.,]\d+)(?:e([+-]?\d{1,3}))?([a-z.]*)", re.IGNORECASE)
_GROUPED = {",": re.compile(r"\d{1,3}(?:,\d{3})+"), ".": re.compile(r"\d{1,3}(?:\.\d{3})+")}


def number(cell: str, decimal: DecimalMark | None) -> float:
    """Return a finite number below 1e15 in size.

    Reads 1.234,5 · 1,234.5 · 1 234 · 1'234 · 12k · € 40.000 · (350) · −5 %. `decimal` decides only
    where a form can be read in two ways ("1.234"); None reads that as thousands.
    """
    compact = _SPACES.sub("", cell).replace("−", "-").replace("–", "-")
    sign = 1.0
    if compact.startswith("(") and compact.endswith(")"):
        compact, sign = compact[1:-1], -1.0
    if compact.startswith("-"):
        compact, sign = compact[1:], -sign
    compact = _UNIT.sub("", _UNIT.sub("", compact))
    match = _NUMBER.fullmatch(compact)
    if match is None:
        raise Refused("not_a_number", "is not a number")
    inner, digits, exponent, word = match.groups()
    factor = _FACTORS.get(word.casefold()) if word else 1.0
    plain = _plain(digits, decimal)
    if factor is None or plain is None:
        raise Refused("not_a_number", "is not a number")
    value = float(plain + (f"e{exponent}" if exponent else "")) * factor * sign
    value = -value if inner == "-" else value  # "€-5"
    if not abs(value) < MOST_NUMBER:
        raise Refused("out_of_range", "is too large a number")
    return value


def _plain(digits: str, decimal: DecimalMark | None) -> str | None:
    """Return digits as Python writes them, None when commas and points make no sense."""
    if "," in digits and "." in digits:
        mark = "," if digits.rfind(",") > digits.rfind(".") else "."
    elif digits.count(",") > 1 or digits.count(".") > 1:
        mark = "." if "," in digits else ","  # the one that repeats groups thousands
    elif "," in digits or "." in digits:
        used = "," if "," in digits else "."
        # "1.234" can be either; "1.5" and "0.123" cannot be grouped thousands.
        two_ways = _GROUPED[used].fullmatch(digits) is not None and not digits.startswith("0")
        if two_ways:
            mark = decimal or ("." if used == "," else ",")
        else:
            mark = used
    else:
        return digits
    grouping = "." if mark == "," else ","
    whole, _, fraction = digits.partition(mark)
    if grouping in fraction or mark in fraction:
        return None
    if grouping in whole:
        if _GROUPED[grouping].fullmatch(whole) is None:
            return None
        whole = whole.replace(grouping, "")
    return f"{whole or '0'}.{fraction or '0'}"


def whole(low: int, high: int, cell: str) -> int:
    """Return a whole number from `low` to `high`."""
    value = number(cell, None)
    if value != int(value):
        raise Refused("not_whole", "is not a whole number")
    if not low <= value <= high:
        raise Refused("out_of_range", f"is not between {low:,} and {high:,}")
    return int(value)


_RANGE = re.compile(r"(\d[\d.,' ]*)\s*(?:-|–|—|to|bis)\s*(\d[\d.,' ]*)(?:\s.*)?", re.IGNORECASE)
_AT_LEAST = re.compile(
    r"(?:>|≥|über|over|more than|mehr als)?\s*(\d[\d.,' ]*)\s*\+?(?:\s.*)?", re.IGNORECASE
)


def head_count(cell: str) -> int:
    """Return a number of employees: of "51-200" the middle, of "10,000+" its mark."""
    between = _RANGE.fullmatch(cell)
    if between is not None:
        low, high = (whole(0, 2_000_000_000, part) for part in between.groups())
        if low > high:
            raise Refused("out_of_range", "is a range whose end lies before its beginning")
        return (low + high) // 2
    at_least = _AT_LEAST.fullmatch(cell)
    return whole(0, 2_000_000_000, at_least.group(1) if at_least else cell)


def money(cell: str) -> int:
    """Return an amount in minor units (hundredths). "40.000" is forty thousand: nobody writes
    amounts with three decimals.
    """
    value = number(cell, None)
    if not abs(value) < 1e13:
        raise Refused("out_of_range", "is too large an amount")
    return round(value * 100)


_YES = "yes y true t 1 ja j wahr oui si sí vero x ✓ ✔ on"
_NO = "no n false f 0 nein falsch non off"
_TRUE, _FALSE = frozenset(_YES.split()), frozenset(_NO.split())


def truth(cell: str) -> bool:
    """Return what yes, no, ja, nein, 1, 0 and the like say."""
    folded = cell.casefold()
    if folded in _TRUE:
        return True
    if folded in _FALSE:
        return False
    raise Refused("not_a_bool", "is neither yes nor no")


_CLOCK = (
    r"(?:[T ,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?"
    r"\s*([ap]\.?m\.?)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?)?"
)
_ISO, _COMPACT, _LOCAL, _NAMED, _NAMED_US = (
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})" + _CLOCK,
        r"(\d{4})(\d{2})(\d{2})",
        r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4}|\d{2})" + _CLOCK,
        r"(?:\w+,?\s+)?(\d{1,2})\.?[ -]([^\W\d]+)\.?,?[ -](\d{4})" + _CLOCK,
        r"([^\W\d]+)\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})" + _CLOCK,
    )
)


def moment(cell: str, order: DateOrder, zone: str) -> dt.datetime:
    """Return a date or a date with a time as an aware moment; without a zone it is in `zone`.

    The ISO form and month names are read whatever the `order`, and so is a day above twelve.
    """
    year, month, day, clock = _parts(cell, order)
    hour, minute, second, half, offset = clock
    hour_number = int(hour or 0)
    if half:
        if not 1 <= hour_number <= 12:
            raise Refused("not_a_date", "is not a date")
        hour_number = hour_number % 12 + (12 if half[0] in "pP" else 0)
    if not EARLIEST <= year <= LATEST:
        raise Refused("out_of_range", f"is not between the years {EARLIEST} and {LATEST}")
    try:
        return dt.datetime(
            year,
            month,
            day,
            hour_number,
            int(minute or 0),
            int(second or 0),
            tzinfo=_zone(offset, zone),
        )
    except ValueError:
        raise Refused("not_a_date", "is not a day of the calendar") from None


def date(cell: str, order: DateOrder) -> str:
    """Return a date in the ISO form; a time behind it is left out."""
    return moment(cell, order, "UTC").date().isoformat()


def _parts(cell: str, order: DateOrder) -> tuple[int, int, int, tuple[str | None, ...]]:
    if match := _ISO.fullmatch(cell):
        year, month, day, *clock = match.groups()
        return int(year), int(month), int(day), tuple(clock)
    if match := _COMPACT.fullmatch(cell):
        year, month, day = match.groups()
        return int(year), int(month), int(day), (None,) * 5
    if match := _LOCAL.fullmatch(cell):
        first, second, written, *clock = match.groups()
        year = int(written)
        if len(written) == 2:
            year += 1900 if year >= 70 else 2000
        a, b = int(first), int(second)
        # 13/02 can only be a day first, 02/13 only a month first.
        month_first = (order == "mdy" and a <= 12) or b > 12
        return year, a if month_first else b, b if month_first else a, tuple(clock)
    for pattern, day_first in ((_NAMED, True), (_NAMED_US, False)):
        if match := pattern.fullmatch(cell):
            first, second, written, *clock = match.groups()
            name, day_text = (second, first) if day_first else (first, second)
            if name.casefold() in MONTHS:
                return int(written), MONTHS[name.casefold()], int(day_text), tuple(clock)
    raise Refused("not_a_date", "is not a date")


def _zone(offset: str | None, zone: str) -> dt.tzinfo:
    if not offset:
        return _named_zone(zone)
    if offset in ("Z", "z", "UTC", "utc"):
        return dt.UTC
    hours, minutes = int(offset[1:3]), int(offset[-2:])
    delta = dt.timedelta(hours=hours, minutes=minutes)
    return dt.timezone(-delta if offset[0] == "-" else delta)


@lru_cache(maxsize=64)
def _named_zone(zone: str) -> dt.tzinfo:
    return zoneinfo.ZoneInfo(zone)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def time_zone(cell: str) -> str:
    """Return a name of the time zone database ("Europe/Berlin")."""
    if cell not in _zones():
        raise Refused("not_a_time_zone", "is not a time zone such as Europe/Berlin")
    return cell


def country(cell: str) -> str:
    """Return an ISO 3166 alpha-2 code."""
    code = country_code(cell)
    if code is None:
        raise Refused("not_a_country", "is not a country")
    return code


def currency(cell: str) -> str:
    """Return a currency code of three letters."""
    code = {"€": "EUR", "$": "USD", "£": "GBP", "EURO": "EUR"}.get(cell.upper(), cell.upper())
    if len(code) != 3 or not (code.isascii() and code.isalpha()):
        raise Refused("not_a_currency", "is not a currency code such as EUR")
    return code


_BEFORE = "dr prof ing dipl dipl-ing dipl-kfm mag mr mrs ms miss herr frau hr fr mme mlle"
_INSIDE = "von van de der den zu zum zur da di del della dos du la le ten ter af al el bin"
_TITLES, _PARTICLES = frozenset(_BEFORE.split()), frozenset(_INSIDE.split())


def split_name(cell: str) -> tuple[str, str]:
    """Return first and last name of "Ito, Haruka", "Haruka Ito" or "Dr. Ludwig van Beethoven"."""
    if "," in cell:
        last, _, first = cell.partition(",")
        return _bare(first), _bare(last)
    words = _bare(cell).split()
    if len(words) < 2:
        return "", " ".join(words)
    start = len(words) - 1
    while start > 1 and words[start - 1].casefold() in _PARTICLES:
        start -= 1
    return " ".join(words[:start]), " ".join(words[start:])


def _bare(name: str) -> str:
    """Return a name without the titles before it."""
    words = name.split()
    while len(words) > 1 and words[0].rstrip(".").casefold() in _TITLES:
        words.pop(0)
    return " ".join(words)
