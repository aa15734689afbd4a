"""Calls, the answers given in them, and what may come of a call (docs/domain/calls.md)."""

from django.conf import settings
from django.db import models

from core.clock import DatabaseNow
from followups.models import Followup
from leads.models import Lead
from scoring.models import Evidence, FrameworkVersion


class CallOutcome(models.Model):
    """One way in which a call may end, and what follows from it.

    `connected` calls count as contact, others that end the clock as an attempt, the rest as a note.
    `moves_to` is a stage: an open one is reached as far as the table of moves and the gates allow,
    disqualified and lost close the lead, recycled takes it out of work. A follow-up is due
    `followup_hours` of team time later, or at the callback's time; after `followup_tries` calls in
    a row that ended so, none follows.
    """

    key = models.CharField(max_length=60, primary_key=True)
    label = models.CharField(max_length=60)
    position = models.PositiveSmallIntegerField()
    connected = models.BooleanField()
    ends_clock = models.BooleanField()
    needs_note = models.BooleanField()
    needs_callback = models.BooleanField()
    needs_reason = models.BooleanField()
    reasons = models.JSONField(default=list, help_text="Choices of the reason; [] for any words.")
    moves_to = models.CharField(max_length=12, blank=True)
    activity = models.CharField(max_length=20, blank=True, help_text="Recorded beside the call.")
    followup_kind = models.CharField(max_length=8, blank=True)
    followup_title = models.CharField(max_length=120, blank=True)
    followup_hours = models.PositiveSmallIntegerField(default=0)
    followup_tries = models.PositiveSmallIntegerField(
        default=0, help_text="How often in a row it starts its follow-up; 0 for no limit."
    )
    reminder_hours = models.PositiveSmallIntegerField(
        default=0, help_text="How long before the agreed time somebody reminds; 0 for never."
    )
    bars_calls = models.BooleanField(help_text="The lead is not to be called again.")

    class Meta:
        ordering = ["position", "key"]

    def __str__(self) -> str:
        return self.label


