"""A booked call as an iCalendar file (RFC 5545, RFC 5546), which every calendar takes. Pure.

Times are UTC, so no zone has to be described. The library escapes texts and folds lines.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from icalendar import Alarm, Calendar, Event, vCalAddress, vText

PRODUCT = "-//Leadqual//Calls//EN"


@dataclass(frozen=True)
class Party:
    """Who takes part; without an address they are named in the text only."""

    name: str
    email: str


@dataclass(frozen=True)
class Invitation:
    """One booked call as it is now; `sequence` grows with every change, `uid` stays for good."""

    uid: UUID
    sequence: int
    title: str
    text: str
    starts_at: dt.datetime
    minutes: int
    organiser: Party
    attendee: Party
    cancelled: bool
    as_of: dt.datetime


def to_ics(invitation: Invitation) -> bytes:
    """Return the file: a request, or a cancellation of one that was sent before."""
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if invitation.cancelled else "REQUEST")
    event = Event()
    event.add("uid", f"{invitation.uid}@leadqual")
    event.add("sequence", invitation.sequence)
    event.add("dtstamp", _utc(invitation.as_of))
    event.add("dtstart", _utc(invitation.starts_at))
    event.add("dtend", _utc(invitation.starts_at + dt.timedelta(minutes=invitation.minutes)))
    event.add("summary", _line(invitation.title))
    event.add("status", "CANCELLED" if invitation.cancelled else "CONFIRMED")
    if invitation.text:
        event.add("description", invitation.text)
    if invitation.organiser.email:
        event["organizer"] = _address(invitation.organiser)
    if invitation.attendee.email:
        attendee = _address(invitation.attendee)
        attendee.params["ROLE"] = vText("REQ-PARTICIPANT")
        attendee.params["PARTSTAT"] = vText("NEEDS-ACTION")
        attendee.params["RSVP"] = vText("TRUE")
        event.add("attendee", attendee, encode=False)
    if not invitation.cancelled:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", _line(invitation.title))
        alarm.add("trigger", dt.timedelta(minutes=-10))
        event.add_component(alarm)
    calendar.add_component(event)
    ics: bytes = calendar.to_ical()
    return ics


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC).replace(microsecond=0)


def _line(text: str) -> str:
    """Return a text as one line: what a person typed begins no property of its own."""
    return " ".join(text.split())


def _address(party: Party) -> vCalAddress:
    address = vCalAddress(f"mailto:{_line(party.email)}")
    # A parameter cannot hold a double quote (RFC 5545, 3.2).
    address.params["CN"] = vText(_line(party.name).replace('"', "'"))
    return address
