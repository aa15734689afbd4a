"""May this person do this with this follow-up now? For the check, the button and the tooltip."""

from accounts.models import User
from core.decisions import ALLOWED, Decision, refused
from followups.models import Followup
from leads.models import Lead
from leads.policies import can_change_lead

_OPEN = Followup.State.SCHEDULED
_UNDOABLE = (Followup.State.DONE, Followup.State.SKIPPED)


def can_add_followup(actor: User, lead: Lead) -> Decision:
    """Whoever may change a lead plans for it, also for one that is closed."""
    return can_change_lead(actor, lead)


def can_complete_followup(actor: User, followup: Followup) -> Decision:
    """A person finishes an open call or task of a lead that they may change."""
    if followup.kind == Followup.Kind.EMAIL:
        return refused("E-mails are sent by the system. Skip this one to go on without it.")
    return _can_work(actor, followup)


def can_skip_followup(actor: User, followup: Followup) -> Decision:
    """An open step of any kind may be left out, with a reason; a booked call is called off."""
    if followup.agreed:
        return refused("This time was agreed with the lead. Cancel it in the calendar.")
    return _can_work(actor, followup)


def can_snooze_followup(actor: User, followup: Followup) -> Decision:
    """An open step may be put off; a time that was agreed is moved with the lead instead."""
    if followup.agreed:
        return refused("This time was agreed with the lead. Reschedule it.")
    return _can_work(actor, followup)


def can_reschedule_call(actor: User, followup: Followup) -> Decision:
    """A booked call that is still ahead or was missed may be moved or called off."""
    if not followup.agreed:
        return refused("This is no booked call.")
    return _can_work(actor, followup)


def can_reopen_followup(actor: User, followup: Followup, *, ended_today: bool) -> Decision:
    """What a person finished or skipped may be undone on the same day."""
    may = can_change_lead(actor, followup.lead)
    if not may:
        return may
    if followup.state not in _UNDOABLE:
        return refused("Only a follow-up that was done or skipped can be reopened.")
    if not ended_today:
        return refused("A follow-up can be reopened on the day it was finished.")
    return ALLOWED


def _can_work(actor: User, followup: Followup) -> Decision:
    may = can_change_lead(actor, followup.lead)
    if may and followup.state != _OPEN:
        state = Followup.State(followup.state).label.lower()
        return refused(f"This follow-up is {state} already.")
    return may
