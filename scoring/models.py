"""Configuration versions, evidence, engagement counters, standings and their history."""

from django.conf import settings
from django.db import models

from accounts.models import Team
from core.clock import DatabaseNow
from core.models import Job
from core.versions import Version
from leads.models import Lead
from leads.stages import CLOSED, StageKey
from scoring.tiers import State, Tier


class IcpVersion(Version):
    """An ideal customer profile: who fits (scoring.definitions.Icp). It carries no points."""

    class Meta(Version.Meta):
        verbose_name = "ICP version"


class FrameworkVersion(Version):
    """An ordered set of criteria and questions (scoring.definitions.Framework). No points."""

    class Meta(Version.Meta):
        pass


class ModelVersion(Version):
    """A score model: all numbers (scoring.definitions.Model), for one ICP and framework version.

    Publishing it publishes the triple; a standing names it and thereby the other two.
    """

    icp = models.ForeignKey(IcpVersion, on_delete=models.PROTECT, related_name="models")
    framework = models.ForeignKey(FrameworkVersion, on_delete=models.PROTECT, related_name="models")

    class Meta(Version.Meta):
        verbose_name = "score model version"


class Evidence(models.Model):
    """One answer about a dimension of a lead. Append-only; the newest unexpired is `current`."""

    class Source(models.TextChoices):
        CALL = "call", "Call"
        FORM = "form", "Form"
        IMPORT = "import", "Import"
        API = "api", "API"
        RESEARCH = "research", "Research"

    lead = models.ForeignKey(
        Lead, on_delete=models.CASCADE, db_index=False, related_name="evidence"
    )
    dimension = models.SlugField(max_length=40, db_index=False)
    rating = models.PositiveSmallIntegerField(
        help_text="0 ruled out, 33 weak, 67 moderate, 100 strong"
    )
    quote = models.TextField(blank=True)
    question = models.SlugField(max_length=60, blank=True, db_index=False)
    answer = models.SlugField(max_length=60, blank=True, db_index=False)
    source = models.CharField(max_length=8, choices=Source)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    observed_at = models.DateTimeField(db_default=DatabaseNow())
    recorded_at = models.DateTimeField(db_default=DatabaseNow())
    expires_at = models.DateTimeField(null=True)
    current = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "evidence"
        constraints = [
            models.UniqueConstraint(
                fields=["lead", "dimension"],
                condition=models.Q(current=True),
                name="evidence_one_current",
            ),
            models.CheckConstraint(
                condition=models.Q(rating__lte=100), name="evidence_rating_0_to_100"
            ),
        ]
        indexes = [models.Index(fields=["lead", "-observed_at"], name="evidence_history")]

    def __str__(self) -> str:
        return f"{self.dimension} {self.rating}"


class EngagementSignal(models.Model):
    """A pair of activity kind and half-life that some model counts; others are not kept.

    `half_life_days` 0 means no decay.
    """

    kind = models.CharField(max_length=20)
    half_life_days = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "half_life_days"], name="engagementsignal_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} / {self.half_life_days} d"


class Engagement(models.Model):
    """A forward-decayed counter (Cormode et al. 2009).

    v(t) = value · 2^(−(t − as_of) / half-life).
    """

    pk = models.CompositePrimaryKey("lead_id", "kind", "half_life_days")
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, db_index=False, related_name="+")
    kind = models.CharField(max_length=20)
    half_life_days = models.PositiveSmallIntegerField()
    value = models.FloatField()
    as_of = models.DateTimeField()
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.kind} {self.value:.2f}"


