"""What people do with follow-ups: each locks the lead's standing, asks the policy, changes, writes
an activity and plans the lead, in one transaction. The next step is a row when it returns.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from django.db import models, transaction
from django.utils import timezone

from accounts.models import User
from core.clock import now
from core.decisions import Decision
from core.errors import Conflict, Invalid, NotFound
from followups import policies
from followups.cadence import step_due
from followups.definitions import Wait
from followups.models import Followup, Run
from followups.places import Places
from followups.planning import plan
from followups.runs import EndReason
from followups.selectors import overlapping
from leads.activities import Kind
from leads.identity import clean_text
from leads.models import Activity, Lead
from scoring.rescoring import lock

MOST_NOTE = 20_000
MOST_TITLE = 120
DEFAULT_MINUTES, SHORTEST_MINUTES, MOST_MINUTES = 30, 5, 480  # of a booked call
NEAR = dt.timedelta(hours=1)  # before a call, in which nobody needs to be reminded of it
AHEAD = dt.timedelta(days=366)  # how far off a person may plan
BEHIND = dt.timedelta(minutes=1)  # "now", by a clock that is a little slow


class CallResult(models.TextChoices):
    """How a call went, as far as follow-ups care."""

    CONNECTED = "connected", "Connected"
    VOICEMAIL = "voicemail", "Left a voicemail"
    NO_ANSWER = "no_answer", "No answer"


@dataclass(frozen=True)
class NextStep:
    """A step that a person plans by hand; `due_at` is aware."""

    kind: str
    title: str
    due_at: dt.datetime
    body: str = ""


@dataclass(frozen=True)
class Booking:
    """A call at a time agreed with the lead; `at` is aware."""

    title: str
    at: dt.datetime
    minutes: int
    body: str = ""


@transaction.atomic
def complete_followup(
    followup: Followup,
    *,
    by: User,
    result: str = "",
    note: str = "",
    next_step: NextStep | None = None,
    also: Mapping[str, Any] | None = None,
) -> Followup:
    """Mark a call or task as done and return it; the run's next step follows at once.

    A call needs its `result` (CallResult) and becomes an attempted or connected call on the
    timeline, so it counts as engagement; `also` is kept with that entry. `next_step` is planned
    beside the run. Raises Invalid, Forbidden, or Conflict when it was finished meanwhile.
    """
    followup = _lock(followup)
    _require(policies.can_complete_followup(by, followup), followup)
    note = _clean_note(note)
    kind = Kind.FOLLOWUP_DONE
    data = {"followup": followup.pk, "title": followup.title, "text": note}
    if followup.kind == Followup.Kind.CALL:
        if result not in CallResult.values:
            choices = ", ".join(CallResult.values)
            raise Invalid.field("result", "not_a_choice", f"say how the call went: {choices}")
        kind = Kind.CALL_CONNECTED if result == CallResult.CONNECTED else Kind.CALL_ATTEMPTED
        data["result"] = result
    elif result:
        raise Invalid.field("result", "not_wanted", "only a call has a result")
    _finish(followup, Followup.State.DONE, by, note)
    if next_step is not None:
        _schedule(followup.lead, next_step, prefix="next_step.")
    data |= also or {}
    Activity.objects.create(lead=followup.lead, kind=kind, actor=by, data=data)
    plan([followup.lead_id])
    return followup


@transaction.atomic
def skip_followup(followup: Followup, *, by: User, reason: str) -> Followup:
    """Leave a step out and return it; the run goes on with the next. Needs a reason.

    An e-mail, which a machine was to send, is cancelled instead. Raises as `complete_followup`.
    """
    followup = _lock(followup)
    _require(policies.can_skip_followup(by, followup), followup)
    reason = _clean_note(reason)
    if not reason:
        raise Invalid.field("reason", "required", "say why it is skipped")
    by_machine = followup.kind == Followup.Kind.EMAIL
    state = Followup.State.CANCELLED if by_machine else Followup.State.SKIPPED
    _finish(followup, state, by, reason)
    Activity.objects.create(
        lead=followup.lead,
        kind=Kind.FOLLOWUP_SKIPPED,
        actor=by,
        data={"followup": followup.pk, "title": followup.title, "text": reason},
    )
    plan([followup.lead_id])
    return followup


@transaction.atomic
def snooze_followup(followup: Followup, *, by: User, until: dt.datetime) -> Followup:
    """Put a step off to a moment (aware, at most a year ahead) and return it; it is counted."""
    followup = _lock(followup)
    _require(policies.can_snooze_followup(by, followup), followup)
    _check_moment(until, "until", earliest=now())
    followup.due_at = until
    followup.snoozed += 1
    followup.save(update_fields=["due_at", "snoozed"])
    plan([followup.lead_id])
    return followup


@transaction.atomic
def add_followup(
    lead: Lead, *, by: User, kind: str, title: str, due_at: dt.datetime, body: str = ""
) -> Followup:
    """Plan a call or task by hand, beside the lead's play, and return it.

    It is the lead owner's to do. Raises Invalid naming the field, or Forbidden.
    """
    lock([lead.pk])
    lead = Lead.objects.get(pk=lead.pk)
    policies.can_add_followup(by, lead).require()
    followup = _schedule(lead, NextStep(kind, title, due_at, body))
    plan([lead.pk])
    return followup


@transaction.atomic
def book_call(
    lead: Lead,
    booking: Booking,
    *,
    by: User,
    remind_hours: int = 0,
    anyway: bool = False,
) -> Followup:
    """Plan a call at a time agreed with the lead, and a reminder `remind_hours` before it.

    Raises Invalid naming the field, with code `overlaps` when the person has another booked call
    then and `anyway` is not given. Does not write that it was booked; who calls this knows how.
    """
    lock([lead.pk])
    lead = Lead.objects.get(pk=lead.pk)
    policies.can_add_followup(by, lead).require()
    _check_booking(booking, lead.owner_id, anyway=anyway)
    followup = _schedule(
        lead, NextStep(Followup.Kind.CALL, booking.title, booking.at, booking.body)
    )
    followup.agreed, followup.minutes, followup.uid = True, booking.minutes, uuid4()
    followup.save(update_fields=["agreed", "minutes", "uid"])
    _remind(lead, followup, remind_hours)
    plan([lead.pk])
    return followup


@transaction.atomic
def reschedule_call(
    followup: Followup,
    *,
    by: User,
    at: dt.datetime,
    minutes: int | None = None,
    anyway: bool = False,
) -> Followup:
    """Move a booked call and what reminds of it; its invitation gets a new sequence number.

    Raises as `book_call`, or Conflict when it is over.
    """
    followup = _lock(followup)
    _require(policies.can_reschedule_call(by, followup), followup)
    before = followup.due_at
    minutes = minutes if minutes is not None else followup.minutes or DEFAULT_MINUTES
    booking = Booking(followup.title, at, minutes)
    _check_moment(at, "at", earliest=now() - BEHIND)
    _check_booking(booking, followup.assignee_id, anyway=anyway, but=followup.pk)
    if (at, minutes) == (before, followup.minutes):
        return followup
    followup.due_at, followup.minutes = at, minutes
    followup.sequence += 1
    followup.save(update_fields=["due_at", "minutes", "sequence"])
    reminder = followup.reminders.filter(state=Followup.State.SCHEDULED).first()
    if reminder is not None:
        _forget_reminders(followup)
        ahead = round((before - reminder.due_at).total_seconds() / 3600)
        _remind(followup.lead, followup, max(ahead, 1))
    _told_of_change(followup, by, _utc(before), _utc(at))
    plan([followup.lead_id])
    return followup


@transaction.atomic
def cancel_call(followup: Followup, *, by: User, reason: str = "") -> Followup:
    """Call a booked call off; its invitation becomes a cancellation."""
    followup = _lock(followup)
    _require(policies.can_reschedule_call(by, followup), followup)
    reason = _clean_note(reason, "reason")
    followup.sequence += 1
    followup.save(update_fields=["sequence"])
    _finish(followup, Followup.State.CANCELLED, by, reason)
    _told_of_change(followup, by, _utc(followup.due_at), "Cancelled", reason)
    plan([followup.lead_id])
    return followup


def _check_booking(
    booking: Booking, assignee_id: int | None, *, anyway: bool, but: int | None = None
) -> None:
    """Raise Invalid for a length that is none, or another booked call at that time."""
    if not SHORTEST_MINUTES <= booking.minutes <= MOST_MINUTES:
        words = f"is from {SHORTEST_MINUTES} to {MOST_MINUTES} minutes"
        raise Invalid.field("minutes", "out_of_range", words)
    if anyway or booking.at.tzinfo is None:
        return
    for other in overlapping(assignee_id, booking.at, booking.minutes, but=but):
        words = f"overlaps with “{other.title}”, {other.lead}, at {_local(other.due_at)}"
        raise Invalid.field("at", "overlaps", words)


def _local(moment: dt.datetime) -> str:
    return f"{timezone.localtime(moment):%H:%M}"


def _remind(lead: Lead, booked: Followup, hours: int) -> None:
    """Plan a reminder in the team's hours before a booked call; none where it is too near."""
    if not hours:
        return
    places = Places()
    team = places.team_calendar(lead.team_id)
    window = places.window(lead.team_id, lead.time_zone, lead.country)
    earliest = max(booked.due_at - dt.timedelta(hours=hours), now())
    due = step_due(earliest, Wait(), Followup.Kind.TASK, team, window).at
    if due >= booked.due_at - NEAR:
        return
    wall = booked.due_at.astimezone(ZoneInfo(window.zone))
    title = f"Remind {lead.name} of the call"[:MOST_TITLE]
    Followup.objects.create(
        lead=lead,
        kind=Followup.Kind.TASK,
        title=title,
        body=f"Agreed for {wall:%A %-d %B, %H:%M} where they are ({window.zone}).",
        assignee_id=lead.owner_id,
        due_at=due,
        reminds=booked,
    )


