"""The OpenAPI description: what every endpoint shares, added in one place.

Each operation gets the problems it can answer, as references to shared components, and its filters
from its FilterSet. The file docs/reference/openapi.json is this description, renewed by

    python manage.py spectacular --format openapi-json --validate --file docs/reference/openapi.json
"""

from functools import lru_cache
from typing import Any

import orjson
from django import forms
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from core.cursors import LIMIT, MOST
from core.filters import Choices, Filter, Moment, Whole, YesNo
from core.problems import MEDIA_TYPE

_READS = (400, 401, 429, 503)
_WRITES = (400, 401, 403, 409, 411, 413, 415, 422, 429, 503)
_PROBLEMS: dict[int, tuple[str, str, str, str]] = {
    # status: component, description, code and detail of the example
    400: (
        "BadRequest",
        "The body is not JSON, or a query parameter is unknown or malformed.",
        "unknown_parameter",
        "'nme' is not a parameter of leads. Did you mean 'name'?",
    ),
    401: (
        "NotAuthenticated",
        "The token is missing, malformed, unknown, expired or revoked.",
        "not_authenticated",
        "This token is unknown, expired or revoked.",
    ),
    403: (
        "Forbidden",
        "The record is visible, but this person or token may not do that.",
        "forbidden",
        "This lead belongs to a colleague.",
    ),
    404: (
        "NotFound",
        "The record is missing or not visible; the two look the same.",
        "not_found",
        "There is nothing here, or it is not yours to see.",
    ),
    409: (
        "Conflict",
        "The change contradicts what is there: a duplicate, or a call that is still running.",
        "duplicate",
        "Lead 4711 has this e-mail already.",
    ),
    411: (
        "LengthRequired",
        "The body came without a Content-Length.",
        "length_required",
        "Send the body with a Content-Length, not chunked.",
    ),
    412: (
        "StaleVersion",
        "The record was changed since it was read (If-Match).",
        "stale_version",
        "This lead was changed meanwhile (version 18).",
    ),
    413: (
        "BodyTooLarge",
        "The body is larger than 1 MB.",
        "body_too_large",
        "The body is larger than 1 MB.",
    ),
    415: (
        "UnsupportedMediaType",
        "The body is not sent as JSON in UTF-8.",
        "unsupported_media_type",
        'Unsupported media type "text/plain" in request.',
    ),
    422: (
        "Invalid",
        "The body is understood and wrong; each field is named.",
        "invalid",
        "email: is not an e-mail address",
    ),
    429: (
        "TooManyRequests",
        "The token has made its requests of this minute.",
        "quota_exceeded",
        "This token has made its requests of this minute.",
    ),
    503: (
        "Unavailable",
        "The database does not answer; nothing was changed.",
        "unavailable",
        "Nothing was changed. Please repeat the request.",
    ),
}
_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "Any error (RFC 9457).",
    "properties": {
        "type": {"type": "string", "description": "Stable name of the kind of problem."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "urn:request:<id>, found in the log."},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the body."},
                    "parameter": {"type": "string", "description": "Query parameter or header."},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
                "required": ["code", "detail"],
            },
        },
        "retryable": {"type": "boolean"},
        "hint": {"type": ["string", "null"]},
        "existing_id": {"type": "integer", "description": "With `duplicate`: the lead in the way."},
    },
    "required": [
        "type", "title", "status", "detail", "instance", "code", "request_id", "errors",
        "retryable", "hint",
    ],
}  # fmt: skip
_PAGING: dict[str, tuple[dict[str, Any], str]] = {
    "limit": (
        {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT},
        "Rows on a page.",
    ),
    "cursor": ({"type": "string"}, "`next_cursor` of the page before, with the same filters."),
}


