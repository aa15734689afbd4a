"""Every error of the API as one kind of document: application/problem+json (RFC 9457)."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions

from core.errors import BadParameter, Conflict, FieldProblem, LeadqualError, NotFound
from core.json_input import BadJson, escaped

MEDIA_TYPE = "application/problem+json"
API_VERSION = "1.0"  # of the server's API; only additions within /api/v1/
RETRY_SECONDS = 5  # a restarting database is back by then


@dataclass(frozen=True)
class Problem:
    """What went wrong, for a program (`code`, `errors`) and for a person (`detail`, `hint`).

    `errors` are `{"pointer": "#/email", "code", "detail"}` for the body and
    `{"parameter": "limit", "code", "detail"}` for the query string.
    """

    status: int
    code: str
    title: str
    detail: str
    errors: Sequence[Mapping[str, str]] = ()
    hint: str | None = None
    retry_after: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def document(self, request_id: str) -> dict[str, Any]:
        """Return the document as it is sent."""
        return {
            "type": f"urn:leadqual:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": f"urn:request:{request_id}",
            "code": self.code,
            "request_id": request_id,
            "errors": list(self.errors),
            "retryable": self.retry_after is not None,
            "hint": self.hint,
            **self.extra,
        }

    def response(self, request: HttpRequest) -> HttpResponse:
        """Return the answer to `request`."""
        answer = HttpResponse(
            orjson.dumps(self.document(getattr(request, "request_id", ""))),
            status=self.status,
            content_type=MEDIA_TYPE,
            headers={"API-Version": API_VERSION, **self.headers},
        )
        if self.retry_after is not None:
            answer["Retry-After"] = str(self.retry_after)
        return answer


class UnsupportedCharset(exceptions.APIException):
    """The body claims another encoding than UTF-8."""

    status_code, default_code = 415, "unsupported_charset"
    default_detail = "The body must be UTF-8."


class LengthRequired(exceptions.APIException):
    """A body of unknown length is not read."""

    status_code, default_code = 411, "length_required"
    default_detail = "Send the body with a Content-Length, not chunked."


class BodyTooLarge(exceptions.APIException):
    """The body is over the cap."""

    status_code, default_code = 413, "body_too_large"
    default_detail = "The body is larger than 1 MB."


_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    411: "Length required",
    413: "Body too large",
    415: "Unsupported media type",
    422: "Invalid input",
    429: "Too many requests",
}
_HINTS = {
    401: "Send `Authorization: Bearer lq_<id>.<secret>`; `manage.py create_token EMAIL` makes one.",
    412: "Read the lead again and repeat the change on what is there now.",
    415: "Send `Content-Type: application/json`.",
}


def problem_of(error: Exception) -> Problem | None:
    """Return the problem that `error` is for a client; None when it is a fault of ours."""
    if isinstance(error, LeadqualError):
        return _of_ours(error)
    if isinstance(error, BadJson):
        entry = {"pointer": error.pointer, "code": error.code, "detail": error.detail}
        return Problem(400, "bad_json", "Bad JSON", error.detail, [entry])
    if isinstance(error, exceptions.ValidationError):
        entries = list(_flatten(error.get_full_details(), "#"))
        detail = "; ".join(f"{e['pointer'][2:] or 'body'}: {e['detail']}" for e in entries[:5])
        return Problem(422, "invalid", _TITLES[422], detail, entries)
    if isinstance(error, exceptions.APIException):
        return _of_framework(error)
    if isinstance(error, Http404):
        return _of_ours(NotFound())
    if isinstance(error, PermissionDenied):
        return Problem(403, "forbidden", _TITLES[403], str(error) or "You may not do this.")
    if isinstance(error, RequestDataTooBig):
        return _of_framework(BodyTooLarge())
    if isinstance(error, SuspiciousOperation):
        return Problem(400, "bad_request", _TITLES[400], "The request is malformed.")
    return _of_database(error)


def _of_ours(error: LeadqualError) -> Problem:
    place = "parameter" if isinstance(error, BadParameter) else "pointer"
    entries = [
        {
            place: p.field if place == "parameter" else pointer(p.field),
            "code": p.code,
            "detail": p.message,
        }
        for p in error.problems
    ]
    code, extra = error.code, {}
    if isinstance(error, Conflict):
        # A duplicate is told by its own code, and by the id of the lead that the caller may see.
        code = entries[0]["code"] if len(entries) == 1 else code
        extra = {"existing_id": error.existing_id} if error.existing_id is not None else {}
    elif isinstance(error, BadParameter) and len(entries) == 1:
        code = entries[0]["code"]
    return Problem(
        error.status,
        code,
        error.title,
        error.message,
        entries,
        hint=_HINTS.get(error.status),
        retry_after=error.retry_after,
        extra=extra,
    )


def pointer(path: str) -> str:
    """Return the JSON pointer of a field path with dots ("company.domain")."""
    return "#/" + "/".join(escaped(part) for part in path.split("."))


def _flatten(node: Any, path: str) -> Iterator[dict[str, str]]:
    """Yield one entry for each message in the nested details of a validation error."""
    if isinstance(node, list):
        for index, child in enumerate(node):
            leaf = isinstance(child, Mapping) and set(child) == {"message", "code"}
            yield from _flatten(child, path if leaf else f"{path}/{index}")
    elif set(node) == {"message", "code"} and isinstance(node["message"], str):
        yield {"pointer": path, "code": str(node["code"]), "detail": str(node["message"])}
    else:
        for key, child in node.items():
            whole = key == "non_field_errors"
            yield from _flatten(child, path if whole else f"{path}/{escaped(str(key))}")


def _of_framework(error: exceptions.APIException) -> Problem:
    status = error.status_code
    code = error.default_code if isinstance(error.detail, dict | list) else error.detail.code
    detail = error.default_detail if isinstance(error.detail, dict | list) else error.detail
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = str(getattr(error, "auth_header", "Bearer"))
        code = "not_authenticated"
    if isinstance(error, exceptions.PermissionDenied):
        code = "forbidden"
    wait = getattr(error, "wait", None)
    if isinstance(error, exceptions.Throttled):
        return Problem(
            429,
            "quota_exceeded",
            _TITLES[429],
            "This token has made its requests of this minute.",
            hint="Wait for Retry-After seconds; the RateLimit header says what is left.",
            retry_after=max(1, round(wait or 1)),
            extra={"violated-policies": ["minute"]},
        )
    return Problem(
        status,
        str(code),
        _TITLES.get(status, "Bad request"),
        str(detail),
        hint=_HINTS.get(status),
        headers=headers,
    )


def _of_database(error: Exception) -> Problem | None:
    if isinstance(error, OperationalError | InterfaceError):
        return Problem(
            503,
            "unavailable",
            "The database does not answer",
            "Nothing was changed. Please repeat the request.",
            retry_after=RETRY_SECONDS,
        )
    if isinstance(error, IntegrityError):
        return Problem(
            409,
            "conflict",
            "Conflict",
            "The change contradicts what is stored; nothing was changed.",
        )
    if isinstance(error, DataError):
        return Problem(400, "out_of_range", _TITLES[400], "A value is outside what can be stored.")
    return None


def fault() -> Problem:
    """Return the problem for a fault of ours, which says nothing of its cause."""
    return Problem(
        500,
        "fault",
        "Fault of the server",
        "Something went wrong here. The log holds the cause under the request id.",
        hint="Tell whoever runs this server the request id.",
    )


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest known name, or nothing."""
    near = difflib.get_close_matches(name[:100], known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def unknown_parameter(name: str, known: Sequence[str], what: str) -> BadParameter:
    """Return the error for a query parameter that nobody reads."""
    shown = name if len(name) <= 60 else name[:60] + "…"
    message = f"{shown!r} is not a parameter of {what}.{did_you_mean(name, known)}"
    return BadParameter(message, [FieldProblem(shown, "unknown_parameter", message)])
