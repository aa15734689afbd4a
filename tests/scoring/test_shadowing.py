"""A version in the shadow scores beside the live one and touches nothing."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from accounts.models import Team, User
from accounts.roles import Role
from core.clock import now
from leads.models import Lead, Outcome
from leads.services import move_lead
from scoring import drafting, reviewing
from scoring.models import ModelVersion, Proposal, ShadowScore, Standing
from scoring.rescoring import rescore
from scoring.shadowing import read_shadow
from scoring.tasks import score_in_shadow
from tests import factories

pytestmark = pytest.mark.django_db


def proposed(by: User, **changes: object) -> Proposal:
    """A draft of the b2b model that is up for review."""
    live = ModelVersion.objects.get(key="b2b", state="live")
    draft = drafting.make_draft(live, by=by)
    content = {**draft.definition, **changes}
    draft = drafting.save_draft(draft, content, by=by, read=drafting.content_tag(draft))
    return Proposal.objects.create(
        key="b2b", origin="hand", version=draft, live=live, verdict="keep", fingerprint="s"
    )


def test_the_shadow_scores_open_leads_shows_where_it_differs_and_is_measured_later(
    team: Team, rep: User, model_owner: User, client: Client
) -> None:
    fine: dict[str, Any] = {
        "company": {"employees": 200, "industry": "Software", "country": "DE"},
        "title": "CEO",
    }
    leads = [factories.make_lead(owner=rep, **fine) for _ in range(24)]
    closed = factories.make_lead(owner=rep, **fine, stage="lost")
    proposal = proposed(model_owner, base=40)
    before = list(Standing.objects.order_by("pk").values())
    assert score_in_shadow() == 0
    reviewing.shadow(proposal, by=model_owner, days=7)
    assert score_in_shadow() == 24
    assert score_in_shadow() == 0  # all are up to date
    assert list(Standing.objects.order_by("pk").values()) == before
    assert not ShadowScore.objects.filter(lead=closed).exists()
    one = ShadowScore.objects.get(lead=leads[0])
    assert one.score == one.live_score + 40
    assert one.tier != one.live_tier
    factories.make_evidence(leads[0], "budget", 100)
    assert score_in_shadow() == 1  # its facts are new

    version = proposal.version
    assert version is not None
    page = read_shadow(version, model_owner)
    # The one with a budget is hot under both.
    assert (page.scored, page.differ, page.measured.n) == (24, 23, 0)
    for number, lead in enumerate(leads):
        result = "won" if number < 8 else "lost"
        Outcome.objects.create(lead=lead, round=1, result=result, at=now())
        Lead.objects.filter(pk=lead.pk).update(stage=result)
    measured = read_shadow(version, model_owner).measured
    assert (measured.n, measured.won) == (24, 8)
    assert measured.live_auc == pytest.approx(measured.shadow_auc)
    assert measured.live_loss != measured.shadow_loss
    assert measured.auc_gain == pytest.approx((0.0, 0.0, 0.0))  # leads are ranked alike
    assert measured.loss_gain is not None
    middle, low, high = measured.loss_gain
    assert measured.live_loss is not None
    assert measured.live_loss + middle == pytest.approx(measured.shadow_loss)
    assert low < middle < high
    assert measured.loss_words.startswith(f"{middle:+.4f}".replace("-", "−"))

    # What is opened again is scored anew; how its first round ended goes on counting, once.
    again = leads[0]
    kept = ShadowScore.objects.get(lead=again).score
    move_lead(again, "opportunity", by=rep, reason="They came back.")
    rescore([again.pk])
    assert score_in_shadow() == 1
    assert score_in_shadow() == 0
    assert ShadowScore.objects.get(lead=again, round=1).score == kept
    assert ShadowScore.objects.filter(lead=again).count() == 2
    page = read_shadow(version, model_owner)
    assert (page.scored, page.measured.n, page.measured.won) == (24, 24, 8)
    Outcome.objects.create(lead=again, round=2, result="lost", reason="Price", at=now())
    assert read_shadow(version, model_owner).measured.n == 25

    client.force_login(model_owner)
    shown = client.get(f"/scoring/proposals/{proposal.pk}/shadow/scores/").content.decode()
    assert "Where they disagree most" in shown

    Proposal.objects.update(shadow_until=now() - dt.timedelta(hours=1))
    assert score_in_shadow() == 0
    proposal.refresh_from_db()
    assert proposal.state == "open"
    # Its days are over: what it showed is there for the decision, and for managers too.
    address = f"/scoring/proposals/{proposal.pk}/"
    client.force_login(factories.make_user(role=Role.MANAGER))
    assert f"{address}shadow/scores/" in client.get(address).content.decode()
    assert client.get(f"{address}shadow/scores/").status_code == 200
    reviewing.dismiss(proposal, by=model_owner)
    assert not ShadowScore.objects.exists()
    assert f"{address}shadow/scores/" not in client.get(address).content.decode()
    assert client.get(f"{address}shadow/scores/").status_code == 409
