"""Lead, company, source, stage, identity, activity, outcome, consent, custom field."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from accounts.models import Team
from core.clock import DatabaseNow
from leads.activities import Kind
from leads.consent import Channel, ConsentSource, ConsentState
from leads.querysets import LeadQuerySet, search_text
from leads.stages import StageKey


class Company(models.Model):
    """The organisation that a B2B lead works for."""

    name = models.CharField(max_length=200)
    # Normal form (leads.identity.normal_domain); the key by which companies are matched.
    domain = models.CharField(max_length=253, null=True, blank=True, unique=True)
    industry = models.CharField(max_length=100, blank=True)
    country = models.CharField(max_length=2, blank=True)
    employees = models.PositiveIntegerField(null=True, blank=True)
    revenue_minor = models.BigIntegerField(null=True, blank=True)
    is_demo = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        verbose_name_plural = "companies"
        indexes = [
            # Companies without a domain are matched by their folded name.
            models.Index(models.functions.Lower("name"), name="company_name_folded"),
            GinIndex(
                OpClass(models.functions.Lower("name"), name="gin_trgm_ops"), name="company_search"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Source(models.Model):
    """Where leads come from."""

    class Channel(models.TextChoices):
        INBOUND = "inbound"
        OUTBOUND = "outbound"
        REFERRAL = "referral"
        EVENT = "event"
        SOCIAL = "social"
        PAID = "paid"
        PARTNER = "partner"
        IMPORT = "import"
        API = "api"

    name = models.CharField(max_length=100, unique=True)
    channel = models.CharField(max_length=10, choices=Channel)
    tracked = models.BooleanField(
        default=False,
        help_text="What its leads do is recorded, so silence means no interest, not ignorance.",
    )
    is_demo = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class Stage(models.Model):
    """A stage's editable label; keys, order and moves are fixed in leads.stages."""

    key = models.CharField(max_length=12, primary_key=True, choices=StageKey)
    label = models.CharField(max_length=40)
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return self.label


class CustomField(models.Model):
    """A typed attribute of leads that the workspace added; values live in `Lead.custom`."""

    class Type(models.TextChoices):
        TEXT = "text"
        NUMBER = "number"
        BOOL = "bool", "Yes or no"
        DATE = "date"
        CHOICE = "choice"

    class KnownWhen(models.TextChoices):
        """When the value becomes known; what is known only later leaks the outcome."""

        ARRIVAL = "arrival"
        CONTACT = "contact"
        OUTCOME = "outcome"

    key = models.SlugField(max_length=60, unique=True)
    label = models.CharField(max_length=100)
    type = models.CharField(max_length=8, choices=Type)
    choices = models.JSONField(default=list, blank=True)
    known_when = models.CharField(max_length=8, choices=KnownWhen, default=KnownWhen.ARRIVAL)

    class Meta:
        ordering = ["label"]

    def __str__(self) -> str:
        return self.label


