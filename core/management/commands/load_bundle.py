"""manage.py load_bundle FILE: load configuration (docs/domain/configuration.md)."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.bundles import Report, load_bundle_file
from core.errors import LeadqualError


class Command(BaseCommand):
    """Load ICPs, frameworks, score models, plays and labels from a bundle file.

    What differs from the live configuration becomes a draft, and goes live with --publish.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--publish", action="store_true", help="make what differs live")
        parser.add_argument("--dry-run", action="store_true", help="say what would change")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = load_bundle_file(
                options["file"], by=None, publish=options["publish"], dry_run=options["dry_run"]
            )
        except OSError as error:
            raise CommandError(f"Cannot read {options['file']}: {error.strerror}.") from None
        except LeadqualError as error:
            self._refuse(error, as_json=options["json"])
        else:
            self._tell(report, as_json=options["json"])

    def _refuse(self, error: LeadqualError, *, as_json: bool) -> None:
        """Print every problem with its path and exit 1."""
        if as_json:
            problems = [
                {"field": p.field, "code": p.code, "message": p.message} for p in error.problems
            ]
            self.stdout.write(json.dumps({"error": error.message, "problems": problems}))
        else:
            lines = [f"{p.field}: {p.message}" for p in error.problems] or [error.message]
            self.stderr.write("\n".join(lines))
            self.stderr.write("Nothing was changed.")
        raise SystemExit(1)

    def _tell(self, report: Report, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(report.as_json()))
            return
        for change in report.changes:
            if change.action != "unchanged":
                number = f" v{change.number}" if change.number else ""
                self.stdout.write(f"{change.section} {change.key}{number}: {change.action}")
        unchanged = sum(change.action == "unchanged" for change in report.changes)
        self.stdout.write(f"{unchanged} of {len(report.changes)} items unchanged.")
        if report.dry_run:
            self.stdout.write("This was a dry run: nothing was changed.")
