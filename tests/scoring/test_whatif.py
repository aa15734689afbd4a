"""What is supposed scores what it would score if it were so; and nothing is written."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.clock import now
from core.errors import Invalid, NotFound
from leads.models import Company, Lead
from scoring.models import ModelVersion
from scoring.rescoring import rescore
from scoring.selectors import explain
from scoring.whatif import Supposition, what_if
from tests import factories

pytestmark = pytest.mark.django_db


def test_what_is_supposed_scores_what_it_scores_once_it_is_so(lead: Lead) -> None:
    supposed = Supposition(
        fields={"employees": 120, "industry": "Software", "country": None},
        ratings={"budget": 100, "need": 33},
        events={"hand_raised": 1, "page_viewed": 3},
    )
    with CaptureQueriesContext(connection) as queries:
        found = what_if(lead.pk, supposed)
    assert all(q["sql"].lstrip().upper().startswith(("SELECT", "COPY")) for q in queries)
    assert len(queries) <= 7
    assert found.before is not None
    assert found.before.score == explain([lead.pk])[lead.pk].score == 38
    assert sum(line.tenths for line in found.after.lines) == found.after.score * 10

    Lead.objects.filter(pk=lead.pk).update(
        company=Company.objects.create(name="Works", employees=120, industry="Software")
    )
    for kind in ("hand_raised", "page_viewed", "page_viewed", "page_viewed"):
        factories.make_activity(lead, kind)
    factories.make_evidence(lead, "budget", 100)
    factories.make_evidence(lead, "need", 33)
    rescore([lead.pk])
    real = explain([lead.pk])[lead.pk]
    for name in ("score", "low", "high", "tier", "tier_reason", "groups", "icp"):
        assert getattr(found.after, name) == getattr(real, name), name
    assert [(x.signal, x.tenths, x.known) for x in found.after.lines] == [
        (x.signal, x.tenths, x.known) for x in real.lines
    ]
    # The way back: unknown again, and never happened.
    back = what_if(
        lead.pk,
        Supposition(
            fields={"employees": None, "industry": None},
            ratings={"budget": None, "need": None},
            events={"hand_raised": 0, "page_viewed": 0},
        ),
    )
    known = {line.signal for line in back.after.lines if line.known}
    assert not known & {"budget", "need", "company_size", "industry"}


def test_days_ahead_score_what_the_clock_will_bring(lead: Lead) -> None:
    factories.make_activity(lead, "call_connected")
    factories.make_evidence(lead, "budget", 100, expires_at=now() + dt.timedelta(days=20))
    ahead = what_if(lead.pk, Supposition(days=60))
    then = explain([lead.pk], as_of=now() + dt.timedelta(days=60))[lead.pk]
    assert ahead.after.score == then.score < what_if(lead.pk, Supposition()).after.score
    assert not next(x for x in ahead.after.lines if x.signal == "budget").known


def test_a_lead_that_does_not_exist_is_made_up_of_what_is_given() -> None:
    nobody = what_if(None, Supposition())
    assert (nobody.after.score, nobody.after.tier, nobody.before) == (35, "cold", None)
    found = what_if(None, Supposition(fields={"employees": 100}, events={"hand_raised": 1}))
    assert found.after.score == 61  # 35 − 3.5 + 10 of the size − 10.5 + 30 of the hand-raise
    assert found.after.icp.startswith("B2B")
    student = what_if(None, Supposition(fields={"seniority": "student"}))
    assert student.disqualified
    assert student.outlook.lifts == ()
    with pytest.raises(NotFound):
        what_if(999_999_999, Supposition())


def test_a_draft_scores_without_being_live_and_counts_what_no_live_model_does(lead: Lead) -> None:
    live = ModelVersion.objects.get(key="b2b", state="live")
    signals = [
        {**s, "points": 20} if s["key"] == "budget" else s for s in live.definition["signals"]
    ]
    opened = {"key": "open", "label": "Opened", "points": 1, "activity": "email_opened"}
    draft = ModelVersion.objects.create(
        key="b2b",
        number=9,
        definition={**live.definition, "signals": [*signals, opened]},
        icp=live.icp,
        framework=live.framework,
    )
    factories.make_evidence(lead, "budget", 100)
    factories.make_activity(lead, "email_opened")  # which no live model counts
    found = what_if(lead.pk, Supposition(), version=draft)
    points = {line.signal: line.points for line in found.after.lines}
    assert (points["budget"], points["open"]) == (20, 1)
    told = [(key, after - before) for key, _, before, after in found.changes]
    assert told == [("budget", 10), ("open", 1), ("untracked", -10.5)]  # what it does is known


def test_everything_that_cannot_be_supposed_is_named(lead: Lead) -> None:
    with pytest.raises(Invalid) as error:
        what_if(
            lead.pk,
            Supposition(
                fields={"nonsense": 1, "employees": "many", "industry": 5},
                ratings={"luck": 50, "budget": 101},
                events={"note": 1, "page_viewed": -1},
                days=181,
            ),
        )
    assert [problem.field for problem in error.value.problems] == [
        "fields.nonsense",
        "fields.employees",
        "fields.industry",
        "ratings.luck",
        "ratings.budget",
        "engagement.note",
        "engagement.page_viewed",
        "days",
    ]


def test_what_would_make_a_lead_hot_does(lead: Lead, rep: User) -> None:
    for dimension in ("budget", "need"):
        factories.make_evidence(lead, dimension, 67)
    outlook = what_if(lead.pk, Supposition()).outlook
    assert outlook.reach == "hot"
    for lift in outlook.lifts:
        events = {fact.key: 1 for fact in lift.facts if fact.kind == "event"}
        ratings = {fact.key: fact.number for fact in lift.facts if fact.kind == "answer"}
        if len(events) + len(ratings) == len(lift.facts):  # bands name no single value
            then = what_if(lead.pk, Supposition(ratings=ratings, events=events)).after
            assert (then.tier, then.score) == ("hot", lift.score)
    assert any(fact.kind == "event" for lift in outlook.lifts for fact in lift.facts)
