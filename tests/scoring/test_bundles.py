"""The lists frameworks, icps and models of bundles: what is refused, what follows what."""

import copy
from typing import Any

import pytest

from accounts.models import User, Workspace
from core.bundles import export_bundle, load_bundle
from core.errors import Forbidden, Invalid
from core.models import Job
from core.versions import Version
from leads.models import CustomField, Lead
from scoring.models import FrameworkVersion, IcpVersion, ModelVersion, Standing
from scoring.publishing import publish_model
from scoring.rescoring import rescore
from scoring.tasks import rescore_stale
from tests import factories

pytestmark = pytest.mark.django_db
LIVE, DRAFT, RETIRED = Version.State.LIVE, Version.State.DRAFT, Version.State.RETIRED


@pytest.fixture
def document(config: None) -> dict[str, Any]:
    """What is live, as a bundle that a test may change."""
    return copy.deepcopy(export_bundle("Ours"))


def _item(document: dict[str, Any], section: str, key: str) -> dict[str, Any]:
    return next(item for item in document[section] if item["key"] == key)


def _only(document: dict[str, Any], **lists: list[str]) -> dict[str, Any]:
    """Return a bundle with these items only."""
    kept = {name: [_item(document, name, key) for key in keys] for name, keys in lists.items()}
    return {"format": document["format"], "name": "Part", **kept}


