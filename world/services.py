"""The world as a whole: build it, score it, plan its follow-ups."""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from core.models import Job
from core.workers import require_success, work_on
from followups.planning import plan_pending
from scoring.tasks import start_rescore_all
from world.configuration import configure
from world.tasks import start_building

Tell = Callable[[str], None]
PLANNED_AT_ONCE = 200_000  # leads put in order at once: nobody waits for the hottest of a new world


@dataclass
class Report:
    """What was made, and how long each part took."""

    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note how long the block takes."""
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 2)

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        total = round(sum(self.seconds.values()), 2)
        return {"counts": self.counts, "seconds": {**self.seconds, "total": total}}


def build_world(
    leads: int,
    *,
    seed: int,
    now: dt.datetime | None = None,
    closes: float = 0.6,
    score: bool = True,
    processes: int = 2,
    tell: Tell = lambda line: None,
) -> Report:
    """Build a world; unless told otherwise score all its leads and plan what follows for them.

    See `world.tasks.start_building` for the parameters; `tell` gets a line now and then.
    """
    report = Report()
    with report.timed("prepare"):
        configure()
        job = start_building(leads, seed=seed, now=now, closes=closes)
    finish_building(job, report, processes=processes, tell=tell)
    if score:
        score_all(report, processes=processes, tell=tell)
        plan_all(report, tell=tell)
    return report


def finish_building(job: Job, report: Report, *, processes: int, tell: Tell) -> None:
    """Do what is left of the job that builds a world."""
    with report.timed("rows"):
        work_on(job, processes=min(processes, _chunks(job)), tell=_teller("Leads", tell))
    require_success(job)
    report.counts |= job.counts


def score_all(report: Report, *, processes: int, tell: Tell) -> None:
    """Score every open lead, and every other once."""
    with report.timed("score"):
        job = start_rescore_all()
        work_on(job, processes=min(processes, _chunks(job)), tell=_teller("Scored", tell))
    require_success(job)
    report.counts["scored"] = job.done


def plan_all(report: Report, *, tell: Tell) -> None:
    """Plan every lead that waits for it."""
    planned = 0
    with report.timed("plan"):
        while done := plan_pending(PLANNED_AT_ONCE):
            planned += done
            tell(f"Planned: {planned:,}")
    report.counts["planned"] = planned


def _chunks(job: Job) -> int:
    return max(1, job.chunks.filter(done=False).count())


def _teller(what: str, tell: Tell) -> Callable[[Job], None]:
    """Return a function that tells a job's progress each time a tenth more is done."""
    told = 0

    def told_of(job: Job) -> None:
        nonlocal told
        if job.total and job.done * 10 // job.total > told:
            told = job.done * 10 // job.total
            tell(f"{what}: {job.done:,} of {job.total:,}")

    return told_of
