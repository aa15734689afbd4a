"""Long work in chunks.

A chunk is claimed by its row lock (`SKIP LOCKED`) and marked done in the transaction that does its
work. A killed worker takes its transaction with it, so the chunk is open again at once: nothing is
lost, nothing is done twice, and there is no lease to wait for.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from core.clock import DatabaseNow
from core.models import Job, JobChunk
from core.sweeps import nudge_on_commit, sweep

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5  # a chunk that fails this often is set aside with its reason

Counts = Mapping[str, int]


@dataclass(frozen=True)
class JobKind:
    """What to do with a chunk, and once after the last one."""

    name: str
    run_chunk: Callable[[Job, dict[str, Any]], Counts]
    finish: Callable[[Job], None] | None = None


_kinds: dict[str, JobKind] = {}


def register(
    name: str,
    run_chunk: Callable[[Job, dict[str, Any]], Counts],
    finish: Callable[[Job], None] | None = None,
) -> None:
    """Register a kind of job.

    `run_chunk(job, args)` runs inside the chunk's transaction and returns counts to add up;
    `counts["done"]` moves the progress. `finish(job)` runs in the transaction of the last chunk.
    """
    _kinds[name] = JobKind(name, run_chunk, finish)


@transaction.atomic
def start_job(
    kind: str,
    *,
    chunks: Iterable[dict[str, Any]],
    total: int,
    unit: str = "rows",
    by: Any = None,
    args: dict[str, Any] | None = None,
) -> Job:
    """Write a job and its chunks and ask the workers to begin; the job is done when no chunk is."""
    job = Job.objects.create(
        kind=kind,
        total=total,
        unit=unit,
        created_by=by,
        args=args or {},
        state=Job.State.RUNNING,
        started_at=DatabaseNow(),
    )
    add_chunks(job, chunks)
    return job


def add_chunks(job: Job, chunks: Iterable[dict[str, Any]]) -> None:
    """Give `job` its chunks and nudge the workers; a job without chunks ends at once."""
    made = JobChunk.objects.bulk_create(
        (JobChunk(job=job, number=number, args=args) for number, args in enumerate(chunks)),
        batch_size=1000,
    )
    if not made:
        _end_if_complete(Job.objects.select_for_update().get(pk=job.pk))
    nudge_on_commit("core.run_chunks")


# Learning from a million leads is one chunk.
@sweep("core.run_chunks", queue="bulk", limit_seconds=840)
def run_chunks() -> int:
    """Do one open chunk of the oldest running job; return 1, or 0 when there is none to take."""
    return int(run_one_chunk())


def run_one_chunk(job_id: int | None = None) -> bool:
    """Claim and do one open chunk (of one job, or of any); return False when none could be had."""
    chunks = JobChunk.objects.filter(done=False, job__state=Job.State.RUNNING)
    if job_id is not None:
        chunks = chunks.filter(job_id=job_id)
    with transaction.atomic():
        # A crash takes the mark along with the work, so neither has to be on disk at once.
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
        chunk = (
            chunks.select_related("job")
            .select_for_update(skip_locked=True, of=("self",))
            .order_by("job_id", "number")
            .first()
        )
        if chunk is None:
            return False
        job = chunk.job
        try:
            with transaction.atomic():
                counts = dict(_kinds[job.kind].run_chunk(job, chunk.args))
        except Exception as error:
            log.exception("Chunk %s of job %s failed", chunk.number, job.pk)
            chunk.attempts += 1
            chunk.error = f"{type(error).__name__}: {error}"[:2000]
            chunk.done = chunk.attempts >= MAX_ATTEMPTS
            counts = {"failed_chunks": 1} if chunk.done else {}
        else:
            chunk.done, chunk.error = True, ""
        chunk.save(update_fields=["attempts", "error", "done"])
        # Taken last and held only to the commit, since all workers on the job want it.
        job.refresh_from_db(from_queryset=Job.objects.select_for_update())
        _count(job, counts)
        _end_if_complete(job)
    return True


def cancel_job(job: Job) -> None:
    """Stop a job after the chunks that are being done now; what they did stays."""
    Job.objects.filter(pk=job.pk).exclude(state__in=Job.ENDED).update(
        state=Job.State.CANCELLED, finished_at=DatabaseNow()
    )


def fail_job(job: Job, reason: str) -> None:
    """End a job with the reason a person can act on."""
    Job.objects.filter(pk=job.pk).exclude(state__in=Job.ENDED).update(
        state=Job.State.FAILED, error=reason, finished_at=DatabaseNow()
    )


def _count(job: Job, counts: dict[str, int]) -> None:
    """Add `counts` to those of the job, whose row is locked."""
    if not counts:
        return
    job.done += counts.pop("done", 0)
    for key, value in counts.items():
        job.counts[key] = job.counts.get(key, 0) + value
    job.save(update_fields=["done", "counts"])


def _end_if_complete(job: Job) -> None:
    """End the job, whose row is locked, when no chunk is open; the lock makes exactly one caller
    see that.
    """
    if job.ended or JobChunk.objects.filter(job=job, done=False).exists():
        return
    kind = _kinds[job.kind]
    if kind.finish is not None:
        kind.finish(job)
        job.refresh_from_db()
    failed = JobChunk.objects.filter(job=job).exclude(error="").values_list("error", flat=True)
    errors = bool(failed) or job.counts.get("rejected", 0) or job.counts.get("errors", 0)
    job.error = failed[0] if failed else job.error
    job.state = Job.State.SUCCEEDED_WITH_ERRORS if errors else Job.State.SUCCEEDED
    job.save(update_fields=["state", "error"])
    Job.objects.filter(pk=job.pk).update(finished_at=DatabaseNow())
