"""Beat that shows it lives: it touches a file at every tick, which the supervisor watches.

Beat has been seen to fall silent for hours after the machine's clock went back; the supervisor
restarts it when the file is a minute old. The `core.heartbeat` task writes a row as well, which
says that beat, broker and a worker together live.
"""

import os
from pathlib import Path
from typing import Any

from celery.beat import PersistentScheduler

MOST_SECONDS = 10.0  # between two ticks, whatever is due


class Scheduler(PersistentScheduler):
    """Celery's own scheduler with a sign of life in `LEADQUAL_BEAT_HEARTBEAT`, if that is set."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Do what is due, leave the sign, and return the seconds until the next tick."""
        seconds = float(super().tick(*args, **kwargs))
        if path := os.environ.get("LEADQUAL_BEAT_HEARTBEAT"):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).touch()
        return min(seconds, MOST_SECONDS)
