"""POST /score/preview: a score that is stored nowhere."""

from collections.abc import Callable

from accounts.models import User
from leads.models import Lead
from scoring.models import ModelVersion, Standing
from tests.api.conftest import Api, assert_problem


def test_a_preview_sums_and_stores_nothing(api: Api, lead: Lead) -> None:
    body = {"lead": lead.pk, "ratings": {"budget": 100}, "engagement": {"hand_raised": 1}}
    found = api.post("score/preview", body).json()
    assert round(sum(line["points"] for line in found["ledger"]), 6) == found["score"]
    assert (found["before"]["score"], found["before"]["tier"]) == (38, "cold")
    assert {change["signal"] for change in found["changes"]} >= {"budget", "hand_raised"}
    assert all(lift["tier"] == "hot" and lift["facts"] for lift in found["would_lift"])
    assert Standing.objects.get(pk=lead.pk).score == 38


def test_facts_alone_make_a_lead(api: Api) -> None:
    found = api.post("score/preview", {"fields": {"employees": 100, "kind": "b2b"}}).json()
    assert found["before"] is None
    assert found["changes"] == []
    assert found["score"] > 35


def test_drafts_are_for_model_owners(
    api: Api, api_of: Callable[..., Api], model_owner: User, lead: Lead
) -> None:
    live = ModelVersion.objects.get(key="b2b", state="live")
    ModelVersion.objects.create(
        key="b2b", number=8, definition=live.definition, icp=live.icp, framework=live.framework
    )
    draft = {"lead": lead.pk, "model": {"key": "b2b", "version": 8}}
    assert_problem(api.post("score/preview", draft), 403)
    assert api_of(model_owner).post("score/preview", draft).json()["model"]["version"] == 8
    live_too = {"lead": lead.pk, "model": {"key": "b2b", "version": live.number}}
    assert api.post("score/preview", live_too).status_code == 200
    missing = {"model": {"key": "b2b", "version": 99}}
    assert_problem(api.post("score/preview", missing), 422)


def test_what_is_not_the_askers_to_see_or_suppose_is_named(
    api_of: Callable[..., Api], stranger: User, lead: Lead
) -> None:
    api = api_of(stranger)
    problem = assert_problem(api.post("score/preview", {"lead": lead.pk}), 422)
    assert problem["errors"][0]["pointer"] == "#/lead"
    body = {"ratings": {"budget": "high"}, "fields": {"employees": True}, "engagement": {"x": 1}}
    problem = assert_problem(api.post("score/preview", body), 422)
    assert [error["pointer"] for error in problem["errors"]] == [
        "#/fields/employees",
        "#/ratings/budget",
        "#/engagement/x",
    ]