class Standing(models.Model):
    """What a lead scores, narrow, with all that the queue filters and sorts by.

    The row is the lead's lock. `scoring.rescoring.rescore` is the only writer of scores, the
    triggers in `scoring.triggers` the only writers of the repeated columns and of `stale_at`, and
    followups the only writer of the SLA and next-step columns. True as of `scored_at`.
    """

    lead = models.OneToOneField(
        Lead, on_delete=models.CASCADE, primary_key=True, related_name="standing"
    )
    # repeated from the lead by trigger, which inserts the row and relies on the defaults below
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="+",
    )
    team = models.ForeignKey(
        Team, null=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    stage = models.CharField(max_length=12, db_default=StageKey.NEW)
    is_open = models.GeneratedField(
        expression=models.Q(~models.Q(stage__in=sorted(CLOSED))),  # type: ignore[arg-type]
        output_field=models.BooleanField(),
        db_persist=True,
    )
    # written by rescore; a published version cannot be deleted (core.versions), so a foreign key,
    # checked for every row of a mass rescore, would tell nothing (docs/adr/0007)
    model_version = models.ForeignKey(
        ModelVersion,
        null=True,
        on_delete=models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="+",
    )
    state = models.CharField(max_length=12, choices=State, db_default=State.UNSCORED)
    score = models.SmallIntegerField(db_default=0)
    low = models.SmallIntegerField(db_default=0)
    high = models.SmallIntegerField(db_default=100)
    fit = models.SmallIntegerField(db_default=0)
    engagement = models.SmallIntegerField(db_default=0)
    qualification = models.SmallIntegerField(db_default=0)
    step_tier = models.CharField(max_length=4, blank=True, db_default="")  # hysteresis memory
    tier = models.CharField(
        max_length=4, choices=Tier, blank=True, db_default=""
    )  # the effective one
    tier_reason = models.CharField(max_length=80, blank=True, db_default="")
    p = models.FloatField(db_default=0)
    expected_minor = models.BigIntegerField(db_default=0)
    intent_at = models.DateTimeField(null=True)
    rank = models.FloatField(db_default=0)  # real ranks are in the thousands; 0 is not ranked yet
    scored_at = models.DateTimeField(null=True)
    next_change_at = models.DateTimeField(null=True)
    # a person's override of the tier
    override_tier = models.CharField(max_length=4, choices=Tier, blank=True, db_default="")
    override_reason = models.CharField(max_length=200, blank=True, db_default="")
    override_until = models.DateTimeField(null=True)
    override_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="+",
    )
    # marks: pending work
    stale_at = models.DateTimeField(null=True)
    unplanned_at = models.DateTimeField(null=True)
    # written by followups
    sla_due_at = models.DateTimeField(null=True)
    next_due_at = models.DateTimeField(null=True)
    next_step = models.CharField(max_length=120, blank=True, db_default="")

    class Meta:
        # Fixed by docs/adr/0003: every bench ratio divides by the cost of these.
        indexes = [
            models.Index(fields=["owner", "-rank", "-lead"], name="standing_owner_rank"),
            models.Index(fields=["team", "-rank", "-lead"], name="standing_team_rank"),
            models.Index(fields=["-rank", "-lead"], name="standing_rank"),
            models.Index(
                fields=["next_change_at"],
                condition=models.Q(next_change_at__isnull=False, is_open=True),
                name="standing_due",
            ),
            models.Index(
                fields=["stale_at"],
                condition=models.Q(stale_at__isnull=False),
                name="standing_stale",
            ),
            models.Index(
                fields=["unplanned_at"],
                condition=models.Q(unplanned_at__isnull=False),
                name="standing_unplanned",
            ),
            models.Index(
                fields=["sla_due_at"],
                condition=models.Q(sla_due_at__isnull=False),
                name="standing_sla",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.lead_id}: {self.score} {self.tier}"


class ScoreChange(models.Model):
    """A move of the score caused by facts, or of the tier by anything."""

    class Cause(models.TextChoices):
        FACTS = "facts", "New facts"
        TIME = "time", "Time passed"
        MODEL = "model", "New score model"
        OVERRIDE = "override", "Set by hand"

    lead = models.ForeignKey(
        Lead, on_delete=models.CASCADE, db_index=False, related_name="score_changes"
    )
    at = models.DateTimeField(db_default=DatabaseNow())
    from_score = models.SmallIntegerField()
    to_score = models.SmallIntegerField()
    from_tier = models.CharField(max_length=4, blank=True)
    to_tier = models.CharField(max_length=4, blank=True)
    cause = models.CharField(max_length=8, choices=Cause)
    model_version = models.ForeignKey(
        ModelVersion,
        on_delete=models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="+",
    )

    class Meta:
        indexes = [models.Index(fields=["lead", "-at"], name="scorechange_history")]

    def __str__(self) -> str:
        return f"{self.from_score} → {self.to_score}"


class Snapshot(models.Model):
    """The facts at a moment of decision, from which learning takes its rows.

    `facts` = {"fields": {name: value}, "ratings": {dimension: [rating, age_days]},
    "engagement": {"kind/half_life": [value, days_since_last]}, "tracked": bool}.
    """

    class Reason(models.TextChoices):
        FIRST_SCORE = "first_score"
        MQL = "mql"
        CALL = "call"
        OUTCOME = "outcome"

    lead = models.ForeignKey(
        Lead, on_delete=models.CASCADE, db_index=False, related_name="snapshots"
    )
    reason = models.CharField(max_length=12, choices=Reason)
    cause = models.CharField(
        max_length=40, help_text="What it belongs to: a round, call or outcome."
    )
    at = models.DateTimeField(db_default=DatabaseNow())
    backfilled = models.BooleanField(default=False)
    score = models.SmallIntegerField()
    model_version = models.ForeignKey(
        ModelVersion,
        on_delete=models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="+",
    )
    facts = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lead", "reason", "cause"], name="snapshot_once")
        ]

    def __str__(self) -> str:
        return f"{self.lead_id} {self.reason}"


