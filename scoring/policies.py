"""Who may read score models and proposals, and who may change them."""

from accounts.models import User
from accounts.policies import can_change_configuration
from accounts.roles import READS_PIPELINE
from core.decisions import ALLOWED, Decision, refused

__all__ = ["can_change_models", "can_read_models", "can_read_proposals"]

can_change_models = can_change_configuration


def can_read_models(actor: User) -> Decision:
    """Everybody may read what counts how much: a score that nobody can check is not believed."""
    return ALLOWED if actor.is_active else refused("This account is not active.")


def can_read_proposals(actor: User) -> Decision:
    """Managers, model owners and admins read how well scores predict, over all teams."""
    if actor.is_active and actor.role in READS_PIPELINE:
        return ALLOWED
    return refused("Proposals are for managers, model owners and admins.")
