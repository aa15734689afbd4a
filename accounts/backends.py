"""How people log in to the pages; the API has its own way (accounts.authentication)."""

from allauth.account.auth_backends import AuthenticationBackend

from accounts.models import User


class EmailBackend(AuthenticationBackend):
    """By e-mail and password. Who asks is read with the team, which every page needs."""

    def get_user(self, user_id: int) -> User | None:
        """Return the active user of a session, with the team; one query."""
        user = User.objects.select_related("team").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None
