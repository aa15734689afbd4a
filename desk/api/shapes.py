"""Shapes of answers, for the OpenAPI description. Tests hold every answer against them.

Answers are built as plain dicts (desk.api.rows), since serializers cost more than the query.
"""

# Fields named source, label or data: the metaclass takes declared fields off the class, so they
# hide nothing of the base, which mypy cannot know.
# mypy: disable-error-code="assignment"

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from followups.models import Followup
from leads.activities import Kind
from leads.consent import Channel, ConsentSource, ConsentState
from leads.models import Lead, Outcome
from leads.stages import StageKey
from scoring.models import Evidence, Feedback
from scoring.tiers import State, Tier

_TIERS = [tier.value for tier in Tier]


class Shape(serializers.Serializer[object]):
    """An object in an answer; never used to read or write."""


class Named(Shape):
    id = serializers.IntegerField()
    name = serializers.CharField()


class MoneyShape(Shape):
    amount_minor = serializers.IntegerField(help_text="In minor units: cents.")
    currency = serializers.CharField(help_text="ISO 4217.")


class Range(Shape):
    low = serializers.IntegerField(min_value=0, max_value=100)
    high = serializers.IntegerField(min_value=0, max_value=100)


class Groups(Shape):
    fit = serializers.IntegerField(min_value=0, max_value=100)
    engagement = serializers.IntegerField(min_value=0, max_value=100)
    qualification = serializers.IntegerField(min_value=0, max_value=100)


class NextStep(Shape):
    title = serializers.CharField()
    due_at = serializers.DateTimeField()


class LeadShape(Shape):
    """A lead in a list. `score`, `tier` and what belongs to them are true as of `scored_at`."""

    id = serializers.IntegerField()
    version = serializers.IntegerField()
    kind = serializers.ChoiceField(Lead.LeadKind.choices)
    name = serializers.CharField()
    first_name = serializers.CharField()
    last_name = serializers.CharField()
    email = serializers.CharField()
    phone = serializers.CharField(help_text="E.164.")
    title = serializers.CharField()
    seniority = serializers.CharField()
    country = serializers.CharField(help_text="ISO 3166 alpha-2.")
    company = Named(allow_null=True)
    owner = Named(allow_null=True)
    team = Named(allow_null=True)
    source = serializers.CharField(allow_null=True, help_text="Of the first touch.")
    stage = serializers.ChoiceField(StageKey.choices)
    value = MoneyShape(allow_null=True)
    state = serializers.ChoiceField(State.choices)
    tier = serializers.ChoiceField(_TIERS, allow_null=True)
    tier_reason = serializers.CharField(
        allow_null=True, help_text="gate:<dimension>, override, disqualified:<rule>"
    )
    score = serializers.IntegerField(allow_null=True, min_value=0, max_value=100)
    range = Range(allow_null=True)
    groups = Groups(allow_null=True)
    p_win = serializers.FloatField(allow_null=True, min_value=0, max_value=1)
    expected = MoneyShape(allow_null=True, help_text="p(win) × value × repeat-customer factor.")
    next_step = NextStep(allow_null=True)
    sla_due_at = serializers.DateTimeField(allow_null=True, help_text="A running reply clock.")
    contacted_at = serializers.DateTimeField(allow_null=True)
    intent_at = serializers.DateTimeField(allow_null=True)
    scored_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class CompanyShape(Named):
    domain = serializers.CharField(allow_null=True)
    industry = serializers.CharField()
    country = serializers.CharField()
    employees = serializers.IntegerField(allow_null=True)
    revenue_minor = serializers.IntegerField(
        allow_null=True, help_text="In minor units of the workspace's currency."
    )


class ExternalIdShape(Shape):
    source = serializers.CharField()
    id = serializers.CharField()


class TouchShape(Shape):
    source = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField(allow_null=True)
    details = serializers.DictField(help_text="campaign, utm_*, referrer")


class LeadDetailShape(LeadShape):
    """A lead with everything that is known of it."""

    company = CompanyShape(allow_null=True)
    age = serializers.IntegerField(allow_null=True)
    time_zone = serializers.CharField()
    round = serializers.IntegerField(help_text="1, and one more each time the lead is reopened.")
    custom = serializers.DictField(help_text="Custom fields by key.")
    external_ids = ExternalIdShape(many=True)
    first_touch = TouchShape()
    last_touch = TouchShape()


