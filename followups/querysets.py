"""Chainable reads of follow-ups. Who may see one follows from its lead."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.db import models

from accounts.models import User
from leads.querysets import visibility

if TYPE_CHECKING:
    from followups.models import Followup  # noqa: F401  (named in the base class below)


class FollowupQuerySet(models.QuerySet["Followup"]):
    """Reads of follow-ups."""

    def visible_to(self, user: User) -> FollowupQuerySet:
        """Keep the follow-ups of leads that `user` may read (docs/domain/roles.md)."""
        return self.filter(visibility(user, "lead__"))

    def to_do_by(self, user: User) -> FollowupQuerySet:
        """Keep what `user` has to do: scheduled calls and tasks of leads that they may read.

        Calls to leads that refused them are held back and not among them.
        """
        return self.visible_to(user).filter(
            assignee=user, state="scheduled", kind__in=("call", "task"), held=""
        )

    def waiting_for(self, user: User) -> FollowupQuerySet:
        """Keep the e-mails to leads of `user` that a machine has yet to send."""
        return self.visible_to(user).filter(assignee=user, state="scheduled", kind="email")

    def finished_by(self, user: User, since: dt.datetime) -> FollowupQuerySet:
        """Keep what `user` has finished, skipped or left out since a moment."""
        return self.visible_to(user).filter(ended_by=user, ended_at__gte=since)
