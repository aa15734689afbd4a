"""Answers as plain dicts. Pure: rows of desk.listing and models in, JSON values out."""

from typing import Any

from django.urls import reverse

from accounts.models import User
from calls.models import Claim
from core.decisions import Decision
from desk.listing import LeadRow
from followups.models import Followup
from leads.models import Activity, Consent, Outcome
from scoring.feedback import told
from scoring.models import Evidence, Feedback, Standing
from scoring.selectors import Explanation, LedgerLine
from scoring.tiers import State
from scoring.whatif import WhatIf

Json = dict[str, Any]


def named(id: int | None, name: str | None) -> Json | None:
    """Return `{id, name}`, None where there is none."""
    return None if id is None else {"id": id, "name": name}


def person(user: User | None) -> Json | None:
    """Return a person as `{id, name}`."""
    return None if user is None else {"id": user.pk, "name": str(user)}


def money(amount_minor: int | None, currency: str) -> Json | None:
    """Return `{amount_minor, currency}`, None for an unknown amount."""
    return None if amount_minor is None else {"amount_minor": amount_minor, "currency": currency}


def lead(row: LeadRow) -> Json:
    """Return a lead as lists show it."""
    scored = row.state != State.UNSCORED
    return {
        "id": row.id,
        "version": row.version,
        "kind": row.kind,
        "name": row.name,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "email": row.email,
        "phone": row.phone,
        "title": row.title,
        "seniority": row.seniority,
        "country": row.country,
        "company": None if row.company_id is None else {"id": row.company_id, "name": row.company},
        "owner": None if row.owner_id is None else {"id": row.owner_id, "name": row.owner},
        "team": None if row.team_id is None else {"id": row.team_id, "name": row.team},
        "source": row.source,
        "stage": row.stage,
        "value": money(row.value_minor, row.currency),
        "state": row.state,
        "tier": row.tier or None,
        "tier_reason": row.tier_reason or None,
        "score": row.score if scored else None,
        "range": {"low": row.low, "high": row.high} if scored else None,
        "groups": {
            "fit": row.fit,
            "engagement": row.engagement,
            "qualification": row.qualification,
        }
        if scored
        else None,
        "p_win": row.p if scored else None,
        "expected": money(row.expected_minor, row.expected_currency) if scored else None,
        "next_step": {"title": row.next_step, "due_at": row.next_due_at}
        if row.next_due_at is not None
        else None,
        "sla_due_at": row.sla_due_at,
        "contacted_at": row.contacted_at,
        "intent_at": row.intent_at,
        "scored_at": row.scored_at,
        "created_at": row.created_at,
    }


def claim(item: Claim | None) -> Json | None:
    """Return who is on a lead, None for nobody; the person must be loaded."""
    if item is None:
        return None
    return {"by": person(item.rep), "since": item.started_at, "until": item.expires_at}


def evidence(item: Evidence) -> Json:
    """Return an answer; its author must be loaded."""
    return {
        "id": item.pk,
        "dimension": item.dimension,
        "rating": item.rating,
        "quote": item.quote,
        "question": item.question or None,
        "answer": item.answer or None,
        "source": item.source,
        "author": person(item.author),
        "observed_at": item.observed_at,
        "recorded_at": item.recorded_at,
        "expires_at": item.expires_at,
        "current": item.current,
    }


def outcome(item: Outcome) -> Json:
    """Return an outcome; its recorder must be loaded."""
    return {
        "id": item.pk,
        "round": item.round,
        "result": item.result,
        "reason": item.reason or None,
        "value": money(item.value_minor, item.currency),
        "at": item.at,
        "recorded_at": item.recorded_at,
        "recorded_by": person(item.recorded_by),
    }


def consent(item: Consent) -> Json:
    """Return a word about being contacted; its actor must be loaded."""
    return {
        "id": item.pk,
        "channel": item.channel,
        "state": item.state,
        "source": item.source,
        "wording": item.wording or None,
        "at": item.at,
        "recorded_at": item.recorded_at,
        "actor": person(item.actor),
    }


def booking(item: Followup) -> Json:
    """Return a booked call; who calls must be loaded."""
    return {
        "id": item.pk,
        "lead_id": item.lead_id,
        "title": item.title,
        "at": item.due_at,
        "minutes": item.minutes,
        "state": item.state,
        "held": item.held or None,
        "owner": person(item.assignee),
        "uid": str(item.uid),
        "sequence": item.sequence,
        "invitation": reverse("desk:download_invitation", args=[item.pk]),
    }


