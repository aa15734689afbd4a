"""Learning from a million outcomes: reading their snapshots, learning from them, previewing."""

import json
import subprocess
import sys
from typing import Any

from django.conf import settings
from django.db.models import CharField
from django.db.models.functions import Cast

from bench.databases import read_by_copy
from bench.rescores import WORKERS, raised
from bench.results import Result
from bench.timing import seconds
from core.memory import peak_mb
from core.models import Job
from core.workers import Workers, same_database
from scoring.judging import slice_fields
from scoring.live import live_config
from scoring.models import ModelVersion, Proposal
from scoring.previewing import SAMPLE, candidate_config, flow_of, start_preview
from scoring.proposing import learn_model
from scoring.training import read_training

MOST_READING, MOST_SAMPLE, MOST_PREVIEW = 15.0, 2.0, 15.0  # seconds
MOST_MB = 1500.0
# What no reader can do without: each lead's latest snapshot before its outcome.
_RAW = """
    SELECT DISTINCT ON (s.lead_id) s.lead_id, o.at, o.result, s.facts
    FROM scoring_snapshot s JOIN leads_outcome o USING (lead_id)
    WHERE s.reason <> 'outcome' AND s.at <= o.at ORDER BY s.lead_id, s.at DESC
"""


def measure_learning() -> list[Result]:
    """Measure on the present database, most of whose leads have ended."""
    raw = seconds(lambda: read_by_copy([_RAW]))
    read, learned = _alone("read_past_leads"), _alone("learn_models")
    n = int(read["n"])
    return [
        Result("past leads: reading them", n, read["seconds"], None, "s", MOST_READING),
        Result("past leads: to a COPY of their snapshots", n, read["seconds"], raw, "s", None),
        Result("past leads: memory of reading", n, read["mb"], None, "MB", MOST_MB),
        Result("past leads: learning from them", n, learned["seconds"], None, "s", None),
        Result("past leads: memory of learning", n, learned["mb"], None, "MB", MOST_MB),
    ]


def measure_previews(leads: int) -> list[Result]:
    """Measure on the present database, whose leads are all open and scored."""
    version = raised(ModelVersion.objects.filter(state=ModelVersion.State.LIVE).order_by("pk")[0])
    sample = seconds(lambda: flow_of(candidate_config(version)))
    with Workers(WORKERS) as workers:
        workers.wait_until_up()
        job = start_preview(version, None).job
        works = []
        whole = seconds(lambda: works.extend(workers.work(job)))
    job.refresh_from_db()
    if job.state != Job.State.SUCCEEDED:
        raise RuntimeError(f"the preview ended as {job.state}: {job.error}")
    n = min(SAMPLE, leads)
    memory = max(work.peak_mb for work in works)
    return [
        Result("preview: a sample, over two connections", n, sample, None, "s", MOST_SAMPLE),
        Result("preview: all leads, 2 workers", job.done, whole, None, "s", MOST_PREVIEW),
        Result("preview: memory of a worker", job.done, memory, None, "MB", None),
    ]


def _alone(function: str) -> dict[str, float]:
    """Run a function of this module in a process of its own, whose memory is its alone."""
    program = f"import django; django.setup(); from bench import outcomes as o; o.{function}()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        cwd=settings.BASE_DIR,
        env=same_database(),
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def read_past_leads() -> None:
    """Print how many past leads were read, the seconds and the memory at most in MB."""
    found = []
    took = seconds(lambda: found.append(read_training([live_config()], slice_fields())))
    _print(n=found[0].n, seconds=took)


def learn_models() -> None:
    """Print the seconds that learning all live models takes, and the memory at most in MB."""
    # Or what was learned from a kept world before is found again.
    Proposal.objects.update(fingerprint=Cast("pk", CharField()))
    keys = [live.key for live in live_config().everything]
    _print(seconds=seconds(lambda: [learn_model(key) for key in keys]))


def _print(**found: Any) -> None:
    sys.stdout.write(json.dumps({**found, "mb": peak_mb()}))
