"""manage.py export_bundle: print the live configuration as a bundle."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.bundles import export_bundle


class Command(BaseCommand):
    """Print the live configuration as a bundle, which load_bundle takes."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", default="Exported configuration", help="the bundle's name")

    def handle(self, *args: Any, **options: Any) -> None:
        bundle = export_bundle(options["name"])
        self.stdout.write(json.dumps(bundle, indent=2, ensure_ascii=False))
