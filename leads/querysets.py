"""Chainable reads of leads. Visibility is decided here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Concat, Lower
from django.db.models.lookups import Contains

from accounts.models import User
from accounts.roles import READS_ALL, Role

if TYPE_CHECKING:
    from leads.models import Lead  # noqa: F401  (named in a quoted type)


def visibility(user: User, prefix: str = "") -> models.Q:
    """Return the condition under which `user` may read a row that carries owner and team.

    A rep reads their own and the team's; a manager the team's; model owner and admin all.
    `prefix` names the path to the row ("lead__").
    """
    if not user.is_active:
        return models.Q(pk__in=[])
    if user.role in READS_ALL:
        return models.Q()
    own = models.Q(**{f"{prefix}owner_id": user.pk})
    if user.team_id is None:
        return own
    return own | models.Q(**{f"{prefix}team_id": user.team_id})


def search_text(prefix: str = "") -> Lower:
    """Return what a person is found by, as the index `lead_search` holds it: names, address."""
    space = models.Value(" ")
    names = (f"{prefix}first_name", space, f"{prefix}last_name", space, f"{prefix}email")
    return Lower(Concat(*names))


def lead_named(word: str, prefix: str = "") -> models.Q:
    """Return the condition that a lead's names or address hold `word` (by trigrams, any case).

    `prefix` names the path to the lead ("lead__").
    """
    return models.Q(Contains(search_text(prefix), word.lower()))


def company_named(word: str) -> models.Q:
    """Return the condition that a company's name holds `word` (by trigrams, any case)."""
    return models.Q(Contains(Lower("name"), word.lower()))


class LeadQuerySet(models.QuerySet["Lead"]):
    """Reads of leads."""

    def visible_to(self, user: User) -> LeadQuerySet:
        """Keep the leads that `user` may read (docs/domain/roles.md)."""
        return self.filter(visibility(user))

    def writable_by(self, user: User) -> LeadQuerySet:
        """Keep the leads that `user` may change: own, a manager's team's, for an admin all."""
        if not user.is_active:
            return self.none()
        if user.role == Role.ADMIN:
            return self
        own = models.Q(owner_id=user.pk)
        if user.role == Role.MANAGER and user.team_id is not None:
            return self.filter(own | models.Q(team_id=user.team_id))
        return self.filter(own)