def _utc(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def _told_of_change(
    followup: Followup, by: User, before: str, after: str, reason: str = ""
) -> None:
    Activity.objects.create(
        lead=followup.lead,
        kind=Kind.CHANGED,
        actor=by,
        data={
            "changes": {f"booked call “{followup.title}”": [before, after]},
            "text": reason,
        },
    )


@transaction.atomic
def reopen_followup(followup: Followup, *, by: User) -> Followup:
    """Undo that a step was done or skipped, on the same day, and return it.

    What was written on the timeline stays there, and a clock that was met stays met. The step
    that followed goes again; raises Conflict once that one was worked on or the play has ended.
    """
    followup = _lock(followup)
    today = _local_date(now(), by)
    ended_today = followup.ended_at is not None and _local_date(followup.ended_at, by) == today
    policies.can_reopen_followup(by, followup, ended_today=ended_today).require()
    if followup.run is not None:
        _step_back(followup.run, followup)
    before = Followup.State(followup.state).label
    followup.state = Followup.State.SCHEDULED
    followup.ended_at = followup.ended_by = None
    followup.note = ""
    followup.save(update_fields=["state", "ended_at", "ended_by", "note"])
    Activity.objects.create(
        lead=followup.lead,
        kind=Kind.CHANGED,
        actor=by,
        data={"changes": {f"follow-up “{followup.title}”": [before, "Reopened"]}},
    )
    plan([followup.lead_id])
    return followup


def _lock(followup: Followup) -> Followup:
    """Lock the lead's standing, then read the follow-up as it is now."""
    lock([followup.lead_id])
    found = (
        Followup.objects.select_related("lead", "run")
        .filter(pk=followup.pk, lead_id=followup.lead_id)
        .first()
    )
    if found is None:
        raise NotFound
    return found


def _require(decision: Decision, followup: Followup) -> None:
    """Raise Conflict when somebody was faster, Forbidden when it is not the person's to do."""
    if not decision and followup.state != Followup.State.SCHEDULED:
        raise Conflict(decision.reason)
    decision.require()


def _finish(followup: Followup, state: str, by: User, note: str) -> None:
    """End a follow-up; what reminded of it ends with it."""
    followup.state, followup.ended_by, followup.note = state, by, note
    followup.ended_at = now()
    followup.save(update_fields=["state", "ended_by", "note", "ended_at"])
    if followup.agreed:
        _forget_reminders(followup)


def _forget_reminders(followup: Followup) -> None:
    waiting = followup.reminders.filter(state=Followup.State.SCHEDULED)
    waiting.update(state=Followup.State.CANCELLED, ended_at=now())


def _schedule(lead: Lead, step: NextStep, prefix: str = "") -> Followup:
    """Write a step by hand; `prefix` is the path of its fields as the caller named them."""
    if step.kind not in (Followup.Kind.CALL, Followup.Kind.TASK):
        raise Invalid.field(f"{prefix}kind", "not_a_choice", "must be call or task")
    title = clean_text(step.title)
    if not title:
        raise Invalid.field(f"{prefix}title", "required", "say what is to be done")
    if len(title) > MOST_TITLE:
        raise Invalid.field(f"{prefix}title", "too_long", f"has at most {MOST_TITLE} characters")
    _check_moment(step.due_at, f"{prefix}due_at", earliest=now() - BEHIND)
    return Followup.objects.create(
        lead=lead,
        kind=step.kind,
        title=title,
        body=_clean_note(step.body, f"{prefix}body"),
        assignee_id=lead.owner_id,
        due_at=step.due_at,
    )


def _check_moment(moment: dt.datetime, field: str, *, earliest: dt.datetime) -> None:
    if moment.tzinfo is None:
        raise Invalid.field(field, "no_time_zone", "needs a time zone")
    if moment <= earliest:
        raise Invalid.field(field, "in_past", "has passed already")
    if moment > earliest + AHEAD:
        raise Invalid.field(field, "too_far", "is more than a year ahead")


def _clean_note(text: str, field: str = "note") -> str:
    text = clean_text(text)
    if len(text) > MOST_NOTE:
        raise Invalid.field(field, "too_long", f"has at most {MOST_NOTE:,} characters")
    return text


def _local_date(moment: dt.datetime, person: User) -> dt.date:
    """Return the date where a person works."""
    zone = Places().team_calendar(person.team_id).zone
    return moment.astimezone(ZoneInfo(zone)).date()


def _step_back(run: Run, followup: Followup) -> None:
    """Take back what finishing a step of a run brought about: the step after it, or its end."""
    moved_on = Conflict("The play has moved on since. Add a follow-up instead.")
    later = Followup.objects.filter(run=run, step__gt=followup.step)
    if later.exclude(state=Followup.State.SCHEDULED, snoozed=0).exists():
        raise moved_on
    if run.ended_at is not None:
        newer = Run.objects.filter(lead_id=run.lead_id, pk__gt=run.pk)
        if run.end_reason != EndReason.FINISHED or newer.exists():
            raise moved_on
        run.ended_at, run.end_reason = None, ""
        run.save(update_fields=["ended_at", "end_reason"])
    later.delete()
