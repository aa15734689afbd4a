"""What every request goes through: its id, and errors turned into pages a person can act on."""

import logging
import uuid
from collections.abc import Callable
from typing import Any

from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django_htmx.http import reswap, retarget

from core.errors import LeadqualError

log = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]


class RequestIdMiddleware:
    """Give every request an id and echo it, so that one id leads from curl to the log."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.request_id = uuid.uuid4().hex  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        return response


class DatabaseErrorsMiddleware:
    """A database that is away is a 503 to retry, and a value it cannot store a 400; never a 500."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer for database errors that a view let through."""
        if isinstance(error, OperationalError | InterfaceError):
            log.warning("Database is away: %s", error)
            response = HttpResponse(
                "The database does not answer. Nothing was changed; please try again.",
                status=503,
                content_type="text/plain; charset=utf-8",
            )
            response["Retry-After"] = "5"
            return response
        if isinstance(error, DataError):
            return HttpResponse(
                "A value is outside what can be stored. Nothing was changed.",
                status=400,
                content_type="text/plain; charset=utf-8",
            )
        return None


class PageErrorsMiddleware:
    """Render errors meant for the user: a fragment for htmx, a page otherwise."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer for a `LeadqualError`; everything else goes on."""
        if not isinstance(error, LeadqualError):
            return None
        context: dict[str, Any] = {"error": error, "page_title": error.title}
        fragment = getattr(request, "htmx", False)
        template = "core/_error.html" if fragment else "core/error.html"
        response = render(request, template, context, status=error.status)
        if fragment:
            # Into the page's one place for errors, whatever the request wanted to replace.
            reswap(retarget(response, "#problem"), "innerHTML")
        return response
