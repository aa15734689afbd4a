"""API tokens: made once, shown once, kept as a keyed digest."""

import datetime as dt
import hmac
import secrets
from hashlib import sha256

from django.conf import settings

from accounts.models import ApiToken, User
from core import clock

LIFETIME = dt.timedelta(days=90)
PREFIX = "lq_"


def digest(secret: str, key: str | None = None) -> str:
    """Return the HMAC-SHA256 (hex) of a token's secret under the server's key."""
    return hmac.new((key or settings.SECRET_KEY).encode(), secret.encode(), sha256).hexdigest()


def create_token(
    user: User, *, name: str, read_only: bool = False, lifetime: dt.timedelta = LIFETIME
) -> tuple[ApiToken, str]:
    """Make a token; return it and its text, which cannot be shown again."""
    secret = secrets.token_urlsafe(32)  # 256 bits
    token = ApiToken.objects.create(
        user=user,
        name=name,
        digest=digest(secret),
        read_only=read_only,
        expires_at=clock.now() + lifetime,
    )
    return token, f"{PREFIX}{token.pk}.{secret}"


def matches(token: ApiToken, secret: str) -> bool:
    """Compare in constant time, under the present key and those being rotated out."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    # All are compared, so that the time tells nothing of which fits.
    fits = [hmac.compare_digest(token.digest, digest(secret, key)) for key in keys]
    return any(fits)