class Lead(models.Model):
    """A person who might buy. One row for its whole life."""

    class LeadKind(models.TextChoices):
        B2B = "b2b", "B2B"
        B2C = "b2c", "B2C"

    kind = models.CharField(max_length=3, choices=LeadKind, default=LeadKind.B2B)
    first_name = models.CharField(max_length=100, blank=True)
    last_name = models.CharField(max_length=100, blank=True)
    email = models.CharField(max_length=254, blank=True)
    phone = models.CharField(max_length=40, blank=True)
    title = models.CharField(max_length=150, blank=True)
    # Derived when the row is written, so that rules read short columns (leads.titles, .identity).
    seniority = models.CharField(max_length=12, blank=True)
    email_kind = models.CharField(max_length=4, blank=True)
    company = models.ForeignKey(
        Company, null=True, blank=True, on_delete=models.PROTECT, related_name="leads"
    )
    age = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(130)]
    )
    country = models.CharField(max_length=2, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="leads",
    )
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT)
    stage = models.CharField(max_length=12, choices=StageKey, default=StageKey.NEW)
    round = models.PositiveSmallIntegerField(default=1)
    contacted_at = models.DateTimeField(null=True, blank=True)
    value_minor = models.BigIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, default="EUR")
    first_source = models.ForeignKey(
        Source, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    first_touch = models.JSONField(default=dict, blank=True, help_text="campaign, utm_*, referrer")
    first_touch_at = models.DateTimeField(null=True, blank=True)
    last_source = models.ForeignKey(
        Source, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    last_touch = models.JSONField(default=dict, blank=True)
    last_touch_at = models.DateTimeField(null=True, blank=True)
    custom = models.JSONField(default=dict, blank=True)
    version = models.PositiveIntegerField(default=1)
    is_demo = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=DatabaseNow())

    objects: ClassVar = LeadQuerySet.as_manager()

    class Meta:
        # The queue reads standings; lead rows are reached by primary key, so few indexes here.
        indexes = [
            models.Index(
                fields=["company"],
                name="lead_company",
                condition=models.Q(company__isnull=False),
            ),
            # Search for parts of words; without it a search reads every lead (docs/adr/0003).
            GinIndex(OpClass(search_text(), name="gin_trgm_ops"), name="lead_search"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(stage__in=StageKey.values), name="lead_stage_known"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The name to show: never empty."""
        return (
            f"{self.first_name} {self.last_name}".strip()
            or self.email
            or self.phone
            or f"Lead {self.pk}"
        )


# Each table below has an index or constraint that begins with the lead, so the foreign key needs
# none of its own.


class Identity(models.Model):
    """One normal form by which a lead is recognised (leads.identity).

    Kinds: `email`, `phone`, `external:<source>` and, for import rows that carry none of these,
    `row:<source>`, which is the hash of the row and its place among equals ("<hash>:<n>"). All but
    phone belong to one lead only; families and offices share phones.
    """

    lead = models.ForeignKey(
        Lead, on_delete=models.CASCADE, db_index=False, related_name="identities"
    )
    kind = models.CharField(max_length=120)
    normal = models.CharField(max_length=254)

    class Meta:
        verbose_name_plural = "identities"
        constraints = [
            models.UniqueConstraint(
                fields=["normal", "kind"],
                condition=~models.Q(kind="phone"),
                name="identity_belongs_to_one_lead",
            ),
            models.UniqueConstraint(
                fields=["lead", "kind", "normal"], name="identity_once_per_lead"
            ),
        ]
        indexes = [
            models.Index(fields=["normal"], condition=models.Q(kind="phone"), name="identity_phone")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.normal}"


class Xid8(models.Field):
    """PostgreSQL's 64-bit transaction id, which orders the outbox by commit visibility."""

    def db_type(self, connection: object) -> str:
        """Return the column type."""
        return "xid8"


class CurrentXid(models.Func):
    """The writing transaction's id, as a column default."""

    template = "pg_current_xact_id()"
    output_field = Xid8()


class Activity(models.Model):
    """Anything that happened to a lead: timeline, behaviour, audit and outbox in one table.

    Rows are appended and never edited. Feeds read `xid < pg_snapshot_xmin(pg_current_snapshot())`
    ordered by (xid, id): ids alone skip rows of transactions that commit late.
    """

    lead = models.ForeignKey(
        Lead, on_delete=models.CASCADE, db_index=False, related_name="activities"
    )
    kind = models.CharField(max_length=20, choices=Kind)
    at = models.DateTimeField(db_default=DatabaseNow())
    recorded_at = models.DateTimeField(db_default=DatabaseNow())
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,  # nobody asks what a person did, and five million rows would pay for it
        related_name="+",
    )
    data = models.JSONField(default=dict)
    # Null where there is none: only then may many rows have the same.
    dedupe_key = models.CharField(max_length=120, null=True)  # noqa: DJ001
    xid = Xid8(db_default=CurrentXid(), editable=False)

    class Meta:
        verbose_name_plural = "activities"
        constraints = [
            models.UniqueConstraint(
                fields=["dedupe_key"],
                condition=models.Q(dedupe_key__isnull=False),
                name="activity_dedupe",
            )
        ]
        indexes = [
            models.Index(fields=["lead", "-at", "-id"], name="activity_timeline"),
            models.Index(fields=["xid", "id"], name="activity_outbox"),
            # What a lead was before, for learning; few rows of millions (scoring.training).
            models.Index(
                fields=["lead"], name="activity_changed", condition=models.Q(kind=Kind.CHANGED)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} at {self.at:%Y-%m-%d %H:%M}"


class Outcome(models.Model):
    """How a round of a lead ended. Ends are facts, never encoded in the score."""

    class Result(models.TextChoices):
        WON = "won", "Won"
        LOST = "lost", "Lost"
        DISQUALIFIED = "disqualified", "Disqualified"

    lead = models.ForeignKey(
        Lead, on_delete=models.CASCADE, db_index=False, related_name="outcomes"
    )
    round = models.PositiveSmallIntegerField()
    result = models.CharField(max_length=12, choices=Result)
    reason = models.CharField(max_length=200, blank=True)
    value_minor = models.BigIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    at = models.DateTimeField(db_default=DatabaseNow())
    recorded_at = models.DateTimeField(db_default=DatabaseNow())
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    imported = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lead", "round"], name="outcome_once_a_round")
        ]

    def __str__(self) -> str:
        return f"{self.get_result_display()} (round {self.round})"


class Consent(models.Model):
    """What a lead said about being contacted by one channel. Appended, never edited; newest counts.

    `wording` is what it agreed to or said, `at` when.
    """

    lead = models.ForeignKey(
        Lead, on_delete=models.CASCADE, db_index=False, related_name="consents"
    )
    channel = models.CharField(max_length=5, choices=Channel)
    state = models.CharField(max_length=9, choices=ConsentState)
    at = models.DateTimeField(db_default=DatabaseNow())
    recorded_at = models.DateTimeField(db_default=DatabaseNow())
    source = models.CharField(max_length=7, choices=ConsentSource)
    wording = models.CharField(max_length=500, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="+",
    )

    class Meta:
        indexes = [models.Index(fields=["lead", "channel", "-at", "-id"], name="consent_newest")]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {self.get_state_display()}"


class Suppression(models.Model):
    """A number or address that is not to be contacted, whoever it belongs to.

    Only a keyed hash is kept (leads.consent.address_hash), so it outlives the lead's erasure.
    """

    hmac = models.BinaryField(max_length=32, primary_key=True)
    reason = models.CharField(max_length=60)
    at = models.DateTimeField(db_default=DatabaseNow())

    def __str__(self) -> str:
        return f"{self.reason}, {self.at:%Y-%m-%d}"
