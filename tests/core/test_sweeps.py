"""Sweeps and nudges, against the real broker."""

import pytest
from django.conf import settings
from django.db import transaction
from redis import Redis

from core import sweeps
from core.models import Heartbeat

NAME = "test.sweep"
_batches: list[int] = []


@sweeps.sweep(NAME)
def _sweep() -> int:
    return _batches.pop() if _batches else 0


@pytest.fixture
def broker() -> Redis:
    client = Redis.from_url(settings.REDIS_URL)
    client.delete(f"lq:nudge:{NAME}")
    return client


def test_a_sweep_runs_until_nothing_is_left(broker: Redis) -> None:
    _batches[:] = [2, 3]
    assert sweeps.run_sweep(NAME) == 5
    assert not _batches


def test_a_burst_of_nudges_sends_one_message(broker: Redis) -> None:
    queue = "lq:fast"
    before = broker.llen(queue)
    for _ in range(20):
        sweeps.nudge(NAME)
    assert broker.llen(queue) - before <= 1
    assert broker.exists(f"lq:nudge:{NAME}")


def test_a_sweep_lets_itself_be_nudged_again_before_it_claims(broker: Redis) -> None:
    broker.set(f"lq:nudge:{NAME}", 1)
    sweeps.run_sweep(NAME)
    assert not broker.exists(f"lq:nudge:{NAME}")


def test_a_nudge_never_raises_when_the_broker_is_away(settings: object) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # type: ignore[attr-defined]
    sweeps.nudge(NAME)
    _batches[:] = [1]
    assert sweeps.run_sweep(NAME) == 1


@pytest.mark.django_db(transaction=True)
def test_a_nudge_waits_for_the_commit(broker: Redis) -> None:
    with transaction.atomic():
        sweeps.nudge_on_commit(NAME)
        assert not broker.exists(f"lq:nudge:{NAME}")
    assert broker.exists(f"lq:nudge:{NAME}")


def test_beat_knows_every_sweep() -> None:
    schedule = sweeps.beat_schedule()
    assert set(sweeps.sweep_names()) <= set(schedule)
    assert all(entry["options"]["expires"] == 10.0 for entry in schedule.values())


@pytest.mark.django_db
def test_the_heartbeat_is_a_row() -> None:
    sweeps.heartbeat()
    assert Heartbeat.objects.get(name="tick").at is not None
