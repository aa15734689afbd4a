"""Decisions on proposals when somebody else does something at the same time."""

import threading
import time
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.models import Team, User
from accounts.roles import Role
from core.errors import Conflict, Invalid
from core.models import Job
from core.versioning import lock_configuration, version_with
from leads.models import CustomField, Lead
from scoring import drafting, reviewing
from scoring.feedback import answer_by_versions, feedback_by_signal, give_feedback
from scoring.hand_made import propose_version, start_appraisal
from scoring.invariants import standings_equal_recomputation
from scoring.models import (
    FrameworkVersion,
    IcpVersion,
    ModelVersion,
    Proposal,
    ShadowScore,
    Standing,
)
from scoring.policies import can_approve
from scoring.proposal_selectors import SHOWN, list_proposals, read_proposal
from scoring.publishing import publish_model
from scoring.script_drafts import publish_framework
from scoring.shadowing import score_batch
from tests import factories
from tests.scoring.test_proposing import changed, done

pytestmark = pytest.mark.django_db


def put_up(by: User, **points: float) -> tuple[ModelVersion, Proposal]:
    """A hand-made draft that is up for review."""
    draft = changed(ModelVersion.objects.get(key="b2b", state="live"), by, **points)
    return draft, propose_version(draft, by=by)


def test_what_was_changed_since_it_was_measured_is_not_approved(
    model_owner: User, client: Client
) -> None:
    draft, proposal = put_up(model_owner, size=20)
    reviewing.request_changes(proposal, by=model_owner, note="Less for the size.")
    draft.refresh_from_db()
    content = {**draft.definition, "base": 90}
    drafting.save_draft(draft, content, by=model_owner, read=drafting.content_tag(draft))
    for act in (
        lambda: reviewing.approve(proposal, by=model_owner),
        lambda: reviewing.shadow(proposal, by=model_owner, days=7),
    ):
        with pytest.raises(Conflict, match="changed since it was measured"):
            act()
    client.force_login(model_owner)
    page = client.get(f"/scoring/proposals/{proposal.pk}/").content.decode()
    assert "was changed since it was measured" in page
    assert f"/scoring/versions/{draft.pk}/propose/" in page
    # Proposed again it is measured again, once however often it is asked for.
    job = start_appraisal(draft, by=model_owner)
    assert start_appraisal(draft, by=model_owner) == job
    assert done(job).state == Job.State.SUCCEEDED
    proposal.refresh_from_db()
    assert proposal.state == "superseded"
    assert proposal.events.latest("pk").kind == "superseded"
    again = Proposal.objects.get(version=draft, state="open")
    reviewing.approve(again, by=model_owner)
    assert ModelVersion.objects.get(key="b2b", state="live").definition["base"] == 90


def test_a_decided_proposal_goes_on_showing_what_people_had_said(
    lead: Lead, rep: User, model_owner: User
) -> None:
    give_feedback(lead, "company_size", "too_low", by=rep)
    _, proposal = put_up(model_owner, company_size=30)
    reviewing.approve(proposal, by=model_owner)
    answer_by_versions()
    assert not feedback_by_signal(proposal.live)  # answered, so it asks for nothing more
    proposal.refresh_from_db()
    [(_, lines)] = read_proposal(proposal, model_owner).lines
    [(line, said)] = lines
    assert said is not None
    assert (line["key"], said.too_low, said.reps) == ("company_size", 1, 1)


def test_a_superseded_proposal_goes_on_showing_what_people_had_said(
    lead: Lead, rep: User, model_owner: User
) -> None:
    give_feedback(lead, "company_size", "too_low", by=rep)
    draft, first = put_up(model_owner, company_size=30)
    reviewing.shadow(first, by=model_owner, days=7)
    score_batch()
    assert ShadowScore.objects.exists()
    second = propose_version(draft, by=model_owner)
    assert not ShadowScore.objects.exists()  # what is measured anew starts anew
    reviewing.approve(second, by=model_owner)
    answer_by_versions()
    first.refresh_from_db()
    [(_, [(line, said)])] = read_proposal(first, model_owner).lines
    assert (first.state, line["key"]) == ("superseded", "company_size")
    assert said is not None
    assert (said.too_low, said.reps) == (1, 1)