def decision(made: Decision) -> Json:
    """Return what is allowed, with the reason where it is not."""
    return {"allowed": made.allowed, "reason": made.reason or None}


def activity(item: Activity) -> Json:
    """Return an activity; its actor must be loaded."""
    return {
        "id": item.pk,
        "kind": item.kind,
        "at": item.at,
        "recorded_at": item.recorded_at,
        "actor": person(item.actor),
        "data": item.data,
        "dedupe_key": item.dedupe_key,
    }


def score(standing: Standing) -> Json:
    """Return where a lead stands, in short."""
    scored = standing.state != State.UNSCORED
    return {
        "state": standing.state,
        "score": standing.score if scored else None,
        "range": {"low": standing.low, "high": standing.high} if scored else None,
        "tier": standing.tier or None,
        "scored_at": standing.scored_at,
    }


def preview(state: str, found: WhatIf) -> Json:
    """Return a supposed score beside the one that is."""
    before = found.before
    return {
        **standing(state, found.after),
        "before": before
        and {
            "state": State.SCORED if before.tier else State.DISQUALIFIED,
            "score": before.score,
            "range": {"low": before.low, "high": before.high},
            "tier": before.tier or None,
            "scored_at": before.scored_at,
        },
        "changes": [
            {"signal": key, "label": label, "before": was, "after": now}
            for key, label, was, now in found.changes
        ],
        "would_lift": [
            {
                "tier": lift.tier,
                "score": lift.score,
                "facts": [
                    {
                        "kind": fact.kind,
                        "key": fact.key,
                        "label": fact.label,
                        "value": fact.value,
                        "rating": fact.number if fact.kind == "answer" else None,
                    }
                    for fact in lift.facts
                ],
            }
            for lift in found.outlook.lifts
        ],
        "would_drop": [
            {
                "kind": drop.kind,
                "cause": drop.cause,
                "dimension": drop.key or None,
                "at": drop.at,
                "tier": drop.tier,
                "score": drop.score,
            }
            for drop in found.outlook.drops
        ],
    }


def feedback(item: Feedback) -> Json:
    """Return a verdict; author, answerer and versions must be loaded."""
    version = item.answered_version
    return {
        "id": item.pk,
        "signal": item.signal,
        "label": item.label,
        "verdict": item.verdict,
        "reason": item.reason or None,
        "points": item.line_points,
        "model": {"key": item.model_version.key, "version": item.model_version.number},
        "author": person(item.rep),
        "at": item.at,
        "answer": None
        if item.answered_at is None
        else {
            "text": told(item),
            "at": item.answered_at,
            "model": version and {"key": version.key, "version": version.number},
        },
    }


def unscored() -> Json:
    """Return the standing of a lead that was never scored."""
    return {
        "state": State.UNSCORED.value,
        "score": None,
        "range": None,
        "tier": None,
        "tier_reason": None,
        "groups": None,
        "ledger": [],
        "p_win": None,
        "icp": None,
        "runner_up": None,
        "model": None,
        "scored_at": None,
    }


def standing(state: str, why: Explanation) -> Json:
    """Return a score with its ledger, whose points sum to it."""
    return {
        "state": state,
        "score": why.score,
        "range": {"low": why.low, "high": why.high},
        "tier": why.tier or None,
        "tier_reason": why.tier_reason or None,
        "groups": why.groups,
        "ledger": [_line(line) for line in why.lines],
        "p_win": {
            "value": why.p,
            "low": why.p_interval[0] if why.p_interval else None,
            "high": why.p_interval[1] if why.p_interval else None,
            "n": why.p_from or 0,
            "label": why.p_label,
        },
        "icp": why.icp,
        "runner_up": why.runner_up or None,
        "model": {"key": why.model_key, "version": why.model_number},
        "scored_at": why.scored_at,
    }


def _line(line: LedgerLine) -> Json:
    return {
        "signal": line.signal,
        "label": line.label,
        "group": line.group,
        "points": line.points,
        "max": line.max,
        "known": line.known,
        "detail": line.detail,
        "evidence": line.evidence_id,
        "as_of": line.as_of,
    }
