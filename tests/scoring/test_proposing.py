"""From outcomes to a proposal, to new weights on every lead, and back: with the real jobs."""

import datetime as dt
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from django.db.models import F
from django.test import Client
from django.utils.timezone import now as wall_clock

from accounts.models import Team, User
from accounts.roles import Role
from core.errors import Conflict, Forbidden, Invalid
from core.models import Job
from core.versioning import version_with
from core.workers import work_on
from desk.api import rows
from leads.models import Company, Lead, Outcome
from scoring import drafting, reviewing
from scoring.assess import assess
from scoring.hand_made import start_appraisal
from scoring.invariants import standings_equal_recomputation
from scoring.live import live_config
from scoring.models import (
    Evidence,
    ModelVersion,
    Proposal,
    ScoreChange,
    ShadowScore,
    Snapshot,
    Standing,
    Trusted,
)
from scoring.proposing import learn_model, start_learning
from scoring.rescoring import rescore
from scoring.selectors import explain
from scoring.tasks import learn_nightly
from scoring.training import read_training
from tests import factories

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


def companies(team: Team) -> list[Company]:
    """One company of each size and country: what b2b points count, and what wins here."""
    return [
        Company.objects.create(name=f"{size} {country}", employees=size, country=country)
        for size in (5, 30, 200, 1000)
        for country in ("DE", "AT", "BR")
    ]


def history(team: Team, n: int = 450, seed: int = 7, won_by: str = "country") -> None:
    """Past leads of which Brazilian ones win, against their points; and some open ones."""
    random = np.random.default_rng(seed)
    kinds = companies(team)
    past = [
        Lead(
            first_name="Ada",
            last_name=f"Past{i}",
            company=kinds[int(random.integers(len(kinds)))],
            team=team,
            seniority="c_level",
            email_kind="own",
        )
        for i in range(n + 40)
    ]
    Lead.objects.bulk_create(past)
    rescore([lead.pk for lead in past])
    start = wall_clock() - 200 * DAY
    Lead.objects.filter(team=team).update(created_at=start)
    Snapshot.objects.update(at=start)
    outcomes = []
    for i, lead in enumerate(past[:n]):
        assert lead.company is not None
        country, size = lead.company.country, lead.company.employees or 0
        chance = 0.1 + 0.5 * (country == "BR") + 0.25 * (size >= 200)
        chance = 0.4 if won_by == "nothing" else chance
        result = "won" if random.random() < chance else "lost"
        outcomes.append(Outcome(lead=lead, round=1, result=result, at=start + (10 + i / 3) * DAY))
    Outcome.objects.bulk_create(outcomes)
    for result in ("won", "lost"):
        Lead.objects.filter(outcomes__result=result).update(stage=result)
    Lead.objects.filter(pk__in=[lead.pk for lead in past[n:]]).update(created_at=wall_clock())
    rescore([lead.pk for lead in past])


def done(job: Job) -> Job:
    """Do all of a job here."""
    work_on(job, processes=1)
    return job


def scores() -> dict[int, tuple[Any, ...]]:
    """What every open lead scores."""
    rows = Standing.objects.filter(is_open=True)
    return {s.lead_id: (s.score, s.low, s.high, s.tier, s.p, s.fit, s.expected_minor) for s in rows}


def learned(job: Job) -> Proposal:
    assert done(job).state == Job.State.SUCCEEDED, job.error
    return Proposal.objects.get(key="b2b")


