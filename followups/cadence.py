"""Business time: when a step is due and when a clock runs out. Pure.

Waits and SLA clocks run in the team's calendar. People are called inside the contact window of
their own zone (9 to 18 o'clock on their working days), so a call is due at the first moment that
lies inside both; a task inside the team's hours, an e-mail inside the lead's window. Spans are
half-open: 17:00 is after a day that ends at 17:00.

All arithmetic is on absolute time (seconds since the epoch); only the bounds of a day are read
from a wall clock, so a day of 23 or 25 hours is as long as it is.
"""

import datetime as dt
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

import holidays

from followups.definitions import StepKind, Wait

HOUR = 3_600
CONTACT_FROM, CONTACT_TO = dt.time(9), dt.time(18)  # in the lead's zone
# How far ahead a common moment of two calendars is looked for. Longer than any run of public
# holidays; calendars that do not meet within it are taken never to meet.
SEARCH_DAYS = 21
DEFAULT_WEEKEND = frozenset({5, 6})  # Saturday and Sunday, as date.weekday()

Span = tuple[float, float]


class Calendar(NamedTuple):
    """Hours of the working days of a place: an IANA zone, and the country whose holidays hold.

    A day that closes at or before the hour at which it opens closes on the next day. A tuple, since
    it is looked up in caches for every lead.
    """

    zone: str
    country: str
    opens: dt.time
    closes: dt.time


def contact_window(zone: str, country: str) -> Calendar:
    """Return the hours in which a lead of this zone and country may be contacted."""
    return Calendar(zone, country, CONTACT_FROM, CONTACT_TO)


class Due(NamedTuple):
    """When a step is due, and on which date of the team's. `outside_team_hours` says that the
    lead's window never meets them.
    """

    at: dt.datetime
    date: dt.date
    outside_team_hours: bool = False


@lru_cache(maxsize=16_384)
def step_due(start: dt.datetime, wait: Wait, kind: str, team: Calendar, window: Calendar) -> Due:
    """Return when a step is due that waits `wait` from `start`; never before `start` (aware)."""
    return _place(_after(start.timestamp(), wait, team), kind, team, window)


@lru_cache(maxsize=16_384)
def step_due_from(
    day: dt.datetime, start: dt.datetime, wait: Wait, kind: str, team: Calendar, window: Calendar
) -> Due:
    """Like `step_due`, but not before `day` either: where steps are spread over days."""
    earliest = max(day.timestamp(), _after(start.timestamp(), wait, team))
    return _place(earliest, kind, team, window)


@lru_cache(maxsize=4_096)
def sla_due(start: dt.datetime, minutes: int, team: Calendar) -> dt.datetime:
    """Return when a clock of `minutes` business minutes runs out that starts at `start`.

    The end of a working day is still in time, so this may be its closing moment itself.
    """
    return _moment(_add(start.timestamp(), minutes * 60, team))


def opens_at(calendar: Calendar, moment: dt.datetime) -> dt.datetime:
    """Return the first moment inside the hours of a place, `moment` (aware) itself if it is."""
    first = _first_open(calendar, moment.timestamp())
    return moment if first == moment.timestamp() else _moment(first)


def is_open_at(calendar: Calendar, moment: dt.datetime) -> bool:
    """True when a moment (aware) lies inside the hours of a place."""
    return opens_at(calendar, moment) == moment


def open_days(start: dt.datetime, calendar: Calendar) -> Iterator[tuple[dt.date, dt.datetime]]:
    """Yield the date and first moment of what is left of this working day, then of each after."""
    for opening, _ in _spans(calendar, start.timestamp()):
        moment = max(opening, start.timestamp())
        yield _local_date(moment, calendar.zone), _moment(moment)


