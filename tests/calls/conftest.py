"""What the tests of calls share."""

import itertools
from typing import Any

import pytest

from accounts.models import User
from calls import services
from calls.models import Call, CallAnswer
from calls.services import AnswerInput, FinishInput
from leads.models import Lead

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
    return services.save_answer(call, data, by=by)


def finish(call: Call, outcome: str, by: User, **given: Any) -> Call:
    """Finish a call."""
    return services.finish_call(call, FinishInput(outcome, **given), by=by)
