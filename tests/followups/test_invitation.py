"""The invitation is read back by the library's parser as what it says."""

import datetime as dt
from dataclasses import replace
from uuid import UUID
from zoneinfo import ZoneInfo

from icalendar import Calendar, Component

from followups.invitation import Invitation, Party, to_ics

BERLIN = ZoneInfo("Europe/Berlin")
INVITATION = Invitation(
    uid=UUID(int=7),
    sequence=2,
    title="Demo; with, signs\nX-EVIL:1",
    text="Line one\nLine two, with a comma; and \\ this",
    starts_at=dt.datetime(2026, 3, 29, 3, 30, tzinfo=BERLIN),  # the hour after clocks changed
    minutes=45,
    organiser=Party("Anna “A” Bell", "anna@works.example"),
    attendee=Party('Bo "X"\r\nATTENDEE:mailto:evil@x.example', "bo@lead.example"),
    cancelled=False,
    as_of=dt.datetime(2026, 3, 1, 9, 0, 0, 123, tzinfo=dt.UTC),
)


def read(invitation: Invitation) -> tuple[Calendar, Component]:
    calendar = Calendar.from_ical(to_ics(invitation))
    (event,) = calendar.walk("VEVENT")
    return calendar, event


def test_a_request_reads_back_as_it_was_meant() -> None:
    calendar, event = read(INVITATION)
    assert calendar["METHOD"] == "REQUEST"
    assert event["UID"] == f"{UUID(int=7)}@leadqual"
    assert event["SEQUENCE"] == 2
    assert event["SUMMARY"] == "Demo; with, signs X-EVIL:1"
    assert event["DESCRIPTION"] == INVITATION.text
    assert event.decoded("DTSTART") == dt.datetime(2026, 3, 29, 1, 30, tzinfo=dt.UTC)
    assert event.decoded("DTEND") == dt.datetime(2026, 3, 29, 2, 15, tzinfo=dt.UTC)
    assert event.decoded("DTSTAMP") == dt.datetime(2026, 3, 1, 9, tzinfo=dt.UTC)
    assert event["ORGANIZER"] == "mailto:anna@works.example"
    assert event["ATTENDEE"] == "mailto:bo@lead.example"
    assert event["STATUS"] == "CONFIRMED"
    assert "X-EVIL" not in event
    lines = to_ics(INVITATION).split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert b"DTSTART:20260329T013000Z" in lines


def test_a_cancellation_keeps_the_name_and_asks_for_nothing() -> None:
    calendar, event = read(replace(INVITATION, cancelled=True, sequence=3))
    assert calendar["METHOD"] == "CANCEL"
    assert (event["STATUS"], event["SEQUENCE"]) == ("CANCELLED", 3)
    assert event["UID"] == f"{UUID(int=7)}@leadqual"
    assert not event.walk("VALARM")


def test_without_addresses_nobody_is_invited() -> None:
    nobody = Party("Bo", "")
    _, event = read(replace(INVITATION, organiser=nobody, attendee=nobody))
    assert "ATTENDEE" not in event
    assert "ORGANIZER" not in event
