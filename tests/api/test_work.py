"""The queue, who asks, and what can be asked."""

from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from calls import claims
from desk.filters import LeadFilters
from desk.selectors import Scope, queue
from leads.activities import Kind
from leads.models import Lead
from scoring.live import live_config
from scoring.models import Standing
from tests import factories
from tests.api.conftest import Api, assert_problem


def test_the_queue_is_the_one_of_the_page(api: Api, rep: User) -> None:
    for number in range(4):
        factories.make_lead(owner=rep, value_minor=10**6 * (number + 1))
    clock = factories.make_lead(owner=rep)
    Standing.objects.filter(pk=clock.pk).update(sla_due_at="2026-11-22T09:00:00Z")
    filters = LeadFilters(QueryDict(), Standing.objects.all(), viewer=rep)
    page = queue(rep, scope=Scope.MINE, filters=filters)
    for path in ("queue", "queue?owner=me"):
        body = api.get(path).json()
        assert [row["id"] for row in body["data"]] == [row.id for row in page.rows]
        assert [row["id"] for row in body["clocks"]] == [clock.pk]
    assert (body["count"], body["count_is_exact"]) == (5, True)


def test_the_queue_says_why(api: Api, lead: Lead) -> None:
    factories.make_activity(lead, Kind.HAND_RAISED)
    factories.make_evidence(lead, "budget", 100)
    reasons = api.get("queue").json()["data"][0]["reasons"]
    assert 0 < len(reasons) <= 3


def test_the_queue_says_who_is_on_a_lead(api: Api, lead: Lead, manager: User) -> None:
    assert api.get("queue").json()["data"][0]["claim"] is None
    assert claims.claim(lead.pk, by=manager)
    claim = api.get("queue").json()["data"][0]["claim"]
    assert claim["by"] == {"id": manager.pk, "name": str(manager)}
    assert claim["since"] < claim["until"]


def test_the_queue_pages(api: Api, rep: User) -> None:
    for _ in range(5):
        factories.make_lead(owner=rep)
    seen: list[int] = []
    path = "queue?limit=2"
    while path:
        response = api.get(path)
        seen += [row["id"] for row in response.json()["data"]]
        path = response.get("Link", "").removeprefix("</api/v1/").partition(">")[0]
    assert len(seen) == len(set(seen)) == 5


def test_a_managers_queue_is_the_teams(api_of: Any, manager: User, rep: User) -> None:
    theirs = factories.make_lead(owner=rep)
    client = api_of(manager)
    assert [row["id"] for row in client.get("queue").json()["data"]] == [theirs.pk]
    assert client.get("queue?owner=me").json()["data"] == []


def test_the_queue_refuses_what_it_does_not_know(api: Api) -> None:
    assert_problem(api.get("queue?sort=score"), 400, "unknown_parameter")
    assert_problem(api.get("queue?limit=1000"), 400, "out_of_range")
    assert_problem(api.get("queue?cursor=x"), 400, "invalid_cursor")


def test_me_names_the_owner_and_the_token_without_its_secret(api: Api, rep: User) -> None:
    response = api.get("me")
    body = response.json()
    assert (body["id"], body["email"], body["role"]) == (rep.pk, rep.email, "rep")
    assert body["team"] == {"id": rep.team_id, "name": "North"}
    assert body["token"]["id"] == api.token.pk
    text = response.content.decode()
    assert api.secret.partition(".")[2] not in text
    assert api.token.digest not in text


def test_frameworks_tell_what_evidence_may_say(api: Api) -> None:
    body = api.get("frameworks").json()
    config = live_config()
    assert body["dimensions"] == config.dimensions
    assert [item["rating"] for item in body["rating_scale"]] == [0, 33, 67, 100]
    assert len(body["frameworks"]) == len(config.everything)
    named = {c["dimension"] for f in body["frameworks"] for c in f["criteria"]}
    assert named == set(config.dimensions)


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("leads", 2),
        ("leads?tier=cold&stage=new&owner=me&score__gte=1&include=count", 3),
        ("leads?q=number+works", 4),
        ("leads?q=number+works+one+two+three+four+five+six", 4),
        ("queue?q=number+works+one+two+three+four+five+six", 12),
        ("queue", 12),
        ("leads/{lead}", 4),
        ("leads/{lead}/standing", 9),
        ("leads/{lead}/activities", 3),
        ("leads/{lead}/evidence", 3),
    ],
)
def test_queries_do_not_grow_with_rows(api: Api, rep: User, path: str, most: int) -> None:
    lead = factories.make_lead(owner=rep, company={"name": "Number works"})
    path = path.format(lead=lead.pk)
    assert api.get(path).status_code == 200  # fills the caches of configuration and texts

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            response = api.get(path)
        assert response.status_code == 200
        return len(queries)

    few = count()
    for number in range(30):
        factories.make_lead(owner=rep, company={"name": f"Number {number}"})
        factories.make_activity(lead)
    for _ in range(30):
        factories.make_evidence(lead, "budget", 67)
    api.get(path)
    assert count() == few <= most
