"""Who may read the manager's pages."""

from accounts.models import User
from accounts.roles import READS_PIPELINE
from core.decisions import ALLOWED, Decision, refused


def can_read_pipeline(actor: User) -> Decision:
    """Managers read their team's pipeline, model owners and admins the whole of it."""
    if actor.is_active and actor.role in READS_PIPELINE:
        return ALLOWED
    return refused("The pipeline is for managers, model owners and admins. Your queue is yours.")


def can_read_criteria(actor: User) -> Decision:
    """Managers, model owners and admins read what each criterion is worth, over all teams."""
    if actor.is_active and actor.role in READS_PIPELINE:
        return ALLOWED
    return refused("How criteria do is for managers, model owners and admins.")