class Feedback(models.Model):
    """A person's verdict on the points of one line of a lead's ledger.

    One is open for each person, lead and signal; changing it changes that row. `line_points` are
    what the line gave then, `points` what the signal's best gave in `model_version`. It is closed
    by an answer: of a model owner, or of a later version (`answered_version`) that moved the points
    in the asked direction, to `new_points`. `compared_with` is the newest live version that it was
    held against, and `old_points` are `points` in the points of that one.
    """

    class Verdict(models.TextChoices):
        RIGHT = "right", "Right"
        TOO_HIGH = "too_high", "Too high"
        TOO_LOW = "too_low", "Too low"
        WRONG_DATA = "wrong_data", "Wrong data"

    lead = models.ForeignKey(
        Lead, on_delete=models.CASCADE, db_index=False, related_name="feedback"
    )
    signal = models.CharField(max_length=60)
    label = models.CharField(max_length=200)
    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    points = models.FloatField()
    line_points = models.FloatField()
    verdict = models.CharField(max_length=10, choices=Verdict)
    reason = models.CharField(max_length=500, blank=True)
    rep = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="+",
    )
    at = models.DateTimeField(db_default=DatabaseNow())
    compared_with = models.ForeignKey(
        ModelVersion, null=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    answered_at = models.DateTimeField(null=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="+",
    )
    answered_version = models.ForeignKey(
        ModelVersion, null=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    old_points = models.FloatField(null=True)
    new_points = models.FloatField(null=True)
    answer = models.CharField(max_length=500, blank=True)
    seen_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "feedback"
        constraints = [
            models.UniqueConstraint(
                fields=["lead", "rep", "signal"],
                condition=models.Q(answered_at__isnull=True),
                name="feedback_one_open",
            )
        ]
        indexes = [
            models.Index(fields=["-at", "-id"], name="feedback_newest"),
            models.Index(
                fields=["rep"],
                condition=models.Q(answered_at__isnull=False, seen_at__isnull=True),
                name="feedback_unread",
            ),
            models.Index(
                fields=["model_version", "signal"],
                condition=models.Q(answered_at__isnull=True),
                name="feedback_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.lead_id} {self.signal}: {self.verdict}"


class DriftAlert(models.Model):
    """A month in which leads or outcomes were not like those of the months before.

    `subject` is a signal's key, or BASE for the share won; `value` the index (or the share) that
    was found. It stands until a model owner puts it away with a reason.
    """

    BASE = "base_rate"

    key = models.SlugField(max_length=60, db_index=False, help_text="Of the score model.")
    subject = models.CharField(max_length=60)
    label = models.CharField(max_length=200)
    month = models.CharField(max_length=7, help_text="2026-11")
    value = models.FloatField()
    text = models.CharField(max_length=300)
    at = models.DateTimeField(db_default=DatabaseNow())
    dismissed_at = models.DateTimeField(null=True)
    dismissed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="+",
    )
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "subject", "month"], name="driftalert_once")
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.subject} {self.month}"