def test_outcomes_become_weights_that_a_person_approves_and_rolls_back(
    team: Team, rep: User, model_owner: User, client: Client
) -> None:
    history(team)
    before, live = scores(), ModelVersion.objects.get(key="b2b", state="live")
    job = start_learning(model_owner)
    assert start_learning(model_owner) == job  # one at a time
    proposal = learned(job)
    assert (proposal.verdict, proposal.state) == ("propose", "open")
    assert proposal.version is not None
    assert proposal.version.state == "proposed"
    assert scores() == before  # nothing publishes itself
    evidence = proposal.evidence
    region = next(line for line in evidence["lines"] if line["key"] == "region")
    assert region["old"] > 0 > region["new"]  # its outcomes say the opposite
    assert region["low"] < region["new"] < region["high"] < 0
    assert 0 < region["lift_low"] < region["lift"] < region["lift_high"] < 1  # as on Criteria
    assert any(w["code"] == "turned" and w["field"] == "Region" for w in evidence["warnings"])
    backtest = evidence["backtest"]
    assert evidence["trained_on"]["to"] <= evidence["tested_on"]["from"]  # later ones measure
    assert backtest["n"] == evidence["tested_on"]["n"] == 135
    assert backtest["differences"]["auc"][1] > 0
    assert backtest["capacity"]["ours"] > backtest["capacity"]["live"]
    assert "you would have reached" in proposal.sentence
    assert evidence["immature"] == evidence["flow"]["n"] == 40
    # Twice from the same outcomes is the same row.
    done(start_learning(None))
    assert Proposal.objects.filter(key="b2b").count() == 1

    client.force_login(model_owner)
    page = client.get(f"/scoring/proposals/{proposal.pk}/").content.decode()
    assert page.count('<svg class="vega"') == 2
    assert "Where open leads would go" in page
    address = f"/scoring/proposals/{proposal.pk}/approve/"
    seen = [name for name, _ in _slices(proposal)]
    assert client.post(address, {"seen": seen}).status_code == 302
    proposal.refresh_from_db()
    assert proposal.state == "approved"
    assert proposal.job is not None
    assert done(proposal.job).state == Job.State.SUCCEEDED

    version = ModelVersion.objects.get(key="b2b", state="live")
    assert version.pk == proposal.version_id
    assert version.published_by == model_owner
    after = scores()
    assert {lead for lead in after if after[lead] != before[lead]} == set(before)
    for lead, found in explain(list(after)[:5]).items():
        assert (found.model_key, found.model_number) == ("b2b", version.number)
        assert sum(line.tenths for line in found.lines) == 10 * found.score == 10 * after[lead][0]
        assert "Learned from 450 outcomes" in found.p_label
        told = rows.standing("scored", found)["p_win"]
        assert told["low"] < told["value"] == after[lead][4] < told["high"]
        assert told["n"] == 450
    assert not Standing.objects.filter(is_open=True).exclude(model_version=version).exists()
    assert ScoreChange.objects.filter(model_version=version, cause="model").exists()
    # Learned again, it is compared with what is live now, and does not surely beat itself.
    done(start_learning(None))
    assert Proposal.objects.filter(key="b2b").latest("pk").verdict == "keep"

    assert client.post(f"/scoring/versions/{live.pk}/roll-back/").status_code == 302
    again = ModelVersion.objects.get(key="b2b", state="live")
    assert again.number > version.number
    assert again.definition == live.definition
    said = f'with the content of <a class="inline" href="/scoring/versions/{live.pk}/">'
    assert said in client.get(f"/scoring/versions/{again.pk}/").content.decode()
    assert said not in client.get(f"/scoring/versions/{version.pk}/").content.decode()
    assert done(Job.objects.filter(kind="rescore_all").latest("pk")).ended
    assert scores() == before
    with pytest.raises(Conflict, match="never replaced"):
        reviewing.roll_back(again, by=model_owner)
    assert list(standings_equal_recomputation()) == []


def _slices(proposal: Proposal) -> list[tuple[str, Any]]:
    return [(name, None) for name in reviewing.slice_names(proposal)]


def test_learned_probabilities_are_those_that_the_engine_gives(team: Team) -> None:
    """The scorecard says p(win) of the past leads as often as they were won."""
    history(team)
    proposal = learn_model("b2b")
    assert proposal is not None
    assert proposal.version is not None
    reviewing.publish_model(proposal.version, by=None)
    config = live_config()
    training = read_training([config])
    found = assess(training.rows, config)
    assert found.p.mean() == pytest.approx(training.y.mean(), abs=0.01)
    brazil = Company.objects.filter(country="BR").values_list("leads__pk", flat=True)
    mine = np.isin(training.rows.facts.lead_ids, list(brazil))
    assert found.p[mine].mean() > 0.5 > 0.3 > found.p[~mine].mean()
    # As many pass the marks as before, and each lead keeps its profile.
    assert {m.key for m in np.array(config.everything)[found.model]} == {"b2b"}


