"""One policy for each API token: so many requests a minute, told in every answer.

Headers follow the IETF draft: `RateLimit-Policy: "minute";q=600;w=60` and
`RateLimit: "minute";r=587;t=41`.
The count lives in Redis alone; while Redis is away, nothing is limited and nothing waits.
"""

import logging
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module by its settings

log = logging.getLogger(__name__)

WINDOW_SECONDS = 60
TIMEOUT_SECONDS = 0.1  # of a request's time, when Redis hangs
PAUSE_SECONDS = 5.0  # before Redis is asked again after a failure

_paused_until = 0.0


@lru_cache(maxsize=1)
def _redis(url: str) -> Redis:
    return Redis.from_url(
        url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
    )


class TokenRate(BaseThrottle):
    """Counts the requests of a token in fixed minutes."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Return False when the token has made its requests of this minute."""
        quota: int = settings.API_REQUESTS_PER_MINUTE
        if not quota or request.auth is None:
            return True
        minute, second = divmod(int(time.time()), WINDOW_SECONDS)
        self.left_seconds = WINDOW_SECONDS - second
        used = _count(f"lq:rate:{request.auth.pk}:{minute}")
        if used is None:
            return True
        request._request.rate_limit_headers = {  # type: ignore[attr-defined]
            "RateLimit-Policy": f'"minute";q={quota};w={WINDOW_SECONDS}',
            "RateLimit": f'"minute";r={max(0, quota - used)};t={self.left_seconds}',
        }
        return used <= quota

    def wait(self) -> float:
        """Return the seconds until the next minute."""
        return self.left_seconds


def _count(key: str) -> int | None:
    """Count one request under `key` and return the count; None while Redis is away."""
    global _paused_until
    if time.monotonic() < _paused_until:
        return None
    try:
        with _redis(settings.REDIS_URL).pipeline(transaction=False) as pipeline:
            pipeline.incr(key)
            pipeline.expire(key, 2 * WINDOW_SECONDS)
            return int(pipeline.execute()[0])
    except RedisError:
        _paused_until = time.monotonic() + PAUSE_SECONDS
        log.warning("Redis is away; API requests are not limited meanwhile")
        return None
