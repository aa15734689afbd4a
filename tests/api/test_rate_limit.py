"""One token makes so many requests a minute; without Redis nothing is limited and nothing waits."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import User
from core import rate_limit
from tests.api.conftest import Api, assert_problem


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    """A Redis that was away in one test is asked again in the next."""
    rate_limit._paused_until = 0.0
    yield
    rate_limit._paused_until = 0.0


@pytest.fixture
def early_in_the_minute() -> None:
    """Wait out the end of a minute, since the count begins anew with each."""
    if (second := int(time.time()) % 60) > 55:
        time.sleep(61 - second)


def test_the_headers_count_down_to_a_429(
    api: Api, api_of: Any, rep: User, settings: Any, early_in_the_minute: None
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3
    for left in (2, 1, 0):
        response = api.get("me")
        assert response.status_code == 200
        assert response["RateLimit-Policy"] == '"minute";q=3;w=60'
        found = re.fullmatch(r'"minute";r=(\d+);t=(\d+)', response["RateLimit"])
        assert found is not None
        assert int(found[1]) == left
    response = api.get("me")
    document = assert_problem(response, 429, "quota_exceeded")
    assert document["retryable"] is True
    assert document["violated-policies"] == ["minute"]
    assert 1 <= int(response["Retry-After"]) <= 60
    assert response["RateLimit"].startswith('"minute";r=0;')
    assert api_of(rep).get("me").status_code == 200  # another token counts for itself


def test_zero_means_no_limit(api: Api, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 0
    assert "RateLimit" not in api.get("me")


def test_a_redis_that_is_away_limits_nobody_and_holds_nobody(api: Api, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # nobody listens there
    began = time.perf_counter()
    for _ in range(5):
        response = api.get("me")
        assert response.status_code == 200
        assert "RateLimit" not in response
    assert time.perf_counter() - began < 2
