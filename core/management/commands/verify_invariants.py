"""manage.py verify_invariants: the oracle of every fault test, and a nightly check."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connection, transaction

from core.invariants import breaks, names


class Command(BaseCommand):
    """Check, read-only, what must always hold; exit 1 and list the breaks otherwise."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            # One snapshot for all checks, so work going on beside them is never a false alarm.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = 0")
            found = list(breaks())
        if options["json"]:
            report = {"checks": names(), "breaks": [{"check": c, "detail": d} for c, d in found]}
            self.stdout.write(json.dumps(report))
        else:
            for check, detail in found:
                self.stdout.write(f"{check}: {detail}")
            if not found:
                self.stdout.write(f"All {len(names())} invariants hold.")
        if found:
            raise SystemExit(1)
