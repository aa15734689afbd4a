"""What became of the control group, and how long answers take on calls."""

import datetime as dt

from django.db import connection

from core.clock import now

MOST_ANSWERS = 20_000  # the newest
MONTHS = 12


def control_outcomes(key: str) -> tuple[int, int, int, int, int]:
    """Return (won, closed) of the control group, (won, closed) of leads that were worked as cold
    since it began, and how many are in it now; of leads that a model's key scores. One query.

    Both sides are counted as they were chosen, whatever became of them since. A lead that closed
    more than once counts by its last outcome.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH began AS (SELECT min(set_at) AS at FROM followups_controlsetting WHERE share > 0),
            closed AS (
                SELECT DISTINCT ON (o.lead_id) o.lead_id, o.result = 'won' AS won, m.joined_at,
                       EXISTS (
                    SELECT FROM followups_run r
                    JOIN followups_playversion p ON p.id = r.play_version_id
                    WHERE r.lead_id = o.lead_id AND p.definition->>'tier' = 'cold'
                      AND r.started_at BETWEEN began.at AND o.at) AS cold
                FROM began
                JOIN leads_outcome o ON o.at >= began.at
                JOIN scoring_standing s ON s.lead_id = o.lead_id
                JOIN scoring_modelversion v ON v.id = s.model_version_id AND v.key = %(key)s
                LEFT JOIN followups_controlmember m ON m.lead_id = o.lead_id
                ORDER BY o.lead_id, o.at DESC
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
            [MOST_ANSWERS, now() - dt.timedelta(days=months * 30.4)],
        )
        return {dimension: (float(median), n) for dimension, median, n in cursor.fetchall()}
