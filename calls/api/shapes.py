"""Shapes of answers about calls, for the OpenAPI description, and examples that hold to them."""

from typing import Any

from rest_framework import serializers

from calls.models import Call, CallAnswer
from scoring.tiers import Tier

Json = dict[str, Any]
_TIERS = [tier.value for tier in Tier]


class Shape(serializers.Serializer[object]):
    """An object in an answer; never used to read or write."""


class CallPersonShape(Shape):
    id = serializers.IntegerField()
    name = serializers.CharField()


class CallScoreShape(Shape):
    score = serializers.IntegerField()
    low = serializers.IntegerField()
    high = serializers.IntegerField()
    tier = serializers.ChoiceField(_TIERS, allow_null=True)


class CallAnswerShape(Shape):
    """One answer of a call, and the score after it."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(CallAnswer.Kind.choices)
    question = serializers.CharField(allow_null=True)
    dimension = serializers.CharField()
    answer = serializers.CharField(allow_null=True)
    label = serializers.CharField()  # type: ignore[assignment]
    rating = serializers.IntegerField(allow_null=True)
    amount = serializers.CharField()
    quote = serializers.CharField()
    author = CallPersonShape(allow_null=True)
    at = serializers.DateTimeField()
    evidence_id = serializers.IntegerField(allow_null=True)
    replaces_id = serializers.IntegerField(allow_null=True, help_text="The answer before it.")
    delta = serializers.IntegerField(help_text="Points that it moved the score by.")
    standing = CallScoreShape()


class CallShape(Shape):
    """A call; `start` and `end` are the score as the call began and ended."""

    id = serializers.IntegerField()
    lead_id = serializers.IntegerField()
    rep = CallPersonShape(allow_null=True)
    direction = serializers.ChoiceField(Call.Direction.choices)
    state = serializers.ChoiceField(Call.State.choices)
    framework_version = serializers.IntegerField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    notes = serializers.CharField()
    notes_version = serializers.IntegerField()
    recorded = serializers.BooleanField(
        help_text="Calls were recorded as it began, so the lead has to be told."
    )
    recording = serializers.ChoiceField(
        Call.Recording.choices, allow_null=True, help_text="What the lead said to that."
    )
    recording_at = serializers.DateTimeField(allow_null=True)
    outcome = serializers.CharField(allow_null=True)
    reason = serializers.CharField()
    callback_at = serializers.DateTimeField(allow_null=True)
    summary = serializers.CharField()
    followup_id = serializers.IntegerField(allow_null=True)
    external_key = serializers.CharField(allow_null=True)
    start = CallScoreShape()
    end = CallScoreShape(allow_null=True)


class CallDetailShape(CallShape):
    """A call with all its answers, in the order in which they came."""

    answers = CallAnswerShape(many=True)


class OpenQuestionShape(Shape):
    key = serializers.CharField()
    dimension = serializers.CharField()
    criterion = serializers.CharField()
    text = serializers.CharField(help_text="As it is asked of this kind of lead.")
    later = serializers.BooleanField(help_text="It was put off: “ask later”.")


class CallFinishedShape(CallDetailShape):
    open_required = OpenQuestionShape(
        many=True,
        help_text="Required questions that were not asked and whose criterion nothing is known of.",
    )


class CallPage(Shape):
    data = CallShape(many=True)  # type: ignore[assignment]
    next_cursor = serializers.CharField(allow_null=True)
    has_more = serializers.BooleanField()


class ScriptAnswerShape(Shape):
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    rating = serializers.IntegerField(allow_null=True)
    at_least = serializers.FloatField(
        allow_null=True,
        help_text="An amount of this share of the deal value or more is this answer.",
    )
    within_days = serializers.IntegerField(
        allow_null=True, help_text="A date within so many days is this answer."
    )


class NextQuestionShape(Shape):
    """A question worth asking; `worst` and `best` are the scores that single answers lead to."""

    key = serializers.CharField()
    dimension = serializers.CharField()
    text = serializers.CharField()
    guide = serializers.CharField()
    reason = serializers.CharField()
    required = serializers.BooleanField(help_text="Without it the lead cannot be hot.")  # type: ignore[assignment]
    value = serializers.FloatField(help_text="What asking is worth; they are in this order.")
    tier_chance = serializers.FloatField(help_text="Probability that the tier changes.")
    worst = serializers.IntegerField()
    best = serializers.IntegerField()
    answers = ScriptAnswerShape(many=True)


class NextQuestionsShape(Shape):
    settled = serializers.BooleanField(help_text="No answer can change the tier: stop asking.")
    questions = NextQuestionShape(many=True)


class ScriptQuestionShape(Shape):
    key = serializers.CharField()
    dimension = serializers.CharField()
    text = serializers.DictField(child=serializers.CharField(), help_text="By kind of lead.")
    type = serializers.CharField()
    guide = serializers.CharField()
    probes = serializers.ListField(child=serializers.CharField())
    mandatory = serializers.BooleanField()
    seconds = serializers.IntegerField()
    ask_if = serializers.DictField(allow_null=True, help_text="A condition on ratings.")
    answers = ScriptAnswerShape(many=True)


class ScriptShape(Shape):
    framework_version = serializers.IntegerField()
    name = serializers.CharField()
    icp = serializers.CharField(help_text="Key of the profile whose leads are asked this.")
    questions = ScriptQuestionShape(many=True)


class ScriptOutcomeShape(Shape):
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    connected = serializers.BooleanField()
    ends_clock = serializers.BooleanField()
    needs_note = serializers.BooleanField()
    needs_callback = serializers.BooleanField()
    needs_reason = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.CharField())
    moves_to = serializers.CharField(allow_null=True)
    followup = serializers.CharField(allow_null=True, help_text="Title of what it starts.")


class ScriptsShape(Shape):
    scripts = ScriptShape(many=True)
    outcomes = ScriptOutcomeShape(many=True)


_AT = "2026-11-22T09:02:11Z"
_REP: Json = {"id": 12, "name": "Anna"}
_START: Json = {"score": 41, "low": 30, "high": 82, "tier": "warm"}
_END: Json = {"score": 63, "low": 58, "high": 75, "tier": "hot"}
ANSWER: Json = {
    "id": 901,
    "kind": "answer",
    "question": "budget_funding",
    "dimension": "budget",
    "answer": "set_aside",
    "label": "Set aside: amount and source are known",
    "rating": 100,
    "amount": "",
    "quote": "40k for this year",
    "author": _REP,
    "at": _AT,
    "evidence_id": 5501,
    "replaces_id": None,
    "delta": 7,
    "standing": {"score": 48, "low": 37, "high": 82, "tier": "warm"},
}
CALL: Json = {
    "id": 77,
    "lead_id": 4711,
    "rep": _REP,
    "direction": "outbound",
    "state": "finished",
    "framework_version": 1,
    "started_at": _AT,
    "ended_at": "2026-11-22T09:19:40Z",
    "notes": "Hosting in the EU was asked for.",
    "notes_version": 3,
    "recorded": True,
    "recording": "agreed",
    "recording_at": "2026-11-22T09:02:20Z",
    "outcome": "callback",
    "reason": "",
    "callback_at": "2026-11-24T10:00:00Z",
    "summary": "Budget: Set aside: amount and source are known (“40k for this year”)",
    "followup_id": 3121,
    "external_key": "dialer-8812",
    "start": _START,
    "end": _END,
}
DETAIL: Json = {**CALL, "answers": [ANSWER]}
FINISHED: Json = {
    **DETAIL,
    "open_required": [
        {
            "key": "authority_role",
            "dimension": "authority",
            "criterion": "Authority",
            "text": "Who decides on something like this?",
            "later": False,
        }
    ],
}
PAGE: Json = {"data": [CALL], "next_cursor": None, "has_more": False}
START: Json = {"lead": 4711, "external_key": "dialer-8812"}
GIVE: Json = {"question": "budget_funding", "answer": "set_aside", "quote": "40k for this year"}
NOTES: Json = {"notes": "Hosting in the EU was asked for.", "notes_version": 2}
FINISH: Json = {"outcome": "callback", "callback_at": "2026-11-24T10:00:00Z"}
_ANSWERS: list[Json] = [
    {
        "key": "set_aside",
        "label": "Set aside: amount and source are known",
        "rating": 100,
        "at_least": None,
        "within_days": None,
    },
    {
        "key": "unknown",
        "label": "Does not know or would not say",
        "rating": None,
        "at_least": None,
        "within_days": None,
    },
]
NEXT: Json = {
    "settled": False,
    "questions": [
        {
            "key": "budget_funding",
            "dimension": "budget",
            "text": "Is money set aside for this already, or would it still have to be found?",
            "guide": "Set aside: somebody can name the amount and where it comes from.",
            "reason": "Could move this lead warm → hot",
            "required": False,
            "value": 1.42,
            "tier_chance": 0.5,
            "worst": 37,
            "best": 61,
            "answers": _ANSWERS,
        }
    ],
}
SCRIPTS: Json = {
    "scripts": [
        {
            "framework_version": 1,
            "name": "BANT",
            "icp": "b2b",
            "questions": [
                {
                    "key": "budget_funding",
                    "dimension": "budget",
                    "text": {"b2b": "Is money set aside?", "b2c": "Have you put something aside?"},
                    "type": "choice",
                    "guide": "Set aside: somebody can name the amount.",
                    "probes": ["Who released that amount?"],
                    "mandatory": True,
                    "seconds": 45,
                    "ask_if": None,
                    "answers": _ANSWERS,
                }
            ],
        }
    ],
    "outcomes": [
        {
            "key": "callback",
            "label": "Call back",
            "connected": True,
            "ends_clock": True,
            "needs_note": False,
            "needs_callback": True,
            "needs_reason": False,
            "reasons": [],
            "moves_to": "accepted",
            "followup": "Call back as agreed",
        }
    ],
}
