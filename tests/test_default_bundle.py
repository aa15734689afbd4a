"""bundles/default.json: what ships holds together, and scores as the design says."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from followups.definitions import Phase, Play, parse_play
from leads.activities import Kind
from leads.models import Lead
from leads.stages import StageKey
from scoring.definitions import ASSUMED_SHARE, Framework, Model, parse_framework
from scoring.live import LiveConfig, live_config
from scoring.models import Standing
from scoring.selectors import explain
from scoring.tiers import State, Tier
from tests.factories import make_activity, make_evidence, make_lead

BUNDLE = Path(__file__).resolve().parent.parent / "bundles" / "default.json"
DIMENSIONS = {"budget", "authority", "need", "timing"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def live(config: None) -> LiveConfig:
    """The live configuration."""
    return live_config()


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The file as it stands."""
    loaded: dict[str, Any] = json.loads(BUNDLE.read_text(encoding="utf-8"))
    return loaded


def standing(lead: Lead) -> Standing:
    return Standing.objects.select_related("model_version").get(pk=lead.pk)


# --- frameworks ---------------------------------------------------------------------------------
def _frameworks(document: dict[str, Any]) -> dict[str, Framework]:
    return {item["key"]: parse_framework(item["definition"], {}) for item in document["frameworks"]}


def test_three_frameworks_ask_about_the_same_dimensions(document: dict[str, Any]) -> None:
    found = _frameworks(document)
    order = {key: [c.dimension for c in f.criteria] for key, f in found.items()}
    assert order == {
        "bant": ["budget", "authority", "need", "timing"],
        "champ": ["need", "authority", "budget", "timing"],
        "anum": ["authority", "need", "timing", "budget"],
    }
    labels = {key: [c.label for c in f.criteria] for key, f in found.items()}
    assert labels["champ"] == ["Challenges", "Authority", "Money", "Prioritisation"]
    assert labels["anum"] == ["Authority", "Need", "Urgency", "Money"]


@pytest.mark.parametrize("key", ["bant", "champ", "anum"])
def test_each_criterion_has_two_or_three_questions_that_reps_rate_alike(
    document: dict[str, Any], key: str
) -> None:
    framework = _frameworks(document)[key]
    questions = defaultdict(list)
    for question in framework.questions:
        questions[question.dimension].append(question)
        ratings = [answer.rating for answer in question.answers]
        assert ratings == [100, 67, 33, 0, None], question.key
        assert len(question.guide) > 40, question.key
        assert len(question.probes) >= 2, question.key
        for wording in question.text.values():
            assert wording.endswith("?"), question.key
            assert 15 < len(wording) <= 140, question.key
    for criterion in framework.criteria:
        mine = questions[criterion.dimension]
        assert 2 <= len(mine) <= 3
        assert sum(question.mandatory for question in mine) >= 1
        assert criterion.guide
        assert criterion.expires_days == (
            90 if criterion.dimension in ("budget", "timing") else 180
        )
    # A discovery call: 9 to 14 questions, spread over less than a quarter of an hour.
    assert 9 <= len(framework.questions) <= 14
    assert sum(question.seconds for question in framework.questions) < 15 * 60


def test_what_is_money_a_date_or_a_name_is_asked_as_such(document: dict[str, Any]) -> None:
    questions = {q.key: q for f in _frameworks(document).values() for q in f.questions}
    types = {key: q.type for key, q in questions.items() if q.type != "choice"}
    assert types == {
        "budget_worth": "number",
        "budget_spend_today": "number",
        "authority_signature": "person",
        "authority_blockers": "person",
        "timing_by_when": "period",
        "timing_start": "period",
    }
    told = [[questions["budget_worth"].answer_to(share=s) for s in (0, 0.5, 1.0, 3.0)]]
    told += [[questions["timing_by_when"].answer_to(days=d) for d in (4000, 400, 150, 40)]]
    assert [[a and a.rating for a in row] for row in told] == [[0, 33, 67, 100], [33, 33, 67, 100]]
    assert questions["authority_signature"].answer_to(share=1.0, days=1) is None


def test_questions_come_in_the_order_of_their_criteria(document: dict[str, Any]) -> None:
    for framework in _frameworks(document).values():
        order = [c.dimension for c in framework.criteria]
        places = [order.index(question.dimension) for question in framework.questions]
        assert places == sorted(places)


