"""Bearer tokens for the REST API."""

import datetime as dt

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from accounts.models import ApiToken, User
from accounts.tokens import PREFIX, matches
from core.clock import DatabaseNow

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
TOUCH_EVERY = dt.timedelta(minutes=1)  # the last use is written at most this often


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer lq_<id>.<secret>`. The owner's role and state are read anew each
    time, so a lowered role or a disabled account holds from the next request.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return (user, token); None without the header; raise for a token that does not hold."""
        parts = get_authorization_header(request).decode("latin-1").split()
        if not parts or parts[0].lower() != "bearer":
            return None
        number, dot, secret = parts[-1].removeprefix(PREFIX).partition(".")
        if len(parts) != 2 or not dot or not number.isascii() or not number.isdigit():
            raise AuthenticationFailed("The token is malformed.")
        if len(number) > 18:
            raise AuthenticationFailed("This token is unknown, expired or revoked.")
        token = (
            ApiToken.objects.select_related("user", "user__team")
            .filter(pk=int(number), revoked_at=None, user__is_active=True)
            .filter(expires_at__gt=DatabaseNow())
            .annotate(now=DatabaseNow())
            .first()
        )
        if token is None or not matches(token, secret):
            raise AuthenticationFailed("This token is unknown, expired or revoked.")
        if token.read_only and request.method not in SAFE_METHODS:
            raise PermissionDenied("This token may only read.")
        if token.last_used_at is None or token.now - token.last_used_at > TOUCH_EVERY:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=DatabaseNow())
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Make a missing token a 401 with the scheme to use."""
        return "Bearer"

