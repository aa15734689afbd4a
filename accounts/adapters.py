"""allauth: people are invited by an admin, nobody signs up by themselves."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class ClosedSignupAdapter(DefaultAccountAdapter):
    """Log-in, log-out and password change only."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Refuse self-registration."""
        return False