def test_too_few_or_nothing_to_learn_is_said_and_changes_nothing(team: Team) -> None:
    history(team, n=38)
    proposal = learn_model("b2b")
    assert proposal is not None
    assert (proposal.verdict, proposal.state, proposal.version) == ("too_few", "noted", None)
    assert "38 of 100" in proposal.sentence
    history(team, n=262, won_by="nothing", seed=3)
    again = learn_model("b2b")
    assert again is not None
    assert (again.verdict, again.version) == ("keep", None)
    assert again.sentence.startswith("The weights stay")
    assert list(Proposal.objects.filter(key="b2b")) == [again]  # one note a model
    assert ModelVersion.objects.filter(key="b2b").count() == 1


def test_a_line_that_is_the_outcome_in_disguise_keeps_its_points_until_a_person_says_otherwise(
    team: Team, model_owner: User, client: Client
) -> None:
    history(team)
    early = wall_clock() - 199 * DAY
    won = Outcome.objects.filter(result="won").values_list("lead_id", flat=True)
    told = {"need": set(won), "authority": set(won[:70])}  # one tells all of them, one a few
    Evidence.objects.bulk_create(
        Evidence(
            lead_id=lead_id,
            dimension=dimension,
            rating=100 if lead_id in winners else 0,
            source="api",
            observed_at=early,
            recorded_at=early,
        )
        for dimension, winners in told.items()
        for lead_id in Outcome.objects.values_list("lead_id", flat=True)
    )
    proposal = learn_model("b2b")
    assert proposal is not None
    leaky = {w["field"]: w["text"] for w in proposal.evidence["warnings"] if w["code"] == "leaky"}
    assert "alone tells won from lost (AUC 1.00)" in leaky["Need"]
    assert "the odds of winning by more than 20" in leaky["Authority"]
    need = next(line for line in proposal.evidence["lines"] if line["key"] == "need")
    assert need["new"] == pytest.approx(need["old_scaled"], abs=0.2)

    # A model owner knows better; the line is learned then, and the notice says who kept it and why.
    client.force_login(model_owner)
    address = f"/scoring/proposals/{proposal.pk}/"
    assert "Need is known in time" in client.get(address).content.decode()
    refused = client.post(f"{address}trust/", {"subject": "need", "reason": " "})
    assert refused.status_code == 422
    assert "Say how it can be known before the outcome" in refused.content.decode()
    assert client.post(f"{address}trust/", {"subject": "x", "reason": "Asked."}).status_code == 422
    given = {"subject": "need", "reason": "Asked on the first call."}
    assert client.post(f"{address}trust/", given).status_code == 302
    assert client.post(f"{address}trust/", given).status_code == 409
    assert "Counts from the next learning on" in client.get(address).content.decode()
    again = learn_model("b2b")
    assert again is not None
    assert again.pk != proposal.pk
    [named] = [w for w in again.evidence["warnings"] if w["code"] == "leaky_kept"]
    assert f"{model_owner} keeps it" in named["text"]
    assert "Asked on the first call" in named["text"]
    learnt = next(line for line in again.evidence["lines"] if line["key"] == "need")
    assert learnt["new"] > 2 * learnt["old_scaled"]
    assert learn_model("b2b") == again
    # Undone as easily, and who did it stays on record.
    address = f"/scoring/proposals/{again.pk}/"
    assert client.post(f"{address}distrust/", {"subject": "need"}).status_code == 302
    assert Trusted.objects.get().ended_by == model_owner
    assert "Left out again from the next learning on" in client.get(address).content.decode()
    last = learn_model("b2b")
    assert last is not None
    assert (last.version, last.state) == (proposal.version, "open")


