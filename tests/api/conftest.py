"""A client of the API, and what the API's tests share."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import orjson
import pytest
from django.test import Client
from jsonschema import Draft202012Validator

from accounts.models import User
from accounts.tokens import create_token
from core import openapi


@lru_cache(maxsize=1)
def description() -> dict[str, Any]:
    """Return the OpenAPI description as the server gives it."""
    found: dict[str, Any] = orjson.loads(openapi.description())
    return found


@lru_cache(maxsize=256)
def _validator(path: str, method: str, status: int) -> Draft202012Validator | None:
    operation = description()["paths"][path].get(method)
    if operation is None:
        return None  # 405
    response = operation["responses"].get(str(status))
    assert response is not None, f"{method} {path} does not declare {status}"
    if "$ref" in response:
        response = description()["components"]["responses"][response["$ref"].split("/")[-1]]
    schema = next(iter(response["content"].values()))["schema"]
    return Draft202012Validator({**schema, "components": description()["components"]})


def check_described(path: str, method: str, response: Any) -> None:
    """Assert that the description declares this answer and that it has the declared shape."""
    full = f"/api/v1/{path}".partition("?")[0].rstrip("/")
    for template in description()["paths"]:
        if re.fullmatch(re.sub(r"\{\w+\}", r"\\d+", template), full):
            validator = _validator(template, method, response.status_code)
            if validator is not None:
                validator.validate(response.json())


class Api:
    """Speaks JSON to /api/v1/ with one token, and holds every answer against the description."""

    def __init__(self, user: User | None, *, read_only: bool = False) -> None:
        self.client = Client()
        self.headers: dict[str, str] = {}
        if user is not None:
            self.token, self.secret = create_token(user, name="test", read_only=read_only)
            self.headers["Authorization"] = f"Bearer {self.secret}"

    def get(self, path: str, query: Any = None, **headers: str) -> Any:
        """GET a path below /api/v1/; `query` is a dict, a list of pairs or a string."""
        if isinstance(query, str):
            path, query = f"{path}?{query}", None
        response = self.client.get(
            f"/api/v1/{path}", query or {}, headers={**self.headers, **headers}
        )
        check_described(path, "get", response)
        return response

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        """POST `body`, an object, or bytes as they are."""
        return self._send("post", path, body, headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        """PATCH likewise."""
        return self._send("patch", path, body, headers)

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        raw = body if isinstance(body, bytes) else orjson.dumps(body if body is not None else {})
        kind = headers.pop("content_type", "application/json")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = getattr(self.client, method)(
            f"/api/v1/{path}", raw, content_type=kind, headers={**self.headers, **named}
        )
        check_described(path, method, response)
        return response


@pytest.fixture
def api_of() -> Callable[..., Api]:
    """Return a client for a user (None: without a token)."""
    return Api


@pytest.fixture
def api(rep: User) -> Api:
    """The client of `rep`."""
    return Api(rep)


def assert_problem(response: Any, status: int, code: str | None = None) -> dict[str, Any]:
    """Assert that `response` is a whole problem document; return it."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert response["API-Version"] == "1.0"
    document: dict[str, Any] = response.json()
    assert set(document) >= {
        "type", "title", "status", "detail", "instance", "code", "request_id", "errors",
        "retryable", "hint",
    }  # fmt: skip
    assert document["status"] == status
    assert document["request_id"] == response["X-Request-Id"]
    assert document["instance"] == f"urn:request:{document['request_id']}"
    assert document["type"].endswith(document["code"])
    assert document["retryable"] == ("Retry-After" in response)
    if code is not None:
        assert document["code"] == code, document
    return document
