"""Business time: never outside the windows, never early, whatever the clocks do."""

import datetime as dt
from functools import cache
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from followups.cadence import (
    Calendar,
    contact_window,
    open_days,
    sla_due,
    step_due,
    step_due_from,
)
from followups.definitions import StepKind, Wait

BERLIN = Calendar("Europe/Berlin", "DE", dt.time(9), dt.time(17))
NO_HOLIDAYS = Calendar("Europe/Berlin", "", dt.time(9), dt.time(17))
HERE = contact_window("Europe/Berlin", "DE")


def berlin(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"))


def due(start: str, kind="call", team=BERLIN, window=HERE, **wait) -> dt.datetime:
    return step_due(berlin(start), Wait(**wait), kind, team, window).at.astimezone(
        ZoneInfo("Europe/Berlin")
    )


def test_a_call_without_a_wait_is_due_at_once_in_working_hours():
    assert due("2026-11-24 10:12:13") == berlin("2026-11-24 10:12:13")


def test_a_call_at_night_is_due_when_both_have_opened():
    assert due("2026-11-24 20:00") == berlin("2026-11-25 09:00")
    assert due("2026-11-24 03:00") == berlin("2026-11-24 09:00")


def test_the_closing_moment_is_after_the_day():
    assert due("2026-11-24 17:00") == berlin("2026-11-25 09:00")
    assert due("2026-11-24 16:59:59") == berlin("2026-11-24 16:59:59")


def test_weekends_and_public_holidays_are_no_working_days():
    assert due("2026-11-27 18:00") == berlin("2026-11-30 09:00")  # Friday evening
    assert due("2026-12-24 18:00") == berlin("2026-12-28 09:00")  # two days of Christmas, a weekend


def test_the_weekend_is_that_of_the_country():
    riyadh = Calendar("Asia/Riyadh", "SA", dt.time(9), dt.time(17))
    friday = dt.datetime(2026, 11, 27, 6, tzinfo=dt.UTC)
    at = step_due(friday, Wait(), "task", riyadh, HERE).at
    assert at.astimezone(ZoneInfo("Asia/Riyadh")).strftime("%a %H:%M") == "Sun 09:00"


def test_hours_are_counted_while_the_team_works():
    assert due("2026-11-24 15:00", kind="task", hours=4) == berlin("2026-11-25 11:00")
    assert due("2026-11-27 16:30", kind="task", hours=1) == berlin("2026-11-30 09:30")


def test_hours_that_end_at_closing_time_lead_to_the_next_opening():
    assert due("2026-11-24 09:00", kind="task", hours=8) == berlin("2026-11-25 09:00")


def test_days_lead_to_the_opening_of_that_working_day():
    assert due("2026-11-24 15:00", days=1) == berlin("2026-11-25 09:00")
    assert due("2026-11-27 15:00", days=2) == berlin("2026-12-01 09:00")  # Friday → Tuesday
    assert due("2026-11-28 15:00", days=1) == berlin("2026-11-30 09:00")  # Saturday → Monday


def test_a_call_waits_for_the_lead_to_be_up():
    new_york = contact_window("America/New_York", "US")
    assert due("2026-11-24 10:00", window=new_york) == berlin("2026-11-24 15:00")


def test_a_holiday_of_the_leads_country_is_not_a_day_to_call():
    new_york = contact_window("America/New_York", "US")
    assert due("2026-11-26 10:00", window=new_york) == berlin("2026-11-27 15:00")  # Thanksgiving


def test_a_task_minds_the_team_only_and_an_email_the_lead_only():
    tokyo = contact_window("Asia/Tokyo", "JP")
    assert due("2026-11-24 12:00", kind="task", window=tokyo) == berlin("2026-11-24 12:00")
    assert due("2026-11-24 12:00", kind="email", window=tokyo) == berlin("2026-11-25 01:00")


def test_windows_that_never_meet_fall_back_to_the_leads_and_say_so():
    honolulu = contact_window("Pacific/Honolulu", "")
    found = step_due(berlin("2026-11-24 10:00"), Wait(), "call", NO_HOLIDAYS, honolulu)
    assert found.outside_team_hours
    assert found.at.astimezone(ZoneInfo("Pacific/Honolulu")).hour == 9
    near = step_due(berlin("2026-11-24 10:00"), Wait(), "call", NO_HOLIDAYS, HERE)
    assert not near.outside_team_hours


def test_a_clock_runs_in_the_teams_hours_only():
    def clock(start: str, minutes: int) -> dt.datetime:
        return sla_due(berlin(start), minutes, BERLIN).astimezone(ZoneInfo("Europe/Berlin"))

    assert clock("2026-11-24 10:00", 5) == berlin("2026-11-24 10:05")
    assert clock("2026-11-24 16:58", 5) == berlin("2026-11-25 09:03")
    assert clock("2026-11-28 12:00", 5) == berlin("2026-11-30 09:05")
    assert clock("2026-11-24 16:00", 60) == berlin("2026-11-24 17:00")  # closing is still in time


def test_a_night_in_which_clocks_change_is_as_long_as_it_is():
    # Egypt's clocks change in the night to a Friday, which is a working day without a country.
    cairo = ZoneInfo("Africa/Cairo")
    night = Calendar("Africa/Cairo", "", dt.time(22), dt.time(6))

    def night_of(year, month, day):
        return dt.datetime(year, month, day, 22, tzinfo=cairo)

    def morning_after(evening):
        return (evening + dt.timedelta(days=1)).replace(hour=6)

    for evening, hours in (
        (night_of(2026, 10, 22), 8),
        (night_of(2026, 10, 29), 9),  # back
        (night_of(2026, 4, 23), 7),  # forward
    ):
        assert sla_due(evening, hours * 60, night) == morning_after(evening)
        assert sla_due(evening, hours * 60 + 1, night) > morning_after(evening)


@pytest.mark.parametrize(
    ("opens", "closes"),
    [(dt.time(2, 15), dt.time(2, 45)), (dt.time(2, 30), dt.time(6)), (dt.time(0), dt.time(2, 30))],
)
def test_hours_that_a_change_of_clocks_cuts_stay_inside_the_window(opens, closes):
    # On Friday, 27 March 2026, Jerusalem's clocks went from 2:00 to 3:00.
    cut = Calendar("Asia/Jerusalem", "", opens, closes)
    evening = dt.datetime(2026, 3, 26, 20, tzinfo=dt.UTC)
    for quarters in range(20):
        at = step_due(evening, Wait(hours=quarters / 4), "task", cut, HERE).at
        assert opens <= at.astimezone(ZoneInfo("Asia/Jerusalem")).time() < closes


def test_a_night_shift_closes_on_the_next_day():
    night = Calendar("Europe/Berlin", "", dt.time(22), dt.time(6))
    assert due("2026-11-25 02:00", kind="task", team=night) == berlin("2026-11-25 02:00")
    assert due("2026-11-25 07:00", kind="task", team=night) == berlin("2026-11-25 22:00")
    assert due("2026-11-25 05:00", kind="task", team=night, hours=2) == berlin("2026-11-25 23:00")


def test_open_days_begin_with_what_is_left_of_today():
    days = open_days(berlin("2026-11-27 12:00"), BERLIN)
    found = [next(days) for _ in range(3)]
    assert [date for date, _ in found] == [
        dt.date(2026, 11, 27),
        dt.date(2026, 11, 30),
        dt.date(2026, 12, 1),
    ]
    assert [moment for _, moment in found] == [
        berlin("2026-11-27 12:00"),
        berlin("2026-11-30 09:00"),
        berlin("2026-12-01 09:00"),
    ]


def test_a_step_that_is_spread_keeps_its_wait():
    start = berlin("2026-11-24 10:00")
    early = step_due_from(start, start, Wait(days=3), "task", BERLIN, HERE)
    late = step_due_from(berlin("2026-12-07 09:00"), start, Wait(days=3), "task", BERLIN, HERE)
    assert early.at == berlin("2026-11-27 09:00")
    assert late.at == berlin("2026-12-07 09:00")
    assert late.date == dt.date(2026, 12, 7)


ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
    "Asia/Kathmandu",  # +05:45
    "Pacific/Kiritimati",  # +14
    "Pacific/Chatham",  # +12:45 and +13:45
    "Australia/Lord_Howe",  # changes by half an hour
    "Africa/Cairo",
    "America/Santiago",  # changes at midnight
    "Pacific/Pago_Pago",  # −11
    "Asia/Kolkata",
    "UTC",
)
calendars = st.builds(
    lambda zone, country, opens, hours: Calendar(
        zone, country, dt.time(opens), dt.time((opens + hours) % 24)
    ),
    st.sampled_from(ZONES),
    st.sampled_from(("", "DE", "US", "SA", "JP", "NP")),
    st.integers(0, 15),
    st.integers(4, 8),
)
windows = st.builds(
    contact_window, st.sampled_from(ZONES), st.sampled_from(("", "DE", "US", "AE", "CN"))
)
moments = st.datetimes(
    dt.datetime(2024, 1, 1), dt.datetime(2030, 12, 31), timezones=st.just(dt.UTC)
)
waits = st.one_of(
    st.just(Wait()),
    st.integers(1, 60).map(lambda hours: Wait(hours=hours / 4)),
    st.integers(1, 15).map(lambda days: Wait(days=days)),
)


