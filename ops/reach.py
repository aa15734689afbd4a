"""Tells in one line which server does not answer. Run by the Python of ``.venv``."""

import os
import sys
from urllib.parse import urlsplit


def _where(variable: str) -> str:
    """A server without its password."""
    try:
        parts = urlsplit(os.environ[variable])
        return f"{parts.hostname}:{parts.port}{parts.path}"
    except ValueError:
        return "an address that cannot be read"


def _reason(problem: Exception) -> str:
    text = str(problem).strip() or type(problem).__name__
    return text.splitlines()[-1].strip()


def main() -> int:
    try:
        import django
        from django.db import connection

        django.setup()
        connection.ensure_connection()
        connection.close()
    except Exception as problem:
        print(f"DATABASE_URL: {_where('DATABASE_URL')} does not work: {_reason(problem)}")
        return 1
    try:
        import redis

        redis.Redis.from_url(os.environ["REDIS_URL"], socket_connect_timeout=5).ping()
    except Exception as problem:
        print(f"REDIS_URL: {_where('REDIS_URL')} does not work: {_reason(problem)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.stdout = sys.stderr
    sys.exit(main())
