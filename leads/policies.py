"""May this person do this to this lead now? One answer for check, button and tooltip."""

from accounts.models import User
from accounts.roles import Role
from core.decisions import ALLOWED, Decision, refused
from leads.models import Lead
from leads.stages import CLOSED, MOVES, Move, StageKey


def can_change_lead(actor: User, lead: Lead) -> Decision:
    """A rep changes their own, a manager their team's, an admin all; model owners only read."""
    if actor.role == Role.ADMIN or lead.owner_id == actor.pk:
        return ALLOWED
    if actor.role == Role.MANAGER and actor.team_id and lead.team_id == actor.team_id:
        return ALLOWED
    if actor.role == Role.MODEL_OWNER:
        return refused("Model owners read leads and change configuration.")
    if lead.owner_id is None:
        return refused("Nobody owns this lead yet. Claim it first.")
    return refused("This lead belongs to a colleague.")


def can_record_consent(actor: User, lead: Lead) -> Decision:
    """Whoever may change a lead notes what it said about being contacted."""
    return can_change_lead(actor, lead)


def can_claim_lead(actor: User, lead: Lead) -> Decision:
    """Anyone who may read an unowned lead of their team may take it."""
    if lead.owner_id is not None:
        return refused("This lead has an owner already.")
    if actor.role == Role.ADMIN or (actor.team_id and lead.team_id == actor.team_id):
        return ALLOWED if actor.role != Role.MODEL_OWNER else refused("Model owners own no leads.")
    return refused("This lead belongs to another team.")


def can_assign_lead(actor: User, lead: Lead) -> Decision:
    """A manager within the team and an admin anywhere hand leads to somebody else."""
    if actor.role == Role.ADMIN:
        return ALLOWED
    if actor.role == Role.MANAGER and actor.team_id and lead.team_id == actor.team_id:
        return ALLOWED
    return refused("Managers of the team and admins assign leads.")


def can_create_lead(actor: User) -> Decision:
    """Everybody but model owners adds leads."""
    if actor.role == Role.MODEL_OWNER:
        return refused("Model owners read leads and change configuration.")
    return ALLOWED


def can_move_lead(
    actor: User, lead: Lead, target: str, *, gates_met: bool = True, reason: str = ""
) -> Decision:
    """Check a stage move against the table. `gates_met` is told by scoring, which knows."""
    may = can_change_lead(actor, lead)
    if not may:
        return may
    move = MOVES.get((lead.stage, target))
    if move is None:
        return refused(f"A lead cannot go from {lead.stage} to {target}.")
    return _meets(move, gates_met, reason)


def _meets(move: Move, gates_met: bool, reason: str) -> Decision:
    if move.outcome:
        return refused("Record the outcome; the stage follows from it.")
    if move.gates and not gates_met:
        return refused("A required criterion is not met yet.")
    if move.back and not reason.strip():
        return refused("Going back needs a reason.")
    return ALLOWED


def can_record_outcome(actor: User, lead: Lead) -> Decision:
    """An open lead can end; a closed one is reopened first."""
    may = can_change_lead(actor, lead)
    if not may:
        return may
    if lead.stage in CLOSED:
        return refused("This lead is closed already. Reopen it first.")
    return ALLOWED


def is_closed(stage: str) -> bool:
    """True for won, lost and disqualified."""
    return StageKey(stage) in CLOSED