@cache
def public_holidays(country: str, year: int):
    return holidays.country_holidays(country, years=year)


def inside(moment: dt.datetime, calendar: Calendar) -> bool:
    """By the wall clock alone: an open hour of a working day of the place."""

    local = moment.astimezone(ZoneInfo(calendar.zone))
    weekend, off = {5, 6}, set()
    if calendar.country:
        country = public_holidays(calendar.country, local.year)
        weekend, off = country.weekend, country
    working = local.weekday() not in weekend and local.date() not in off
    return working and calendar.opens <= local.time() < calendar.closes


@settings(max_examples=300, deadline=None)
@given(moments, waits, st.sampled_from(StepKind.values), calendars, windows)
def test_a_step_is_never_early_and_never_outside_its_windows(start, wait, kind, team, window):
    found = step_due(start, wait, kind, team, window)
    assert found.at >= start
    if kind == StepKind.TASK:
        assert inside(found.at, team)
    elif kind == StepKind.EMAIL:
        assert inside(found.at, window)
    else:
        assert inside(found.at, window)
        assert found.outside_team_hours or inside(found.at, team)


@settings(max_examples=200, deadline=None)
@given(moments, st.integers(1, 2_000), st.integers(1, 2_000), calendars)
def test_a_clock_counts_open_time_only(start, one, other, team):
    end = sla_due(start, one, team)
    assert end - start >= dt.timedelta(minutes=one)
    assert inside(end - dt.timedelta(microseconds=1), team)
    # Stopped and started again, it runs out at the same moment.
    assert sla_due(end, other, team) == sla_due(start, one + other, team)


@settings(max_examples=100, deadline=None)
@given(moments, waits, waits, calendars, windows)
def test_a_longer_wait_is_never_due_earlier(start, one, other, team, window):
    if one.days == 0 and other.days == 0 and one.hours <= other.hours:
        sooner = step_due(start, one, "call", team, window)
        later = step_due(start, other, "call", team, window)
        assert sooner.at <= later.at