def test_a_question_of_two_frameworks_is_the_same_in_both(document: dict[str, Any]) -> None:
    seen: dict[str, Any] = {}
    for framework in _frameworks(document).values():
        for question in framework.questions:
            assert seen.setdefault(question.key, question) == question
    uses = Counter(q.key for f in _frameworks(document).values() for q in f.questions)
    assert max(uses.values()) == 3  # who decides is asked in all of them
    assert any(q.text["b2b"] != q.text["b2c"] for q in seen.values())


# --- models -------------------------------------------------------------------------------------
def test_hand_made_models_share_caps_marks_and_gates(live: LiveConfig) -> None:
    assert [m.key for m in live.everything] == ["b2b", "b2c", "general"]
    for one in live.everything:
        model = one.model
        caps = {name: (group.cap, group.floor) for name, group in model.groups.items()}
        assert caps == {"fit": (35, 0), "engagement": (30, 0), "qualification": (35, 0)}
        assert (model.base, model.hot, model.warm, model.hysteresis) == (0, 60, 40, 3)
        assert (model.mql_fit, model.mql_engagement) == (50, 40)
        assert {(g.dimension, g.minimum) for g in model.gates} == {("authority", 33), ("need", 33)}
        assert sum(s.points for s in model.of_group("fit") if s.points > 0) == 35
        qualification = {s.dimension: s.points for s in model.of_group("qualification")}
        assert qualification == {"budget": 10, "authority": 8, "need": 10, "timing": 7}
        assert one.framework.name == "BANT"


def test_one_event_of_each_kind_gives_its_points(live: LiveConfig) -> None:
    def per_event(model: Model) -> dict[str | None, float]:
        return {s.activity: s.points / s.cap for s in model.of_group("engagement")}

    expected = {
        Kind.HAND_RAISED: 30,
        Kind.MEETING_HELD: 20,
        Kind.CALL_CONNECTED: 10,
        Kind.EMAIL_REPLIED: 10,
        Kind.WEBINAR_ATTENDED: 8,
        Kind.PRICING_VIEWED: 6,
        Kind.FORM_SUBMITTED: 6,
        Kind.EMAIL_CLICKED: 3,
        Kind.PAGE_VIEWED: 1,
        Kind.UNSUBSCRIBED: -10,
    }
    for one in live.everything:
        assert per_event(one.model) == expected


def test_an_open_lead_of_nothing_known_has_35_points_and_is_cold(live: LiveConfig) -> None:
    for kind in ("b2b", "b2c"):
        lead = make_lead(kind=kind, email="")
        found = standing(lead)
        assert (found.score, found.tier) == (35, Tier.COLD)
        assert found.model_version is not None
        assert found.model_version.key == "general"


# Half of fit: 501–2,000 employees 7.5, director 6, own domain 4, elsewhere 0, other industry 0.
HALF_FIT: dict[str, Any] = {
    "title": "Head of Operations",
    "country": "BR",
    "company": {"employees": 600, "industry": "Mining"},
}
# 60 % of fit: 51–500 employees 10, Germany 5, own domain 4, individual 2, other industry 0.
GOOD_FIT: dict[str, Any] = {
    "title": "Accountant",
    "country": "DE",
    "company": {"employees": 200, "industry": "Mining"},
}


def test_an_mql_at_its_marks_is_warm_with_42(live: LiveConfig) -> None:
    lead = make_lead(**HALF_FIT)
    for kind in (Kind.WEBINAR_ATTENDED, Kind.EMAIL_CLICKED, Kind.PAGE_VIEWED):
        make_activity(lead, kind)
    found = standing(lead)
    assert (found.fit, found.engagement, found.qualification) == (50, 40, 35)
    assert (found.score, found.tier, found.stage) == (42, Tier.WARM, StageKey.MQL)


def test_a_good_fit_that_asks_for_a_demo_is_hot_before_any_call(live: LiveConfig) -> None:
    lead = make_lead(**GOOD_FIT)
    make_activity(lead, Kind.HAND_RAISED)
    found = standing(lead)
    assert (found.fit, found.engagement, found.qualification) == (60, 100, 35)
    assert (found.score, found.tier, found.stage) == (63, Tier.HOT, StageKey.MQL)


def test_need_known_to_be_ruled_out_holds_a_lead_at_warm(live: LiveConfig) -> None:
    lead = make_lead(**{**GOOD_FIT, "company": {"employees": 200, "industry": "Software"}})
    make_activity(lead, Kind.HAND_RAISED)
    make_evidence(lead, "budget", 100)
    make_evidence(lead, "need", 0)
    found = standing(lead)
    assert found.score >= 60
    assert (found.tier, found.tier_reason) == (Tier.WARM, "gate:need")


