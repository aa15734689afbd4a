"""Signals from the workspace's own past leads: found, picked, measured, taken."""

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Team, User
from core.clock import now
from core.errors import Invalid
from core.models import Job
from leads.models import CustomField, Lead, Outcome
from scoring import reviewing
from scoring.models import ModelVersion, Proposal, RefusedSignal, Snapshot, Standing, Suggestion
from scoring.proposal_selectors import read_proposal
from scoring.suggestions import find
from tests import factories
from tests.scoring.test_proposing import done, history

pytestmark = pytest.mark.django_db


def test_past_leads_suggest_lines_that_a_person_picks_reviews_and_approves(
    team: Team, model_owner: User, client: Client
) -> None:
    history(team, n=300, won_by="nothing")
    CustomField.objects.create(key="plan", label="Plan", type="text")
    CustomField.objects.create(key="mood", label="Mood", type="text", known_when="outcome")
    CustomField.objects.create(key="trial", label="Trial", type="text")
    random = np.random.default_rng(5)
    for lead in Lead.objects.filter(team=team).order_by("pk"):
        won = lead.stage == "won"
        gold = random.random() < (0.75 if won else 0.25)
        mood = "glad" if won else "sad"
        trial = "long" if won == (random.random() < 0.97) else "short"
        lead.custom = {"plan": "Gold" if gold else "Basic", "mood": mood, "trial": trial}
        lead.save(update_fields=["custom"])
    consumer = factories.make_lead(kind="b2c")  # of another segment
    Outcome.objects.create(lead=consumer, round=1, result="won", at=now())
    Lead.objects.filter(pk=consumer.pk).update(stage="won")
    client.force_login(model_owner)
    address = client.post("/scoring/suggestions/", {"key": "b2b"})["Location"]
    assert client.post("/scoring/suggestions/", {"key": "b2b"})["Location"] == address  # twice
    found = Suggestion.objects.get()
    assert found.job is not None
    assert done(found.job).state == Job.State.SUCCEEDED, found.job.error
    found.refresh_from_db()
    lines = found.result["lines"]
    assert lines[0]["field"] == "Plan"
    assert "Mood" not in {line["field"] for line in lines}  # the outcome in disguise
    assert found.result["verdict"] == "propose"
    with CaptureQueriesContext(connection) as queries:
        page = client.get(address).content.decode()
    assert len(queries) <= 8
    assert "Plan: " in page
    assert "you would have reached" in page  # what they are worth comes first
    assert "Suggested signals: B2B" in page
    assert client.post(f"{address}take/").status_code == 422  # nothing ticked

    keep = [line["key"] for line in lines if line["field"] == "Plan"]
    Suggestion.objects.update(result={**found.result, "live": 0})
    assert client.post(f"{address}take/", {"use": keep}).status_code == 409  # measured beside it
    Suggestion.objects.update(result=found.result)
    assert client.post(f"{address}take/", {"use": keep}).status_code == 302
    assert RefusedSignal.objects.count() == len(lines) - len(keep)
    found.refresh_from_db()
    assert done(found.job).state == Job.State.SUCCEEDED, found.job.error
    assert done(Job.objects.get(kind="appraise")).state == Job.State.SUCCEEDED
    proposal, result = Proposal.objects.get(), found.result
    assert (proposal.verdict, proposal.author) == ("propose", model_owner)
    assert (proposal.evidence["n"], proposal.evidence["won"]) == (result["n"], result["won"])
    assert result["n"] == 300  # not the consumer
    assert proposal.get_origin_display() == "From suggested signals"
    assert proposal.evidence["trained_on"]["to"] <= proposal.evidence["tested_on"]["from"]
    assert client.post(f"{address}take/", {"use": keep}).status_code == 409  # once
    # A point is worth something else now, and lines that stay are told in new ones.
    page_of = read_proposal(proposal, model_owner)
    same = {line["key"]: line for _, lines in page_of.same for line, _ in lines}
    assert same["budget"]["old_scaled"] == pytest.approx(same["budget"]["new"], rel=0.01)
    assert same["budget"]["old_scaled"] != same["budget"]["old"]

    job = reviewing.approve(proposal, by=model_owner, seen=reviewing.slice_names(proposal))
    assert job is not None
    assert done(job).state == Job.State.SUCCEEDED, job.error
    live = ModelVersion.objects.get(key="b2b", state="live")
    open_leads = Standing.objects.filter(is_open=True)
    assert set(open_leads.values_list("model_version", flat=True)) == {live.pk}
    by_plan = dict(open_leads.values_list("lead__custom__plan", "score"))
    assert by_plan["Gold"] > by_plan["Basic"], by_plan
    for path, most in (
        ("/scoring/", 8),
        ("/scoring/proposals/", 8),
        (f"/scoring/proposals/{proposal.pk}/", 14),
        (f"/scoring/versions/{live.pk}/", 12),
        ("/scoring/feedback/", 9),
    ):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        assert len(queries) <= most, path
    # What was refused is not suggested again from the same outcomes.
    refused = set(RefusedSignal.objects.values_list("fingerprint", flat=True))
    assert not refused & {line["fingerprint"] for line in find("b2b")["lines"]}
    # A field that gives the outcome away is left out until a person says otherwise.
    assert "Trial is known in time" in page
    given = {"subject": "custom.trial", "reason": "It ends before we decide."}
    assert client.post(f"{address}trust/", {**given, "reason": ""}).status_code == 422
    assert client.post(f"{address}trust/", given).status_code == 302
    again = find("b2b")
    assert "Trial" in {line["field"] for line in again["lines"]}
    [named] = [w for w in again["warnings"] if w["code"] == "leak_kept"]
    assert "It ends before we decide" in named["text"]
    assert client.post(f"{address}distrust/", given).status_code == 302
    assert "Trial" not in {line["field"] for line in find("b2b")["lines"]}