def test_a_draft_goes_on_when_its_script_was_published_anew(model_owner: User) -> None:
    live = ModelVersion.objects.select_related("framework").get(key="b2b", state="live")
    draft, edited = (changed(live, model_owner, need=points) for points in (20, 25))
    _, waiting = put_up(model_owner, need=30)
    script = live.framework
    content = {**script.definition, "name": "BANT, in other words"}
    anew, _ = version_with(FrameworkVersion, script.key, content, by=model_owner)
    publish_framework(anew.pk, by=model_owner)
    # Saved or measured again, the numbers that were typed come onto the new script.
    saved = drafting.save_draft(
        edited, {**edited.definition, "base": 3}, by=model_owner, read=drafting.content_tag(edited)
    )
    assert saved.framework == anew
    for version in (draft, waiting.version):
        assert version is not None
        assert done(start_appraisal(version, by=model_owner)).state == Job.State.SUCCEEDED
    waiting.refresh_from_db()
    assert waiting.state == "superseded"
    reviewing.approve(Proposal.objects.get(version=draft), by=model_owner)
    draft.refresh_from_db()
    assert (draft.state, draft.framework) == ("live", anew)
    # From an old version one can draft, too, and where its content does not go it says why.
    live.refresh_from_db()
    assert (live.state, live.framework.state) == ("retired", "retired")
    assert drafting.make_draft(live, by=model_owner).framework == anew
    odd = ModelVersion.objects.create(
        key="b2b",
        number=99,
        icp=live.icp,
        framework=live.framework,
        definition={**live.definition, "gates": [{"dimension": "luck", "minimum": 3}]},
    )
    with pytest.raises(Invalid, match="gates"):
        start_appraisal(odd, by=model_owner)
    odd.refresh_from_db()
    assert odd.framework == live.framework


def test_what_was_measured_beside_another_model_that_is_not_live_any_more_says_so(
    model_owner: User, client: Client
) -> None:
    draft, proposal = put_up(model_owner, company_size=30)
    client.force_login(model_owner)
    address, words = f"/scoring/proposals/{proposal.pk}/", "Another model went live since"
    assert words not in client.get(address).content.decode()
    general = ModelVersion.objects.get(key="general", state="live")
    publish_model(changed(general, model_owner, need=20), by=model_owner)
    page = client.get(address).content.decode()
    assert words in page
    assert f"/scoring/versions/{draft.pk}/propose/" in page
    reviewing.approve(proposal, by=model_owner)  # the live version of its own key stands
    assert words not in client.get(address).content.decode()


def test_two_tabs_approve_once_and_a_way_back_amid_the_rescore_holds(
    team: Team, rep: User, model_owner: User, client: Client
) -> None:
    fine: dict[str, Any] = {
        "company": {"employees": 200, "industry": "Software", "country": "DE"},
        "title": "CEO",
    }
    for _ in range(6):
        factories.make_lead(owner=rep, **fine)
    live = ModelVersion.objects.get(key="b2b", state="live")
    before = dict(Standing.objects.values_list("pk", "score"))
    draft, proposal = put_up(model_owner, company_size=30)
    client.force_login(model_owner)
    address = f"/scoring/proposals/{proposal.pk}/approve/"
    jobs = Job.objects.filter(kind="rescore_all")
    there = jobs.count()
    assert client.post(address).status_code == 302
    late = client.post(address)  # the page as it is by now, and why nothing came of it
    assert late.status_code == 409
    assert "This proposal is decided: approved." in late.content.decode()
    assert f"Roll back to v{live.number}" in late.content.decode()
    assert jobs.count() == there + 1
    first = jobs.latest("pk")
    page = client.get(f"/scoring/versions/{draft.pk}/").content.decode()
    assert "Rescoring every open lead" in page
    begun = changed(live, model_owner)  # somebody works on a draft of what is rolled back to
    again, second = reviewing.roll_back(live, by=model_owner)
    assert second is not None
    begun.refresh_from_db()
    assert begun.definition == again.definition
    assert begun.state == "draft"
    done(second)
    done(first)
    assert dict(Standing.objects.values_list("pk", "score")) == before
    assert set(Standing.objects.values_list("model_version", flat=True)) == {again.pk}
    assert list(standings_equal_recomputation()) == []
    assert client.post(f"/scoring/versions/{live.pk}/roll-back/").status_code == 409
    draft.refresh_from_db()
    assert draft.state == "retired"
    page = client.get(f"/scoring/proposals/{proposal.pk}/").content.decode()
    assert f"v{draft.number} was live until" in page


