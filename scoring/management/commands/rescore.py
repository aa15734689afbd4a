"""manage.py rescore --all: bring every open lead's standing up to now."""

import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.models import Job
from core.workers import require_success, work_on
from scoring.live import NotConfigured, live_config
from scoring.models import Standing
from scoring.rescoring import rescore
from scoring.tasks import start_rescore_all

ALONE_UP_TO = 20_000  # leads; below that more processes are not worth their start
PROCESSES = 2


class Command(BaseCommand):
    """Rescore all open leads in chunks that workers help with, or the leads that are named.

    Killed in the middle, it loses nothing: workers do the chunks that are left.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        chosen = parser.add_mutually_exclusive_group(required=True)
        chosen.add_argument("--all", action="store_true", help="every open lead")
        chosen.add_argument("--leads", type=int, nargs="+", metavar="ID", help="these leads")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            live_config()
        except NotConfigured as error:
            raise CommandError(str(error)) from None
        began = time.perf_counter()
        if options["all"]:
            job = start_rescore_all()
            processes = PROCESSES if job.total > ALONE_UP_TO else 1
            work_on(job, processes=processes, tell=_silent if options["json"] else self._tell)
            require_success(job)
            report = {
                "job": job.pk,
                "state": job.state,
                "leads": job.done,
                "changed": job.counts.get("changed", 0),
            }
        else:
            ids = self._existing(options["leads"])
            report = {"state": "succeeded", "leads": len(ids), "changed": rescore(ids)}
        report["seconds"] = round(time.perf_counter() - began, 3)
        if options["json"]:
            self.stdout.write(json.dumps(report))
        else:
            self.stdout.write(
                f"{report['leads']} leads rescored, {report['changed']} changed, "
                f"in {report['seconds']:.1f} s."
            )

    def _tell(self, job: Job) -> None:
        self.stderr.write(f"\r{job.done} of {job.total} leads ({job.percent} %)", ending="")

    def _existing(self, ids: list[int]) -> list[int]:
        found = set(Standing.objects.filter(pk__in=ids).values_list("pk", flat=True))
        missing = sorted(set(ids) - found)
        if missing:
            raise CommandError(f"There is no lead {', '.join(map(str, missing))}.")
        return sorted(found)


def _silent(job: Job) -> None:
    """Tell nothing: the one JSON document is all."""