def test_lines_are_measured_in_the_place_of_the_fit_lines_beside_all_that_stays(team: Team) -> None:
    """Engagement tells won from lost here, and goes on counting in what would be taken."""
    history(team, n=300, won_by="nothing")
    CustomField.objects.create(key="plan", label="Plan", type="text")
    random = np.random.default_rng(5)
    for lead in Lead.objects.filter(team=team).order_by("pk"):
        won = lead.stage == "won"
        lead.custom = {"plan": "Gold" if random.random() < (0.6 if won else 0.4) else "Basic"}
        lead.save(update_fields=["custom"])
        asked = {"hand_raised/0": [1.0, 1.0]} if random.random() < (0.7 if won else 0.2) else {}
        for snapshot in Snapshot.objects.filter(lead=lead):
            snapshot.facts |= {"engagement": asked, "tracked": True}
            snapshot.save(update_fields=["facts"])
    with pytest.raises(Invalid, match="of 100"):
        find("general")  # it scores none of them
    metrics = find("b2b")["backtest"]["metrics"]
    assert metrics["live"]["auc"] > 0.65
    assert metrics["ours"]["auc"] > metrics["live"]["auc"] - 0.02


def test_lines_are_judged_by_leads_that_only_the_new_profile_takes(
    team: Team, model_owner: User, client: Client
) -> None:
    """As after an import of past leads about which no live profile asks anything."""
    history(team, n=300, won_by="nothing")
    CustomField.objects.create(key="plan", label="Plan", type="text")
    Snapshot.objects.update(facts={"fields": {}, "engagement": {}, "tracked": False})
    Lead.objects.update(company=None, seniority="", email_kind="")
    random = np.random.default_rng(5)
    for lead in Lead.objects.filter(team=team).order_by("pk"):
        gold = random.random() < (0.75 if lead.stage == "won" else 0.25)
        lead.custom = {"plan": "Gold" if gold else "Basic"}
        lead.save(update_fields=["custom"])
    client.force_login(model_owner)
    address = client.post("/scoring/suggestions/", {"key": "b2b"})["Location"]
    found = Suggestion.objects.get()
    assert found.job is not None
    done(found.job)
    found.refresh_from_db()
    client.post(f"{address}take/", {"use": [line["key"] for line in found.result["lines"]]})
    found.refresh_from_db()
    done(found.job)
    assert done(Job.objects.get(kind="appraise")).state == Job.State.SUCCEEDED
    lines = {line["label"]: line for line in Proposal.objects.get().evidence["lines"]}
    [plan] = [line for label, line in lines.items() if label.startswith("Plan: ")]
    assert plan["known"] == plan["of"] == 300
    assert 100 < plan["n"] < 200
    assert plan["low"] < plan["new"] < plan["high"]


def test_too_few_outcomes_are_said(team: Team, model_owner: User, client: Client) -> None:
    history(team, n=30)
    client.force_login(model_owner)
    address = client.post("/scoring/suggestions/", {"key": "b2b"})["Location"]
    job = Suggestion.objects.get().job
    assert job is not None
    done(job)
    assert "30 of 100" in client.get(address).content.decode()
    assert client.post("/scoring/suggestions/", {"key": "none"}).status_code == 404
