"""May this person do this now, where it depends on the role alone."""

from accounts.models import User
from accounts.roles import WRITES_CONFIGURATION
from core.decisions import ALLOWED, Decision, refused


def can_change_configuration(actor: User) -> Decision:
    """Model owners and admins change ICPs, frameworks, score models, plays and stage labels."""
    if actor.is_active and actor.role in WRITES_CONFIGURATION:
        return ALLOWED
    return refused("Model owners and admins change the configuration.")
