"""API tokens: shown once, kept as a digest, dead when revoked, expired or disabled."""

import datetime as dt
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.test import APIRequestFactory

from accounts.authentication import TokenAuthentication
from accounts.models import ApiToken, User
from accounts.tokens import create_token
from core import clock

pytestmark = pytest.mark.django_db


def authenticate(text: str, method: str = "get") -> User:
    request = getattr(APIRequestFactory(), method)("/", HTTP_AUTHORIZATION=f"Bearer {text}")
    found = TokenAuthentication().authenticate(request)
    assert found is not None
    return found[0]


def test_a_token_opens_the_account_of_its_owner_and_is_not_kept(rep: User) -> None:
    token, text = create_token(rep, name="test")
    assert authenticate(text) == rep
    assert text.split(".")[1] not in str(ApiToken.objects.values().get(pk=token.pk))


@pytest.mark.parametrize("end", ["revoke", "expire", "disable"])
def test_a_dead_token_opens_nothing(rep: User, end: str) -> None:
    token, text = create_token(rep, name="test")
    if end == "revoke":
        ApiToken.objects.filter(pk=token.pk).update(revoked_at=clock.now())
    elif end == "expire":
        ApiToken.objects.filter(pk=token.pk).update(expires_at=clock.now() - dt.timedelta(1))
    else:
        User.objects.filter(pk=rep.pk).update(is_active=False)
    with pytest.raises(AuthenticationFailed):
        authenticate(text)


@pytest.mark.parametrize(
    "text",
    ["", "x", "lq_", "lq_1", "lq_1.", "lq_x.y", "lq_0.y", "lq_99999999999999999999.y", "lq_².y"],
)
def test_a_malformed_token_is_refused(rep: User, text: str) -> None:
    with pytest.raises(AuthenticationFailed):
        authenticate(text)


def test_the_secret_of_another_token_does_not_fit(rep: User) -> None:
    first, _ = create_token(rep, name="one")
    _, second = create_token(rep, name="two")
    with pytest.raises(AuthenticationFailed):
        authenticate(f"lq_{first.pk}.{second.split('.')[1]}")


def test_a_read_only_token_reads(rep: User) -> None:
    _, text = create_token(rep, name="test", read_only=True)
    assert authenticate(text) == rep
    with pytest.raises(PermissionDenied):
        authenticate(text, "post")


def test_a_token_survives_one_change_of_the_servers_key(rep: User, settings: object) -> None:
    _, text = create_token(rep, name="test")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]  # type: ignore[attr-defined]
    settings.SECRET_KEY = "another"  # type: ignore[attr-defined]
    assert authenticate(text) == rep
    settings.SECRET_KEY_FALLBACKS = []  # type: ignore[attr-defined]
    with pytest.raises(AuthenticationFailed):
        authenticate(text)


def test_the_command_prints_a_token_that_works(rep: User) -> None:
    out = StringIO()
    call_command("create_token", rep.email.upper(), stdout=out)
    assert authenticate(out.getvalue().strip()) == rep
    with pytest.raises(CommandError, match="No active user"):
        call_command("create_token", "nobody@leadqual.example")
