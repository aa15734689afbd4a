"""What was said on calls, and by who unsubscribed, becomes consent; asking for contact lifts it."""

from django.conf import settings
from django.db import migrations

from leads.consent import address_hash

_WORDS = """
    INSERT INTO leads_consent (lead_id, channel, state, at, source, wording, actor_id)
    SELECT c.lead_id, 'call', 'withdrawn', c.ended_at, 'call', o.label, c.ended_by_id
    FROM calls_call c JOIN calls_calloutcome o ON o.key = c.outcome_id
    WHERE o.bars_calls AND c.ended_at IS NOT NULL;

    INSERT INTO leads_consent (lead_id, channel, state, at, source, wording)
    SELECT lead_id, 'email', 'withdrawn', max(at), 'history', 'Unsubscribed'
    FROM leads_activity WHERE kind = 'unsubscribed' GROUP BY lead_id;

    INSERT INTO leads_consent (lead_id, channel, state, at, source, wording)
    SELECT w.lead_id, w.channel, 'granted', max(a.at), 'history', 'Asked for contact or a demo'
    FROM leads_consent w
    JOIN leads_activity a ON a.lead_id = w.lead_id AND a.kind = 'hand_raised' AND a.at > w.at
    WHERE w.state = 'withdrawn' GROUP BY w.lead_id, w.channel
"""
_ADDRESSES = """
    SELECT CASE w.channel WHEN 'call' THEN l.phone ELSE l.email END, max(w.at)
    FROM leads_consent w JOIN leads_lead l ON l.id = w.lead_id
    WHERE w.state = 'withdrawn' GROUP BY 1
"""


def keep(apps, schema_editor):
    suppression = apps.get_model("leads", "Suppression")
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(_WORDS)
        cursor.execute(_ADDRESSES)
        suppression.objects.bulk_create(
            [
                suppression(
                    hmac=address_hash(settings.SUPPRESSION_KEY, address),
                    reason="Before consent was kept",
                    at=at,
                )
                for address, at in cursor.fetchall()
                if address
            ],
            ignore_conflicts=True,
            batch_size=5_000,
        )


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0001_initial"),
        ("leads", "0004_consent"),
    ]

    operations = [migrations.RunPython(keep, migrations.RunPython.noop, elidable=True)]
