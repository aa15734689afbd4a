"""manage.py import_leads FILE: import a CSV of leads and say what became of each row."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Team, User
from core.errors import LeadqualError
from core.workers import Workers
from intake import services
from intake.models import Import
from intake.progress import ALONE_UP_TO, ALONE_UP_TO_BYTES, work
from intake.selectors import report

_PHASES = {
    services.CHECK: "checking rows",
    services.COMPANIES: "writing companies",
    services.WRITE: "writing leads",
}


class Command(BaseCommand):
    """Import a CSV of leads. Without --mapping the columns are recognised by header and values.

    The same file twice changes nothing. A killed import goes on with --resume, or by the workers.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", help="CSV, in any usual encoding and delimiter")
        parser.add_argument("--mapping", help="JSON file: what each column becomes")
        parser.add_argument("--source", default="", help="where the leads come from")
        parser.add_argument("--owner", help="e-mail of who gets the new leads")
        parser.add_argument("--team", help="team whose reps share the new leads evenly")
        parser.add_argument("--dry-run", action="store_true", help="check, and write no lead")
        parser.add_argument("--propose", action="store_true", help="print the mapping and stop")
        parser.add_argument("--resume", type=int, metavar="ID", help="go on with an import")
        parser.add_argument("--processes", type=int, default=2)
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        try:
            # Helpers start first: while this process reads the file, they get ready.
            with Workers(self._helpers(options)) as helpers:
                imported = self._resumed(options) if options["resume"] else self._read(options)
                read = time.monotonic() - started
                if options["propose"]:
                    self.stdout.write(json.dumps(imported.mapping, indent=2, ensure_ascii=False))
                    return
                if imported.state in (Import.State.STAGED, Import.State.CHECKED):
                    mapping = self._mapping(options["mapping"])
                    services.start(imported, mapping, dry_run=options["dry_run"])
                    imported.refresh_from_db()
                imported = work(imported, helpers=helpers, tell=self._tell)
        except LeadqualError as error:
            self._fail(error, options)
        out = report(imported)
        out["milliseconds"] = {"read": round(1000 * read), **out["milliseconds"]}
        out["seconds"] = round(time.monotonic() - started, 2)
        self._print(out, options)
        if out["state"] == "failed":
            raise SystemExit(1)

    def _helpers(self, options: dict[str, Any]) -> int:
        """Return how many processes are to help: none where there is little to do."""
        if options["resume"]:
            large = self._resumed(options).row_count > ALONE_UP_TO
        else:
            path = Path(options["file"] or "")
            large = path.is_file() and path.stat().st_size > ALONE_UP_TO_BYTES
        return max(0, options["processes"] - 1) if large and not options["propose"] else 0

    def _read(self, options: dict[str, Any]) -> Import:
        if not options["file"]:
            raise CommandError("Name the file to import, or --resume ID.")
        path = Path(options["file"])
        # Before the file is read, so that a wrong mapping costs nothing.
        self._mapping(options["mapping"])
        owner, team = self._owner(options["owner"]), self._team(options["team"])
        try:
            with path.open("rb") as file:
                return services.read_file(
                    file, path.name, by=None, source=options["source"], owner=owner, team=team
                )
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from None

    def _resumed(self, options: dict[str, Any]) -> Import:
        imported = Import.objects.filter(pk=options["resume"]).first()
        if imported is None:
            raise CommandError(f"There is no import {options['resume']}.")
        return imported

    def _mapping(self, name: str | None) -> Any:
        if not name:
            return None
        try:
            return json.loads(Path(name).read_text("utf-8-sig"))
        except OSError as error:
            raise CommandError(f"{name} cannot be read: {error.strerror}.") from None
        except (ValueError, RecursionError) as error:
            raise CommandError(f"{name} is not JSON: {error}.") from None

    def _owner(self, email: str | None) -> User | None:
        if not email:
            return None
        owner = User.objects.filter(email=email.casefold(), is_active=True).first()
        if owner is None:
            raise CommandError(f"No active user has the address {email}.")
        return owner

    def _team(self, name: str | None) -> Team | None:
        if not name:
            return None
        team = Team.objects.filter(name=name).first()
        if team is None:
            known = ", ".join(Team.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"There is no team {name}; teams are: {known}.")
        return team

    _told = ("", 0.0)

    def _tell(self, imported: Import) -> None:
        """Print progress, each second at most."""
        job = imported.job
        if job is None:
            return
        phase, at = self._told
        if job.kind == phase and time.monotonic() - at < 1:
            return
        self._told = (job.kind, time.monotonic())
        sys.stderr.write(
            f"import {imported.pk}: {_PHASES[job.kind]}, {job.done:,} of {job.total:,}\n"
        )
        sys.stderr.flush()

    def _fail(self, error: LeadqualError, options: dict[str, Any]) -> None:
        problems = [
            {"field": p.field, "code": p.code, "reason": p.message} for p in error.problems
        ] or [{"field": "", "code": error.code, "reason": error.message}]
        if options["json"]:
            self.stdout.write(
                json.dumps({"state": "failed", "error": error.message, "errors": problems})
            )
        else:
            for problem in problems:
                self.stderr.write(f"{problem['field']}: {problem['reason']}".removeprefix(": "))
        raise SystemExit(1)

    def _print(self, out: dict[str, Any], options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(out, ensure_ascii=False))
            return
        would = "would be " if options["dry_run"] else ""
        tiers = ", ".join(f"{count:,} {tier}" for tier, count in out["tiers"].items())
        for line in (
            f"Import {out['import']} ({out['state']}): {out['rows']:,} rows in {out['seconds']} s",
            f"  {out['created']:,} {would}created, {out['updated']:,} {would}updated, "
            f"{out['unchanged']:,} unchanged, {out['rejected']:,} rejected",
            f"  {out['cells_rejected']:,} single cells left out",
            f"  {out['scored']:,} scored: {tiers}",
            *(f"  Note: {warning}" for warning in out["warnings"]),
            *(
                f"  row {error['row']}{', ' + error['field'] if error['field'] else ''}: "
                f"{error['reason']} ({error['value'][:60]!r})"
                for error in out["errors"]
            ),
        ):
            self.stdout.write(line)
        if out.get("error"):
            self.stderr.write(out["error"])