def _problems(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        load_bundle(document, by=None, publish=True)
    return {problem.field: problem.code for problem in caught.value.problems}


def _states(model: type[Version], key: str) -> list[tuple[int, str]]:
    return list(
        model._default_manager.filter(key=key).order_by("number").values_list("number", "state")
    )


# --- what is refused, with the field named ------------------------------------------------------
def _leaf(field: str, op: str, value: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


@pytest.mark.parametrize(
    ("rule", "field", "code"),
    [
        (_leaf("employees", "gte", "ten"), "rule.value", "wrong_type"),
        (_leaf("employees", "between", [1, None]), "rule.value", "wrong_type"),
        (_leaf("employees", "between", [500, 50]), "rule.value", "contradiction"),
        (_leaf("employees", "contains", 5), "rule.op", "unknown_op"),
        (_leaf("employees", "gt", float("nan")), "rule.value", "wrong_type"),
        (_leaf("shoe_size", "eq", 44), "rule.field", "unknown_field"),
        (_leaf("industry", "in", []), "rule.value", "wrong_type"),
        (_leaf("industry", "matches", ".*"), "rule.op", "unknown_op"),
        ({"all": []}, "rule.all", "empty"),
        ({"all": [], "any": []}, "rule", "unknown_shape"),
        ({}, "rule", "unknown_shape"),
        (None, "rule", "not_an_object"),
        (
            {"all": [_leaf("employees", "gt", 500), _leaf("employees", "lt", 50)]},
            "rule.all",
            "contradiction",
        ),
        (
            {"all": [_leaf("country", "eq", "DE"), _leaf("country", "eq", "FR")]},
            "rule.all",
            "contradiction",
        ),
    ],
)
def test_a_rule_that_cannot_be_right_is_refused(
    document: dict[str, Any], rule: Any, field: str, code: str
) -> None:
    icps = _only(document, icps=["b2b"])
    icps["icps"][0]["definition"]["attributes"][0]["bands"][1]["rule"] = rule
    path = f"icps[0].definition.attributes[0].bands[1].{field}"
    assert _problems(icps)[path] == code


def test_an_icp_without_attributes_or_bands_is_refused(document: dict[str, Any]) -> None:
    icps = _only(document, icps=["b2b", "b2c"])
    icps["icps"][0]["definition"]["attributes"] = []
    icps["icps"][1]["definition"]["attributes"][0]["bands"] = []
    assert _problems(icps) == {
        "icps[0].definition.attributes": "empty",
        "icps[1].definition.attributes[0].bands": "empty",
    }


def test_a_segment_that_nobody_can_be_in_is_refused(document: dict[str, Any]) -> None:
    icps = _only(document, icps=["b2b"])
    icps["icps"][0]["definition"]["segment"] = {
        "all": [_leaf("kind", "eq", "b2b"), _leaf("kind", "eq", "b2c")]
    }
    assert _problems(icps) == {"icps[0].definition.segment.all": "contradiction"}


@pytest.mark.parametrize(
    ("place", "value", "field", "code"),
    [
        (("signals", 0, "points"), float("nan"), "signals[0].points", "wrong_type"),
        (("signals", 0, "points"), float("inf"), "signals[0].points", "out_of_range"),
        (("signals", 0, "points"), "ten", "signals[0].points", "wrong_type"),
        (("signals", 0, "points"), True, "signals[0].points", "wrong_type"),
        (("signals", 0, "points"), 10**400, "signals[0].points", "out_of_range"),
        (("signals", 0, "wieght"), 1, "signals[0].wieght", "unknown_field"),
        (("signals", 0, "attribute"), "shoe_size", "signals[0].attribute", "not_a_choice"),
        (("signals", 0, "attribute"), [], "signals[0].attribute", "not_a_choice"),
        (("signals", 0, "key"), 'a"b', "signals[0].key", "not_a_key"),
        (("signals", 0, "values"), {"tiny": 1}, "signals[0].values.tiny", "unknown_field"),
        (("signals", 8, "cap"), 0, "signals[8].cap", "out_of_range"),
        (("signals", 8, "half_life_days"), 13, "signals[8].half_life_days", "not_a_choice"),
        (("signals", 8, "activity"), "sneezed", "signals[8].activity", "not_a_choice"),
        (("signals",), [], "signals", "empty"),
        (("groups", "fit", "cap"), None, "groups.fit.cap", "wrong_type"),
        (("groups", "luck"), {"cap": 1}, "groups.luck", "unknown_field"),
        (("marks",), {"hot": 40, "warm": 60}, "marks.warm", "contradiction"),
        (("gates", 0, "dimension"), "luck", "gates[0].dimension", "not_a_choice"),
        (("disqualifiers", 0, "key"), "a\\b", "disqualifiers[0].key", "not_a_key"),
        (("disqualifiers", 0, "rule"), {"any": 5}, "disqualifiers[0].rule.any", "empty"),
        (("p", "anchors"), [[60, 0.3], [40, 0.1]], "p.anchors", "contradiction"),
        (("p", "anchors"), [[10**400, 0.3], [40, 0.1]], "p.anchors", "wrong_type"),
        (("p", "anchors"), 5, "p.anchors", "wrong_type"),
        (("p", "of"), "luck", "p.of", "not_a_choice"),
    ],
)
def test_a_model_with_a_wrong_field_is_refused(
    document: dict[str, Any], place: tuple[Any, ...], value: Any, field: str, code: str
) -> None:
    models = _only(document, models=["b2b"])
    node = models["models"][0]["definition"]
    for step in place[:-1]:
        node = node[step]
    node[place[-1]] = value
    assert _problems(models)[f"models[0].definition.{field}"] == code


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"type": "riddle"}, "type", "not_a_choice"),
        ({"dimension": "luck"}, "dimension", "not_a_choice"),
        ({"text": "Why?"}, "text", "wrong_type"),
        ({"mandatory": "yes"}, "mandatory", "wrong_type"),
        ({"probes": [5]}, "probes", "wrong_type"),
        ({"seconds": 0}, "seconds", "out_of_range"),
        (
            {"answers": [{"key": "a", "label": "A", "rating": 101}]},
            "answers[0].rating",
            "out_of_range",
        ),
        (
            {"answers": [{"key": "a", "label": "A", "rating": 0.5}]},
            "answers[0].rating",
            "wrong_type",
        ),
        ({"ask_if": _leaf("rating.luck", "lt", 50)}, "ask_if.field", "unknown_field"),
        ({"ask_if": _leaf("rating.budget", "lt", "low")}, "ask_if.value", "wrong_type"),
        ({"ask_if": "always"}, "ask_if", "not_an_object"),
    ],
)
def test_a_framework_with_a_wrong_question_is_refused(
    document: dict[str, Any], change: dict[str, Any], field: str, code: str
) -> None:
    frameworks = _only(document, frameworks=["bant"])
    frameworks["frameworks"][0]["definition"]["questions"][0] |= change
    assert _problems(frameworks)[f"frameworks[0].definition.questions[0].{field}"] == code


def test_a_model_names_an_icp_and_a_framework_that_exist(document: dict[str, Any]) -> None:
    models = _only(document, models=["b2b", "b2c"])
    models["models"][0] |= {"icp": "martians", "framework": ["bant"]}
    assert _problems(models) == {
        "models[0].icp": "unknown_key",
        "models[0].framework": "unknown_key",
    }


def test_an_icp_has_one_model_and_one_icp_is_the_fallback(document: dict[str, Any]) -> None:
    both = _only(document, icps=["b2b", "general"], models=["b2b", "b2c"])
    both["icps"][0]["definition"]["fallback"] = True
    both["models"][1]["icp"] = "b2b"
    found = _problems(both)
    assert found["icps[1].definition.fallback"] == "duplicate"
    assert found["models[1].icp"] == "duplicate"


