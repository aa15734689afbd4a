"""Bearer tokens for the REST API."""

import datetime as dt
from typing import Any

from django.db import connection
from django.db.models import Model
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from accounts.models import ApiToken, Team, User
from accounts.tokens import PREFIX, matches
from core.clock import DatabaseNow

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
TOUCH_EVERY = dt.timedelta(minutes=1)  # the last use is written at most this often


def _columns(model: type[Model], alias: str) -> str:
    return ", ".join(f"{alias}.{field.column}" for field in model._meta.concrete_fields)


# As text, not as a queryset: every request of the API begins here, and building the same query
# anew costs more than running it.
_FIND = f"""
    SELECT {_columns(ApiToken, "t")}, {_columns(User, "u")}, {_columns(Team, "g")}, leadqual_now()
    FROM accounts_apitoken t
    JOIN accounts_user u ON u.id = t.user_id
    LEFT JOIN accounts_team g ON g.id = u.team_id
    WHERE t.id = %s AND t.revoked_at IS NULL AND t.expires_at > leadqual_now() AND u.is_active
"""


def _find(number: int) -> tuple[ApiToken, dt.datetime] | None:
    """Return the valid token `number` with its user and team, and the moment; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [number])
        row = cursor.fetchone()
    if row is None:
        return None
    values = iter(row)
    token, user, team = _made(ApiToken, values), _made(User, values), _made(Team, values)
    user.team = team if user.team_id is not None else None
    token.user = user
    return token, row[-1]


def _made(model: Any, values: Any) -> Any:
    names = [field.attname for field in model._meta.concrete_fields]
    return model.from_db(connection.alias, names, [next(values) for _ in names])


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
        found = _find(int(number))
        if found is None or not matches(found[0], secret):
            raise AuthenticationFailed("This token is unknown, expired or revoked.")
        token, moment = found
        if token.read_only and request.method not in SAFE_METHODS:
            raise PermissionDenied("This token may only read.")
        if token.last_used_at is None or moment - token.last_used_at > TOUCH_EVERY:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=DatabaseNow())
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Make a missing token a 401 with the scheme to use."""
        return "Bearer"


def asker(request: Request) -> User:
    """Return who asks, in an endpoint that lets nobody in without a token."""
    assert isinstance(request.user, User)
    return request.user


def token_of(request: Request) -> ApiToken:
    """Return the token by which they ask."""
    assert isinstance(request.auth, ApiToken)
    return request.auth
