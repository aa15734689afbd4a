"""What belongs to a lead: evidence, outcomes, activities, the standing."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.clock import now
from leads.activities import RECORDABLE, Kind
from leads.models import Activity, Lead, Outcome
from scoring.live import live_config
from scoring.models import Evidence, Standing
from tests import factories
from tests.api.conftest import Api, assert_problem

AUTHENTICATION = 1  # query; the last use of the token is written once a minute


# --- evidence ----------------------------------------------------------------------------------


def test_evidence_moves_the_score_in_the_same_answer(api: Api, lead: Lead) -> None:
    before = api.get(f"leads/{lead.pk}").json()["score"]
    response = api.post(
        f"leads/{lead.pk}/evidence",
        {"dimension": "budget", "rating": 100, "quote": "It is in the plan.", "source": "form"},
    )
    assert response.status_code == 201, response.content
    body = response.json()
    assert body["standing"]["score"] > before
    assert body["current"] is True
    assert body["source"] == "form"
    listed = api.get(f"leads/{lead.pk}/evidence").json()["data"]
    assert listed == [{k: v for k, v in body.items() if k != "standing"}]
    assert api.get(f"leads/{lead.pk}").json()["score"] == body["standing"]["score"]


def test_an_older_answer_does_not_displace_a_newer(api: Api, lead: Lead) -> None:
    api.post(f"leads/{lead.pk}/evidence", {"dimension": "budget", "rating": 100})
    body = {"dimension": "budget", "rating": 0, "observed_at": "2026-01-05T10:00:00+02:00"}
    old = api.post(f"leads/{lead.pk}/evidence", body).json()
    assert old["current"] is False
    assert old["observed_at"] == "2026-01-05T08:00:00Z"
    current = api.get(f"leads/{lead.pk}/evidence", {"current": "true"}).json()["data"]
    assert [item["rating"] for item in current] == [100]


def test_a_questions_answer_implies_its_rating(api: Api, lead: Lead) -> None:
    question = next(
        question
        for live in live_config().everything
        for question in live.framework.questions
        if any(answer.rating for answer in question.answers)
    )
    answer = max(question.answers, key=lambda a: a.rating or 0)
    body = {"dimension": question.dimension, "question": question.key, "answer": answer.key}
    added = api.post(f"leads/{lead.pk}/evidence", body).json()
    assert added["rating"] == answer.rating
    wrong = {**body, "answer": "nonsense"}
    document = assert_problem(api.post(f"leads/{lead.pk}/evidence", wrong), 422)
    assert document["errors"][0]["pointer"] == "#/answer"
    unknown = {**body, "question": "nonsense"}
    document = assert_problem(api.post(f"leads/{lead.pk}/evidence", unknown), 422)
    assert document["errors"][0]["pointer"] == "#/question"


def test_asked_and_not_known_is_on_the_timeline_and_no_evidence(api: Api, lead: Lead) -> None:
    body = api.post(f"leads/{lead.pk}/evidence", {"dimension": "budget", "rating": None}).json()
    assert (body["id"], body["rating"], body["current"]) == (None, None, False)
    assert not Evidence.objects.exists()
    assert Activity.objects.filter(lead=lead, kind=Kind.ASKED_UNKNOWN).count() == 1


@pytest.mark.parametrize("body", [{}, {"dimension": "budget"}, {"rating": 67}])
def test_evidence_needs_a_dimension_and_a_rating(
    api: Api, lead: Lead, body: dict[str, Any]
) -> None:
    missing = "#/rating" if body else "#/dimension"
    missing = "#/dimension" if "rating" in body else missing
    document = assert_problem(api.post(f"leads/{lead.pk}/evidence", body), 422)
    assert [error["pointer"] for error in document["errors"]] == [missing]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dimension", "horoscope"),
        ("dimension", 5),
        ("rating", 101),
        ("rating", -1),
        ("rating", 66.7),
        ("rating", "67"),
        ("rating", True),
        ("source", "hearsay"),
        ("quote", "x" * 20_001),
        ("observed_at", "2999-01-01T00:00:00Z"),
        ("observed_at", "2026-01-01"),
        ("observed_at", "0001-01-01T00:00:00+14:00"),
        ("observed_at", 17),
        ("author", 1),
        ("current", True),
        ("expires_at", "2027-01-01T00:00:00Z"),
    ],
)
def test_evidence_that_cannot_be_is_refused_by_field(
    api: Api, lead: Lead, field: str, value: Any
) -> None:
    body = {"dimension": "budget", "rating": 67, field: value}
    document = assert_problem(api.post(f"leads/{lead.pk}/evidence", body), 422)
    assert [error["pointer"] for error in document["errors"]] == [f"#/{field}"]
    assert not Evidence.objects.exists()


def test_adding_evidence_and_rescoring_takes_ten_queries(api: Api, lead: Lead) -> None:
    body = {"dimension": "budget", "rating": 67}
    api.post(f"leads/{lead.pk}/evidence", body)  # fills the caches of configuration and texts
    with CaptureQueriesContext(connection) as queries:
        response = api.post(f"leads/{lead.pk}/evidence", {**body, "rating": 100})
    assert response.status_code == 201
    # Savepoints stand for the outer transaction that the test itself holds open.
    sql = [q["sql"] for q in queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    assert len(sql) <= AUTHENTICATION + 10, "\n".join(sql)


# --- consent -----------------------------------------------------------------------------------
def test_consent_is_recorded_and_says_who_may_be_contacted(api: Api, lead: Lead) -> None:
    path = f"leads/{lead.pk}/consents"
    added = api.post(path, {"channel": "email", "state": "withdrawn"})
    assert added.status_code == 201, added.content
    body = api.get(path).json()
    assert body["data"] == [added.json()]
    assert body["may_contact"]["call"] == {"allowed": True, "reason": None}
    assert not body["may_contact"]["email"]["allowed"]
    assert body["may_contact"]["email"]["reason"].endswith("not to be written to.")
    document = assert_problem(api.post(path, {"channel": "call", "state": "granted"}), 422)
    assert document["detail"] == "wording: say what the lead agreed to, and how"


# --- outcomes ----------------------------------------------------------------------------------


def test_an_outcome_closes_the_round(api: Api, lead: Lead) -> None:
    response = api.post(
        f"leads/{lead.pk}/outcomes",
        {"result": "won", "value": {"amount_minor": 990000, "currency": "EUR"}},
    )
    assert response.status_code == 201, response.content
    assert response.json()["value"] == {"amount_minor": 990000, "currency": "EUR"}
    assert api.get(f"leads/{lead.pk}").json()["stage"] == "won"
    assert api.get(f"leads/{lead.pk}/outcomes").json()["data"] == [response.json()]
    again = api.post(f"leads/{lead.pk}/outcomes", {"result": "lost", "reason": "price"})
    assert "closed already" in assert_problem(again, 403)["detail"]
    assert Outcome.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/result"),
        ({"result": "maybe"}, "#/result"),
        ({"result": "lost"}, "#/reason"),
        ({"result": "disqualified", "reason": "  "}, "#/reason"),
        ({"result": "won", "at": "2999-01-01T00:00:00Z"}, "#/at"),
        ({"result": "won", "value": {"amount_minor": 1.5, "currency": "E"}}, None),
        ({"result": "won", "value": 7}, "#/value"),
        ({"result": "won", "round": 3}, "#/round"),
    ],
)
def test_an_outcome_that_cannot_be_is_refused_by_field(
    api: Api, lead: Lead, body: dict[str, Any], pointer: str | None
) -> None:
    document = assert_problem(api.post(f"leads/{lead.pk}/outcomes", body), 422)
    expected = [pointer] if pointer else ["#/value/amount_minor", "#/value/currency"]
    assert [error["pointer"] for error in document["errors"]] == expected
    assert not Outcome.objects.exists()


# --- activities --------------------------------------------------------------------------------


def test_an_integration_records_what_a_lead_does(api: Api, lead: Lead) -> None:
    before = Standing.objects.get(pk=lead.pk)
    response = api.post(
        f"leads/{lead.pk}/activities",
        {"kind": "hand_raised", "data": {"form": "demo"}, "dedupe_key": "web-1"},
    )
    assert response.status_code == 201, response.content
    after = Standing.objects.get(pk=lead.pk)
    assert after.engagement > before.engagement
    assert after.stale_at is None
    first = api.get(f"leads/{lead.pk}/activities", {"kind": "hand_raised"}).json()["data"]
    assert first == [response.json()]


def test_a_known_dedupe_key_records_nothing_again(api: Api, lead: Lead, rep: User) -> None:
    body = {"kind": "page_viewed", "dedupe_key": "web-1"}
    first = api.post(f"leads/{lead.pk}/activities", body)
    second = api.post(f"leads/{lead.pk}/activities", body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert Activity.objects.filter(kind="page_viewed").count() == 1
    other = factories.make_lead(owner=rep)
    assert_problem(api.post(f"leads/{other.pk}/activities", body), 409, "conflict")


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in RECORDABLE])
def test_what_services_write_cannot_be_recorded(api: Api, lead: Lead, kind: str) -> None:
    document = assert_problem(api.post(f"leads/{lead.pk}/activities", {"kind": kind}), 422)
    assert document["errors"][0]["pointer"] == "#/kind"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"kind": "page_viewed", "data": []}, "#/data"),
        ({"kind": "page_viewed", "data": {"x": "y" * 20_000}}, "#/data"),
        ({"kind": "page_viewed", "data": {str(n): n for n in range(51)}}, "#/data"),
        ({"kind": "page_viewed", "dedupe_key": "k" * 121}, "#/dedupe_key"),
        ({"kind": "page_viewed", "actor": 1}, "#/actor"),
        ({"kind": "page_viewed", "recorded_at": "2026-01-01T00:00:00Z"}, "#/recorded_at"),
        ({"kind": ["page_viewed"]}, "#/kind"),
    ],
)
def test_an_activity_that_cannot_be_is_refused_by_field(
    api: Api, lead: Lead, body: dict[str, Any], pointer: str
) -> None:
    document = assert_problem(api.post(f"leads/{lead.pk}/activities", body), 422)
    assert [error["pointer"] for error in document["errors"]] == [pointer]


def test_clocks_may_differ_by_five_minutes(api: Api, lead: Lead) -> None:
    for minutes, status in ((4, 201), (6, 422)):
        at = (now() + dt.timedelta(minutes=minutes)).isoformat()
        body = {"kind": "page_viewed", "at": at}
        assert api.post(f"leads/{lead.pk}/activities", body).status_code == status


def test_the_timeline_pages_by_time(api: Api, lead: Lead) -> None:
    for day in range(1, 8):
        factories.make_activity(lead, at=dt.datetime(2026, 1, day, tzinfo=dt.UTC))
    seen: list[str] = []
    path = f"leads/{lead.pk}/activities?kind=page_viewed&limit=3"
    while path:
        response = api.get(path)
        seen += [item["at"] for item in response.json()["data"]]
        path = response.get("Link", "").removeprefix("</api/v1/").partition(">")[0]
    assert seen == [f"2026-01-0{day}T00:00:00Z" for day in range(7, 0, -1)]
    part = api.get(f"leads/{lead.pk}/activities", {"at__gte": "2026-01-03", "at__lt": "2026-01-05"})
    assert len(part.json()["data"]) == 2


# --- standing ----------------------------------------------------------------------------------


def test_the_points_of_the_ledger_sum_to_the_score(api: Api, lead: Lead) -> None:
    evidence = factories.make_evidence(lead, "budget", 67)
    factories.make_activity(lead, Kind.PRICING_VIEWED)
    body = api.get(f"leads/{lead.pk}/standing").json()
    assert sum(round(line["points"] * 10) for line in body["ledger"]) == 10 * body["score"]
    assert body["range"]["low"] <= body["score"] <= body["range"]["high"]
    assert set(body["groups"]) == {"fit", "engagement", "qualification"}
    known = [line for line in body["ledger"] if line["evidence"] == evidence.pk]
    assert len(known) == 1
    assert known[0]["known"] is True
    assert body["model"]["version"] >= 1
    assert 0 <= body["p_win"]["value"] <= 1
    assert body["p_win"]["low"] is body["p_win"]["high"] is None  # nothing was learned yet
    assert body["p_win"]["n"] == 0


def test_the_standing_says_the_same_as_the_list(api: Api, lead: Lead) -> None:
    factories.make_activity(lead, Kind.HAND_RAISED)
    listed = api.get("leads").json()["data"][0]
    standing = api.get(f"leads/{lead.pk}/standing").json()
    for name in ("state", "score", "range", "tier", "groups", "scored_at"):
        assert standing[name] == listed[name], name


def test_a_lead_that_was_never_scored_has_no_standing_yet(api: Api, rep: User) -> None:
    lead = factories.make_lead(owner=rep, scored=False)
    body = api.get(f"leads/{lead.pk}/standing").json()
    assert (body["state"], body["score"], body["ledger"]) == ("unscored", None, [])
    assert api.get(f"leads/{lead.pk}").json()["score"] is None
