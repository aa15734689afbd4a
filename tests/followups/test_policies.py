"""What a person may do with a follow-up, in words for the button."""

import pytest

from followups import policies
from followups.models import Followup

pytestmark = pytest.mark.django_db


def followup(lead, **fields) -> Followup:
    return Followup(lead=lead, kind="call", title="Call", **fields)


def test_an_open_call_can_be_completed_skipped_and_snoozed(lead, rep):
    open_call = followup(lead)
    assert policies.can_complete_followup(rep, open_call)
    assert policies.can_skip_followup(rep, open_call)
    assert policies.can_snooze_followup(rep, open_call)
    assert not policies.can_reopen_followup(rep, open_call, ended_today=False)


@pytest.mark.parametrize("state", ["done", "skipped", "cancelled", "sent"])
def test_a_finished_one_says_what_became_of_it(lead, rep, state):
    decision = policies.can_complete_followup(rep, followup(lead, state=state))
    assert decision.reason == f"This follow-up is {state} already."


@pytest.mark.parametrize("state", ["cancelled", "sent", "claimed"])
def test_only_what_a_person_finished_can_be_reopened(lead, rep, state):
    assert not policies.can_reopen_followup(rep, followup(lead, state=state), ended_today=True)


def test_a_colleague_is_told_whose_it_is(lead, stranger):
    decision = policies.can_snooze_followup(stranger, followup(lead))
    assert decision.reason == "This lead belongs to a colleague."
