"""JSON on the wire: how a body is read, how an answer and an error are written.

Apart from core.api, since the framework imports what its settings name before its own views.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from core.json_input import MAX_BYTES, parse_object
from core.problems import BodyTooLarge, UnsupportedCharset, fault, problem_of

log = logging.getLogger(__name__)


def dump(data: Any) -> bytes:
    """Return `data` as JSON; moments in UTC with a Z."""
    return orjson.dumps(data, option=orjson.OPT_UTC_Z)


def answer(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return a JSON answer."""
    return HttpResponse(
        dump(data), status=status, content_type="application/json", headers=dict(headers or {})
    )


def answer_page(
    request: Request, items: Sequence[Any], next_cursor: str | None, **more: Any
) -> HttpResponse:
    """Return a page of a list in its envelope, with the address of the next page."""
    headers = {}
    if next_cursor is not None:
        query = request.query_params.copy()
        query["cursor"] = next_cursor
        headers["Link"] = f'<{request.path}?{query.urlencode()}>; rel="next"'
    envelope = {
        "data": items,
        "next_cursor": next_cursor,
        "has_more": next_cursor is not None,
        **more,
    }
    return answer(envelope, headers=headers)


class Renderer(BaseRenderer):
    """JSON by orjson, for what the framework itself answers."""

    media_type, format, charset, render_style = "application/json", "json", None, "binary"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return `data` as JSON, and nothing for nothing."""
        return b"" if data is None else dump(data)


class Parser(BaseParser):
    """A JSON object in UTF-8 of at most 1 MB (core.json_input)."""

    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the body; raise BadJson, or a framework error for what is no JSON at all."""
        assert parser_context is not None
        request: HttpRequest = parser_context["request"]._request
        charset = (request.content_params or {}).get("charset", "utf-8")
        if charset.strip('"').lower() not in ("utf-8", "utf8"):
            raise UnsupportedCharset
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES:
            raise BodyTooLarge
        raw = stream.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise BodyTooLarge
        return parse_object(raw)


class MergePatchParser(Parser):
    """The same under the name of RFC 7396."""

    media_type = "application/merge-patch+json"


def problem_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Turn any error of an endpoint into application/problem+json."""
    request: HttpRequest = context["request"]._request
    problem = problem_of(error)
    if problem is None:
        log.exception("Fault in request %s", getattr(request, "request_id", ""), exc_info=error)
        got_request_exception.send(sender=None, request=request)
        problem = fault()
    elif problem.status == 503:
        log.warning("Answered 503: %s", error)
    return problem.response(request)
