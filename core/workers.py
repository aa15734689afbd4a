"""Works on jobs in this process and in helpers of its own, which need no Celery to be up."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection

from core import jobs
from core.models import Job

POLL_SECONDS = 0.1


def same_database() -> dict[str, str]:
    """Return the environment of a process on the database of this one, which in tests and
    measurements is not the configured one.
    """
    url = urlsplit(os.environ["DATABASE_URL"])
    name = quote(str(connection.settings_dict["NAME"]))
    return {**os.environ, "DATABASE_URL": url._replace(path=f"/{name}").geturl()}


@dataclass(frozen=True)
class Work:
    """What one process did: chunks, its longest chunk (which is one transaction), its memory."""

    chunks: int
    longest_seconds: float
    peak_mb: float


class Workers:
    """Processes that wait for jobs: `with Workers(2) as workers: workers.work(job)`.

    They are new processes, not forks of this one, so that they share no connection and no memory.
    """

    def __init__(self, count: int) -> None:
        self.processes = [
            subprocess.Popen(
                [sys.executable, "manage.py", "work_on_jobs"],
                cwd=settings.BASE_DIR,
                env=same_database(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(count)
        ]

        self._up = False

    def wait_until_up(self) -> None:
        """Wait until every process has said that it is ready."""
        if not self._up:
            for process in self.processes:
                _line_of(process)
        self._up = True

    def begin(self, job: Job) -> None:
        """Let all processes work on `job`, after what they have been given before."""
        for process in self.processes:
            try:
                assert process.stdin is not None
                process.stdin.write(f"{job.pk}\n")
                process.stdin.flush()
            except BrokenPipeError:
                pass

    def work(self, job: Job) -> list[Work]:
        """Let these processes alone do `job`; return what each of them did.

        A process that dies gives its chunk back and the others do it; the dead say nothing.
        """
        self.wait_until_up()
        self.begin(job)
        lines = [_line_of(process) for process in self.processes]
        job.refresh_from_db()
        return [Work(**json.loads(line)) for line in lines if line]

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self.processes:
            if error is not None:
                process.terminate()
            process.communicate()  # closes its input, which ends it


def _line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def work_on(job: Job, *, processes: int, tell: Callable[[Job], None] = lambda job: None) -> None:
    """Work on `job` until it has ended, with so many processes, of which this is one.

    `tell` is called with the job between chunks.
    """
    with Workers(processes - 1) as helpers:
        helpers.begin(job)
        while not job.ended:
            do_a_chunk(job)
            job.refresh_from_db()
            tell(job)


def do_a_chunk(job: Job) -> None:
    """Do one chunk of `job`, or wait a moment while others do its last ones."""
    if not jobs.run_one_chunk(job.pk):
        time.sleep(POLL_SECONDS)


def require_success(job: Job) -> None:
    """Raise CommandError when a part of the job failed."""
    if job.state != Job.State.SUCCEEDED:
        raise CommandError(f"Job {job.pk} ({job.kind}) ended as {job.state}: {job.error}")
