"""manage.py plan_followups: plan marked leads as they come (used by bench only)."""

import json
import sys
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from core.memory import peak_mb
from followups.planning import plan_pending

PAUSE = 0.1  # seconds, where nothing is marked


class Command(BaseCommand):
    """Say "ready", plan what is marked until a line is read and nothing is left, and print how much
    memory it took in MB. It stands in for the worker that commits nudge.
    """

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        connection.ensure_connection()
        self.stdout.write("ready")
        self.stdout.flush()
        told = threading.Event()
        threading.Thread(target=_wait_for_a_line, args=[told], daemon=True).start()
        while True:
            last = told.is_set()  # asked before, so that what came until then is looked for
            if not plan_pending():
                if last:
                    break
                time.sleep(PAUSE)
        self.stdout.write(json.dumps(round(peak_mb(), 1)))


def _wait_for_a_line(told: threading.Event) -> None:
    sys.stdin.readline()
    told.set()