def test_who_made_a_version_does_not_approve_it_where_somebody_else_could(
    team: Team, model_owner: User
) -> None:
    live = ModelVersion.objects.get(key="b2b", state="live")
    draft = drafting.make_draft(live, by=model_owner)
    definition = {**draft.definition, "marks": {"hot": 55, "warm": 40}}
    tag = drafting.content_tag(draft)
    drafting.save_draft(draft, definition, by=model_owner, read=tag)
    with pytest.raises(Invalid, match="signals"):
        drafting.save_draft(
            draft,
            {**definition, "signals": [{**definition["signals"][0], "points": float("nan")}]},
            by=model_owner,
            read=drafting.content_tag(ModelVersion.objects.get(pk=draft.pk)),
        )
    assert done(start_appraisal(draft, by=model_owner)).state == Job.State.SUCCEEDED
    proposal = Proposal.objects.get(version=draft)
    assert (proposal.origin, proposal.author) == ("hand", model_owner)
    other = factories.make_user("second@leadqual.example", role=Role.MODEL_OWNER)
    with pytest.raises(Forbidden, match="Another model owner"):
        reviewing.approve(proposal, by=model_owner)
    reviewing.request_changes(proposal, by=other, note="Warm from 35, please.")
    draft.refresh_from_db()
    assert draft.state == "draft"
    # Whoever has it measured again has not made it, and may approve it.
    assert done(start_appraisal(draft, by=other)).state == Job.State.SUCCEEDED
    second = Proposal.objects.filter(version=draft).latest("pk")
    assert second.author == model_owner
    reviewing.approve(second, by=other)
    draft.refresh_from_db()
    assert (draft.state, draft.published_by) == ("live", other)
    with pytest.raises(Conflict, match="decided"):
        reviewing.dismiss(second, by=other)


def test_what_newer_outcomes_do_not_say_any_more_is_not_left_for_review(team: Team) -> None:
    live = ModelVersion.objects.get(key="b2b", state="live")
    content = {**live.definition, "marks": {"hot": 99, "warm": 52}}
    pins = {"icp": live.icp, "framework": live.framework}
    reviewing.publish_model(
        version_with(ModelVersion, "b2b", content, by=None, pins=pins)[0], by=None
    )
    history(team, n=300)
    first = learn_model("b2b")
    assert first is not None
    assert (first.verdict, first.state) == ("propose", "open")
    assert first.version is not None
    # Few past leads were warm and none hot, so the marks leave room between the two.
    marks = first.version.definition["marks"]
    assert marks["warm"] > 75
    assert marks["hot"] == min(100, marks["warm"] + 10)
    random = np.random.default_rng(1)
    for outcome in Outcome.objects.all():
        Outcome.objects.filter(pk=outcome.pk).update(result=str(random.choice(["won", "lost"])))
    again = learn_model("b2b")
    assert again is not None
    assert (again.verdict, again.state) == ("keep", "noted")
    first.refresh_from_db()
    assert first.version is not None
    assert (first.state, first.version.state) == ("superseded", "draft")
    assert "the weights stay" in first.events.latest("pk").note


def changed(live: ModelVersion, by: User, base: float = 0, **points: float) -> ModelVersion:
    """A draft of `live` with other points for some lines."""
    draft = drafting.make_draft(live, by=by)
    own = live.definition["signals"]
    signals = [{**s, "points": points.get(s["key"], s["points"])} for s in own]
    content = {**live.definition, "signals": signals, "base": base}
    return drafting.save_draft(draft, content, by=by, read=drafting.content_tag(draft))


def appraised(draft: ModelVersion, by: User) -> Proposal:
    assert done(start_appraisal(draft, by=by)).state == Job.State.SUCCEEDED
    return Proposal.objects.get(version=draft)


