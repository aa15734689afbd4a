"""May this person import, and for whom? One answer for the check, the button and the tooltip."""

import datetime as dt

from accounts.models import Team, User
from accounts.policies import can_change_configuration
from accounts.roles import Role
from core.decisions import ALLOWED, Decision, refused
from intake.models import Import
from intake.reading import MOST_COLUMNS
from scoring.policies import can_read_proposals


def can_import(actor: User) -> Decision:
    """Everybody but model owners imports; what they may change is decided lead by lead."""
    if not actor.is_active:
        return refused("This account is closed.")
    if actor.role == Role.MODEL_OWNER:
        return refused("Model owners read leads and change configuration.")
    return ALLOWED


def can_give_to(actor: User, owner: User | None, team: Team | None) -> Decision:
    """Reps import for themselves, managers within their team, admins for anyone."""
    may = can_import(actor)
    if not may or actor.role == Role.ADMIN:
        return may
    if actor.role == Role.REP:
        if team is None and (owner is None or owner.pk == actor.pk):
            return ALLOWED
        return refused("Reps import leads for themselves.")
    if owner is not None and owner.pk != actor.pk and owner.team_id != actor.team_id:
        return refused("Managers give leads to people of their own team.")
    if team is not None and team.pk != actor.team_id:
        return refused("Managers give leads to their own team.")
    return ALLOWED


def can_see_import(actor: User, imported: Import) -> Decision:
    """An import shows its file, so only who made it and admins see it."""
    if actor.role == Role.ADMIN or imported.created_by_id == actor.pk:
        return ALLOWED
    return refused("This import was made by somebody else.")


def can_be_imported(imported: Import) -> Decision:
    """A backtest reads more columns than a person can say of what they become."""
    if len(imported.headers) > MOST_COLUMNS:
        n = len(imported.headers)
        return refused(f"An import takes at most {MOST_COLUMNS} columns, and this file has {n:,}.")
    return ALLOWED


UNDO_WITHIN = dt.timedelta(days=30)


def can_undo_import(actor: User, imported: Import, *, at: dt.datetime) -> Decision:
    """An import that has ended can be taken back within 30 days, by who made it and by admins; what
    was begun in time can be gone on with later.
    """
    may = can_import(actor)
    if not may:
        return may
    if imported.state in (Import.State.UNDOING, Import.State.UNDONE):
        return refused("This import is taken back already.")
    if imported.state != Import.State.ENDED:
        return refused("Only an import that has ended can be undone.")
    if imported.created_at < at - UNDO_WITHIN and "undo_failed" not in imported.report:
        return refused(f"An import can be undone for {UNDO_WITHIN.days} days.")
    return can_see_import(actor, imported)


def can_backtest(actor: User) -> Decision:
    """Backtesting ends in drafts of configuration, so those do it who may change that."""
    return can_change_configuration(actor)


def can_read_backtests(actor: User) -> Decision:
    """Managers, model owners and admins read what learned weights would have won."""
    return can_read_proposals(actor)