def test_an_icp_that_a_live_model_cannot_follow_is_refused(document: dict[str, Any]) -> None:
    icps = _only(document, icps=["b2b"])
    attributes = icps["icps"][0]["definition"]["attributes"]
    attributes[:] = [a for a in attributes if a["key"] != "industry"]
    with pytest.raises(Invalid) as caught:
        load_bundle(icps, by=None, publish=True)
    (problem,) = caught.value.problems
    assert (problem.field, problem.code) == ("icps[0].definition", "breaks_model")
    assert "b2b" in problem.message
    assert "signals[1].attribute" in problem.message


# --- what follows what --------------------------------------------------------------------------
def test_without_publish_what_differs_waits_as_a_draft(document: dict[str, Any]) -> None:
    models = _only(document, models=["b2b"])
    models["models"][0]["definition"]["marks"]["hot"] = 65
    job_count = Job.objects.count()
    report = load_bundle(models, by=None, publish=False)
    (change,) = report.changes
    (live, state), (draft, waiting) = _states(ModelVersion, "b2b")[-2:]
    assert (change.action, change.number) == ("draft", draft)
    assert (state, waiting) == (LIVE, DRAFT)
    assert Job.objects.count() == job_count

    again = load_bundle(models, by=None, publish=False)
    assert [change.action for change in again.changes] == ["unchanged"]
    assert len(_states(ModelVersion, "b2b")) == draft

    published = load_bundle(models, by=None, publish=True)
    assert [(c.action, c.number) for c in published.changes] == [("published", draft)]
    assert _states(ModelVersion, "b2b")[-2:] == [(live, RETIRED), (draft, LIVE)]


def test_a_changed_icp_takes_its_model_along(document: dict[str, Any]) -> None:
    icps = _only(document, icps=["b2b"])
    icps["icps"][0]["definition"]["typical_value_minor"] = 5
    before = ModelVersion.objects.get(key="b2b", state=LIVE)
    report = load_bundle(icps, by=None, publish=True)
    assert [(c.section, c.key, c.action) for c in report.changes] == [
        ("icps", "b2b", "published"),
        ("models", "b2b", "published"),
    ]
    after = ModelVersion.objects.get(key="b2b", state=LIVE)
    assert after.definition == before.definition
    assert (after.number, after.icp.definition["typical_value_minor"]) == (before.number + 1, 5)
    before.refresh_from_db()
    before.icp.refresh_from_db()
    assert (before.state, before.icp.state) == (RETIRED, RETIRED)
    assert ModelVersion.objects.filter(key="b2c").count() == 1


def test_a_model_that_follows_as_a_draft_is_made_once(document: dict[str, Any]) -> None:
    icps = _only(document, icps=["b2b"])
    icps["icps"][0]["definition"]["typical_value_minor"] = 5
    first = load_bundle(icps, by=None, publish=False)
    assert [change.action for change in first.changes] == ["draft", "draft"]
    assert not load_bundle(icps, by=None, publish=False).changed
    published = load_bundle(icps, by=None, publish=True)
    assert [(c.action, c.number) for c in published.changes] == [
        ("published", change.number) for change in first.changes
    ]


def test_a_changed_framework_takes_all_its_models_along(document: dict[str, Any]) -> None:
    frameworks = _only(document, frameworks=["bant"])
    frameworks["frameworks"][0]["definition"]["criteria"][0]["label"] = "Funds"
    load_bundle(frameworks, by=None, publish=True)
    (live,) = FrameworkVersion.objects.filter(key="bant", state=LIVE)
    assert live.definition["criteria"][0]["label"] == "Funds"
    models = ModelVersion.objects.filter(state=LIVE)
    assert {model.key: model.framework_id for model in models} == dict.fromkeys(
        ("b2b", "b2c", "general"), live.pk
    )


def test_a_model_moves_to_another_framework_and_the_old_one_stays_live(
    document: dict[str, Any],
) -> None:
    models = _only(document, models=["b2b"])
    models["models"][0]["framework"] = "champ"
    load_bundle(models, by=None, publish=True)
    assert ModelVersion.objects.get(key="b2b", state=LIVE).framework.key == "champ"
    assert ModelVersion.objects.get(key="b2c", state=LIVE).framework.key == "bant"
    assert FrameworkVersion.objects.filter(key="bant", state=LIVE).count() == 1


def test_a_framework_that_no_model_pins_goes_live_by_itself(document: dict[str, Any]) -> None:
    frameworks = _only(document, frameworks=["anum"])
    frameworks["frameworks"][0]["key"] = "anum-short"
    job_count = Job.objects.count()
    report = load_bundle(frameworks, by=None, publish=True)
    assert [(c.key, c.action) for c in report.changes] == [("anum-short", "published")]
    assert _states(FrameworkVersion, "anum-short") == [(1, LIVE)]
    assert Job.objects.count() == job_count, "nothing that scores has changed"


