"""What writes take. Each body names its fields one by one: what is not here cannot be set."""

# Fields named source, label or data: the metaclass takes declared fields off the class, so they
# hide nothing of the base, which mypy cannot know.
# mypy: disable-error-code="assignment"

import zoneinfo
from collections.abc import Mapping
from typing import Any

import orjson
from rest_framework import serializers

from core.api import Body, Moment, Text, Whole
from leads.activities import RECORDABLE
from leads.consent import Channel, ConsentSource, ConsentState
from leads.models import Lead, Outcome
from leads.services import LeadInput
from leads.titles import SENIORITIES
from scoring.levers import AHEAD_DAYS
from scoring.models import Evidence, Feedback

MOST_MINOR = 10**15  # 10 trillion in cents
MOST_COUNT = 2**31 - 1
MOST_DATA_BYTES = 16_384
MOST_CUSTOM = 200


class Code(Text):
    """A code of `letters` letters, kept in capitals."""

    def __init__(self, letters: int, **kwargs: Any) -> None:
        super().__init__(max_length=letters, **kwargs)
        self.letters = letters

    def to_internal_value(self, data: Any) -> str:
        """Return the code."""
        code = super().to_internal_value(data).upper()
        if code and not (len(code) == self.letters and code.isascii() and code.isalpha()):
            raise serializers.ValidationError(
                f"must be a code of {self.letters} letters", code="invalid"
            )
        return code


class Zone(Text):
    """The name of a time zone."""

    def to_internal_value(self, data: Any) -> str:
        """Return the name."""
        name = super().to_internal_value(data)
        if name and name not in zoneinfo.available_timezones():
            raise serializers.ValidationError(
                "must be a time zone such as Europe/Berlin", code="not_a_choice"
            )
        return name


class Values(serializers.DictField):
    """An object of plain values by key."""

    def __init__(self, most: int, **kwargs: Any) -> None:
        super().__init__(child=serializers.JSONField(allow_null=True), **kwargs)
        self.most = most

    def to_internal_value(self, data: Any) -> Any:
        """Return the object as it is; its values are checked by type where they are stored."""
        if not isinstance(data, Mapping):
            raise serializers.ValidationError("must be an object", code="wrong_type")
        if len(data) > self.most:
            raise serializers.ValidationError(f"has at most {self.most} keys", code="too_large")
        return dict(data)


class AmountBody(Body):
    """An amount in minor units (cents) of a currency."""

    amount_minor = Whole(min_value=0, max_value=MOST_MINOR)
    currency = Code(3, help_text="ISO 4217.")


class SetCompanyBody(Body):
    """The company, found by its domain, else by its name, else made. Its fields are filled in and
    never emptied, since other leads share it.
    """

    name = Text(max_length=200, required=False)
    domain = Text(max_length=253, required=False)
    industry = Text(max_length=100, required=False)
    country = Code(2, required=False, help_text="ISO 3166 alpha-2.")
    employees = Whole(min_value=0, max_value=MOST_COUNT, required=False)
    revenue_minor = Whole(min_value=0, max_value=MOST_MINOR, required=False)


class NewExternalIdBody(Body):
    """The id by which another system knows the lead; one id belongs to one lead only."""

    source = Text(max_length=100)
    id = Text(max_length=254)


class NewTouchBody(Body):
    """How the lead came here."""

    campaign = Text(max_length=200, required=False)
    utm_source = Text(max_length=200, required=False)
    utm_medium = Text(max_length=200, required=False)
    utm_campaign = Text(max_length=200, required=False)
    utm_term = Text(max_length=200, required=False)
    utm_content = Text(max_length=200, required=False)
    referrer = Text(max_length=1000, required=False)


class ChangeLeadBody(Body):
    """A JSON merge patch (RFC 7396): null removes a value, what is absent stays.

    Stage, owner, score and tier are not set here: the first two move by their own rules, the others
    follow from facts.
    """

    kind = serializers.ChoiceField(Lead.LeadKind.choices, required=False)
    first_name = Text(max_length=100, required=False, allow_blank=True, allow_null=True)
    last_name = Text(max_length=100, required=False, allow_blank=True, allow_null=True)
    email = Text(max_length=254, required=False, allow_blank=True, allow_null=True)
    phone = Text(max_length=40, required=False, allow_blank=True, allow_null=True)
    title = Text(max_length=150, required=False, allow_blank=True, allow_null=True)
    seniority = serializers.ChoiceField(
        SENIORITIES, required=False, help_text="Otherwise derived from the title."
    )
    age = Whole(min_value=0, max_value=130, required=False, allow_null=True)
    country = Code(2, required=False, allow_blank=True, allow_null=True)
    time_zone = Zone(max_length=64, required=False, allow_blank=True, allow_null=True)
    value = AmountBody(required=False, allow_null=True)
    company = SetCompanyBody(required=False, allow_null=True)
    custom = Values(MOST_CUSTOM, required=False, help_text="Custom fields by key; null removes.")
    add_external_ids = NewExternalIdBody(many=True, required=False)


class CreateLeadBody(ChangeLeadBody):
    """A new lead; it needs a name, an e-mail, a phone number or an external id."""

    add_external_ids = None
    external_ids = NewExternalIdBody(many=True, required=False)
    source = Text(max_length=100, required=False, help_text="Name of the source.")
    touch = NewTouchBody(required=False)