def test_a_hand_draft_is_measured_on_leads_that_its_probabilities_were_not_fitted_to(
    team: Team, model_owner: User, client: Client
) -> None:
    history(team)
    live = ModelVersion.objects.get(key="b2b", state="live")
    # Later leads are won a third less often, which nobody could know before.
    late = list(Outcome.objects.order_by("-at")[:135])
    turned = [o.pk for i, o in enumerate(late) if o.result == "won" and i % 3 == 0]
    Outcome.objects.filter(pk__in=turned).update(result="lost")
    better = appraised(changed(live, model_owner, region=-20), model_owner)
    evidence, backtest = better.evidence, better.evidence["backtest"]
    assert better.verdict == "propose"
    assert (evidence["calibrated_on"]["n"], evidence["tested_on"]["n"]) == (315, 135)
    assert evidence["calibrated_on"]["to"] <= evidence["tested_on"]["from"]
    assert backtest["n"] == 135
    assert backtest["won"] < evidence["calibrated_on"]["won"] * 135 / 315 * 0.75
    assert backtest["metrics"]["ours"]["ece"] > 0.1  # fitted on these leads, it would be near 0
    assert evidence["warnings"] == []
    region = next(line for line in evidence["lines"] if line["key"] == "region")
    assert region["low"] < region["high"] < 0 < region["old"]  # what the outcomes say alone
    assert region["of"] == 450
    client.force_login(model_owner)
    page = client.get(f"/scoring/proposals/{better.pk}/").content.decode()
    assert "brought to probabilities on 315 outcomes" in page
    assert "measured on 135 later ones" in page
    assert "Lines with the same points as before" in page
    assert "What else changes" not in page
    # Points that rank the wrong way round are no better for a curve that falls.
    worse = appraised(changed(live, model_owner, region=60, size=-60), model_owner)
    assert worse.verdict == "keep"
    assert worse.evidence["backtest"]["differences"]["auc"][2] < 0

    learned = learn_model("b2b")
    assert learned is not None
    assert learned.version is not None
    reviewing.publish_model(learned.version, by=None)
    edited = appraised(changed(learned.version, model_owner, base=3), model_owner)
    assert edited.version is not None
    p = edited.version.definition["p"]
    assert p["label"].endswith("won, then changed by hand")
    assert "learned" not in p
    assert p["anchors"] == learned.version.definition["p"]["anchors"]
    told = [w for w in edited.evidence["warnings"] if w["code"] == "learned_here"]
    assert [w["field"] for w in told] == ["v5", "v4"]
    assert "135 of the 135 leads it is measured on" in told[0]["text"]
    assert edited.verdict == "keep"  # nothing better is claimed of what it has seen
    assert edited.sentence.startswith("On leads that it may have been learned from: ")


def test_slices_that_get_worse_are_acknowledged_first(team: Team, model_owner: User) -> None:
    live = ModelVersion.objects.get(key="b2b", state="live")
    version, _ = version_with(
        ModelVersion,
        "b2b",
        {**live.definition, "base": 5},
        by=None,
        pins={"icp": live.icp, "framework": live.framework},
    )
    part = {"field": "Country", "value": "US", "n": 40}
    proposal = Proposal.objects.create(
        key="b2b",
        origin="hand",
        version=version,
        live=live,
        verdict="propose",
        sentence="Better.",
        evidence={"backtest": {"slices": [part]}},
        fingerprint="x",
    )
    with pytest.raises(Invalid, match="Country: US"):
        reviewing.approve(proposal, by=model_owner)
    reviewing.shadow(proposal, by=model_owner, days=14)
    reviewing.approve(proposal, by=model_owner, seen=["Country: US"])
    kinds = [event.kind for event in proposal.events.all()]
    assert kinds == ["shadowed", "approved"]
    assert not ShadowScore.objects.exists()
    stale = Proposal.objects.create(
        key="b2b", origin="hand", version=version, live=live, verdict="keep", fingerprint="y"
    )
    with pytest.raises(Conflict, match="not live any more"):
        reviewing.approve(stale, by=model_owner)


def test_learning_happens_once_a_night_and_only_after_new_outcomes(team: Team) -> None:
    assert learn_nightly() == 0
    lead = factories.make_lead(team=team)
    Outcome.objects.create(lead=lead, round=1, result="won")
    assert learn_nightly() == 1
    assert learn_nightly() == 0
    Job.objects.filter(kind="learn").update(
        state=Job.State.SUCCEEDED, started_at=F("started_at") - 2 * DAY
    )
    Outcome.objects.update(recorded_at=F("recorded_at") - 3 * DAY)
    assert learn_nightly() == 0  # nothing new
    Outcome.objects.update(recorded_at=wall_clock())
    assert learn_nightly() == 1


def test_the_command_prints_one_document(team: Team, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    history(team, n=40)
    call_command("learn", "--json")
    report = json.loads(capsys.readouterr().out)
    assert report["state"] == "succeeded"
    assert [m["model"] for m in report["models"]] == ["b2b", "b2c", "general"]
    assert report["models"][0]["verdict"] == "too_few"
    assert report["models"][0]["n"] == 40