class EndpointSchema(AutoSchema):
    """Describes an `Endpoint`: its problems, filters, paging and headers.

    An endpoint may say `filterset_class`, `orders` (names of orderings) and `unchecked_404`.
    """

    def _get_serializer_name(
        self, serializer: Any, direction: Any, bypass_extensions: bool = False
    ) -> str:
        """Name components by what they are for clients, not by the room they have in the code."""
        name: str = super()._get_serializer_name(serializer, direction, bypass_extensions)
        return name.removeprefix("Patched").removesuffix("Shape").removesuffix("Body")

    def get_tags(self) -> list[str]:
        """Group operations by the first noun of their path."""
        return [self.path.removeprefix("/api/v1/").split("/")[0].partition(".")[0]]

    def get_override_parameters(self) -> list[Any]:
        """Add paging, filters, and the headers that writes take."""
        found = list(super().get_override_parameters())
        orders = getattr(self.view, "orders", None)
        if self.method == "GET" and orders is not None:
            found += [
                OpenApiParameter(name, schema, description=text)
                for name, (schema, text) in _PAGING.items()
            ]
            names = list(orders)
            found.append(
                OpenApiParameter(
                    "ordering",
                    {"type": "string", "enum": names, "default": names[0]},
                    description="Ties are broken by id.",
                )
            )
        filterset = getattr(self.view, "filterset_class", None)
        if self.method == "GET" and filterset is not None:
            found += [
                _filter_parameter(name, filter_) for name, filter_ in filterset.base_filters.items()
            ]
        if self.method in ("POST", "PATCH"):
            found.append(
                OpenApiParameter(
                    "Idempotency-Key",
                    {"type": "string", "minLength": 1, "maxLength": 255},
                    location=OpenApiParameter.HEADER,
                    description="Repeating the request with the same key within seven days gives "
                    "the same answer and has no second effect.",
                )
            )
        return found

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for status in self._statuses():
            bodies[str(status)] = {"$ref": f"#/components/responses/{_PROBLEMS[status][0]}"}
        return dict(sorted(bodies.items()))

    def _statuses(self) -> list[int]:
        if not self.view.authentication_classes:
            return []
        statuses = set(_WRITES if self.method in ("POST", "PATCH") else _READS)
        if "{" in self.path:
            statuses.add(404)
        if self.method == "PATCH":
            statuses.add(412)
        return sorted(statuses)


def _filter_parameter(name: str, filter_: Filter) -> OpenApiParameter:
    schema: dict[str, Any] = {"type": "string"}
    if isinstance(filter_, Choices | YesNo):
        schema["enum"] = [str(value) for value, _ in filter_.extra["choices"]]
    elif isinstance(filter_, Whole):
        low, high = filter_.extra["min_value"], filter_.extra["max_value"]
        schema = {"type": "integer", "minimum": low, "maximum": high}
    elif isinstance(filter_, Moment):
        schema["description"] = "RFC 3339 with its zone, or a date (midnight UTC)."
    elif isinstance(filter_.field, forms.CharField):
        for key, bound in (("minLength", "min_length"), ("maxLength", "max_length")):
            if filter_.extra.get(bound):
                schema[key] = filter_.extra[bound]
    if filter_.many:
        schema = {"type": "array", "items": schema}
    # Declared where the filter is; django-filter makes up a label where there is none.
    text = " ".join((type(filter_).__doc__ or "").split())
    return OpenApiParameter(name, schema, description=text, explode=filter_.many or None)


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the shared components to the description (a hook of drf-spectacular)."""
    _drop_marks(result)
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM_SCHEMA
    components["responses"] = {
        name: {
            "description": description,
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": _example(status, code, detail),
                }
            },
        }
        for status, (name, description, code, detail) in _PROBLEMS.items()
    }
    return result


def _drop_marks(node: Any) -> None:
    """Drop what drf-spectacular leaves for a hook of its own, which names enums by guessing."""
    if isinstance(node, dict):
        node.pop("x-spec-enum-id", None)
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, dict | list):
            _drop_marks(child)


def _example(status: int, code: str, detail: str) -> dict[str, Any]:
    return {
        "type": f"urn:leadqual:problem:{code}",
        "title": _PROBLEMS[status][0],
        "status": status,
        "detail": detail,
        "instance": "urn:request:1f0c6a6e4f5c4d0ab6f3f7f6f0d1e2c3",
        "code": code,
        "request_id": "1f0c6a6e4f5c4d0ab6f3f7f6f0d1e2c3",
        "errors": [],
        "retryable": status in (429, 503),
        "hint": None,
    }


class TokenScheme(OpenApiAuthenticationExtension):
    """How a request proves who asks."""

    target_class = "accounts.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """Describe bearer tokens."""
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "lq_<id>.<secret>",
            "description": "`manage.py create_token EMAIL` makes one and shows it once.",
        }


@lru_cache(maxsize=1)
def description() -> bytes:
    """Return the whole description as JSON."""
    return orjson.dumps(SchemaGenerator().get_schema(request=None, public=True))