def test_a_draft_pins_the_drafts_that_came_with_it(document: dict[str, Any]) -> None:
    both = _only(document, icps=["b2b"], models=["b2b"])
    both["icps"][0]["definition"]["attributes"][0]["key"] = "headcount"
    both["models"][0]["definition"]["signals"][0]["attribute"] = "headcount"
    load_bundle(both, by=None, publish=False)
    draft = ModelVersion.objects.get(key="b2b", state=DRAFT)
    assert draft.icp.state == DRAFT
    publish_model(draft, by=None)
    assert (draft.state, draft.icp.state) == (LIVE, LIVE)
    assert IcpVersion.objects.get(key="b2b", state=LIVE).pk == draft.icp_id


def test_a_bundle_repairs_a_live_icp_whose_field_is_gone(document: dict[str, Any]) -> None:
    field = CustomField.objects.create(key="floors", label="Floors", type="number")
    icps = _only(document, icps=["b2b"])
    whole = copy.deepcopy(icps)
    band = icps["icps"][0]["definition"]["attributes"][0]["bands"][0]
    band["rule"] = _leaf("custom.floors", "gt", 3)
    load_bundle(icps, by=None, publish=True)
    field.delete()
    assert _problems(icps) == {
        "icps[0].definition.attributes[0].bands[0].rule.field": "unknown_field"
    }
    load_bundle(whole, by=None, publish=True)
    live = IcpVersion.objects.get(key="b2b", state=LIVE)
    assert live.definition == whole["icps"][0]["definition"]


def test_who_may_not_change_configuration_loads_nothing(
    document: dict[str, Any], rep: User, manager: User
) -> None:
    models = _only(document, models=["b2b"])
    models["models"][0]["definition"]["marks"]["hot"] = 65
    for person in (rep, manager):
        with pytest.raises(Forbidden):
            load_bundle(models, by=person, publish=False)
    assert not ModelVersion.objects.exclude(state=LIVE).exists()


def test_who_loaded_and_published_is_kept(document: dict[str, Any], model_owner: User) -> None:
    models = _only(document, models=["b2b"])
    models["models"][0]["definition"]["marks"]["hot"] = 65
    load_bundle(models, by=model_owner, publish=True)
    version = ModelVersion.objects.get(key="b2b", state=LIVE)
    assert (version.created_by, version.published_by) == (model_owner, model_owner)
    assert version.published_at is not None
    assert Job.objects.latest("pk").created_by == model_owner


# --- rates --------------------------------------------------------------------------------------
def _rates(**rates: Any) -> dict[str, Any]:
    items = [{"key": key, "rate": rate} for key, rate in rates.items()]
    return {"format": "leadqual.bundle/1", "name": "Rates", "rates": items}


def test_a_new_rate_counts_at_once_for_the_leads_that_it_values(lead: Lead) -> None:
    other = factories.make_lead(value_minor=100_000, currency="CHF")
    Lead.objects.filter(pk=lead.pk).update(value_minor=100_000, currency="USD")
    rescore([lead.pk])
    before = Standing.objects.get(pk=lead.pk).expected_minor
    rate = Workspace.current().rates["USD"]
    report = load_bundle(_rates(usd=rate * 2, gbp=1.5), by=None, publish=False)
    assert {(c.key, c.action) for c in report.changes} == {("usd", "changed"), ("gbp", "changed")}
    assert Workspace.current().rates["CHF"], "rates that are left out stay"
    stale = Standing.objects.filter(stale_at__isnull=False)
    assert [standing.lead_id for standing in stale] == [lead.pk]
    assert rescore_stale() == 1
    assert Standing.objects.get(pk=lead.pk).expected_minor == pytest.approx(2 * before, abs=1)
    assert Standing.objects.get(pk=other.pk).stale_at is None
    again = load_bundle(_rates(usd=rate * 2), by=None, publish=False)
    assert not again.changed
    assert not stale.all().exists()


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), 10**400, "1", None, True])
def test_a_wrong_rate_is_refused_with_its_field(config: None, rate: Any) -> None:
    assert _problems(_rates(usd=rate))["rates[0].rate"] == "wrong_type"


@pytest.mark.parametrize("key", ["us", "usdollar", "u-d", "840"])
def test_a_rate_needs_a_currency_code(config: None, key: str) -> None:
    assert _problems(_rates(**{key: 1})) == {"rates[0].key": "not_a_choice"}
