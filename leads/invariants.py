"""What must always hold of leads and their words (manage.py verify_invariants)."""

from collections.abc import Iterator

from django.db import connection

from core.invariants import invariant
from leads.activities import Kind
from leads.consent import Channel


@invariant("leads.unsubscribing_is_a_refusal")
def unsubscribing_is_a_refusal() -> Iterator[str]:
    """Whoever unsubscribed has refused e-mail from that moment on, or said something since."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT a.lead_id, a.at FROM leads_activity a
            WHERE a.kind = %s AND NOT EXISTS (
                SELECT FROM leads_consent c
                WHERE c.lead_id = a.lead_id AND c.channel = %s AND c.at >= a.at)
            ORDER BY a.lead_id
            """,
            [Kind.UNSUBSCRIBED, Channel.EMAIL],
        )
        for lead_id, at in cursor:
            yield f"lead {lead_id} unsubscribed on {at:%Y-%m-%d} and has not refused e-mail"
