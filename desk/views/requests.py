"""What every page of the desk asks of a request."""

from typing import cast

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

from accounts.models import User


def viewer_of(request: HttpRequest) -> User:
    """Return who is logged in; the middleware lets nobody else through."""
    return cast(User, request.user)


def htmx_of(request: HttpRequest) -> HtmxDetails:
    """Return what htmx says of the request; truthy when a script wants a fragment."""
    details: HtmxDetails = request.htmx  # type: ignore[attr-defined]
    return details


def next_url(request: HttpRequest) -> str:
    """Return the page that the form wants to go back to, if it is one of ours."""
    url = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if url and safe else ""
