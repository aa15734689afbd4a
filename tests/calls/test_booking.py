"""Calls at a time that was agreed: booked, reminded of, moved, called off, missed, tried again."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from accounts.models import User
from calls import services
from calls.models import CallOutcome
from calls.services import FinishInput
from core import clock
from core.errors import Conflict, Forbidden, Invalid
from core.invariants import breaks
from followups.models import Followup
from followups.services import (
    Booking,
    book_call,
    cancel_call,
    reschedule_call,
    skip_followup,
    snooze_followup,
)
from leads.activities import Kind
from leads.models import Activity, Lead
from leads.services import ConsentInput, record_consent
from tests import factories

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")
# A Monday; the call is on Wednesday at two.
MONDAY = dt.datetime(2026, 11, 30, 10, tzinfo=BERLIN)
WEDNESDAY = dt.datetime(2026, 12, 2, 14, tzinfo=BERLIN)


def book(lead: Lead, rep: User, at: dt.datetime = WEDNESDAY, **more: object) -> Followup:
    booking = Booking("Demo", at, 30)
    return book_call(lead, booking, by=rep, remind_hours=24, **more)  # type: ignore[arg-type]


def test_a_reminder_goes_before_a_booked_call_and_follows_it(lead: Lead, rep: User) -> None:
    with clock.at(MONDAY):
        booked = book(lead, rep)
        reminder = Followup.objects.get(reminds=booked)
        assert (reminder.kind, reminder.assignee) == ("task", rep)
        assert reminder.due_at == WEDNESDAY - dt.timedelta(days=1)
        Followup.objects.filter(pk=booked.pk).update(state="done")
        assert [name for name, _ in breaks() if "reminders" in name] != []
        Followup.objects.filter(pk=booked.pk).update(state="scheduled")
        moved = reschedule_call(booked, by=rep, at=WEDNESDAY + dt.timedelta(days=5, hours=-6))
        assert (moved.sequence, moved.uid) == (1, booked.uid)
        # Monday at eight: the day before is a Sunday, so the reminder would come too late.
        assert not Followup.objects.filter(reminds=booked, state="scheduled").exists()
        with pytest.raises(Forbidden, match="Reschedule it"):
            snooze_followup(booked, by=rep, until=WEDNESDAY)
        with pytest.raises(Forbidden, match="Cancel it"):
            skip_followup(booked, by=rep, reason="x")
        off = cancel_call(booked, by=rep, reason="Ill")
        assert (off.state, off.sequence, off.note) == ("cancelled", 2, "Ill")
        with pytest.raises(Conflict):
            reschedule_call(booked, by=rep, at=WEDNESDAY)
        assert [text for name, text in breaks() if name.startswith("followups.")] == []


def test_what_stands_in_the_way_is_named_before_it_is_booked(lead: Lead, rep: User) -> None:
    other = factories.make_lead(owner=rep)
    with clock.at(MONDAY):
        book(lead, rep)
        half = WEDNESDAY + dt.timedelta(minutes=15)
        with pytest.raises(Invalid, match=f"overlaps with “Demo”, {lead.name}"):
            book(other, rep, half)
        book(other, rep, WEDNESDAY + dt.timedelta(minutes=30))  # back to back is no conflict
        assert book(other, rep, half, anyway=True).agreed
        call, _ = services.start_call(other, by=rep)
        callback = FinishInput("callback", callback_at=half)
        with pytest.raises(Invalid) as error:
            services.finish_call(call.pk, callback, by=rep)
        assert {(p.field, p.code) for p in error.value.problems} == {("callback_at", "overlaps")}
        with pytest.raises(Invalid, match="passed already"):
            book(other, rep, MONDAY - dt.timedelta(days=1))


def test_a_call_that_comes_early_leaves_the_agreed_one(lead: Lead, rep: User) -> None:
    with clock.at(MONDAY):
        booked = book(lead, rep, MONDAY + dt.timedelta(hours=3))
        call, _ = services.start_call(lead, by=rep)
        services.finish_call(call.pk, FinishInput("send_info"), by=rep)
        booked.refresh_from_db()
        assert booked.state == "scheduled"
    with clock.at(MONDAY + dt.timedelta(hours=3)):
        call, _ = services.start_call(lead, by=rep)
        done = services.finish_call(
            call.pk, FinishInput("meeting_set", callback_at=WEDNESDAY), by=rep
        )
        booked.refresh_from_db()
        assert booked.state == "done"
        assert done.followup is not None
        assert (done.followup.agreed, done.followup.due_at) == (True, WEDNESDAY)
        assert Followup.objects.filter(reminds=done.followup, state="scheduled").exists()


def test_who_does_not_come_is_tried_again_as_often_as_the_outcome_says(
    lead: Lead, rep: User
) -> None:
    rule = CallOutcome.objects.get(pk=services.NO_SHOW)
    assert (rule.followup_hours, rule.followup_tries) == (8, 2)
    with clock.at(MONDAY):
        booked = book(lead, rep)
        with pytest.raises(Conflict, match="still ahead"):
            services.mark_no_show(booked, by=rep)
    late = WEDNESDAY + dt.timedelta(minutes=20)
    with clock.at(late):
        first = services.mark_no_show(booked, by=rep).followup
        assert first is not None
        assert first.title == rule.followup_title
        # Eight hours of the team's day later, inside the lead's: Thursday in the afternoon.
        there = first.due_at.astimezone(BERLIN)
        assert (there.date(), 9 <= there.hour < 17) == (dt.date(2026, 12, 3), True)
        booked.refresh_from_db()
        assert (booked.state, booked.note) == ("done", rule.label)
        assert Activity.objects.filter(lead=lead, kind=Kind.CALL_ATTEMPTED).count() == 1
        assert not Followup.objects.filter(reminds=booked, state="scheduled").exists()
    for days, again in ((1, True), (2, False)):
        with clock.at(late + dt.timedelta(days=days)):
            call, _ = services.start_call(lead, by=rep)
            call = services.finish_call(call.pk, FinishInput("no_show"), by=rep)
            assert (call.followup is not None) == again


def test_a_booked_call_is_held_when_the_lead_refuses_calls(lead: Lead, rep: User) -> None:
    with clock.at(MONDAY):
        booked = book(lead, rep)
        record_consent(lead, ConsentInput("call", "withdrawn"), by=rep)
        reschedule_call(booked, by=rep, at=WEDNESDAY + dt.timedelta(hours=1))
        booked.refresh_from_db()
        assert booked.held.startswith("Asked on 30 Nov 2026")
        assert booked not in Followup.objects.to_do_by(rep)