class Proposal(models.Model):
    """A version that is up for review, or a word on why the weights of a model stay as they are.

    `evidence` holds all that the review page shows, as it was found (scoring.appraising); nothing
    on that page is computed anew. `fingerprint` names the outcomes it rests on, so that learning
    twice from the same ones makes one row. `author` is who made the version; nobody for a learned
    one.
    """

    class Origin(models.TextChoices):
        LEARNED = "learned", "Learned from outcomes"
        HAND = "hand", "Made by hand"
        SIGNALS = "signals", "From suggested signals"

    class Verdict(models.TextChoices):
        PROPOSE = "propose", "Better than the live model"
        KEEP = "keep", "Not surely better"
        TOO_FEW = "too_few", "Too few outcomes"

    class State(models.TextChoices):
        OPEN = "open", "To be reviewed"
        SHADOW = "shadow", "In the shadow"
        CHANGES = "changes", "Changes wanted"
        APPROVED = "approved", "Approved"
        DISMISSED = "dismissed", "Dismissed"
        SUPERSEDED = "superseded", "Superseded"
        NOTED = "noted", "Nothing to review"

    UNDER_WAY = (State.OPEN, State.SHADOW, State.CHANGES)

    key = models.SlugField(max_length=60)
    origin = models.CharField(max_length=8, choices=Origin)
    version = models.ForeignKey(
        ModelVersion, null=True, on_delete=models.CASCADE, related_name="proposals"
    )
    live = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    verdict = models.CharField(max_length=8, choices=Verdict)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    sentence = models.TextField()
    evidence = models.JSONField(default=dict)
    fingerprint = models.CharField(max_length=64)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    made_at = models.DateTimeField(db_default=DatabaseNow())
    shadow_until = models.DateTimeField(null=True)
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["key", "origin", "fingerprint"], name="proposal_once_for_outcomes"
            )
        ]
        indexes = [models.Index(fields=["-made_at"], name="proposal_newest")]

    def __str__(self) -> str:
        return f"{self.key}: {self.verdict}"

    @property
    def shadow_kept(self) -> bool:
        """Whether it has shadow scores: they stay when its days are over, until the decision."""
        return self.shadow_until is not None and self.state in (self.State.OPEN, self.State.SHADOW)


class ProposalEvent(models.Model):
    """What was done with a proposal, by whom and when. Append-only."""

    class Kind(models.TextChoices):
        MADE = "made", "Made"
        SHADOWED = "shadowed", "Put into the shadow"
        CHANGES = "changes", "Changes wanted"
        DISMISSED = "dismissed", "Dismissed"
        APPROVED = "approved", "Approved"
        SUPERSEDED = "superseded", "Superseded"

    proposal = models.ForeignKey(Proposal, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=10, choices=Kind)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    note = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.kind