class EvidenceShape(Shape):
    """One answer. `id` and `rating` are null for "asked, not known", which is no evidence."""

    id = serializers.IntegerField(allow_null=True)
    dimension = serializers.CharField()
    rating = serializers.IntegerField(allow_null=True, min_value=0, max_value=100)
    quote = serializers.CharField()
    question = serializers.CharField(allow_null=True)
    answer = serializers.CharField(allow_null=True)
    source = serializers.ChoiceField(Evidence.Source.choices)
    author = Named(allow_null=True)
    observed_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    current = serializers.BooleanField()


class ScoreShape(Shape):
    state = serializers.ChoiceField(State.choices)
    score = serializers.IntegerField(allow_null=True)
    range = Range(allow_null=True)
    tier = serializers.ChoiceField(_TIERS, allow_null=True)
    scored_at = serializers.DateTimeField(allow_null=True)


class AddedEvidenceShape(EvidenceShape):
    standing = ScoreShape(help_text="The score with this answer.")


class OutcomeShape(Shape):
    id = serializers.IntegerField()
    round = serializers.IntegerField()
    result = serializers.ChoiceField(Outcome.Result.choices)
    reason = serializers.CharField(allow_null=True)
    value = MoneyShape(allow_null=True)
    at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()
    recorded_by = Named(allow_null=True)


class ConsentShape(Shape):
    id = serializers.IntegerField()
    channel = serializers.ChoiceField(Channel.choices)
    state = serializers.ChoiceField(ConsentState.choices)
    source = serializers.ChoiceField(ConsentSource.choices)
    wording = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()
    actor = Named(allow_null=True)


class BookingShape(Shape):
    """A booked call."""

    id = serializers.IntegerField()
    lead_id = serializers.IntegerField()
    title = serializers.CharField()
    at = serializers.DateTimeField()
    minutes = serializers.IntegerField()
    state = serializers.ChoiceField(Followup.State.choices)
    held = serializers.CharField(allow_null=True, help_text="Why it is not to be dialled.")
    owner = Named(allow_null=True)
    uid = serializers.CharField(help_text="Names it in calendars, for good.")
    sequence = serializers.IntegerField(help_text="How often it was changed.")
    invitation = serializers.CharField(help_text="The iCalendar file, for who is logged in.")


class DecisionShape(Shape):
    allowed = serializers.BooleanField()
    reason = serializers.CharField(allow_null=True)


class MayContactShape(Shape):
    """By which channels the lead may be contacted now."""

    call = DecisionShape()
    email = DecisionShape()


class ActivityShape(Shape):
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(Kind.choices)
    at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()
    actor = Named(allow_null=True)
    data = serializers.DictField()
    dedupe_key = serializers.CharField(allow_null=True)


class LedgerLineShape(Shape):
    """One line; the points of all lines sum to the score."""

    signal = serializers.CharField()
    label = serializers.CharField()
    group = serializers.CharField()
    points = serializers.FloatField()
    max = serializers.FloatField(allow_null=True)
    known = serializers.BooleanField(help_text="False: assumed, since nothing is known.")
    detail = serializers.CharField()
    evidence = serializers.IntegerField(allow_null=True)
    as_of = serializers.DateTimeField(allow_null=True)


class WinShape(Shape):
    value = serializers.FloatField(min_value=0, max_value=1)
    low = serializers.FloatField(allow_null=True, help_text="Of its 90 % interval, when learned.")
    high = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField(
        help_text="Outcomes that it was learned from; 0 for a default map."
    )
    label = serializers.CharField()


class ModelShape(Shape):
    key = serializers.CharField()
    version = serializers.IntegerField()


class StandingShape(Shape):
    """Why a lead scores what it does. All is null before the first scoring."""

    state = serializers.ChoiceField(State.choices)
    score = serializers.IntegerField(allow_null=True)
    range = Range(allow_null=True)
    tier = serializers.ChoiceField(_TIERS, allow_null=True)
    tier_reason = serializers.CharField(allow_null=True)
    groups = Groups(allow_null=True)
    ledger = LedgerLineShape(many=True)
    p_win = WinShape(allow_null=True)
    icp = serializers.CharField(allow_null=True)
    runner_up = serializers.CharField(allow_null=True)
    model = ModelShape(allow_null=True)
    scored_at = serializers.DateTimeField(allow_null=True)


