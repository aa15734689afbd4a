"""Writes of scoring for one lead: evidence and tier overrides. Each ends with the rescore."""

import datetime as dt
import json
from collections.abc import Sequence

from django.db import connection, transaction

from accounts.models import User
from core.errors import Invalid
from leads.activities import Kind
from leads.identity import clean_text
from leads.models import Activity, Lead
from leads.policies import can_change_lead
from scoring.live import LiveConfig, live_config
from scoring.models import Evidence, Standing
from scoring.rescoring import Locked, give_turn, lock, rescore
from scoring.tiers import Tier

DEFAULT_EXPIRY_DAYS = 180
# What leads bring up by themselves: evidence of every lead, whatever its framework asks.
CONCERN, COMPETITION = "concern", "competition"
MOST_QUOTE = 20_000
AHEAD = dt.timedelta(minutes=5)  # tolerated between a client's clock and ours


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
    """Add one answer about a dimension of a lead and rescore the lead in the same transaction.

    `rating` is 0–100; None is "asked, not known", which is kept on the timeline and is no evidence
    (returns None). The newest answer by (observed_at, recorded_at, id) becomes the current one, so
    an answer observed earlier than the current does not displace it. Raises Invalid or Forbidden.
    """
    can_change_lead(by, lead).require()
    locked = lock([lead.pk])
    evidence = write_evidence(
        lead,
        dimension,
        rating,
        by=by,
        locked=locked,
        source=source,
        quote=quote,
        question=question,
        answer=answer,
        observed_at=observed_at,
    )
    if evidence is not None:
        rescore([lead.pk], locked=locked)
    return evidence


def write_evidence(
    lead: Lead,
    dimension: str,
    rating: int | None,
    *,
    by: User,
    locked: Locked,
    source: str = Evidence.Source.CALL,
    quote: str = "",
    question: str = "",
    answer: str = "",
    observed_at: dt.datetime | None = None,
) -> Evidence | None:
    """Do what `add_evidence` does but the rescore, under the lead's lock; one statement.

    The caller has asked the policy, and rescores.
    """
    moment = dt.datetime.fromtimestamp(locked.as_of, dt.UTC)
    expires_days = expiry_days(dimension, live_config(locked.model_ids))
    observed = observed_at or moment
    if observed > moment + AHEAD:
        raise Invalid.field("observed_at", "in_future", "has not happened yet")
    quote = clean_text(quote)
    if len(quote) > MOST_QUOTE:
        raise Invalid.field("quote", "too_long", f"has at most {MOST_QUOTE} characters")
    if source not in Evidence.Source.values:
        raise Invalid.field(
            "source", "not_a_choice", f"must be one of {', '.join(Evidence.Source)}"
        )
    if rating is None:
        Activity.objects.create(
            lead=lead,
            kind=Kind.ASKED_UNKNOWN,
            actor=by,
            at=observed,
            data={"dimension": dimension, "question": question, "text": quote},
        )
        return None
    if isinstance(rating, bool) or not isinstance(rating, int) or not 0 <= rating <= 100:
        raise Invalid.field("rating", "out_of_range", "must be a whole number from 0 to 100")
    evidence = Evidence(
        lead=lead,
        dimension=dimension,
        rating=rating,
        quote=quote,
        question=question[:60],
        answer=answer[:60],
        source=source,
        author=by,
        observed_at=observed,
        recorded_at=moment,
        expires_at=observed + dt.timedelta(days=expires_days),
    )
    _insert(evidence)
    return evidence


def expiry_days(dimension: str, config: LiveConfig) -> int:
    """Return the dimension's default life in days; raise Invalid for one that no framework has."""
    for live in config.everything:
        criterion = live.framework.criterion(dimension)
        if criterion is not None:
            return criterion.expires_days or DEFAULT_EXPIRY_DAYS
    if dimension in (CONCERN, COMPETITION):
        return DEFAULT_EXPIRY_DAYS
    known = ", ".join(config.dimensions)
    raise Invalid.field("dimension", "unknown_dimension", f"must be one of {known}")


def _insert(evidence: Evidence) -> None:
    """Insert evidence, with its id, as the current one unless a newer one is, and note it on the
    timeline. One statement; an answer that has expired never counts as newer.
    """
    note = {
        "dimension": evidence.dimension,
        "rating": evidence.rating,
        "question": evidence.question,
        "text": evidence.quote[:500],
    }
    names = [field.attname for field in Evidence._meta.concrete_fields]
    names = [name for name in names if name not in ("id", "current")]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH older AS (
                UPDATE scoring_evidence
                SET current = observed_at > %(observed_at)s
                    AND coalesce(expires_at > leadqual_now(), true)
                WHERE lead_id = %(lead_id)s AND dimension = %(dimension)s AND current
                RETURNING current
            ), added AS (
                INSERT INTO scoring_evidence ({", ".join(names)}, current)
                SELECT {", ".join(f"%({name})s" for name in names)},
                       NOT coalesce((SELECT bool_or(current) FROM older), false)
                RETURNING id, current
            ), noted AS (
                INSERT INTO leads_activity (lead_id, kind, actor_id, at, data)
                SELECT %(lead_id)s, '{Kind.EVIDENCE_ADDED}', %(author_id)s, %(observed_at)s,
                       jsonb_build_object('evidence', id) || %(note)s::jsonb
                FROM added
            )
            SELECT id, current FROM added
            """,
            {**{name: getattr(evidence, name) for name in names}, "note": json.dumps(note)},
        )
        evidence.pk, evidence.current = cursor.fetchone()
    evidence._state.adding = False


@transaction.atomic
def withdraw_evidence(evidence_ids: Sequence[int]) -> list[str]:
    """Remove answers that should never have been here (an import taken back), and give the newest
    other one of the same dimension its turn; return the dimensions. Rescoring is the caller's.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM scoring_evidence WHERE id = ANY(%s) RETURNING lead_id, dimension",
            [list(evidence_ids)],
        )
        removed = cursor.fetchall()
    give_turn(removed)
    return [dimension for _, dimension in removed]


@transaction.atomic
def override_tier(lead: Lead, tier: str, *, by: User, reason: str, until: dt.datetime) -> Standing:
    """Set a lead's tier by hand until a moment (at most 180 days off); '' ends an override."""
    can_change_lead(by, lead).require()
    locked = lock([lead.pk])
    moment = dt.datetime.fromtimestamp(locked.as_of, dt.UTC)
    reason = clean_text(reason)[:200]
    if tier and tier not in Tier.values:
        raise Invalid.field("tier", "not_a_choice", "must be hot, warm or cold")
    if tier and not reason:
        raise Invalid.field("reason", "required", "say why, for the next person who looks")
    if tier and not moment < until <= moment + dt.timedelta(days=180):
        raise Invalid.field("until", "out_of_range", "must be within the next 180 days")
    standing = Standing.objects.get(pk=lead.pk)
    standing.override_tier = tier
    standing.override_reason = reason if tier else ""
    standing.override_until = until if tier else None
    standing.override_by = by if tier else None
    standing.save(
        update_fields=["override_tier", "override_reason", "override_until", "override_by"]
    )
    Activity.objects.create(
        lead=lead,
        kind=Kind.TIER_OVERRIDDEN,
        actor=by,
        data={"tier": tier, "reason": reason, "until": until.isoformat() if tier else None},
    )
    rescore([lead.pk], locked=locked)
    standing.refresh_from_db()
    return standing
