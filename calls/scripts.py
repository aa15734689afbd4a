"""The script of a call: the questions of the framework version that the call began with. Pure, but
for the one read of a version that never changes.
"""

from functools import lru_cache

from core.errors import Invalid
from scoring.definitions import Answer, Framework, Question, parse_framework
from scoring.models import FrameworkVersion

# For questions whose framework names no rated answers: the person judges by the guide.
JUDGED = (
    Answer("strong", "Strong", 100),
    Answer("moderate", "Moderate", 67),
    Answer("weak", "Weak", 33),
    Answer("ruled_out", "Ruled out", 0),
)

YES_NO = (Answer("yes", "Yes", 100), Answer("no", "No", 0))


@lru_cache(maxsize=32)
def script_of(framework_version_id: int) -> Framework:
    """Return the framework of a version; versions in use never change."""
    version = FrameworkVersion.objects.get(pk=framework_version_id)
    return parse_framework(version.definition, {})


def question_of(script: Framework, key: str) -> Question:
    """Return a question of a script; raise Invalid for an unknown key."""
    for question in script.questions:
        if question.key == key:
            return question
    raise Invalid.field("question", "unknown_question", "is not a question of this call's script")


def choices_of(question: Question) -> tuple[Answer, ...]:
    """Return the rated answers to choose from, in the order of their digit keys.

    "Don't know" is no choice: every question can be answered so.
    """
    rated = tuple(answer for answer in question.answers if answer.rating is not None)
    return rated or (YES_NO if question.type == "yes_no" else JUDGED)


def answer_of(question: Question, key: str) -> Answer:
    """Return an answer of a question; raise Invalid naming the possible keys."""
    possible = (*choices_of(question), *(a for a in question.answers if a.rating is None))
    for answer in possible:
        if answer.key == key:
            return answer
    keys = ", ".join(answer.key for answer in possible)
    raise Invalid.field("answer", "not_a_choice", f"must be one of {keys}")
