"""Pages show times in the time zone of the person's team."""

import datetime as dt
from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.models import Workspace


class TimeZoneMiddleware:
    """Activate the zone of the user's team, else the workspace's, for the length of a request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # The API speaks UTC, and without a session nobody's times are shown.
        if "_auth_user_id" not in request.session:
            return self.get_response(request)
        team = getattr(request.user, "team", None)
        name = team.time_zone if team else Workspace.current().time_zone
        with timezone.override(_zone(name)):
            return self.get_response(request)


def _zone(name: str) -> dt.tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):  # an admin mistyped it: UTC is shown as such
        return dt.UTC
