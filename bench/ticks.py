"""The tick of follow-ups, and many processes that claim what is due."""

import json
import subprocess
import sys
from statistics import median

from django.conf import settings
from django.db import connection

from bench.databases import vacuum
from bench.results import Result
from bench.timing import seconds
from core.workers import same_database
from followups.claiming import hold_due
from followups.models import Followup

PENDING = 1_000_000
DUE = 20_000
PROCESSES = 4
TICKS = 50
MOST_MS = 5.0


def measure(pending: int) -> list[Result]:
    """Measure on the present database: so many e-mails pending, then DUE of them due."""
    _schedule(pending)
    vacuum("followups_followup")
    ticks = [1000 * seconds(hold_due) for _ in range(TICKS)]
    _bring_due()
    claimed = _claim()
    twice = len(claimed) - len(set(claimed))
    return [
        Result("tick, none due", pending, median(ticks), None, "ms", MOST_MS),
        Result(f"claim by {PROCESSES} processes: claimed twice", DUE, twice, None, "", 0.0),
        Result(
            f"claim by {PROCESSES} processes: not claimed",
            DUE,
            DUE - len(set(claimed)),
            None,
            "",
            0.0,
        ),
    ]


def _schedule(pending: int) -> None:
    """Write e-mails that come due over the next year, spread over all leads."""
    Followup.objects.filter(title="Bench").delete()  # of a world that was kept
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO followups_followup
                (lead_id, kind, title, body, due_at, state, held, snoozed, note, attempts)
            SELECT l.first + i %% l.count, 'email', 'Bench', '',
                   leadqual_now() + interval '1 hour' + i * interval '31 seconds',
                   'scheduled', '', 0, '', 0
            FROM generate_series(1, %s) AS i,
                 (SELECT min(id) AS first, count(*) AS count FROM leads_lead) AS l
            """,
            [pending],
        )


def _bring_due() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE followups_followup SET due_at = leadqual_now() - interval '1 hour' WHERE id IN (
                SELECT id FROM followups_followup WHERE title = 'Bench' ORDER BY id LIMIT %s)
            """,
            [DUE],
        )


def _claim() -> list[int]:
    """Let all processes claim at once; return the ids that each of them got, one after another."""
    started = [
        subprocess.Popen(
            [sys.executable, "manage.py", "claim_followups"],
            cwd=settings.BASE_DIR,
            env=same_database(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()  # it is ready
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [number for process in started for number in json.loads(process.communicate()[0])]
