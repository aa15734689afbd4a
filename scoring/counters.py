"""Which engagement counters exist: the pairs of kind and half-life that live models use."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection

from core.copying import read_columns
from core.versioning import conflict_when_locked
from scoring.features import DAY, places_of
from scoring.models import Engagement, EngagementSignal
from scoring.triggers import Pair, engagement_rows, weight

FEW = 100_000  # leads that are named to the planner
NEVER = 1e12  # seconds since the epoch, after all there is

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


def count_then(read: dict[str, npt.NDArray[Any]], pairs: Sequence[Pair]) -> None:
    """Fill in what past leads had done when nobody counted it yet, from activities known by then.

    `read` are columns of the rows of the temporary table `chosen`, each (n,), which are changed:
    `lead`, `taken` when its facts were kept, `tracked`, and for each pair how often (`e.count.…`,
    NaN where none was kept) and how many days before (`e.since.…`). A pair was counted from the
    first row that has it.
    """
    begun = []
    for kind, days in pairs:
        there = read["taken"][~np.isnan(read[f"e.count.{kind}/{days}"])]
        begun.append(float(there.min()) if len(there) else NEVER)
    late = [p for p, first in enumerate(begun) if (read["taken"] < first).any()]
    if not late:
        return
    leads = read["lead"][read["taken"] < max(begun[p] for p in late)]
    few = f"AND t.lead = ANY('{{{','.join(map(str, leads))}}}')" if len(leads) < FEW else ""
    wanted = ", ".join(f"({p}, '{pairs[p][0]}', {pairs[p][1]}, {begun[p]!r})" for p in late)
    then = "to_timestamp(t.taken)"
    found = read_columns(
        f"""
        SELECT t.lead, p.place::bigint, sum({weight(then, "a.at", "p.days")})::float8,
               (t.taken - date_part('epoch', max(a.at))) / {DAY}
        FROM chosen t JOIN leads_activity a ON a.lead_id = t.lead
        JOIN (VALUES {wanted}) AS p(place, kind, days, begun) ON p.kind = a.kind
        WHERE t.taken < p.begun AND a.at <= {then}
          AND (t.backfilled OR a.recorded_at <= {then}) {few}
        GROUP BY t.lead, t.taken, p.place
        """,
        (("lead", "i8"), ("place", "i8"), ("count", "f8"), ("since", "f8")),
    )
    rows = places_of(found["lead"], read["lead"])
    for place in late:
        mine = found["place"] == place
        for part in ("count", "since"):
            read[f"e.{part}.{pairs[place][0]}/{pairs[place][1]}"][rows[mine]] = found[part][mine]
    read["tracked"][rows] = 1


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
