"""First steps are spread over working days, hot leads first."""

import datetime as dt
from collections import Counter

import pytest

from followups.cadence import Calendar, Due, contact_window, step_due_from
from followups.capacity import Loads, OpenDays
from followups.definitions import Wait

TEAM = Calendar("Europe/Berlin", "DE", dt.time(9), dt.time(17))
START = dt.datetime(2026, 11, 23, 9, tzinfo=dt.UTC)  # a Monday
ANN, BOB = (1, None), (2, None)


def due_from(day: dt.datetime, zone: str = "Europe/Berlin") -> Due:
    return step_due_from(day, START, Wait(), "call", TEAM, contact_window(zone, ""))


@pytest.fixture
def days() -> OpenDays:
    return OpenDays(START, TEAM)


def dates(loads, days, holder, tier, number, per_day=3, zone="Europe/Berlin"):
    return [
        loads.place(holder, tier, per_day, days, lambda day: due_from(day, zone)).date.day
        for _ in range(number)
    ]


def test_a_day_takes_so_many_and_no_more(days):
    assert dates(Loads(), days, ANN, "cold", 7) == [23, 23, 23, 24, 24, 24, 25]


def test_weekends_take_none(days):
    assert dates(Loads(), days, ANN, "cold", 6, per_day=1) == [23, 24, 25, 26, 27, 30]


def test_each_person_has_their_own_days(days):
    loads = Loads()
    dates(loads, days, ANN, "cold", 6)
    assert dates(loads, days, BOB, "cold", 1) == [23]


def test_a_hot_lead_that_comes_later_never_waits_behind_cold_ones(days):
    loads = Loads()
    dates(loads, days, ANN, "cold", 9)
    assert dates(loads, days, ANN, "hot", 4) == [23, 23, 23, 24]
    # A cold one goes behind all of them: the 23rd to the 25th are full.
    assert dates(loads, days, ANN, "cold", 1) == [26]


def test_a_cold_lead_waits_behind_hot_ones(days):
    loads = Loads()
    dates(loads, days, ANN, "hot", 2)
    assert dates(loads, days, ANN, "warm", 2) == [23, 24]
    assert dates(loads, days, ANN, "cold", 2) == [24, 24]


def test_what_stands_already_counts(days):
    loads = Loads()
    loads.add(ANN, dt.date(2026, 11, 23), "warm", 3)
    assert dates(loads, days, ANN, "cold", 1) == [24]
    assert dates(loads, days, ANN, "hot", 1) == [23]


def test_a_lead_far_away_counts_on_the_day_on_which_it_is_due(days):
    # Berlin's and Auckland's days never meet, so its calls come due in the lead's morning, which
    # is the evening before in Berlin.
    loads = Loads()
    far = dates(loads, days, ANN, "cold", 4, zone="Pacific/Auckland")
    near = dates(loads, days, ANN, "cold", 8)
    assert max(Counter(far + near).values()) == 3


def test_many_places_take_little_work(days):
    calls = 0

    def counted(day):
        nonlocal calls
        calls += 1
        return due_from(day)

    loads = Loads()
    for _ in range(3_000):
        loads.place(ANN, "cold", 30, days, counted)
    assert calls < 3_200  # full days are not asked again for every lead


def test_open_days_can_be_asked_in_any_order(days):
    later = days[5]
    assert [days[i][0].day for i in range(6)] == [23, 24, 25, 26, 27, 30]
    assert days[5] == later
    assert days[0][1] == START
