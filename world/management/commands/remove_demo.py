"""manage.py remove_demo: delete the demo and keep everything real."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import Conflict
from world.removal import remove_demo


class Command(BaseCommand):
    """Delete all demo rows and log-ins. Real leads stay; those of demo people become unowned."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            counts = remove_demo()
        except Conflict as error:
            raise CommandError(error.message) from None
        if options["json"]:
            self.stdout.write(json.dumps(counts))
            return
        for name, count in counts.items():
            self.stdout.write(f"{name:<14}{count:>12,}")
