"""What the tests of calls share."""

import copy
import itertools
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from calls import services
from calls.models import Call, CallAnswer
from calls.selectors import Progress, get_call, read_progress
from calls.services import AnswerInput, FinishInput
from leads.models import Lead
from scoring.models import FrameworkVersion

_keys = itertools.count(1)


@pytest.fixture
def call(lead: Lead, rep: User) -> Call:
    """An open call of `rep` with `lead`."""
    return services.start_call(lead, by=rep)[0]


def answer(call: Call, question: str, by: User, key: str = "", **given: Any) -> CallAnswer:
    """Answer a question of a call."""
    if not given:
        given = {"rating": 100}
    data = AnswerInput(question=question, client_key=key or f"k{next(_keys)}", **given)
    return services.save_answer(call.pk, data, by=by).answer


def change_script(call: Call, **changes: dict[str, Any]) -> None:
    """Have an open call go by a framework whose questions are changed by key."""
    before = call.framework_version
    definition = copy.deepcopy(before.definition)
    for question in definition["questions"]:
        change = changes.get(question["key"], {})
        if "type" in change:  # the bounds of answers go with one type
            for answer in question["answers"]:
                answer.pop("at_least", None)
                answer.pop("within_days", None)
        question.update(change)
    call.framework_version = FrameworkVersion.objects.create(
        key=before.key, number=before.number + 1000, definition=definition
    )
    call.save(update_fields=["framework_version"])


def finish(call: Call, outcome: str, by: User, **given: Any) -> Call:
    """Finish a call."""
    return services.finish_call(call.pk, FinishInput(outcome, **given), by=by)


def progress_of(call: Call, viewer: User) -> Progress:
    """Read the state of a call as `viewer` sees it."""
    return read_progress(get_call(viewer, call.pk))


_BEFORE_THE_VIEW = ("django_session", "accounts_user", "accounts_team", "accounts_apitoken")


def statements(captured: CaptureQueriesContext) -> list[str]:
    """Return the statements of a request but those that authenticate and bound transactions."""
    found = []
    for query in captured.captured_queries:
        sql = query["sql"].lstrip()
        bounds = sql.startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"))
        asks = sql.startswith(("SELECT", "UPDATE")) and "calls_call" not in sql
        if not bounds and not (asks and any(table in sql for table in _BEFORE_THE_VIEW)):
            found.append(sql)
    return found
