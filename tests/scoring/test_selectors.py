"""Explanations and the next questions, on the database."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.errors import NotFound
from leads.activities import Kind
from leads.models import Lead
from scoring.models import Standing
from scoring.selectors import explain, next_questions
from tests.factories import make_activity, make_evidence, make_lead, make_source

pytestmark = pytest.mark.django_db


def test_an_explanation_says_what_the_standing_says(lead: Lead) -> None:
    evidence = make_evidence(lead, "budget", 67)
    standing = Standing.objects.get(pk=lead.pk)
    found = explain([lead.pk])[lead.pk]
    assert (found.score, found.low, found.high, found.tier) == (
        standing.score,
        standing.low,
        standing.high,
        standing.tier,
    )
    assert sum(line.tenths for line in found.lines) == standing.score * 10
    budget = next(line for line in found.lines if line.evidence_id)
    assert (budget.evidence_id, budget.known, budget.detail) == (evidence.pk, True, "moderate")


def test_reasons_are_known_facts_the_strongest_first(rep: User) -> None:
    lead = make_lead(owner=rep, first_source=make_source())
    make_activity(lead, Kind.HAND_RAISED)
    make_evidence(lead, "need", 100)
    found = explain([lead.pk])[lead.pk]
    assert "just now" in found.reasons[0]
    assert len(found.reasons) <= 3
    assert all(line.low <= line.high for line in found.unknowns)


def test_explaining_fifty_leads_takes_as_many_queries_as_one(rep: User) -> None:
    leads = [make_lead(owner=rep).pk for _ in range(12)]
    explain(leads)
    counts = []
    for ids in (leads[:1], leads):
        with CaptureQueriesContext(connection) as captured:
            assert len(explain(ids)) == len(ids)
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 6


def test_a_lead_that_does_not_exist_is_left_out_and_has_no_questions(lead: Lead) -> None:
    assert explain([lead.pk + 1]) == {}
    with pytest.raises(NotFound):
        next_questions(Lead(pk=lead.pk + 1))


def test_the_next_question_is_about_what_is_not_known(lead: Lead) -> None:
    first = next_questions(lead)
    assert first.questions[0].gate
    assert not first.settled
    make_evidence(lead, first.questions[0].dimension, 100)
    again = next_questions(lead)
    dimensions = {question.dimension for question in again.questions}
    assert first.questions[0].dimension not in dimensions


def test_questions_are_worded_for_the_leads_kind(rep: User) -> None:
    consumer = make_lead(owner=rep, kind="b2c")
    business = make_lead(owner=rep, kind="b2b")
    wording = {
        lead.kind: {q.key: q.text for q in next_questions(lead).questions}
        for lead in (consumer, business)
    }
    assert wording["b2b"].keys() == wording["b2c"].keys()
    assert wording["b2b"] != wording["b2c"]