class Trusted(models.Model):
    """A line of a model or a field of leads that alone tells won from lost, and is learned all the
    same since a person says that it is known before the outcome. It counts until somebody ends it.
    """

    class Kind(models.TextChoices):
        LINE = "line", "Line of a score model"
        FIELD = "field", "Field of leads"

    key = models.SlugField(max_length=60, db_index=False, help_text="Of the score model.")
    kind = models.CharField(max_length=5, choices=Kind)
    subject = models.CharField(max_length=100, help_text="Key of the signal, or name of the field.")
    label = models.CharField(max_length=200)
    reason = models.CharField(max_length=300)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(db_default=DatabaseNow())
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name_plural = "trusted"
        constraints = [
            models.UniqueConstraint(
                fields=["key", "kind", "subject"],
                condition=models.Q(ended_at__isnull=True),
                name="trusted_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.subject}"

    @property
    def said(self) -> str:
        """Who keeps it, since when and why, as a sentence."""
        who = self.by or "Somebody who left"
        return f"{who} keeps it since {self.at:%Y-%m-%d}: “{self.reason.rstrip('.')}”."


class Preview(models.Model):
    """What a version would do to all open leads: started by a person, filled by a job."""

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="previews")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="+")
    result = models.JSONField(default=dict)
    made_at = models.DateTimeField(db_default=DatabaseNow())

    def __str__(self) -> str:
        return f"preview of {self.version}"


class PreviewPart(models.Model):
    """What one chunk of a preview found; added up and removed when the last one is done."""

    preview = models.ForeignKey(Preview, on_delete=models.CASCADE, related_name="parts")
    flow = models.JSONField()

    def __str__(self) -> str:
        return f"part of {self.preview_id}"


class ShadowScore(models.Model):
    """What a lead scores under a version that is in the shadow. No standing is touched.

    The score of a round stays when the lead is opened again, for the outcome that ended the round.
    """

    pk = models.CompositePrimaryKey("version_id", "lead_id", "round")
    version = models.ForeignKey(
        ModelVersion, on_delete=models.CASCADE, db_index=False, related_name="+"
    )
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="+")
    round = models.PositiveSmallIntegerField()
    score = models.SmallIntegerField()
    tier = models.CharField(max_length=4, blank=True)
    p = models.FloatField()
    live_score = models.SmallIntegerField()
    live_tier = models.CharField(max_length=4, blank=True)
    live_p = models.FloatField()
    at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        indexes = [
            models.Index(
                fields=["version", "lead"],
                name="shadowscore_disagrees",
                condition=~models.Q(tier=models.F("live_tier")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.lead_id}: {self.score}"

    @property
    def change(self) -> int:
        """Points up or down."""
        return self.score - self.live_score


class Suggestion(models.Model):
    """Signals that the workspace's own past leads suggest for a model; a person picks from them.

    `result` = {"n", "won", "lines", "warnings", "definitions", "backtest", "verdict", …}, empty
    while the job works; `problem` says why nothing can be suggested.
    """

    key = models.SlugField(max_length=60)
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+")
    result = models.JSONField(default=dict)
    problem = models.TextField(blank=True)
    made_at = models.DateTimeField(db_default=DatabaseNow())
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    taken = models.ForeignKey(ModelVersion, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return f"signals for {self.key}"


# Proxies that carry the triggers; Django finds models by importing this module.
from scoring import triggers  # noqa: E402, F401


class RefusedSignal(models.Model):
    """A suggested signal that a person did not want, and the evidence there was then.

    It stays refused until its evidence changes (scoring.learning.suggesting.has_changed).
    """

    fingerprint = models.CharField(
        max_length=16, unique=True, help_text="of its rule (scoring.learning.suggesting)"
    )
    label = models.TextField()
    rule = models.JSONField(help_text="A condition tree, by which the same line is known again.")
    n = models.PositiveIntegerField(help_text="Leads that had it.")
    effect = models.FloatField(help_text="In log-odds.")
    low = models.FloatField(help_text="Of its 90 % interval, in log-odds.")
    high = models.FloatField(help_text="Of its 90 % interval, in log-odds.")
    refused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    refused_at = models.DateTimeField(db_default=DatabaseNow())

    def __str__(self) -> str:
        return self.label
