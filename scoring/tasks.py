"""Sweeps and jobs of scoring: stale standings, those due by time, and all of them."""

import datetime as dt
from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from accounts.models import Workspace
from core import jobs
from core.clock import DatabaseNow, now
from core.models import Job
from core.sweeps import sweep
from scoring import hand_made, proposing, shadowing, suggestions  # noqa: F401 (registers its jobs)
from scoring.feedback import answer_by_versions
from scoring.live import NotConfigured
from scoring.models import Standing
from scoring.rescoring import BATCH, rescore, rescore_range

RESCORE_ALL = "rescore_all"
CHUNK = 4_000  # leads per transaction of that job, a fifth of a second
NIGHT_HOUR = 2


@sweep("scoring.rescore_stale")
def rescore_stale() -> int:
    """Rescore a batch of leads whose facts changed; those that others hold are left for later."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lead_id FROM scoring_standing WHERE stale_at IS NOT NULL "
            "ORDER BY stale_at LIMIT %s",
            [BATCH],
        )
        ids = [row[0] for row in cursor.fetchall()]
    return rescore(ids, skip_locked=True)


@sweep("scoring.rescore_due")
def rescore_due() -> int:
    """Rescore a batch of leads whose score changes by the mere passing of time."""
    ids = list(
        Standing.objects.filter(is_open=True, next_change_at__lte=DatabaseNow())
        .order_by("next_change_at")
        .values_list("lead_id", flat=True)[:BATCH]
    )
    return rescore(ids, skip_locked=True)


@sweep("scoring.answer_feedback", queue="bulk")
def answer_feedback() -> int:
    """Answer a batch of feedback that a newer live version has followed."""
    with suppress(NotConfigured):
        return answer_by_versions()
    return 0


@sweep("scoring.learn_nightly", queue="bulk")
def learn_nightly() -> int:
    """Start learning once a night, when outcomes came since the last time; return 1 then."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT EXISTS (
                SELECT 1 FROM leads_outcome WHERE recorded_at > coalesce(
                    (SELECT max(started_at) FROM core_job WHERE kind = %s), '-infinity')
            ) AND NOT EXISTS (SELECT 1 FROM core_job WHERE kind = %s AND started_at >= %s)
            """,
            [proposing.JOB, proposing.JOB, _last_night()],
        )
        if not cursor.fetchone()[0]:
            return 0
    proposing.start_learning(None)
    return 1


@sweep("scoring.score_in_shadow", queue="bulk")
def score_in_shadow() -> int:
    """Score a batch of open leads under versions in the shadow."""
    return shadowing.score_batch()


def _last_night() -> dt.datetime:
    """Return the latest NIGHT_HOUR o'clock of the workspace that has passed."""
    local = now().astimezone(ZoneInfo(Workspace.current().time_zone))
    tonight = local.replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    return tonight if tonight <= local else tonight - dt.timedelta(days=1)


def start_rescore_all(by: Any = None) -> Job:
    """Start the job that rescores every open lead, in ranges of lead ids."""
    with connection.cursor() as cursor:
        # Boundaries from the ids themselves, so that gaps do not make empty or huge chunks.
        cursor.execute(
            """
            SELECT min(lead_id), count(*) FROM (
                SELECT lead_id, (row_number() OVER (ORDER BY lead_id) - 1) / %s AS chunk
                FROM scoring_standing WHERE is_open OR state = 'unscored'
            ) numbered GROUP BY chunk ORDER BY chunk
            """,
            [CHUNK],
        )
        chunks = cursor.fetchall()
    # Ranges without gaps and open at the end, for leads that arrive while the job is written.
    starts = [start for start, _ in chunks]
    ranges = zip(starts, [*starts[1:], None], strict=False)  # no starts, no ranges
    return jobs.start_job(
        RESCORE_ALL,
        chunks=({"from": start, "before": end} for start, end in ranges),
        total=sum(count for _, count in chunks),
        unit="leads",
        by=by,
    )


def _rescore_range(job: Job, args: dict[str, Any]) -> dict[str, int]:
    done, changed = rescore_range(args["from"], args["before"])
    return {"done": done, "changed": changed}


jobs.register(RESCORE_ALL, _rescore_range)