class Call(models.Model):
    """One conversation with a lead by the questions of one framework version.

    A lead has at most one open call, which everybody who may change the lead can take part in.
    `notes_version` counts the saves of the notes. The score is kept as it was at start and end.
    `recorded` says that calls were recorded when it began, so that the lead had to be told;
    `recording` is what it said to that, "" while nobody has noted it.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        FINISHED = "finished", "Finished"

    class Direction(models.TextChoices):
        OUTBOUND = "outbound", "Outbound"
        INBOUND = "inbound", "Inbound"

    class Recording(models.TextChoices):
        AGREED = "agreed", "Told, and agreed"
        REFUSED = "refused", "Told, and refused"

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, db_index=False, related_name="calls")
    rep = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="calls",
    )
    framework_version = models.ForeignKey(
        FrameworkVersion, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    direction = models.CharField(max_length=8, choices=Direction, default=Direction.OUTBOUND)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    started_at = models.DateTimeField(db_default=DatabaseNow())
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="+",
    )
    notes = models.TextField(blank=True)
    notes_version = models.PositiveIntegerField(default=0)
    recorded = models.BooleanField(default=False)
    recording = models.CharField(max_length=7, choices=Recording, blank=True)
    recording_at = models.DateTimeField(null=True)
    outcome = models.ForeignKey(
        CallOutcome, null=True, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    reason = models.CharField(max_length=200, blank=True)
    callback_at = models.DateTimeField(null=True)
    summary = models.TextField(blank=True)
    followup = models.ForeignKey(
        Followup, null=True, on_delete=models.SET_NULL, db_index=False, related_name="+"
    )
    start_score = models.SmallIntegerField()
    start_low = models.SmallIntegerField()
    start_high = models.SmallIntegerField()
    start_tier = models.CharField(max_length=4, blank=True)
    end_score = models.SmallIntegerField(null=True)
    end_low = models.SmallIntegerField(null=True)
    end_high = models.SmallIntegerField(null=True)
    end_tier = models.CharField(max_length=4, blank=True)
    external_key = models.CharField(max_length=120, null=True, unique=True)  # noqa: DJ001

    given: "list[CallAnswer]"  # the answers in order, where calls.selectors.get_call has read them

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lead"], condition=models.Q(state="open"), name="call_one_open"
            )
        ]
        indexes = [
            models.Index(fields=["lead", "-started_at", "-id"], name="call_history"),
            models.Index(fields=["-started_at", "-id"], name="call_recent"),
        ]

    def __str__(self) -> str:
        return f"Call {self.pk} ({self.state})"

    @property
    def minutes(self) -> int | None:
        """How long it took, to the nearest minute; None while it goes on."""
        if self.ended_at is None:
            return None
        return round((self.ended_at - self.started_at).total_seconds() / 60)


class CallAnswer(models.Model):
    """One thing noted in a call, in the order in which it came. Append-only.

    The newest row of a question is the one that counts; `replaces` is the one it took the place of,
    and `unseen` says that its author had not seen that one. `client_key` makes a repeat harmless.
    """

    class Kind(models.TextChoices):
        ANSWER = "answer", "Answer"
        UNKNOWN = "unknown", "Asked, not known"
        LATER = "later", "Ask later"
        CONCERN = "concern", "Concern"
        COMPETITOR = "competitor", "Competitor"

    call = models.ForeignKey(Call, on_delete=models.CASCADE, db_index=False, related_name="answers")
    client_key = models.CharField(max_length=255)
    kind = models.CharField(max_length=10, choices=Kind)
    question = models.CharField(max_length=60, blank=True)
    dimension = models.CharField(max_length=40)
    answer = models.CharField(max_length=60, blank=True)
    label = models.CharField(max_length=200, blank=True, help_text="The answer in words.")
    rating = models.PositiveSmallIntegerField(null=True)
    amount = models.CharField(max_length=100, blank=True, help_text="A number, period or name.")
    quote = models.TextField(blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="+",
    )
    at = models.DateTimeField(db_default=DatabaseNow())
    evidence = models.ForeignKey(
        Evidence, null=True, on_delete=models.SET_NULL, db_index=False, related_name="+"
    )
    replaces = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, db_index=False, related_name="+"
    )
    unseen = models.BooleanField(default=False)
    score_before = models.SmallIntegerField()
    tier_before = models.CharField(max_length=4, blank=True)
    score = models.SmallIntegerField()
    low = models.SmallIntegerField()
    high = models.SmallIntegerField()
    tier = models.CharField(max_length=4, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["call", "client_key"], name="callanswer_once")
        ]
        indexes = [models.Index(fields=["call", "id"], name="callanswer_order")]

    def __str__(self) -> str:
        return f"{self.question or self.kind}: {self.label}"

    @property
    def delta(self) -> int:
        """What it moved the score by, in points."""
        return self.score - self.score_before

    @property
    def amount_parts(self) -> tuple[str, str]:
        """The amount and its currency, "" where it has none."""
        number, _, last = self.amount.rpartition(" ")
        if number and len(last) == 3 and last.isupper():
            return number, last
        return self.amount, ""


class CallPresence(models.Model):
    """One open console: which tab of whose browser was in a call, and when it last said so.

    Rows live for minutes and go with the end of the call.
    """

    call = models.ForeignKey(Call, on_delete=models.CASCADE, db_index=False, related_name="+")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_index=False, related_name="+"
    )
    tab = models.CharField(max_length=40)
    seen_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["call", "tab"], name="callpresence_once")]

    def __str__(self) -> str:
        return f"{self.person_id} in call {self.call_id}"


class Claim(models.Model):
    """A person is on this lead, so nobody else dials it; ends by time alone, unless it is renewed.

    One row a lead. It holds while `expires_at` is ahead (calls.claims).
    """

    lead = models.OneToOneField(
        Lead, primary_key=True, on_delete=models.CASCADE, related_name="claim"
    )
    rep = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_index=False, related_name="+"
    )
    started_at = models.DateTimeField(db_default=DatabaseNow())
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.rep_id} on {self.lead_id}"


class WorkSession(models.Model):
    """A person works a queue, one lead after the other; at most one session is open a person.

    `query` is the queue's query string with its scope and filters. `lead` is the one in hand since
    `taken_at`; null when nothing was left.
    """

    rep = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        db_index=False,
        related_name="work_sessions",
    )
    query = models.TextField(blank=True)
    started_at = models.DateTimeField(db_default=DatabaseNow())
    ended_at = models.DateTimeField(null=True)
    lead = models.ForeignKey(
        Lead, null=True, on_delete=models.SET_NULL, db_index=False, related_name="+"
    )
    taken_at = models.DateTimeField(null=True)
    any_hour = models.BooleanField(
        default=False, help_text="Also offers leads that are outside their contact hours."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rep"], condition=models.Q(ended_at=None), name="work_one_open"
            )
        ]
        indexes = [
            models.Index(fields=["rep", "-started_at"], name="work_history"),
            models.Index(
                fields=["lead"], condition=models.Q(lead__isnull=False), name="work_in_hand"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rep_id} since {self.started_at:%Y-%m-%d %H:%M}"


class WorkedLead(models.Model):
    """What became of one lead in a session; it is not offered again in it."""

    class How(models.TextChoices):
        CALLED = "called", "Called"
        DONE = "done", "Done"
        SKIPPED = "skipped", "Skipped"
        SNOOZED = "snoozed", "Snoozed"
        LOST = "lost", "Taken over"

    session = models.ForeignKey(WorkSession, on_delete=models.CASCADE, related_name="worked")
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, db_index=False, related_name="+")
    how = models.CharField(max_length=7, choices=How)
    reason = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lead", "session"], name="worked_once_a_session")
        ]

    def __str__(self) -> str:
        return f"{self.lead_id}: {self.how}"


class SecondRating(models.Model):
    """A second person judges a finished call, without seeing how the rep did.

    Asked for by a manager, or taken up by oneself; `rated_at` is None until it is done. It changes
    nothing about the lead.
    """

    call = models.ForeignKey(
        Call, on_delete=models.CASCADE, db_index=False, related_name="second_ratings"
    )
    rater = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_index=False, related_name="+"
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="+",
    )
    requested_at = models.DateTimeField(db_default=DatabaseNow())
    rated_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["call", "rater"], name="secondrating_once")]
        indexes = [
            models.Index(
                fields=["rater"], condition=models.Q(rated_at=None), name="secondrating_waiting"
            ),
            models.Index(fields=["rated_at"], name="secondrating_done"),
        ]

    def __str__(self) -> str:
        return f"{self.rater} on call {self.call_id}"


class Rating(models.Model):
    """How a second person judges one criterion of a call; None is "cannot be told"."""

    second_rating = models.ForeignKey(
        SecondRating, on_delete=models.CASCADE, db_index=False, related_name="ratings"
    )
    dimension = models.CharField(max_length=40)
    rating = models.PositiveSmallIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["second_rating", "dimension"], name="rating_once"),
            models.CheckConstraint(condition=models.Q(rating__lte=100), name="callrating_0_to_100"),
        ]

    def __str__(self) -> str:
        return f"{self.dimension} {self.rating}"
