"""manage.py work_on_jobs: do chunks of the jobs whose ids are read, one a line (core.workers)."""

import json
import sys
import time
from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from core.jobs import run_one_chunk
from core.memory import peak_mb


class Command(BaseCommand):
    """For each job id on standard input, do chunks of it until none can be claimed, and print what
    it took as a line of JSON. Says "ready" first.
    """

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        current_app.loader.import_default_modules()  # all kinds of jobs are registered there
        connection.ensure_connection()
        self._print("ready")
        for line in sys.stdin:
            if not line.strip().isdigit():
                raise CommandError(f"{line.strip()!r} is no job's number.")
            self._print(json.dumps(_work_on(int(line))))

    def _print(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _work_on(job_id: int) -> dict[str, float]:
    chunks, longest = 0, 0.0
    while True:
        began = time.perf_counter()
        if not run_one_chunk(job_id):
            break
        chunks += 1
        longest = max(longest, time.perf_counter() - began)
    return {"chunks": chunks, "longest_seconds": round(longest, 3), "peak_mb": round(peak_mb(), 1)}
