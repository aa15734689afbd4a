"""Which engagement counters exist: the pairs of kind and half-life that live models use."""

from django.db import connection

from core.versioning import conflict_when_locked
from scoring.models import Engagement, EngagementSignal
from scoring.triggers import Pair, engagement_rows

_INTO = "INSERT INTO scoring_engagement (lead_id, kind, half_life_days, value, as_of, last_at)"
_PAIRS = "(SELECT * FROM unnest(%(kinds)s::text[], %(days)s::int[]) AS p(kind, half_life_days))"
# Leads with an activity that the snapshot did not see.
_LATE = """
    SELECT lead_id FROM leads_activity
    WHERE xid >= pg_snapshot_xmin(%(snapshot)s::pg_snapshot)
      AND NOT pg_visible_in_snapshot(xid, %(snapshot)s::pg_snapshot)
"""


def keep_counters(wanted: set[Pair]) -> None:
    """Make counters exist for exactly the pairs `wanted`; part of the publishing transaction.

    New counters are built from all activities while writers go on. Writers are held only after
    that, while the leads that they touched meanwhile are counted again and until the commit, from
    which the trigger counts. What no model reads any more is forgotten, so that it is never
    found half-counted when it comes back. Raises Conflict when writers do not end in time.
    """
    present = set(EngagementSignal.objects.values_list("kind", "half_life_days"))
    new, dropped = sorted(wanted - present), sorted(present - wanted)
    if not new and not dropped:
        return
    snapshot = _count_all(new) if new else ""
    with connection.cursor() as cursor, conflict_when_locked("Many activities are being written"):
        # Waits for transactions that have written an activity; later ones wait for our commit.
        cursor.execute("LOCK TABLE leads_activity IN SHARE MODE")
    if new:
        _count_late(new, snapshot)
    for kind, days in dropped:
        EngagementSignal.objects.filter(kind=kind, half_life_days=days).delete()
        Engagement.objects.filter(kind=kind, half_life_days=days).delete()
    EngagementSignal.objects.bulk_create(
        EngagementSignal(kind=kind, half_life_days=days) for kind, days in new
    )


def _arguments(pairs: list[Pair]) -> dict[str, list[str] | list[int]]:
    return {"kinds": [kind for kind, _ in pairs], "days": [days for _, days in pairs]}


def _count_all(pairs: list[Pair]) -> str:
    """Build the counters of `pairs` from all activities; return the snapshot that they were
    seen in.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")  # minutes with many millions of rows
        cursor.execute(
            f"""
            WITH counted AS (
                {_INTO} {engagement_rows("leads_activity", _PAIRS)} RETURNING 1
            )
            SELECT pg_current_snapshot()::text, (SELECT count(*) FROM counted)
            """,
            _arguments(pairs),
        )
        snapshot: str = cursor.fetchone()[0]
    return snapshot


def _count_late(pairs: list[Pair], snapshot: str) -> None:
    """Count again the leads whose activities were written since the snapshot."""
    activities = f"(SELECT * FROM leads_activity WHERE lead_id IN ({_LATE}))"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            DELETE FROM scoring_engagement e USING {_PAIRS} p
            WHERE e.kind = p.kind AND e.half_life_days = p.half_life_days
              AND e.lead_id IN ({_LATE})
            """,
            {**_arguments(pairs), "snapshot": snapshot},
        )
        cursor.execute(
            f"{_INTO} {engagement_rows(activities, _PAIRS)}",
            {**_arguments(pairs), "snapshot": snapshot},
        )
