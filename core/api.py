"""The floor of the REST API: what every endpoint checks, and what every write takes.

Every endpoint is an `Endpoint`; every write takes a `Body`. One convention for each question
(docs/reference/api.md). JSON on the wire is core.wire.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from django.http import HttpResponse
from django.urls import URLPattern
from django.urls.resolvers import RoutePattern
from django.utils.dateparse import parse_datetime
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from core import idempotency
from core.errors import BadParameter, FieldProblem, NotFound
from core.filters import require_known
from core.problems import API_VERSION, LengthRequired, did_you_mean
from core.wire import Parser, Renderer, dump

WRITES = frozenset({"POST", "PATCH"})


class Endpoint(APIView):
    """One resource. It answers JSON whatever `Accept` says, and refuses unknown parameters.

    `parameters` are the query parameters that GET reads; an endpoint whose filters check them
    itself says None. Writes take no parameters.
    """

    parser_classes = [Parser]
    metadata_class = None
    parameters: ClassVar[Sequence[str] | None] = ()

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """There is one form of answer."""
        return _RENDERER, _RENDERER.media_type

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, then check what every endpoint checks."""
        super().initial(request, *args, **kwargs)
        parameters = self.parameters if request.method in ("GET", "HEAD") else ()
        if parameters is not None and request.META.get("QUERY_STRING"):
            require_known(request.query_params, parameters, "this resource")
        if request.method in WRITES:
            if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
                raise LengthRequired
            self._make_idempotent(request)

    def _make_idempotent(self, request: Request) -> None:
        """Have the handler run at most once for each Idempotency-Key."""
        key = idempotency.read_key(request.META.get("HTTP_IDEMPOTENCY_KEY"))
        handler = getattr(self, (request.method or "").lower(), None)
        if key is None or handler is None:
            return

        def once(request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
            call = idempotency.Call(
                token_id=request.auth.pk,
                key=key,
                target=f"{request.method} {request.path.rstrip('/')}",
                body=dump(request.data),
            )
            return idempotency.run_once(call, lambda: handler(request, *args, **kwargs))

        setattr(self, (request.method or "").lower(), once)

    def options(  # type: ignore[override]
        self, request: Request, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Say which methods there are."""
        return HttpResponse(status=204)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Add the headers of every answer."""
        final = super().finalize_response(request, response, *args, **kwargs)
        final["API-Version"] = API_VERSION
        final["Cache-Control"] = "no-store"
        for name, value in getattr(request._request, "rate_limit_headers", {}).items():
            final[name] = value
        return final


_RENDERER = Renderer()


class Missing(Endpoint):
    """Everything under /api/ that is not there."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    parameters = None
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Nothing here, whatever the method and whoever asks."""
        raise NotFound("There is no such resource. See /api/v1/openapi.json.")


class _OptionalSlash(RoutePattern):
    """A route that also matches with a slash behind it: a redirect would lose a POST's body."""

    def match(self, path: str) -> Any:
        return super().match(path.removesuffix("/"))


def endpoint(route: str, view: Callable[..., Any], name: str) -> URLPattern:
    """Return the URL of an endpoint, answered with and without a slash behind it."""
    return URLPattern(_OptionalSlash(route, name=name, is_endpoint=True), view, None, name)


def read_version(header: str | None) -> int | None:
    """Return the record version in If-Match, the part before the dot; None when there is none.

    Raise BadParameter for what is no tag of ours.
    """
    if header is None or header.strip() == "*":
        return None
    tag = header.strip().removeprefix("W/").strip('"').partition(".")[0]
    if not (tag.isascii() and tag.isdigit() and len(tag) < 10):
        message = 'If-Match is an ETag as it was given, such as "17.1795338131000"'
        raise BadParameter(message, [FieldProblem("If-Match", "not_a_tag", message)])
    return int(tag)


class Body(serializers.Serializer[Any]):
    """What a write takes: known fields only, each of exactly its type.

    `read(request)` returns the validated values. Unknown fields are refused one by one, so that
    nobody believes to have set what cannot be set.
    """

    @classmethod
    def read(cls, request: Request, *, partial: bool = False) -> dict[str, Any]:
        """Return the validated body of `request`; raise ValidationError (422) otherwise."""
        body = cls(data=request.data, partial=partial)
        body.is_valid(raise_exception=True)
        values: dict[str, Any] = dict(body.validated_data)
        return values

    def to_internal_value(self, data: Any) -> Any:
        """Validate the fields, and that there are no others."""
        wrong: dict[str, Any] = {}
        if isinstance(data, Mapping):
            writable = [name for name, field in self.fields.items() if not field.read_only]
            wrong = {
                key: [
                    serializers.ErrorDetail(
                        f"is not a field that can be set.{did_you_mean(key, writable)}",
                        "unknown_field",
                    )
                ]
                for key in data
                if key not in writable
            }
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            detail = error.detail if isinstance(error.detail, dict) else {}
            raise serializers.ValidationError({**detail, **wrong}) from None
        if wrong:
            raise serializers.ValidationError(wrong)
        return values


class Text(serializers.CharField):
    """A text; numbers are not taken for one."""

    def to_internal_value(self, data: Any) -> str:
        """Return the text, trimmed."""
        if not isinstance(data, str):
            raise serializers.ValidationError("must be a text", code="wrong_type")
        value: str = super().to_internal_value(data)
        return value


class Whole(serializers.IntegerField):
    """A whole number; neither a text nor true is taken for one."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number."""
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError("must be a whole number", code="wrong_type")
        return data


class Moment(serializers.DateTimeField):
    """A moment in RFC 3339 with its zone."""

    def to_internal_value(self, value: Any) -> dt.datetime:
        """Return the moment in UTC."""
        wrong = serializers.ValidationError(
            "must be a moment with its zone, such as 2026-11-22T09:00:00Z", code="not_a_moment"
        )
        try:
            moment = parse_datetime(value) if isinstance(value, str) else None
        except ValueError:
            raise wrong from None
        if moment is None or moment.tzinfo is None or not 1900 <= moment.year <= 2999:
            raise wrong
        return moment.astimezone(dt.UTC)
