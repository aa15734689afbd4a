"""Reads what was known of closed leads when it was decided how to work them.

A row is the latest snapshot before the outcome, its ratings completed by answers that were at least
a day old at the outcome. What was learned with the outcome itself counts nowhere.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from django.db import connection

from core.clock import now
from scoring.features import DAY, Bools, Facts, Floats, no_numbers
from scoring.live import LiveConfig, LiveModel

MOST_ROWS = 20_000  # the newest; a criterion that needs more to be judged is worth little
MONTHS = 12
KNOWN_BEFORE_DAYS = 1.0

_CLOSED = """
    WITH closed AS (
        SELECT o.lead_id, o.round, o.result, o.at FROM leads_outcome o
        JOIN leads_lead l ON l.id = o.lead_id
        WHERE o.at >= %(since)s
          AND (o.result <> 'disqualified' OR l.contacted_at <= o.at)
          AND (NOT l.is_demo OR NOT EXISTS (
              SELECT FROM leads_outcome r JOIN leads_lead k ON k.id = r.lead_id
              WHERE NOT k.is_demo))
        ORDER BY o.at DESC LIMIT %(most)s
    )
    SELECT c.result = 'won', date_part('epoch', c.at), s.facts::text, e.facts->'ratings'
    FROM closed c
    JOIN LATERAL (
        SELECT facts, model_version_id FROM scoring_snapshot
        WHERE lead_id = c.lead_id AND ((reason <> 'outcome' AND at <= c.at) OR backfilled)
        ORDER BY backfilled, at DESC LIMIT 1
    ) s ON true
    JOIN scoring_modelversion m ON m.id = s.model_version_id AND m.key = %(key)s
    LEFT JOIN scoring_snapshot e ON e.lead_id = c.lead_id AND e.reason = 'outcome'
        AND e.cause = c.round::text
    ORDER BY c.at
