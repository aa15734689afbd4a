"""manage.py claim_followups: claim due e-mails until none is left (used by bench only)."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from followups.claiming import claim_due


class Command(BaseCommand):
    """Say "ready", wait for a line, claim all due e-mails, and print their ids as JSON."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        connection.ensure_connection()
        self.stdout.write("ready")
        self.stdout.flush()
        sys.stdin.readline()
        claimed: list[int] = []
        while batch := claim_due():
            claimed += batch
        self.stdout.write(json.dumps(claimed))
