"""Tells in one line which server does not answer. Run by the Python of ``.venv``."""

import os
import sys
import warnings
from urllib.parse import urlsplit


def main() -> int:
    """Asks both servers, in the way Leadqual will; the exit code is 0 when both answer."""
    warnings.simplefilter("ignore")  # the one line says it
    for variable, ask in (("DATABASE_URL", _ask_database), ("REDIS_URL", _ask_redis)):
        try:
            ask(os.environ[variable])
        except Exception as problem:
            print(f"{variable} cannot be used: {_reason(problem)}", file=sys.stderr)
            return 1
    return 0


def _ask_database(url: str) -> None:
    if not url.startswith(("postgres://", "postgresql://")):
        raise ValueError("it must start with postgres://")
    import django
    from django.db import connection

    django.setup()
    connection.ensure_connection()
    connection.close()


def _ask_redis(url: str) -> None:
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("it must start with redis://")
    import redis

    try:
        redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5).ping()
    except redis.RedisError as problem:
        parts = urlsplit(url)  # without the password
        raise ConnectionError(f"{parts.hostname}:{parts.port}: {_reason(problem)}") from None


def _reason(problem: Exception) -> str:
    """The first line of an error's text, which has no password in it."""
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]


if __name__ == "__main__":
    sys.exit(main())
