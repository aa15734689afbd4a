"""May this person do this with this call now? One answer for the check, the button and the page."""

from accounts.models import User
from accounts.roles import READS_PIPELINE, Role
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


def can_rate_call(actor: User, call: Call) -> Decision:
    """Whoever sees a finished call of somebody else may judge it a second time."""
    if call.state != Call.State.FINISHED:
        return refused("This call is not finished yet.")
    if call.rep_id == actor.pk or call.answers.filter(author=actor).exists():
        return refused("Who took part in a call cannot judge it a second time.")
    return ALLOWED


def can_ask_for_rating(actor: User, call: Call) -> Decision:
    """Managers, model owners and admins ask for second ratings of finished calls."""
    if actor.role not in READS_PIPELINE:
        return refused("Managers and model owners ask for second ratings.")
    if call.state != Call.State.FINISHED:
        return refused("This call is not finished yet.")
    return ALLOWED


def can_read_agreement(actor: User) -> Decision:
    """How alike people judge is for managers, model owners and admins."""
    if actor.is_active and actor.role in READS_PIPELINE:
        return ALLOWED
    return refused("Agreement is for managers, model owners and admins.")
