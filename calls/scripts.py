"""The script of a call: the questions of the framework version that the call began with. Pure, but
for the one read of a version that never changes.
"""

from collections.abc import Iterable
from functools import lru_cache

from calls.models import CallAnswer
from core.errors import Invalid
from scoring.definitions import Answer, Framework, Question, parse_framework
from scoring.models import FrameworkVersion


@lru_cache(maxsize=32)
def script_of(framework_version_id: int) -> Framework:
    """Return the framework of a version; versions in use never change."""
    version = FrameworkVersion.objects.get(pk=framework_version_id)
    return parse_framework(version.definition, {})


def answers_of(given: Iterable[CallAnswer]) -> dict[str, str]:
    """Return the key of the newest answer to each question, of the answers of a call in order."""
    newest = {answer.question: answer for answer in given if answer.question}
    return {key: answer.answer for key, answer in newest.items() if answer.answer}


def question_of(script: Framework, key: str) -> Question:
    """Return a question of a script; raise Invalid for an unknown key."""
    for question in script.asked:
        if question.key == key:
            return question
    raise Invalid.field("question", "unknown_question", "is not a question of this call's script")


def answer_of(question: Question, key: str) -> Answer:
    """Return an answer of a question; raise Invalid naming the possible keys."""
    possible = (*question.choices, *(a for a in question.answers if a.rating is None))
    for answer in possible:
        if answer.key == key:
            return answer
    keys = ", ".join(answer.key for answer in possible)
    raise Invalid.field("answer", "not_a_choice", f"must be one of {keys}")
