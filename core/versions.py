"""Versioned configuration: draft → proposed → live → retired, immutable once live.

A database trigger refuses to change or delete a definition that is or was live, so no path in
Python can. Exactly one version of a key is live.
"""

import pgtrigger
from django.conf import settings
from django.db import models

from core.clock import DatabaseNow


class Version(models.Model):
    """One numbered version of a named piece of configuration; `definition` is its whole content."""

    class State(models.TextChoices):
        DRAFT = "draft"
        PROPOSED = "proposed"
        LIVE = "live"
        RETIRED = "retired"

    key = models.SlugField(max_length=60)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    definition = models.JSONField()
    is_demo = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(db_default=DatabaseNow())
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    published_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        ordering = ["key", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["key", "number"], name="%(class)s_number_unique"),
            models.UniqueConstraint(
                fields=["key"], condition=models.Q(state="live"), name="%(class)s_one_live"
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="published_is_immutable",
                when=pgtrigger.Before,
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=pgtrigger.Q(old__state__in=["live", "retired"]),
                func="""
                    IF TG_OP = 'DELETE' THEN
                        RAISE EXCEPTION
                            'version % of % was published and stays', OLD.number, OLD.key
                            USING ERRCODE = 'restrict_violation';
                    END IF;
                    IF NEW.definition IS DISTINCT FROM OLD.definition OR NEW.key <> OLD.key
                       OR NEW.number <> OLD.number
                       OR (OLD.state = 'retired' AND NEW.state <> 'retired')
                       OR NEW.state IN ('draft', 'proposed') THEN
                        RAISE EXCEPTION
                            'version % of % is published and cannot change', OLD.number, OLD.key
                            USING ERRCODE = 'restrict_violation';
                    END IF;
                    RETURN NEW;
                """,
            )
        ]

    def __str__(self) -> str:
        return f"{self.key} v{self.number} ({self.state})"
