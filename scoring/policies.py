"""Who may read score models and proposals, and who may change them."""

from accounts.models import User
from accounts.policies import can_change_configuration
from accounts.roles import READS_PIPELINE, Role
from core.decisions import ALLOWED, Decision, refused
from scoring.models import Proposal

__all__ = ["can_approve", "can_change_models", "can_read_models", "can_read_proposals"]

can_change_models = can_change_configuration


def can_read_models(actor: User) -> Decision:
    """Everybody may read what counts how much: a score that nobody can check is not believed."""
    return ALLOWED if actor.is_active else refused("This account is not active.")


def can_read_proposals(actor: User) -> Decision:
    """Managers, model owners and admins read how well scores predict, over all teams."""
    if actor.is_active and actor.role in READS_PIPELINE:
        return ALLOWED
    return refused("Proposals are for managers, model owners and admins.")


def can_approve(actor: User, proposal: Proposal) -> Decision:
    """Model owners and admins approve; not what they made themselves where somebody else could."""
    allowed = can_change_configuration(actor)
    makers = {proposal.author_id}
    if proposal.version is not None:
        makers.add(proposal.version.created_by_id)
    if not allowed or actor.pk not in makers:
        return allowed
    others = User.objects.filter(role=Role.MODEL_OWNER, is_active=True)
    others = others.exclude(pk__in={maker for maker in makers if maker is not None})
    if others.exists():
        return refused("You made this version. Another model owner has to approve it.")
    return ALLOWED
