"""Hot leads that people meet in a working day: those who came or rose of late, as a configuration
scores them.

Whatever points are live or drafted, the same leads are scored by them, so that both can be held
against what people have time for, on the day they go live as well.
"""

from dataclasses import dataclass

import numpy as np
from django.db import connection

from scoring import facts as fact_store
from scoring.assess import Assessment, assess
from scoring.facts import Rows
from scoring.features import Bools, Floats, Ints
from scoring.live import LiveConfig
from scoring.tiers import HOT

DAYS = 28
WORKING_DAYS = 20  # in as many days
MOST_ROWS = 200_000  # of the newest history that is read; where it covers fewer days, those count
SAMPLE = 5_000
BLOCK = 64  # leads that are drawn for a sample together: their rows share pages
# SQL of the turn in which the block of a lead is drawn, from 0 to below TURNS; always the same one.
TURNS = 1 << 20
TURN = f"(hashint8(lead_id / {BLOCK}) & {TURNS - 1})"
SCORES = 101


@dataclass(frozen=True)
class Recent:
    """Leads that were scored for the first time or rose in `days`, both by facts and time alone;
    `lead_ids` are drawn from `total` of them, always the same ones.
    """

    lead_ids: tuple[int, ...]
    total: int
    days: float
    as_of: float

    @property
    def weight(self) -> float:
        """For how many leads a working day each of those drawn stands."""
        return self.total / max(1, len(self.lead_ids)) / (self.days * WORKING_DAYS / DAYS)


def recent_leads() -> Recent:
    """Return who came or rose in the last DAYS days; one query. A lead that rose without coming is
    known by its live score; what only a draft would see in it is not.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH span AS MATERIALIZED (
                SELECT leadqual_now() AS now,
                       (SELECT max(id) - %(most)s FROM scoring_snapshot) AS snapshots,
                       (SELECT max(id) - %(most)s FROM scoring_scorechange) AS changes
            ), since AS MATERIALIZED (
                SELECT span.*, greatest(
                    now - make_interval(days => %(days)s),
                    (SELECT at FROM scoring_snapshot
                     WHERE snapshots > 0 AND id > snapshots ORDER BY id LIMIT 1),
                    (SELECT at FROM scoring_scorechange
                     WHERE changes > 0 AND id > changes ORDER BY id LIMIT 1)) AS at
                FROM span
            ), recent AS (
                SELECT s.lead_id FROM scoring_snapshot s, since
                WHERE s.id > since.snapshots AND s.at >= since.at
                  AND s.reason = 'first_score' AND NOT s.backfilled
                UNION
                SELECT c.lead_id FROM scoring_scorechange c, since
                WHERE c.id > since.changes AND c.at >= since.at
                  AND c.to_score > c.from_score AND c.cause IN ('facts', 'time')
            ), drawn AS (
                SELECT lead_id, count(*) OVER () AS total FROM recent
                ORDER BY {TURN}, lead_id LIMIT %(sample)s
            )
            SELECT date_part('epoch', now), date_part('epoch', now - at) / 86400,
                   coalesce((SELECT max(total) FROM drawn), 0),
                   ARRAY(SELECT lead_id FROM drawn ORDER BY lead_id)
            FROM since
            """,
            {"most": MOST_ROWS, "days": DAYS, "sample": SAMPLE},
        )
        as_of, days, total, ids = cursor.fetchone()
    return Recent(tuple(ids), total, max(1.0, float(days)), as_of)


def _scored(recent: Recent, config: LiveConfig) -> tuple[Rows, Assessment]:
    ids = recent.lead_ids
    rows = fact_store.read(ids, config, recent.as_of, kept=config.counters)
    return rows, assess(rows, config)


def arrivals_by_score(config: LiveConfig) -> dict[str, Floats]:
    """Return by the key of each model how many leads a working day come or rise to each score or
    above it, (101,), of those that it scores.
    """
    recent = recent_leads()
    if not recent.lead_ids:
        return {}
    _, found = _scored(recent, config)
    by_model: dict[str, Floats] = {}
    for index, live in enumerate(config.everything):
        mine = found.score[(found.model == index) & ~found.disqualified]
        counts = np.bincount(mine, minlength=SCORES).astype(np.float64)
        by_model[live.key] = recent.weight * np.cumsum(counts[::-1])[::-1]
    return by_model


def hot_a_day(candidate: LiveConfig) -> dict[str, list[float]]:
    """Return by team ("0" for none) how many hot leads come a working day, as leads stand now and
    as a configuration would have them.
    """
    recent = recent_leads()
    if not recent.lead_ids:
        return {}
    rows, then = _scored(recent, candidate)
    hot = by_team(rows.facts.lead_ids, rows.standing["tier"] == HOT, then.tier == HOT)
    return {team: [round(recent.weight * n, 3) for n in pair] for team, pair in hot.items()}


def by_team(lead_ids: Ints, now: Bools, then: Bools) -> dict[str, list[int]]:
    """Return by team ("0" for none) how many leads are meant now and then, each (n,)."""
    either = now | then
    if not either.any():
        return {}
    chosen = lead_ids[either]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lead_id, coalesce(team_id, 0) FROM scoring_standing WHERE lead_id = ANY(%s)",
            [chosen.tolist()],
        )
        team_of = dict(cursor.fetchall())
    found: dict[str, list[int]] = {}
    for lead, was, will in zip(chosen.tolist(), now[either], then[either], strict=True):
        pair = found.setdefault(str(team_of.get(lead, 0)), [0, 0])
        pair[0] += int(was)
        pair[1] += int(will)
    return found
