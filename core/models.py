"""Jobs with progress, and the heartbeat of the background."""

from django.conf import settings
from django.db import models

from core.clock import DatabaseNow


class Job(models.Model):
    """A long piece of work in chunks, with progress that a page, a command or the API can show."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        SUCCEEDED_WITH_ERRORS = "succeeded_with_errors"
        FAILED = "failed"
        CANCELLED = "cancelled"

    kind = models.CharField(max_length=40)
    state = models.CharField(max_length=24, choices=State, default=State.QUEUED)
    unit = models.CharField(max_length=20, default="rows")
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    counts = models.JSONField(default=dict)
    args = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(db_default=DatabaseNow())
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    ENDED = (State.SUCCEEDED, State.SUCCEEDED_WITH_ERRORS, State.FAILED, State.CANCELLED)

    @property
    def ended(self) -> bool:
        """True when no more work will be done on it."""
        return self.state in self.ENDED

    @property
    def percent(self) -> int:
        """Share done, 0 to 100."""
        return min(100, self.done * 100 // self.total) if self.total else (100 if self.ended else 0)


class JobChunk(models.Model):
    """One piece of a job, done in one transaction together with its mark, hence exactly once."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    args = models.JSONField(default=dict)
    done = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="jobchunk_number_unique")
        ]
        indexes = [
            models.Index(
                fields=["job", "number"], name="jobchunk_open", condition=models.Q(done=False)
            )
        ]


class Heartbeat(models.Model):
    """When a background process last showed that it lives."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()


class IdempotencyKey(models.Model):
    """The answer to a call that carried an Idempotency-Key (core.idempotency).

    `token_id` is no foreign key: tokens live above this app, and an answer outlives its token.
    """

    token_id = models.BigIntegerField()
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.TextField()
    at = models.DateTimeField(db_default=DatabaseNow(), db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token_id", "key"], name="idempotencykey_once")
        ]

    def __str__(self) -> str:
        return f"{self.token_id} {self.key}"
