"""What writes of calls take. Each body names its fields one by one."""

from rest_framework import serializers

from calls.models import Call, CallAnswer
from calls.services import MOST_AMOUNT, MOST_LABEL, MOST_NOTES, MOST_QUOTE
from core.api import Body, Moment, Text, Whole

MOST_ID = 2**63 - 1


class StartCallBody(Body):
    """Begins a call. With an `external_key` that is known the call of that name is answered."""

    lead = Whole(min_value=1, max_value=MOST_ID)
    direction = serializers.ChoiceField(Call.Direction.choices, default=Call.Direction.OUTBOUND)
    external_key = Text(max_length=120, required=False, help_text="Your own name of the call.")
    framework_version = Whole(
        min_value=1,
        max_value=MOST_ID,
        required=False,
        help_text="Of /scripts; refused unless it is the live one of this lead.",
    )
    take_over = serializers.BooleanField(
        default=False,
        help_text="Also when somebody else is on the lead; for managers of the team and admins.",
    )


class GiveAnswerBody(Body):
    """One answer: to a question by `answer`, `rating`, or one of the flags, or by an `amount` alone
    where the bounds of its answers tell which one it is; or a `concern` or `competitor` in the
    lead's words (`kind` and `quote`, without a question).
    """

    kind = serializers.ChoiceField(
        [
            (kind.value, kind.label)
            for kind in (CallAnswer.Kind.CONCERN, CallAnswer.Kind.COMPETITOR)
        ],
        required=False,
        help_text="Only for what the lead brought up by itself.",
    )
    question = Text(max_length=60, required=False)
    answer = Text(max_length=60, required=False)
    rating = Whole(
        min_value=0,
        max_value=100,
        required=False,
        help_text="0 ruled out, 33 weak, 67 moderate, 100 strong.",
    )
    unknown = serializers.BooleanField(required=False, help_text="Asked, not known.")
    later = serializers.BooleanField(required=False, help_text="To be asked later.")
    amount = Text(max_length=MOST_AMOUNT, required=False, allow_blank=True)
    quote = Text(max_length=MOST_QUOTE, required=False, allow_blank=True)


class ChangeCallBody(Body):
    """The notes of an open call; `notes_version` is the one that they were read with."""

    notes = Text(max_length=MOST_NOTES, allow_blank=True, trim_whitespace=False)
    notes_version = Whole(min_value=0, max_value=2**31 - 1)


class FinishCallBody(Body):
    """How the call ended. /scripts says what each outcome needs and starts."""

    outcome = Text(max_length=60)
    reason = Text(max_length=MOST_LABEL, required=False, allow_blank=True)
    callback_at = Moment(required=False)
    anyway = serializers.BooleanField(
        default=False, help_text="Book the callback beside another one at that time."
    )
    note = Text(max_length=MOST_NOTES, required=False, allow_blank=True)
    summary = Text(max_length=MOST_NOTES, required=False, allow_blank=True)
    next_title = Text(max_length=120, required=False, allow_blank=True)
    next_at = Moment(required=False)
    recording = serializers.ChoiceField(
        Call.Recording.choices, required=False, help_text="What the lead said to being recorded."
    )
