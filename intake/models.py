"""Imports and their rows (docs/domain/import.md)."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.models import Team
from core.clock import DatabaseNow
from core.models import Job
from leads.models import Source
from scoring.models import ModelVersion


class Import(models.Model):
    """One file being imported: what it is, how its columns map, and how far it has come.

    Its work is a chain of jobs (intake.tasks); `job` is the present one.
    """

    class State(models.TextChoices):
        STAGED = "staged", "Waiting for its mapping"
        CHECKING = "checking", "Being checked"
        CHECKED = "checked", "Dry run done"
        RUNNING = "running", "Running"
        ENDED = "ended", "Ended"
        UNDOING = "undoing", "Being undone"
        UNDONE = "undone", "Undone"

    file_name = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, help_text="sha256 of the file's bytes")
    encoding = models.CharField(max_length=20)
    delimiter = models.CharField(max_length=1)
    headers = models.JSONField()
    # Per header: samples, number of filled cells, and all distinct values where they are few.
    profile = models.JSONField(default=list)
    mapping = models.JSONField(default=dict)
    row_count = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State, default=State.STAGED)
    dry_run = models.BooleanField(default=False, help_text="The present run writes no leads.")
    source = models.ForeignKey(Source, null=True, on_delete=models.PROTECT, related_name="+")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    team = models.ForeignKey(Team, null=True, on_delete=models.PROTECT, related_name="+")
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="+")
    plan = models.JSONField(default=dict, help_text="What intake.planning made of the rows.")
    report = models.JSONField(default=dict)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(db_default=DatabaseNow())
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    # When its staged rows were removed; from then on it cannot be run again.
    cleared_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=models.Q(cleared_at=None),
                name="import_not_cleared",
            )
        ]

    def __str__(self) -> str:
        return self.file_name


class Backtest(models.Model):
    """What learned weights would have won on a file of past leads (docs/domain/learning.md).

    The file is an import that has not begun, so that the same file can be imported afterwards.
    `measured` and `suggested` are written by one chunk of `job` each.
    """

    imported = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="backtests")
    options = models.JSONField(default=dict, help_text="scoring.learning.backtest.Options")
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="+")
    measured = models.JSONField(default=dict)
    suggested = models.JSONField(default=dict)
    problem = models.TextField(default="", help_text="Why it could not be done.")
    taken = models.ForeignKey(ModelVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(db_default=DatabaseNow())

    def __str__(self) -> str:
        return f"backtest of {self.imported}"


class OfImport(models.Model):
    """A row of an import. No foreign key constraint: checking it row by row costs as much as the
    COPY itself, and only services and the clearing sweep touch these rows.
    """

    imported = models.ForeignKey(
        Import, on_delete=models.CASCADE, db_index=False, db_constraint=False, related_name="+"
    )
    row_no = models.PositiveIntegerField(help_text="Line of the data, from 1; the header is 0.")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"row {self.row_no}"


class StagedRow(OfImport):
    """One line of the file as it was read; logged, since worker and web may be two machines."""

    pk = models.CompositePrimaryKey("imported_id", "row_no")
    cells = models.TextField(help_text="Cells joined by U+001F, which no cell contains.")


class CheckedRow(OfImport):
    """One row as it was understood under the mapping, in the columns that leads are written from.

    '' and null mean that the file does not say.
    """

    pk = models.CompositePrimaryKey("imported_id", "row_no")
    # by which the lead is recognised
    external_id = models.TextField(default="")
    email = models.TextField(default="")
    phone = models.TextField(default="")
    name_key = models.TextField(default="", help_text="leads.identity.normal_name")
    row_hash = models.TextField(default="", help_text="sha256 of a row that has no id or e-mail.")
    occurrence = models.PositiveIntegerField(default=1, help_text="The nth row with this hash.")
    # The earlier row of the same lead into which this one was merged.
    merged_into = models.PositiveIntegerField(null=True)
    # facts of the lead
    kind = models.TextField(default="")
    first_name = models.TextField(default="")
    last_name = models.TextField(default="")
    email_kind = models.TextField(default="")
    title = models.TextField(default="")
    seniority = models.TextField(default="")
    age = models.SmallIntegerField(null=True)
    country = models.TextField(default="")
    time_zone = models.TextField(default="")
    value_minor = models.BigIntegerField(null=True)
    currency = models.TextField(default="")
    stage = models.TextField(default="")
    source = models.TextField(default="")
    owner_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(null=True)
    touch = models.JSONField(default=dict)
    custom = models.JSONField(default=dict)
    # One code per column of answers, null where the cell is blank (intake.mapping).
    answers = ArrayField(models.SmallIntegerField(null=True), default=list)
    answered_at = models.DateTimeField(null=True)
    outcome = models.TextField(default="")
    outcome_at = models.DateTimeField(null=True)
    outcome_reason = models.TextField(default="")
    # what was said about being called and written to: granted, withdrawn
    consent_call = models.TextField(default="")
    consent_email = models.TextField(default="")
    consent_at = models.DateTimeField(null=True)
    # facts of its company
    company = models.TextField(default="")
    company_domain = models.TextField(default="")
    industry = models.TextField(default="")
    company_country = models.TextField(default="")
    employees = models.IntegerField(null=True)
    revenue_minor = models.BigIntegerField(null=True)


class RejectedRow(OfImport):
    """A row, or one field of it, that could not be taken, and why."""

    class Step(models.TextChoices):
        """When it was found; a step that is done anew begins without its own."""

        READ = "read"
        CHECK = "check"
        WRITE = "write"

    step = models.CharField(max_length=5, choices=Step, default=Step.READ)
    field = models.CharField(max_length=120, blank=True)
    code = models.CharField(max_length=40)
    reason = models.CharField(max_length=300)
    value = models.CharField(max_length=300, blank=True)
    whole_row = models.BooleanField(default=True)

    class Meta:
        indexes = [models.Index(fields=["imported", "row_no", "id"], name="rejectedrow_order")]

    def __str__(self) -> str:
        return f"row {self.row_no}, {self.field}: {self.reason}"
