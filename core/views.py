"""Pages without a domain: is the process well, and what is answered before any view is reached."""

import orjson
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.views import defaults
from django.views.decorators.http import require_safe
from redis import Redis
from redis.exceptions import RedisError

from core.problems import fault, problem_of

LATE_SECONDS = 60  # decisions.md 14: the supervisor restarts beat after as long


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say whether this process can serve, for load balancers and the supervisor; no secrets.

    503 without the database or its migrations. Without Redis or a heartbeat the site works and
    only the background waits: 200, `degraded`.
    """
    report: dict[str, object] = {"status": "ok", "database": "ok", "redis": "ok"}
    age: float | None = None
    try:
        report["migrations"] = "ok" if _migrated() else "missing"
        age = _heartbeat_age()
    except DatabaseError:
        report["database"], report["migrations"] = "down", "unknown"
    report["redis"] = "ok" if _redis_answers() else "down"
    report["heartbeat_age_seconds"] = age
    status = 200
    if report["database"] != "ok" or report["migrations"] != "ok":
        report["status"], status = "down", 503
    elif report["redis"] != "ok" or age is None or age > LATE_SECONDS:
        report["status"] = "degraded"
    return HttpResponse(
        orjson.dumps(report),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _heartbeat_age() -> float | None:
    """Return the seconds since beat and a worker last showed that they live."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp() - max(at))::float8 FROM core_heartbeat"
        )
        age = cursor.fetchone()[0]
    return None if age is None else round(max(0.0, age), 1)


_known_migrated = False  # migrations do not go away while a process lives


def _migrated() -> bool:
    """Return whether no migration is missing."""
    global _known_migrated
    if not _known_migrated:
        executor = MigrationExecutor(connection)
        _known_migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _known_migrated


def _redis_answers() -> bool:
    redis = Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    try:
        return bool(redis.ping())
    except RedisError:
        return False
    finally:
        redis.close()


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for what the framework refuses before a view: a wrong host, a malformed request."""
    if not request.path.startswith("/api/"):
        return defaults.bad_request(request, exception)
    problem = problem_of(exception) or fault()
    return problem.response(request)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer for a fault outside the views of the API, which answer for their own."""
    if not request.path.startswith("/api/"):
        return defaults.server_error(request)
    return fault().response(request)