def _place(earliest: float, kind: str, team: Calendar, window: Calendar) -> Due:
    common = True
    if kind == StepKind.TASK:
        at = _first_open(team, earliest)
    elif kind == StepKind.EMAIL:
        at = _first_open(window, earliest)
    else:
        meeting = _first_common(team, window, earliest)
        common = meeting is not None
        at = meeting if meeting is not None else _first_open(window, earliest)
    return Due(_moment(at), _local_date(at, team.zone), outside_team_hours=not common)


@lru_cache(maxsize=4_096)
def _after(start: float, wait: Wait, team: Calendar) -> float:
    """Return the moment at which a wait ends. Days lead to the opening of a working day."""
    if wait.days:
        today = _local_date(start, team.zone)
        openings = (opening for opening, _ in _spans(team, start))
        later = (opening for opening in openings if _local_date(opening, team.zone) > today)
        return next(islice(later, wait.days - 1, None))
    if wait.hours:
        return _add(start, wait.hours * HOUR, team)
    return start


def _add(start: float, seconds: float, calendar: Calendar) -> float:
    """Return the moment by which `seconds` of open time have passed since `start`."""
    left = seconds
    for opening, closing in _spans(calendar, start):
        begin = max(opening, start)
        if left <= closing - begin:
            return begin + left
        left -= closing - begin
    raise AssertionError("a calendar has working days without end")


def _first_open(calendar: Calendar, start: float) -> float:
    return max(next(_spans(calendar, start))[0], start)


def _first_common(a: Calendar, b: Calendar, start: float) -> float | None:
    """Return the first moment from `start` inside both calendars, None within SEARCH_DAYS."""
    until = start + SEARCH_DAYS * 24 * HOUR
    spans_a, spans_b = _spans(a, start), _spans(b, start)
    span_a, span_b = next(spans_a), next(spans_b)
    while True:
        begin = max(span_a[0], span_b[0], start)
        if begin > until:
            return None
        if begin < min(span_a[1], span_b[1]):
            return begin
        if span_a[1] <= span_b[1]:
            span_a = next(spans_a)
        else:
            span_b = next(spans_b)


def _spans(calendar: Calendar, start: float) -> Iterator[Span]:
    """Yield the open spans (opening, closing) that close after `start`, in order, without end."""
    # A span that began the day before may reach into this one.
    day = _local_date(start, calendar.zone) - dt.timedelta(days=1)
    while True:
        span = _span(calendar, day)
        if span is not None and span[1] > start:
            yield span
        day += dt.timedelta(days=1)


@lru_cache(maxsize=65_536)
def _span(calendar: Calendar, day: dt.date) -> Span | None:
    """Return when a place opens and closes on a date, None on weekends and holidays."""
    weekend, off = _days_off(calendar.country, day.year)
    if day.weekday() in weekend or day in off:
        return None
    last = day if calendar.opens < calendar.closes else day + dt.timedelta(days=1)
    # Where clocks change, a wall time may be missing or come twice. The narrower reading of both
    # ends keeps every moment of the span inside the hours on the wall.
    opening = max(_readings(day, calendar.opens, calendar.zone))
    closing = min(_readings(last, calendar.closes, calendar.zone))
    return (opening, closing) if opening < closing else None


def _readings(day: dt.date, time: dt.time, zone: str) -> list[float]:
    """Return the two readings of a wall time, which differ only where clocks change."""
    wall = dt.datetime.combine(day, time, ZoneInfo(zone))
    return [wall.replace(fold=fold).timestamp() for fold in (0, 1)]


@lru_cache(maxsize=4_096)
def _days_off(country: str, year: int) -> tuple[frozenset[int], frozenset[dt.date]]:
    """Return the weekend (as date.weekday()) and the public holidays of a country in a year."""
    try:
        calendar = holidays.country_holidays(country, years=year)
    except NotImplementedError:  # a country without a calendar, or none given
        return DEFAULT_WEEKEND, frozenset()
    return frozenset(calendar.weekend), frozenset(calendar)


def _local_date(moment: float, zone: str) -> dt.date:
    return dt.datetime.fromtimestamp(moment, ZoneInfo(zone)).date()


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