"""


@dataclass(frozen=True)
class History:
    """Closed leads in order of time: facts at decision, whether won (n,), when closed (n,)."""

    facts: Facts
    won: Bools
    at: Floats


def closed_leads(live: LiveModel, config: LiveConfig, months: int = MONTHS) -> History:
    """Return the closed leads of a model's key over the last months, at most MOST_ROWS; one query.

    Disqualified leads that nobody had spoken with are left out, demo leads once there are others.
    """
    since = now() - dt.timedelta(days=months * 30.4)
    with connection.cursor() as cursor:
        cursor.execute(_CLOSED, {"since": since, "most": MOST_ROWS, "key": live.key})
        rows = cursor.fetchall()
    facts = [orjson.loads(text) for _, _, text, _ in rows]
    for item, (*_, ratings) in zip(facts, rows, strict=True):
        for dimension, (rating, age) in _loaded(ratings).items():
            if age >= KNOWN_BEFORE_DAYS:
                item["ratings"][dimension] = [rating, age]
    return History(
        facts=facts_of(facts, config),
        won=np.array([won for won, *_ in rows], dtype=bool),
        at=np.array([at for _, at, *_ in rows], dtype=float),
    )


def _loaded(ratings: Any) -> Mapping[str, Any]:
    return orjson.loads(ratings) if isinstance(ratings, str) else (ratings or {})


def facts_of(stored: Sequence[Mapping[str, Any]], config: LiveConfig) -> Facts:
    """Return the facts that snapshots hold (scoring.models.Snapshot), each as of its own moment:
    times are relative to a common zero.
    """
    n = len(stored)
    numbers = {f.name: no_numbers(n) for f in config.used_fields if f.type != "text"}
    codes = {f.name: np.full(n, -1) for f in config.used_fields if f.type == "text"}
    values: dict[str, dict[str, int]] = {name: {} for name in codes}
    ratings = {d: no_numbers(n) for d in config.dimensions}
    observed = {d: no_numbers(n) for d in config.dimensions}
    counts = {pair: np.zeros(n) for pair in config.counters}
    last = {kind: no_numbers(n) for kind, _ in config.counters}
    tracked = np.zeros(n, dtype=bool)
    for row, item in enumerate(stored):
        tracked[row] = item.get("tracked", False)
        for name, value in item.get("fields", {}).items():
            if name in numbers:
                numbers[name][row] = value
            elif name in codes:
                known = values[name]
                codes[name][row] = known.setdefault(str(value), len(known))
        for dimension, (rating, age) in item.get("ratings", {}).items():
            if dimension in ratings:
                ratings[dimension][row], observed[dimension][row] = rating, -age * DAY
        for pair, (count, days) in item.get("engagement", {}).items():
            kind, _, half_life = pair.partition("/")
            if (kind, int(half_life)) in counts:
                counts[kind, int(half_life)][row] = count
                last[kind][row] = np.fmax(last[kind][row], -days * DAY)
    return Facts(
        lead_ids=np.arange(n),
        as_of=0.0,
        number_columns=numbers,
        text_columns={name: (column, list(values[name])) for name, column in codes.items()},
        ratings=ratings,
        observed_at=observed,
        expires_at={d: no_numbers(n) for d in config.dimensions},
        counts=counts,
        last_at=last,
        tracked=tracked,
    )


def control_outcomes(key: str) -> tuple[int, int, int, int, int]:
    """Return (won, closed) of the control group, (won, closed) of leads that were worked as cold
    since it began, and how many are in it now; of leads that a model's key scores. One query.

    Both sides are counted as they were chosen, whatever became of them since.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH began AS (SELECT min(set_at) AS at FROM followups_controlsetting WHERE share > 0),
            closed AS (
                SELECT o.lead_id, o.result = 'won' AS won, m.joined_at, EXISTS (
                    SELECT FROM followups_run r
                    JOIN followups_playversion p ON p.id = r.play_version_id
                    WHERE r.lead_id = o.lead_id AND p.definition->>'tier' = 'cold'
                      AND r.started_at BETWEEN began.at AND o.at) AS cold
                FROM began
                JOIN leads_outcome o ON o.at >= began.at
                JOIN scoring_standing s ON s.lead_id = o.lead_id
                JOIN scoring_modelversion v ON v.id = s.model_version_id AND v.key = %(key)s
                LEFT JOIN followups_controlmember m ON m.lead_id = o.lead_id
            )
            SELECT count(*) FILTER (WHERE won AND joined_at IS NOT NULL),
                   count(*) FILTER (WHERE joined_at IS NOT NULL),
                   count(*) FILTER (WHERE won AND joined_at IS NULL AND cold),
                   count(*) FILTER (WHERE joined_at IS NULL AND cold),
                   (SELECT count(*) FROM followups_controlmember m
                    JOIN scoring_standing s ON s.lead_id = m.lead_id
                    JOIN scoring_modelversion v ON v.id = s.model_version_id AND v.key = %(key)s
                    WHERE m.left_at IS NULL)
            FROM closed
            """,
            {"key": key},
        )
        row: tuple[int, int, int, int, int] = cursor.fetchone()
    return row


def seconds_by_dimension(months: int = MONTHS) -> dict[str, tuple[float, int]]:
    """Return the median seconds from one answer of a call to the next and how many were timed, by
    dimension; one query over the newest answers. Longer than ten minutes is a pause.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT dimension, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds), count(*)
            FROM (
                SELECT a.dimension, a.kind, date_part('epoch', a.at - lag(a.at, 1, c.started_at)
                           OVER (PARTITION BY a.call_id ORDER BY a.id)) AS seconds
                FROM calls_callanswer a JOIN calls_call c ON c.id = a.call_id
                WHERE a.id > (SELECT coalesce(max(id), 0) - %s FROM calls_callanswer)
                  AND a.at >= %s
            ) timed
            WHERE kind IN ('answer', 'unknown') AND seconds BETWEEN 1 AND 600
            GROUP BY dimension
            """,
            [MOST_ROWS, now() - dt.timedelta(days=months * 30.4)],
        )
        return {dimension: (float(median), n) for dimension, median, n in cursor.fetchall()}
