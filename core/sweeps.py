"""Sweeps: the only shape of background work.

All pending work is rows in PostgreSQL. A sweep claims some of them (`FOR UPDATE SKIP LOCKED`),
does them, and says how many it did. It runs when nudged after a commit, and every ten seconds by
beat, so a lost message costs ten seconds and nothing else. A sweep may run twice at once or never.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery import current_app, shared_task
from django.conf import settings
from django.db import connection, transaction
from redis import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

BEAT_SECONDS = 10.0
NUDGE_TTL_MS = 5_000  # one message per sweep and burst of commits
BUDGET_SECONDS = 120.0  # well below CELERY_TASK_SOFT_TIME_LIMIT (240 s)


@dataclass(frozen=True)
class Sweep:
    """A registered sweep: its task name, queue and the function that does one batch."""

    name: str
    queue: str
    batch: Callable[[], int]


_sweeps: dict[str, Sweep] = {}


def _redis() -> Redis:
    return Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=1)


def sweep(
    name: str, *, queue: str = "fast", limit_seconds: int | None = None
) -> Callable[[Callable[[], int]], Callable[[], int]]:
    """Register `batch`: it claims and does one bounded batch in its own transactions, returns its
    size, and returns 0 when nothing is due. The sweep calls it until 0 or until its budget ends.

    `limit_seconds` is for sweeps one batch of which may take longer than other tasks may.
    """
    limits: dict[str, Any] = {}
    if limit_seconds is not None:
        limits = {"soft_time_limit": limit_seconds - 60, "time_limit": limit_seconds}

    def register(batch: Callable[[], int]) -> Callable[[], int]:
        _sweeps[name] = Sweep(name, queue, batch)

        @shared_task(name=name, **limits)
        def run() -> None:
            run_sweep(name)

        return batch

    return register


def run_sweep(name: str, budget_seconds: float = BUDGET_SECONDS) -> int:
    """Run the sweep `name` until it has nothing left or its budget ends; return rows done."""
    try:
        # Before the claim: whatever commits from here on may nudge again.
        _redis().delete(f"lq:nudge:{name}")
    except RedisError:
        log.warning("Redis is away; sweep %s goes on without it", name)
    done, until = 0, time.monotonic() + budget_seconds
    while batch := _sweeps[name].batch():
        done += batch
        if time.monotonic() > until:
            nudge(name)
            break
    return done


def run_all(rounds: int = 20) -> None:
    """Run every sweep in this process until a whole round finds nothing (commands and tests)."""
    for _ in range(rounds):
        if not sum(run_sweep(name) for name in _sweeps):
            return


def nudge(name: str) -> None:
    """Ask a worker to run the sweep `name` soon. Never raises and never waits over two seconds:
    when the broker is away, beat finds the work.
    """
    try:
        if _redis().set(f"lq:nudge:{name}", 1, nx=True, px=NUDGE_TTL_MS):
            current_app.send_task(name, queue=_sweeps[name].queue, retry=False)
    except Exception:
        log.warning("Could not nudge %s; beat will run it", name, exc_info=True)


def nudge_on_commit(name: str) -> None:
    """Nudge the sweep `name` once the current transaction has committed."""
    transaction.on_commit(lambda: nudge(name), robust=True)


def beat_schedule() -> dict[str, dict[str, Any]]:
    """Return Celery's schedule: each sweep every ten seconds, its message dying after as long."""
    options = {"expires": BEAT_SECONDS}
    schedule: dict[str, dict[str, Any]] = {
        s.name: {
            "task": s.name,
            "schedule": BEAT_SECONDS,
            "options": {**options, "queue": s.queue},
        }
        for s in _sweeps.values()
    }
    schedule["core.heartbeat"] = {
        "task": "core.heartbeat",
        "schedule": BEAT_SECONDS,
        "options": options,
    }
    return schedule


def sweep_names() -> list[str]:
    """Return the names of all registered sweeps."""
    return sorted(_sweeps)


@shared_task(name="core.heartbeat")
def heartbeat() -> None:
    """Record that beat and a worker are alive; /healthz and the supervisor read the row."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_heartbeat (name, at) VALUES ('tick', clock_timestamp()) "
            "ON CONFLICT (name) DO UPDATE SET at = excluded.at"
        )
