"""Whole reads of leads that every app above needs."""

from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db import connection

from core.decisions import ALLOWED, Decision
from leads.consent import Channel, Word, decide, hash_pads
from leads.models import Consent, Lead

Refusals = Mapping[int, Mapping[str, Decision]]

_HASH = "sha256(%(outer)s::bytea || sha256(%(inner)s::bytea || convert_to({column}, 'UTF8')))"
# Rows only for what is known: of a million leads, few have said a word. The joins are inner, so
# nothing is hashed while no number is suppressed.
_KNOWN = f"""
    SELECT lead_id, channel, state, at, NULL, false FROM (
        SELECT DISTINCT ON (lead_id, channel) lead_id, channel, state, at
        FROM leads_consent WHERE lead_id = ANY(%(leads)s::bigint[])
        ORDER BY lead_id, channel, at DESC, id DESC
    ) newest
    UNION ALL
    SELECT l.id, '{Channel.CALL}', '', NULL, s.at, false
    FROM leads_suppression s JOIN leads_lead l ON s.hmac = {_HASH.format(column="l.phone")}
    WHERE l.id = ANY(%(leads)s::bigint[]) AND l.phone <> ''
    UNION ALL
    SELECT l.id, '{Channel.EMAIL}', '', NULL, s.at, false
    FROM leads_suppression s JOIN leads_lead l ON s.hmac = {_HASH.format(column="l.email")}
    WHERE l.id = ANY(%(leads)s::bigint[]) AND l.email <> ''
    UNION ALL
    SELECT l.id, '{Channel.CALL}', '', NULL, NULL, true
    FROM leads_lead l
    WHERE (SELECT bool_or(consumers_must_agree) FROM accounts_workspace)
      AND l.id = ANY(%(leads)s::bigint[]) AND l.kind = 'b2c'
"""


def refused_contact(lead_ids: Sequence[int]) -> Refusals:
    """Return by lead the channels by which it may not be contacted, and why; one query.

    Leads and channels that are not in it may be used.
    """
    words: dict[tuple[int, str], Word] = {}
    pads = hash_pads(settings.SUPPRESSION_KEY)
    chosen = "{" + ",".join(map(str, lead_ids)) + "}"  # parsed far faster than a list of values
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, {"leads": chosen, "inner": pads.inner, "outer": pads.outer})
        for lead_id, channel, state, at, suppressed_at, must_agree in cursor.fetchall():
            known = words.get((lead_id, channel), Word(channel))
            words[lead_id, channel] = Word(
                channel,
                state or known.state,
                at or known.at,
                suppressed_at or known.suppressed_at,
                must_agree or known.must_agree,
            )
    found: dict[int, dict[str, Decision]] = {}
    for (lead_id, channel), word in words.items():
        decision = decide(word)
        if not decision:
            found.setdefault(lead_id, {})[channel] = decision
    return found


def may_contact(lead_id: int, channel: str) -> Decision:
    """Say whether a lead may be contacted by a channel now; one query."""
    return refused_contact([lead_id]).get(lead_id, {}).get(channel, ALLOWED)


def consents_of(lead: Lead) -> list[Consent]:
    """Return what a lead said about being contacted, the newest first."""
    return list(lead.consents.select_related("actor").order_by("-at", "-id")[:50])