class SupposedFactShape(Shape):
    """One fact: an answer about a dimension (`rating`), a band of an attribute, or an event."""

    kind = serializers.ChoiceField(["answer", "attribute", "event"])
    key = serializers.CharField()
    label = serializers.CharField()
    value = serializers.CharField(help_text="In words; empty for an event.")
    rating = serializers.FloatField(allow_null=True)


class LiftShape(Shape):
    """Facts that together suffice, and no part of them."""

    tier = serializers.ChoiceField(_TIERS)
    score = serializers.IntegerField()
    facts = SupposedFactShape(many=True)


class DropShape(Shape):
    """Time (with the moment) or an answer that turns."""

    kind = serializers.ChoiceField(["time", "answer"])
    cause = serializers.CharField()
    dimension = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField(allow_null=True)
    tier = serializers.ChoiceField(_TIERS)
    score = serializers.IntegerField()


class ChangedLineShape(Shape):
    signal = serializers.CharField()
    label = serializers.CharField()
    before = serializers.FloatField()
    after = serializers.FloatField()


class PreviewShape(StandingShape):
    """A standing that is not stored, beside the one that is."""

    before = ScoreShape(allow_null=True, help_text="The lead as it is; null without a lead.")
    changes = ChangedLineShape(many=True)
    would_lift = LiftShape(many=True)
    would_drop = DropShape(many=True)


class FeedbackAnswerShape(Shape):
    """What came of it: words, or the version that moved the points as was asked."""

    text = serializers.CharField()
    at = serializers.DateTimeField()
    model = ModelShape(allow_null=True)


class FeedbackShape(Shape):
    """One person's verdict on one line of the ledger."""

    id = serializers.IntegerField()
    signal = serializers.CharField()
    label = serializers.CharField()
    verdict = serializers.ChoiceField(Feedback.Verdict.choices)
    reason = serializers.CharField(allow_null=True)
    points = serializers.FloatField(help_text="What the line gave then.")
    model = ModelShape()
    author = Named(allow_null=True)
    at = serializers.DateTimeField()
    answer = FeedbackAnswerShape(allow_null=True)


class ClaimShape(Shape):
    by = Named()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(help_text="When it ends without a sign of life.")


class QueueLeadShape(LeadShape):
    reasons = serializers.ListField(
        child=serializers.CharField(), help_text="Why now: at most three, the strongest first."
    )
    claim = ClaimShape(allow_null=True, help_text="Who is on the lead just now.")


class WorkspaceShape(Shape):
    name = serializers.CharField()
    currency = serializers.CharField()
    time_zone = serializers.CharField()


class TokenShape(Shape):
    id = serializers.IntegerField()
    name = serializers.CharField()
    read_only = serializers.BooleanField()
    expires_at = serializers.DateTimeField()


class MeShape(Shape):
    id = serializers.IntegerField()
    name = serializers.CharField()
    email = serializers.CharField()
    role = serializers.CharField()
    team = Named(allow_null=True)
    token = TokenShape()
    workspace = WorkspaceShape()


class AnswerShape(Shape):
    key = serializers.CharField()
    label = serializers.CharField()
    rating = serializers.IntegerField(allow_null=True)


class QuestionShape(Shape):
    key = serializers.CharField()
    text = serializers.DictField(child=serializers.CharField(), help_text="By kind of lead.")
    type = serializers.CharField()
    mandatory = serializers.BooleanField()
    answers = AnswerShape(many=True)


class CriterionShape(Shape):
    dimension = serializers.CharField()
    label = serializers.CharField()
    guide = serializers.CharField()
    expires_days = serializers.IntegerField(allow_null=True)
    questions = QuestionShape(many=True)


class FrameworkShape(Shape):
    name = serializers.CharField()
    icp = serializers.CharField(help_text="Key of the profile whose leads are asked this.")
    model = ModelShape()
    criteria = CriterionShape(many=True)


class RatingShape(Shape):
    rating = serializers.IntegerField()
    word = serializers.CharField()


class FrameworksShape(Shape):
    rating_scale = RatingShape(many=True)
    dimensions = serializers.ListField(child=serializers.CharField())
    frameworks = FrameworkShape(many=True)


def page_of(shape: type[Shape], **more: serializers.Field) -> serializers.Serializer[object]:
    """Return the shape of a page of `shape`."""
    return inline_serializer(
        f"{shape.__name__.removesuffix('Shape')}Page",
        {
            "data": shape(many=True),
            "next_cursor": serializers.CharField(allow_null=True),
            "has_more": serializers.BooleanField(),
            **more,
        },
    )
