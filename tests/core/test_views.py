"""/healthz: what a load balancer and the supervisor are told."""

from typing import Any

from django.db import connection
from django.test import Client

from core.models import Heartbeat


def beat(seconds_ago: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_heartbeat (name, at) "
            "VALUES ('tick', clock_timestamp() - make_interval(secs => %s)) "
            "ON CONFLICT (name) DO UPDATE SET at = excluded.at",
            [seconds_ago],
        )


def test_all_is_well_while_the_background_beats(db: None) -> None:
    beat(3)
    response = Client().get("/healthz")
    assert response.status_code == 200
    report = response.json()
    age = report.pop("heartbeat_age_seconds")
    assert 3 <= age < 30
    assert report == {"status": "ok", "database": "ok", "redis": "ok", "migrations": "ok"}


def test_a_late_or_missing_heartbeat_is_told_and_keeps_the_site_up(db: None) -> None:
    Heartbeat.objects.all().delete()
    missing = Client().get("/healthz")
    assert (missing.status_code, missing.json()["status"]) == (200, "degraded")
    beat(300)
    assert Client().get("/healthz").json()["status"] == "degraded"


def test_a_redis_that_is_away_is_told_and_keeps_the_site_up(db: None, settings: Any) -> None:
    beat(3)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # nobody listens there
    response = Client().get("/healthz")
    assert response.status_code == 200
    assert (response.json()["status"], response.json()["redis"]) == ("degraded", "down")


def test_only_reading_is_possible(db: None) -> None:
    assert Client().post("/healthz").status_code == 405
    assert Client().head("/healthz").status_code == 200
