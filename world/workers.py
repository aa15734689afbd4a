"""Works on a job with several processes, which need no Celery to be up."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection

from core import jobs
from core.models import Job

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Work:
    """What one process did: chunks, its longest chunk, which is one transaction, and its memory."""

    chunks: int
    longest_seconds: float
    peak_mb: float


def work_on(
    job: Job, *, processes: int, tell: Callable[[Job], None] = lambda job: None
) -> list[Work]:
    """Work on `job` with so many processes until it has ended; return what each of them did.

    `tell` is called with the job as it goes. With one process the work is done in this one and
    the list is empty. A process that dies gives its chunk back, and the others do it. Raises
    CommandError when a part of the job failed.
    """
    works: list[Work] = []
    if processes == 1:
        jobs.work_on(job)
    else:
        works = _await([_start(job) for _ in range(processes)], job, tell)
        jobs.work_on(job)  # what dead processes have left
    job.refresh_from_db()
    if job.state != Job.State.SUCCEEDED:
        raise CommandError(f"Job {job.pk} ({job.kind}) ended as {job.state}: {job.error}")
    return works


def _start(job: Job) -> subprocess.Popen[str]:
    command = [sys.executable, "manage.py", "work_on_job", str(job.pk)]
    # The database of this process, which in tests and measurements is not the configured one.
    command += ["--database-name", str(connection.settings_dict["NAME"])]
    return subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True)


def _await(
    started: list[subprocess.Popen[str]], job: Job, tell: Callable[[Job], None]
) -> list[Work]:
    try:
        while any(process.poll() is None for process in started):
            time.sleep(POLL_SECONDS)
            job.refresh_from_db()
            tell(job)
    except BaseException:
        for process in started:
            process.terminate()
        raise
    printed = [process.communicate()[0] for process in started]
    return [Work(**json.loads(text.splitlines()[-1])) for text in printed if text.strip()]
