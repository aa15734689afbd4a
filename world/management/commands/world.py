"""manage.py world --leads N --seed S: make up leads to try things on, from a known hidden truth."""

import datetime as dt
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from core.errors import Invalid
from world.services import build_world


class Command(BaseCommand):
    """Build a made-up world: companies, leads, fourteen months of activities, evidence and
    outcomes, all marked as demo. The same number and seed give the same rows. Without
    configuration the default one is loaded. `manage.py remove_demo` takes it all out again.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--leads", type=int, required=True)
        parser.add_argument("--seed", type=int, required=True)
        parser.add_argument(
            "--now", type=_moment, help="where its history ends (default: today, 00:00 UTC)"
        )
        parser.add_argument(
            "--closes",
            type=float,
            default=0.6,
            help="share of the leads that are decided sooner or later (default 0.6)",
        )
        parser.add_argument("--no-score", action="store_true", help="neither score nor plan")
        parser.add_argument("--processes", type=int, default=2)
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 <= options["closes"] <= 1:
            raise CommandError("--closes must be between 0 and 1.")
        if not 1 <= options["processes"] <= 64:
            raise CommandError("--processes must be between 1 and 64.")
        try:
            report = build_world(
                options["leads"],
                seed=options["seed"],
                now=options["now"],
                closes=options["closes"],
                score=not options["no_score"],
                processes=options["processes"],
                tell=lambda line: self.stderr.write(line),
            )
        except Invalid as error:
            raise CommandError(f"--{error}") from None
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json()))
            return
        for name, count in report.counts.items():
            self.stdout.write(f"{name:<14}{count:>12,}")
        for name, seconds in report.as_json()["seconds"].items():
            self.stdout.write(f"{name:<14}{seconds:>12,.1f} s")


def _moment(text: str) -> dt.datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(f"--now must be a moment as 2026-11-22T08:00:00Z, not {text!r}.")
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
