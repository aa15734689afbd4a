"""Writes of leads with what follows from them: scored at once, planned right after the commit.

Pages and the API both call these. Each is one transaction whose last step is the rescore, so what
a person reads next is the new score; the follow-ups are planned by the sweep that is nudged.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.models import User
from calls.models import CallOutcome
from core.clock import now
from core.errors import FieldProblem, Invalid
from followups import planning
from followups import services as followups
from followups.models import Followup
from followups.services import Booking
from leads import services as leads
from leads.activities import RECORDABLE, Kind
from leads.models import Activity, Consent, Lead, Outcome, Source
from leads.services import CLOCKS_DIFFER, ConsentInput, LeadInput
from scoring import services as scoring
from scoring.models import Evidence, Standing
from scoring.rescoring import lock, rescore

MOST_DATA_KEYS = 50


@transaction.atomic
def create_lead(data: LeadInput, *, by: User, via: str = Source.Channel.API) -> Lead:
    """Create a lead and score it (leads.services.create_lead)."""
    lead = leads.create_lead(data, by=by, via=via)
    _follow(lead)
    return lead


@transaction.atomic
def change_lead(lead: Lead, data: LeadInput, *, by: User, version: int | None = None) -> Lead:
    """Change facts of a lead and rescore it (leads.services.change_lead)."""
    lead = leads.change_lead(lead, data, by=by, version=version)
    _follow(lead)
    return lead


@transaction.atomic
def assign_lead(lead: Lead, owner: User | None, *, by: User) -> Lead:
    """Give a lead to somebody; its follow-ups go along (leads.services.assign_lead)."""
    lead = leads.assign_lead(lead, owner, by=by)
    _follow(lead)
    return lead


@transaction.atomic
def move_lead(
    lead: Lead, target: str, *, by: User, reason: str = "", gates_met: bool = True
) -> Lead:
    """Move a lead to another stage; its play follows (leads.services.move_lead)."""
    lead = leads.move_lead(lead, target, by=by, reason=reason, gates_met=gates_met)
    _follow(lead)
    return lead


@transaction.atomic
def record_outcome(
    lead: Lead,
    result: str,
    *,
    by: User,
    reason: str = "",
    value_minor: int | None = None,
    currency: str = "",
    at: dt.datetime | None = None,
) -> Outcome:
    """Close a lead's round and keep the facts of that moment (leads.services.record_outcome)."""
    if at is not None:
        _not_ahead(at)
    outcome = leads.record_outcome(
        lead, result, by=by, reason=reason, value_minor=value_minor, currency=currency, at=at
    )
    _follow(lead)
    return outcome


@transaction.atomic
def record_activity(
    lead: Lead,
    kind: str,
    *,
    by: User,
    at: dt.datetime | None = None,
    data: Mapping[str, Any] | None = None,
    dedupe_key: str | None = None,
) -> Activity:
    """Record what a lead did or what was done with it, and rescore it.

    Only kinds in leads.activities.RECORDABLE, not later than five minutes from now. A known
    `dedupe_key` returns what was recorded under it.
    """
    if kind not in RECORDABLE:
        choices = ", ".join(RECORDABLE)
        raise Invalid([FieldProblem("kind", "not_a_choice", f"must be one of {choices}")])
    if data and len(data) > MOST_DATA_KEYS:
        raise Invalid.field("data", "too_large", f"has at most {MOST_DATA_KEYS} keys")
    if at is not None:
        _not_ahead(at)
    activity = leads.record_activity(
        lead, kind, by=by, at=at, data=data, dedupe_key=dedupe_key or None
    )
    _follow(lead)
    return activity


@transaction.atomic
def record_consent(lead: Lead, said: ConsentInput, *, by: User) -> Consent:
    """Keep what a lead said about being contacted; its follow-ups obey when this returns
    (leads.services.record_consent).
    """
    lock([lead.pk])
    consent = leads.record_consent(lead, said, by=by)
    planning.plan([lead.pk])
    return consent


@transaction.atomic
def book_call(lead: Lead, booking: Booking, *, by: User, anyway: bool = False) -> Followup:
    """Book a call outside of one: as a meeting that was set, whose outcome says when to remind
    (followups.services.book_call).
    """
    lock([lead.pk])
    rule = CallOutcome.objects.filter(activity=Kind.MEETING_BOOKED, needs_callback=True).first()
    remind = rule.reminder_hours if rule is not None else 0
    booked = followups.book_call(lead, booking, by=by, remind_hours=remind, anyway=anyway)
    data = {"followup": booked.pk, "title": booked.title, "for": booking.at.isoformat()}
    Activity.objects.create(lead=lead, kind=Kind.MEETING_BOOKED, actor=by, data=data)
    _follow(lead)
    return booked


@transaction.atomic
def add_evidence(
    lead: Lead,
    dimension: str,
    rating: int | None,
    *,
    by: User,
    source: str = Evidence.Source.CALL,
    quote: str = "",
    question: str = "",
    answer: str = "",
    observed_at: dt.datetime | None = None,
) -> Evidence | None:
    """Add an answer about a dimension and rescore the lead (scoring.services.add_evidence)."""
    planning.nudge()
    return scoring.add_evidence(
        lead,
        dimension,
        rating,
        by=by,
        source=source,
        quote=quote,
        question=question,
        answer=answer,
        observed_at=observed_at,
    )


@transaction.atomic
def override_tier(lead: Lead, tier: str, *, by: User, reason: str, until: dt.datetime) -> Standing:
    """Set or end a tier by hand; the play follows the tier (scoring.services.override_tier)."""
    planning.nudge()
    return scoring.override_tier(lead, tier, by=by, reason=reason, until=until)


def _follow(lead: Lead) -> None:
    planning.nudge()
    rescore([lead.pk])


def _not_ahead(at: dt.datetime) -> None:
    if at > now() + CLOCKS_DIFFER:
        raise Invalid.field("at", "in_future", "has not happened yet")
