"""Imports and their rows (docs/domain/import.md)."""

from django.conf import settings
from django.db import models

from accounts.models import Team
from core.clock import DatabaseNow
from core.models import Job
from leads.models import Source


class Import(models.Model):
    """One file being imported: what it is, how its columns map, and how far it has come."""

    class State(models.TextChoices):
        STAGED = "staged", "Waiting for its mapping"
        CHECKED = "checked", "Dry run done"
        RUNNING = "running", "Running"
        ENDED = "ended", "Ended"

    file_name = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, help_text="sha256 of the file's bytes")
    encoding = models.CharField(max_length=20)
    delimiter = models.CharField(max_length=1)
    headers = models.JSONField()
    mapping = models.JSONField(default=dict)
    row_count = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State, default=State.STAGED)
    source = models.ForeignKey(Source, null=True, on_delete=models.PROTECT, related_name="+")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    team = models.ForeignKey(Team, null=True, on_delete=models.PROTECT, related_name="+")
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="+")
    report = models.JSONField(default=dict)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(db_default=DatabaseNow())

    def __str__(self) -> str:
        return self.file_name


class StagedRow(models.Model):
    """One line of the file as it was read, in a logged table: worker and web may be two machines."""

    pk = models.CompositePrimaryKey("imported_id", "row_no")
    imported = models.ForeignKey(
        Import, on_delete=models.CASCADE, db_index=False, related_name="rows"
    )
    row_no = models.PositiveIntegerField(help_text="Line of the data, from 1; the header is 0.")
    cells = models.JSONField()

    def __str__(self) -> str:
        return f"row {self.row_no}"


class RejectedRow(models.Model):
    """A row, or one field of it, that could not be taken, and why."""

    imported = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="rejected")
    row_no = models.PositiveIntegerField()
    field = models.CharField(max_length=120, blank=True)
    code = models.CharField(max_length=40)
    reason = models.CharField(max_length=300)
    value = models.CharField(max_length=300, blank=True)
    whole_row = models.BooleanField(default=True)

    class Meta:
        indexes = [models.Index(fields=["imported", "row_no"], name="rejectedrow_order")]

    def __str__(self) -> str:
        return f"row {self.row_no}, {self.field}: {self.reason}"