def test_a_draft_that_reads_a_field_that_is_gone_is_named_everywhere(
    rep: User, model_owner: User, client: Client
) -> None:
    factories.make_lead(owner=rep)
    plan = CustomField.objects.create(key="plan", label="Plan", type="text")
    live = ModelVersion.objects.select_related("icp", "framework").get(key="b2b", state="live")
    rule = {"field": "custom.plan", "op": "eq", "value": "Gold"}
    band = {"key": "gold", "label": "Gold", "x": 1, "rule": rule}
    attribute = {"key": "plan", "label": "Plan", "bands": [band]}
    content = {**live.icp.definition, "attributes": [*live.icp.definition["attributes"], attribute]}
    icp = IcpVersion.objects.create(key=live.icp.key, number=9, definition=content)
    signal = {"key": "plan", "label": "Plan", "points": 5, "attribute": "plan"}
    draft = ModelVersion.objects.create(
        key="b2b",
        number=9,
        definition={**live.definition, "signals": [*live.definition["signals"], signal]},
        icp=icp,
        framework=live.framework,
        created_by=model_owner,
    )
    proposal = propose_version(draft, by=model_owner)
    reviewing.shadow(proposal, by=model_owner, days=7)
    assert score_batch() == 1
    plan.delete()
    factories.make_lead(owner=rep)

    client.force_login(model_owner)
    for path, status in (
        (f"/scoring/versions/{draft.pk}/", 200),
        (f"/scoring/versions/{draft.pk}/preview/", 422),
        (f"/scoring/proposals/{proposal.pk}/", 200),
        (f"/scoring/proposals/{proposal.pk}/shadow/scores/", 200),
    ):
        answer = client.get(path)
        assert answer.status_code == status, path
    approved = client.post(f"/scoring/proposals/{proposal.pk}/approve/")
    assert approved.status_code == 422
    assert "custom.plan" in approved.content.decode()
    # A version that cannot score leaves the shadow, with the reason.
    assert score_batch() == 0
    proposal.refresh_from_db()
    assert proposal.state == "open"
    assert "custom.plan" in proposal.events.latest("pk").note
    reviewing.request_changes(proposal, by=model_owner, note="Without the plan.")
    for method, path in (
        (client.get, f"/scoring/versions/{draft.pk}/edit/"),
        (client.post, f"/scoring/versions/{draft.pk}/propose/"),
        (client.post, f"/scoring/versions/{draft.pk}/preview/all/"),
    ):
        answer = method(path)
        assert answer.status_code == 422, path
        assert "custom.plan" in answer.content.decode(), path


def test_a_draft_that_is_thrown_away_or_changed_while_it_is_measured(model_owner: User) -> None:
    live = ModelVersion.objects.get(key="b2b", state="live")
    draft = changed(live, model_owner, size=20)
    job = start_appraisal(draft, by=model_owner)
    drafting.delete_draft(draft, by=model_owner)
    assert done(job).state == Job.State.SUCCEEDED
    assert not Proposal.objects.exists()
    read = changed(live, model_owner, size=21)
    drafting.save_draft(
        ModelVersion.objects.get(pk=read.pk),
        {**read.definition, "base": 7},
        by=model_owner,
        read=drafting.content_tag(read),
    )
    with pytest.raises(Conflict, match="changed while it was measured"):
        propose_version(read, by=model_owner)
    assert not Proposal.objects.exists()
    assert ModelVersion.objects.get(pk=read.pk).state == "draft"


