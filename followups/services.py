"""What people do with follow-ups: each locks the lead's standing, asks the policy, changes, writes
an activity and plans the lead, in one transaction. The next step is a row when it returns.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.db import models, transaction

from accounts.models import User
from core.clock import now
from core.decisions import Decision
from core.errors import Conflict, Invalid, NotFound
from followups import policies
from followups.models import Followup, Run
from followups.places import Places
from followups.planning import plan
from followups.runs import EndReason
from leads.activities import Kind
from leads.identity import clean_text
from leads.models import Activity, Lead
from scoring.rescoring import lock

MOST_NOTE = 20_000
MOST_TITLE = 120
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
    followup.state, followup.ended_by, followup.note = state, by, note
    followup.ended_at = now()
    followup.save(update_fields=["state", "ended_by", "note", "ended_at"])


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
