"""Whole reads of leads that every app above needs."""

from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db import connection

from core.decisions import ALLOWED, Decision
from leads.consent import Channel, Word, decide, hash_pads
from leads.models import Consent, Lead

Refusals = Mapping[int, Mapping[str, Decision]]

_HASH = "sha256(%(outer)s::bytea || sha256(%(inner)s::bytea || convert_to({column}, 'UTF8')))"
# Only leads about which something is known: of a million, few have said a word.
_WORDS = f"""
    SELECT l.id, l.kind, w.must_agree,
           call.state, call.at, numbers.at, email.state, email.at, addresses.at
    FROM leads_lead l
    CROSS JOIN (
        SELECT coalesce(bool_or(consumers_must_agree), false) AS must_agree FROM accounts_workspace
    ) w
    LEFT JOIN LATERAL (
        SELECT state, at FROM leads_consent WHERE lead_id = l.id AND channel = '{Channel.CALL}'
        ORDER BY at DESC, id DESC LIMIT 1
    ) call ON true
    LEFT JOIN LATERAL (
        SELECT state, at FROM leads_consent WHERE lead_id = l.id AND channel = '{Channel.EMAIL}'
        ORDER BY at DESC, id DESC LIMIT 1
    ) email ON true
    LEFT JOIN leads_suppression numbers
        ON l.phone <> '' AND numbers.hmac = {_HASH.format(column="l.phone")}
    LEFT JOIN leads_suppression addresses
        ON l.email <> '' AND addresses.hmac = {_HASH.format(column="l.email")}
    WHERE l.id = ANY(%(leads)s) AND (
        call.state IS NOT NULL OR email.state IS NOT NULL OR numbers.at IS NOT NULL
        OR addresses.at IS NOT NULL OR (w.must_agree AND l.kind = 'b2c')
    )
"""


def refused_contact(lead_ids: Sequence[int]) -> Refusals:
    """Return by lead the channels by which it may not be contacted, and why; one query.

    Leads and channels that are not in it may be used.
    """
    found: dict[int, dict[str, Decision]] = {}
    pads = hash_pads(settings.SUPPRESSION_KEY)
    with connection.cursor() as cursor:
        cursor.execute(_WORDS, {"leads": list(lead_ids), "inner": pads.inner, "outer": pads.outer})
        for lead_id, kind, must_agree, *known in cursor.fetchall():
            words = (
                Word(Channel.CALL, kind, known[0] or "", known[1], known[2]),
                Word(Channel.EMAIL, kind, known[3] or "", known[4], known[5]),
            )
            for word in words:
                decision = decide(word, consumers_must_agree=must_agree)
                if not decision:
                    found.setdefault(lead_id, {})[word.channel] = decision
    return found


def may_contact(lead_id: int, channel: str) -> Decision:
    """Say whether a lead may be contacted by a channel now; one query."""
    return refused_contact([lead_id]).get(lead_id, {}).get(channel, ALLOWED)


def consents_of(lead: Lead) -> list[Consent]:
    """Return what a lead said about being contacted, the newest first."""
    return list(lead.consents.select_related("actor").order_by("-at", "-id")[:50])