_NEVER_NULL = ("first_name", "last_name", "email", "phone", "title", "country", "time_zone")


def lead_input(values: Mapping[str, Any]) -> LeadInput:
    """Return validated values as the input of the lead services."""
    given = dict(values)
    for name in _NEVER_NULL:
        if name in given and given[name] is None:
            given[name] = ""
    if "value" in given:
        amount = given.pop("value")
        given["value_minor"] = None if amount is None else amount["amount_minor"]
        if amount is not None:
            given["currency"] = amount["currency"]
    ids = given.pop("external_ids", None) or given.pop("add_external_ids", None)
    if ids:
        given["external_ids"] = {item["source"]: item["id"] for item in ids}
    return LeadInput(**given)


class AddEvidenceBody(Body):
    """One answer about one dimension. A rating, or a question's answer, which implies one."""

    dimension = Text(max_length=40)
    rating = Whole(
        min_value=0,
        max_value=100,
        required=False,
        allow_null=True,
        help_text="0 ruled out, 33 weak, 67 moderate, 100 strong; null: asked, not known.",
    )
    question = Text(max_length=60, required=False)
    answer = Text(max_length=60, required=False)
    quote = Text(max_length=20_000, required=False, allow_blank=True)
    source = serializers.ChoiceField(Evidence.Source.choices, default=Evidence.Source.API)
    observed_at = Moment(required=False)


class RecordOutcomeBody(Body):
    """How the present round ends. Lost and disqualified need a reason."""

    result = serializers.ChoiceField(Outcome.Result.choices)
    reason = Text(max_length=200, required=False, allow_blank=True)
    value = AmountBody(required=False, help_text="Otherwise the lead's value.")
    at = Moment(required=False)


class RecordConsentBody(Body):
    """What a lead said about being contacted by one channel. The newest by `at` counts."""

    channel = serializers.ChoiceField(Channel.choices)
    state = serializers.ChoiceField(ConsentState.choices)
    source = serializers.ChoiceField(ConsentSource.choices, default=ConsentSource.API)
    wording = Text(
        max_length=500,
        required=False,
        allow_blank=True,
        help_text="What it agreed to, and where; needed for an agreement.",
    )
    at = Moment(required=False, help_text="At most five minutes ahead.")


class BookCallBody(Body):
    """A call at a time agreed with the lead."""

    title = Text(max_length=120)
    at = Moment()
    minutes = Whole(min_value=5, max_value=480, default=30)
    anyway = serializers.BooleanField(
        default=False, help_text="Also when the owner has another booked call then."
    )


class ChangeBookingBody(Body):
    """Another time, or how it ended. `no_show` plans the next try by the outcome's rule."""

    at = Moment(required=False)
    minutes = Whole(min_value=5, max_value=480, required=False)
    anyway = serializers.BooleanField(default=False)
    state = serializers.ChoiceField(["cancelled", "no_show"], required=False)
    reason = Text(max_length=500, required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for one change."""
        if ("at" in attrs) == ("state" in attrs):
            raise serializers.ValidationError(
                {"at": serializers.ErrorDetail("give a time or a state, not both", "required")}
            )
        return attrs


class RecordActivityBody(Body):
    """Something that happened; a known `dedupe_key` is recorded once."""

    kind = serializers.ChoiceField([(kind.value, kind.label) for kind in RECORDABLE])
    at = Moment(required=False, help_text="At most five minutes ahead.")
    data = Values(50, required=False)
    dedupe_key = Text(max_length=120, required=False)

    def validate_data(self, value: dict[str, Any]) -> dict[str, Any]:
        """Refuse what is no note of an event but a document."""
        if len(orjson.dumps(value)) > MOST_DATA_BYTES:
            raise serializers.ValidationError("is larger than 16 KB", code="too_large")
        return value


class GiveFeedbackBody(Body):
    """A verdict on the points of one line of the lead's ledger."""

    signal = Text(max_length=60, help_text="The `signal` of a ledger line.")
    verdict = serializers.ChoiceField(Feedback.Verdict.choices)
    reason = Text(max_length=500, required=False, allow_blank=True)


class ModelVersionBody(Body):
    """One version of a score model."""

    key = Text(max_length=60)
    version = Whole(min_value=1, max_value=MOST_COUNT)


class PreviewScoreBody(Body):
    """A lead whose facts are supposed to be others, or one that does not exist."""

    lead = Whole(
        min_value=1, max_value=2**63 - 1, required=False, help_text="Otherwise nothing is known."
    )
    fields = Values(MOST_CUSTOM, required=False, help_text="By name; null: not known.")
    ratings = Values(MOST_CUSTOM, required=False, help_text="0–100 by dimension; null: not known.")
    engagement = Values(
        MOST_CUSTOM,
        required=False,
        help_text="By activity kind: so many more that happen now; 0: it never happened.",
    )
    days = Whole(
        min_value=0,
        max_value=AHEAD_DAYS,
        required=False,
        help_text="Days without anything new that pass before.",
    )
    model = ModelVersionBody(
        required=False,
        help_text="Score by this version; one that is not live is for model owners.",
    )