def test_two_who_made_it_together_do_not_wait_for_each_other(model_owner: User) -> None:
    other = factories.make_user("second@leadqual.example", role=Role.MODEL_OWNER)
    draft = changed(ModelVersion.objects.get(key="b2b", state="live"), model_owner, size=20)
    proposal = propose_version(draft, by=other)
    assert can_approve(model_owner, proposal)  # nobody else could
    third = factories.make_user("third@leadqual.example", role=Role.MODEL_OWNER)
    assert not can_approve(model_owner, proposal)
    assert not can_approve(other, proposal)
    assert can_approve(third, proposal)


def test_what_waits_for_a_decision_stays_on_the_list_however_much_is_decided(
    model_owner: User,
) -> None:
    _, waiting = put_up(model_owner, size=20)
    decided = [
        Proposal(
            key="b2b",
            origin="learned",
            live=waiting.live,
            verdict="propose",
            state="superseded",
            fingerprint=str(n),
        )
        for n in range(SHOWN + 5)
    ]
    Proposal.objects.bulk_create(decided)
    listed = list_proposals()
    assert listed[0] == waiting
    assert len(listed) == SHOWN + 1


def test_a_role_that_was_taken_away_decides_nothing(model_owner: User, client: Client) -> None:
    _, proposal = put_up(model_owner, size=20)
    client.force_login(model_owner)
    assert client.get(f"/scoring/proposals/{proposal.pk}/").status_code == 200
    version = proposal.version_id
    for page in (f"proposals/{proposal.pk}/", f"proposals/{proposal.pk}/shadow/scores/"):
        assert client.get(f"/scoring/{page}?x=1").status_code == 400
    for page in ("preview/", "edit/", ""):
        assert client.get(f"/scoring/versions/{version}/{page}?x=1").status_code == 400
    User.objects.filter(pk=model_owner.pk).update(role=Role.REP)
    for act in ("approve", "shadow", "changes", "dismiss", "trust"):
        given = {"days": 7, "note": "No.", "subject": "need", "reason": "Asked."}
        assert client.post(f"/scoring/proposals/{proposal.pk}/{act}/", given).status_code == 403
    proposal.refresh_from_db()
    assert proposal.state == "open"


@pytest.mark.django_db(transaction=True)
def test_what_was_measured_beside_a_version_that_retired_meanwhile_is_measured_again(
    config: None,
) -> None:
    owner = factories.make_user(role=Role.MODEL_OWNER)
    live = ModelVersion.objects.get(key="b2b", state="live")
    draft, other = changed(live, owner, size=20), changed(live, owner, size=30)
    job = start_appraisal(draft, by=owner)
    refused: list[str] = []

    def measure() -> None:
        try:
            propose_version(ModelVersion.objects.get(pk=draft.pk), by=owner)
        except Conflict as error:
            refused.append(error.message)
        finally:
            connection.close()

    thread = threading.Thread(target=measure, daemon=True)
    with transaction.atomic(), connection.cursor() as cursor:
        lock_configuration()
        thread.start()
        deadline = time.monotonic() + 10
        waits = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
        while True:
            cursor.execute(waits)
            if cursor.fetchone()[0]:
                break
            assert time.monotonic() < deadline, "it never waited for the lock"
            time.sleep(0.01)
        publish_model(other, by=owner)
    thread.join(20)
    assert refused == ["Another version went live while this one was measured."]
    assert not Proposal.objects.exists()
    assert done(job).state == Job.State.SUCCEEDED
    assert Proposal.objects.get().live == ModelVersion.objects.get(key="b2b", state="live")
