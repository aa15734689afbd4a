"""manage.py bench: measure speed and memory against what the database can do at best."""

import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bench import calls, imports, learn, outcomes, pages, rescores, ticks
from bench.databases import own_databases, use, vacuum
from bench.results import Result, table, write
from leads.models import Lead
from scoring.models import Standing
from scoring.tiers import State
from world.services import Report, build_world, plan_all

FEW = 10_000  # leads of the small world that pages are compared with
QUICK = 50_000
PAST = 1.18  # leads of a world for each that its history decides
GROUPS = (
    "learn",
    "import",
    "outcomes",
    "pages",
    "evidence",
    "calls",
    "rescore",
    "ticks",
    "preview",
)


class Command(BaseCommand):
    """Measure, in databases of its own beside the configured one; print a table and keep it in
    DATA_DIR/bench/latest.json (docs/reference/bench.md).
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--leads", type=int, default=1_000_000)
        parser.add_argument("--rows", type=int, default=100_000, help="of the imported file")
        parser.add_argument("--rounds", type=int, default=3, help="of the rescores")
        parser.add_argument(
            "--quick", action="store_true", help=f"{QUICK:,} leads and {QUICK // 2:,} rows"
        )
        parser.add_argument(
            "--data", type=Path, help="folder of real files of past leads, for the group learn"
        )
        parser.add_argument(
            "--keep", action="store_true", help="keep the worlds, and use those that were kept"
        )
        parser.add_argument("--only", choices=GROUPS, action="append", help="may be repeated")

    def handle(self, *args: Any, **options: Any) -> None:
        leads, rows = options["leads"], options["rows"]
        if options["quick"]:
            leads, rows = QUICK, QUICK // 2
        if leads < FEW or rows < 1_000 or options["rounds"] < 1:
            raise CommandError(f"needs at least {FEW:,} leads, 1,000 rows and one round")
        settings.DEBUG = False  # which keeps every query
        self._failed: list[str] = []
        self._data: Path | None = options["data"]
        groups = options["only"] or list(GROUPS)
        self._keep = options["keep"]
        results = list(self._measure(groups, leads, rows, options["rounds"]))
        self.stdout.write(table(results))
        self.stdout.write(f"\nKept in {write(results)}.")
        if self._failed:
            raise CommandError(f"Not measured, see above: {', '.join(self._failed)}.")

    def _measure(self, groups: list[str], leads: int, rows: int, rounds: int) -> Iterator[Result]:
        if "learn" in groups:
            yield from self._try("learn", lambda: learn.measure(self._data, self._say_line))
        if "import" in groups:
            with own_databases(["import"]) as databases:
                use(databases["import"])
                yield from self._try("import", lambda: imports.measure(rows))
        if "outcomes" in groups:
            with own_databases(["past"], keep=self._keep) as databases:
                self._build_past(databases["past"], leads)
                yield from self._try("outcomes", outcomes.measure_learning)
        if not set(groups) - {"import", "learn", "outcomes"}:
            return
        with own_databases(["small", "big"], keep=self._keep) as databases:
            self._build(databases["small"], FEW)
            yield from self._build(databases["big"], leads)
            steps: dict[str, Callable[[], list[Result]]] = {
                "pages": lambda: pages.measure(databases["big"], databases["small"], leads, FEW),
                "evidence": lambda: pages.measure_evidence(leads),
                "calls": lambda: calls.measure(leads),
                "rescore": lambda: rescores.measure(rounds),
                "ticks": lambda: ticks.measure(max(leads, 20 * ticks.DUE)),
                "preview": lambda: outcomes.measure_previews(leads),
            }
            for name, step in steps.items():
                if name in groups:
                    use(databases["big"])
                    yield from self._try(name, step)

    def _try(self, name: str, step: Callable[[], list[Result]]) -> list[Result]:
        """Measure one group; when that fails say why, and let the others go on."""
        self._say(f"Measuring: {name} …")
        try:
            return step()
        except Exception:
            self._failed.append(name)
            self.stderr.write(traceback.format_exc())
            return []

    def _build(self, database: str, leads: int) -> list[Result]:
        """Build a world of open leads; return how long it took, nothing for one that was kept."""
        use(database)
        if Lead.objects.exists():  # kept
            unscored = Standing.objects.filter(state=State.UNSCORED)
            if Lead.objects.count() != leads or unscored.exists():
                raise CommandError("The world that was kept is another one: run without --keep.")
            plan_all(Report(), tell=self._say)  # what was measured has left something to plan
            return []
        self._say(f"Building a world of {leads:,} leads …")
        report = build_world(leads, seed=1, closes=0.0, tell=self._say)
        vacuum("scoring_standing", "leads_lead", "leads_activity", "scoring_evidence")
        vacuum("scoring_engagement", "followups_followup", "leads_company")
        seconds = report.as_json()["seconds"]
        return [
            Result(f"world: {name}", leads, seconds[name], None, "s", limit)
            for name, limit in (("rows", None), ("score", None), ("plan", None), ("total", 600.0))
        ]

    def _build_past(self, database: str, leads: int) -> None:
        """Build a world with about so many past leads to learn from."""
        use(database)
        if Lead.objects.exists():  # kept
            return
        everybody = round(leads * PAST)
        self._say(f"Building a world of {everybody:,} leads, most of them decided …")
        build_world(everybody, seed=2, closes=1.0, score=False, tell=self._say)
        vacuum("scoring_snapshot", "scoring_standing", "leads_lead", "leads_outcome")

    def _say_line(self, line: str) -> None:
        self.stdout.write(line)

    def _say(self, line: str) -> None:
        if sys.stderr.isatty() or "…" in line:
            self.stderr.write(line)
