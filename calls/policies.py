"""May this person do this with this call now? One answer for the check, the button and the page."""

from accounts.models import User
from accounts.roles import Role
from calls.models import Call
from core.decisions import ALLOWED, Decision, refused
from leads.models import Lead
from leads.policies import can_change_lead, is_closed


def can_start_call(actor: User, lead: Lead) -> Decision:
    """Whoever may change an open lead may call it."""
    if is_closed(lead.stage):
        return refused("This lead is closed. Reopen it first.")
    return can_change_lead(actor, lead)


def can_work_queue(actor: User) -> Decision:
    """Who owns leads works through them."""
    if actor.role == Role.MODEL_OWNER:
        return refused("Model owners read leads and change configuration.")
    return ALLOWED


def can_take_over(actor: User, lead: Lead) -> Decision:
    """A manager of the team and an admin take a lead that somebody else is on."""
    if actor.role not in (Role.MANAGER, Role.ADMIN):
        return refused("A manager of the team can take the lead over.")
    return can_change_lead(actor, lead)


def can_work_on_call(actor: User, call: Call) -> Decision:
    """Whoever may change the lead takes part in its open call; a finished one stays as it is."""
    if call.state == Call.State.FINISHED:
        return refused("This call is finished, so nothing is added to it.")
    return can_change_lead(actor, call.lead)
