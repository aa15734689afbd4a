"""manage.py work_on_job ID: do chunks of a job until none is left (used by world and bench)."""

import json
import resource
import sys
import time
from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from core.jobs import run_one_chunk

_UNITS_PER_MB = 1024 * 1024 if sys.platform == "darwin" else 1024  # of ru_maxrss


class Command(BaseCommand):
    """Do chunks of a job until none can be claimed; print what it took as JSON."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int)
        parser.add_argument("--database-name", help="of the same server, instead of the usual one")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["database_name"]:
            connection.close()
            connection.settings_dict["NAME"] = options["database_name"]
        current_app.loader.import_default_modules()  # all kinds of jobs are registered in them
        chunks, longest = 0, 0.0
        while True:
            began = time.perf_counter()
            if not run_one_chunk(options["job"]):
                break
            chunks += 1
            longest = max(longest, time.perf_counter() - began)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNITS_PER_MB
        work = {"chunks": chunks, "longest_seconds": round(longest, 3), "peak_mb": round(peak, 1)}
        self.stdout.write(json.dumps(work))