def test_free_mail_costs_ten_points_and_an_unknown_address_none(live: LiveConfig) -> None:
    facts: dict[str, Any] = {
        "country": "DE",
        "company": {"employees": 200, "industry": "Software"},
    }
    points = {}
    for name, email in (("own", "a@works.example"), ("free", "a@gmail.com"), ("none", "")):
        lead = make_lead(email=email, **facts)
        lines = explain([lead.pk])[lead.pk].lines
        points[name] = sum(
            line.tenths for line in lines if line.signal in ("own_domain", "free_mail")
        )
    assert points["own"] == 40
    assert points["free"] == -100
    assert points["none"] == pytest.approx(ASSUMED_SHARE * 40, abs=1)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"kind": "b2b", "title": "Working student"}, "disqualified:student"),
        ({"kind": "b2c", "age": 17}, "disqualified:minor"),
    ],
)
def test_who_cannot_buy_is_disqualified(
    live: LiveConfig, facts: dict[str, Any], reason: str
) -> None:
    found = standing(make_lead(**facts))
    assert (found.state, found.tier, found.tier_reason) == (State.DISQUALIFIED, "", reason)


@pytest.mark.parametrize("age", [18, 24, 25, 34, 35, 54, 55, 64, 65, 99])
def test_every_adult_consumer_belongs_to_the_consumer_icp(live: LiveConfig, age: int) -> None:
    found = standing(make_lead(kind="b2c", email="", age=age))
    assert found.model_version is not None
    assert found.model_version.key == "b2c"


@pytest.mark.parametrize(("kind", "field"), [("b2b", "age"), ("b2c", "employees")])
def test_fit_of_a_lead_without_a_profile_is_assumed_average(
    live: LiveConfig, kind: str, field: str
) -> None:
    lead = make_lead(kind=kind, email="")
    (line,) = (x for x in explain([lead.pk])[lead.pk].lines if x.group == "fit")
    assert (line.signal, line.known, line.max) == ("profile", False, 35)
    assert (line.low, line.high) == (0, 35)
    assert line.label == "Matches a profile"
    # If what is asked of this kind is known after all, fit counts as the same average.
    odd = make_lead(
        kind=kind,
        email="",
        **({"age": 40} if field == "age" else {"company": {"employees": 40}}),
    )
    (other,) = (x for x in explain([odd.pk])[odd.pk].lines if x.group == "fit")
    assert other.known
    assert abs(other.tenths - line.tenths) <= 1
    assert standing(odd).score == 35


@pytest.mark.parametrize("employees", [1, 10, 11, 50, 51, 500, 501, 2000, 2001, 100_000])
def test_every_company_size_has_a_band(live: LiveConfig, employees: int) -> None:
    lead = make_lead(country="DE", company={"employees": employees, "industry": "Software"})
    lines = {line.signal: line for line in explain([lead.pk])[lead.pk].lines}
    assert lines["company_size"].known
    assert lines["company_size"].tenths > 0


# --- plays --------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def plays(document: dict[str, Any]) -> dict[str, Play]:
    """The plays of the file by key."""
    return {item["key"]: parse_play(item["definition"]) for item in document["plays"]}


def test_there_is_one_play_for_each_tier_and_phase(plays: dict[str, Play]) -> None:
    targets = sorted(play.target for play in plays.values())
    assert targets == sorted((tier, phase) for tier in Tier.values for phase in Phase.values)
    assert all(key == f"{play.tier}_{play.phase}" for key, play in plays.items())


def test_hot_leads_are_called_first_and_cold_ones_rarely_written_to(
    plays: dict[str, Play],
) -> None:
    for play in plays.values():
        kinds = [step.kind for step in play.steps]
        days = sum(step.wait.days for step in play.steps)
        if play.tier == Tier.HOT:
            assert kinds[0] == "call"
            assert play.steps[0].wait.days == play.steps[0].wait.hours == 0
            assert "task" in kinds
            assert days <= 10
        elif play.tier == Tier.WARM:
            assert {"call", "email"} == set(kinds)
            assert 10 <= days <= 20
        else:
            assert "call" not in kinds
            assert play.sla_minutes is None
            assert days >= 40
        assert play.exits == {"reply", "meeting_booked", "opt_out"}
    assert plays["hot_before_contact"].sla_minutes == plays["hot_recycled"].sla_minutes == 5
    assert plays["warm_before_contact"].sla_minutes == 240
    attempts = [step.kind for step in plays["hot_before_contact"].steps].count("call")
    assert attempts == 5  # reach about nine of ten who can be reached (seed facts §6)
