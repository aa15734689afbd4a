"""Play versions, runs and follow-ups (docs/domain/followups.md)."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from core.clock import DatabaseNow
from core.versions import Version
from followups.definitions import StepKind
from followups.querysets import FollowupQuerySet
from leads.models import Lead


class PlayVersion(Version):
    """A play: the follow-up plan for a tier and a phase of a lead (followups.definitions.Play)."""

    class Meta(Version.Meta):
        pass


class Run(models.Model):
    """One lead on one play version; a lead has at most one that has not ended."""

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, db_index=False, related_name="runs")
    play_version = models.ForeignKey(
        PlayVersion, on_delete=models.PROTECT, db_index=False, related_name="runs"
    )
    started_at = models.DateTimeField(db_default=DatabaseNow())
    started_by = models.CharField(max_length=20, help_text="followups.runs.StartedBy")
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=40, blank=True, help_text="followups.runs.EndReason")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lead"], condition=models.Q(ended_at=None), name="run_one_open"
            )
        ]
        indexes = [models.Index(fields=["lead", "-started_at"], name="run_history")]

    def __str__(self) -> str:
        return f"{self.lead_id} on {self.play_version_id}"


class Followup(models.Model):
    """One dated thing to do for one lead. There is no "due" state: due = scheduled, due_at past.

    People's kinds: scheduled → done | skipped | cancelled; snoozing moves `due_at` and is counted.
    Machine kinds: scheduled → claimed → sending → sent | failed | unknown | cancelled. `held` says
    why a scheduled one cannot be delivered. Only a run's next step is a row.
    """

    Kind = StepKind

    class State(models.TextChoices):
        SCHEDULED = "scheduled", "Scheduled"
        DONE = "done", "Done"
        SKIPPED = "skipped", "Skipped"
        CANCELLED = "cancelled", "Cancelled"
        CLAIMED = "claimed", "Claimed"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"
        UNKNOWN = "unknown", "Not known"

    lead = models.ForeignKey(
        Lead, on_delete=models.CASCADE, db_index=False, related_name="followups"
    )
    run = models.ForeignKey(
        Run, null=True, on_delete=models.CASCADE, db_index=False, related_name="followups"
    )
    step = models.PositiveSmallIntegerField(null=True)
    kind = models.CharField(max_length=8, choices=Kind)
    title = models.CharField(max_length=120)
    body = models.TextField(blank=True, help_text="Script of a call, text of an e-mail or task.")
    # Who does it: the lead's owner when it was planned; follows the lead's owner.
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="followups",
    )
    due_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State, default=State.SCHEDULED)
    held = models.CharField(max_length=60, blank=True)
    snoozed = models.PositiveSmallIntegerField(default=0)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=DatabaseNow())
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="+",
    )
    # A booked call: `due_at` was agreed with the lead, for so many minutes. `uid` names it in
    # calendars for good, and `sequence` counts what was changed about it since.
    agreed = models.BooleanField(default=False, db_default=False)
    minutes = models.PositiveSmallIntegerField(null=True)
    uid = models.UUIDField(null=True)
    sequence = models.PositiveSmallIntegerField(default=0, db_default=0)
    # What this reminds of; it goes when that is over.
    reminds = models.ForeignKey(
        "self", null=True, on_delete=models.CASCADE, db_index=False, related_name="reminders"
    )
    claimed_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    objects: ClassVar = FollowupQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "step"],
                condition=models.Q(run__isnull=False),
                name="followup_step_once",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    state__in=[
                        "scheduled",
                        "done",
                        "skipped",
                        "cancelled",
                        "claimed",
                        "sending",
                        "sent",
                        "failed",
                        "unknown",
                    ]
                ),
                name="followup_state_known",
            ),
            models.CheckConstraint(
                condition=models.Q(agreed=False)
                | models.Q(kind="call", minutes__isnull=False, uid__isnull=False),
                name="followup_booked_whole",
            ),
        ]
        indexes = [
            # Today: what a person has to do, by when.
            models.Index(
                fields=["assignee", "due_at", "id"],
                condition=models.Q(state="scheduled"),
                name="followup_today",
            ),
            # The tick: what a machine has to do, by when. Held ones wait for delivery, not time.
            models.Index(
                fields=["due_at", "id"],
                condition=models.Q(state="scheduled", kind="email", held=""),
                name="followup_due",
            ),
            models.Index(fields=["lead", "-due_at"], name="followup_lead"),
            # The calendar: booked calls by time, and what reminds of one.
            models.Index(
                fields=["due_at", "id"],
                condition=models.Q(state="scheduled", agreed=True),
                name="followup_booked",
            ),
            models.Index(
                fields=["reminds"],
                condition=models.Q(reminds__isnull=False),
                name="followup_reminds",
            ),
            # Done today: what a person has finished, newest first.
            models.Index(
                fields=["ended_by", "-ended_at", "-id"],
                condition=models.Q(ended_by__isnull=False),
                name="followup_done",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.state})"


class ControlSetting(models.Model):
    """How large the control group is: the newest row counts, the older ones say what held when."""

    share = models.FloatField(help_text="Of cold leads, 0 to 1; 0 is off.")
    seed = models.PositiveIntegerField()
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="+",
    )
    set_at = models.DateTimeField(db_default=DatabaseNow())

    def __str__(self) -> str:
        return f"{self.share:.1%}, seed {self.seed}"


class ControlMember(models.Model):
    """A cold lead that is worked as warm (followups.control); it joins once and stays counted."""

    class Left(models.TextChoices):
        TIER = "tier", "Tier changed"
        CLOSED = "closed", "Closed"
        DISQUALIFIED = "disqualified", "Disqualified"
        BARRED = "barred", "May not be contacted"

    lead = models.OneToOneField(
        Lead, on_delete=models.CASCADE, primary_key=True, related_name="control"
    )
    setting = models.ForeignKey(
        ControlSetting, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    joined_at = models.DateTimeField(db_default=DatabaseNow())
    left_at = models.DateTimeField(null=True)
    left_reason = models.CharField(max_length=12, choices=Left, blank=True)

    def __str__(self) -> str:
        return f"{self.lead_id} since {self.joined_at:%Y-%m-%d}"


# The proxy that carries the trigger; Django finds models by importing this module.
from followups import triggers  # noqa: E402, F401
