"""Calls over REST: a dialer's repeats are one call, and every answer keeps to the description."""

import datetime as dt
from itertools import count
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User, Workspace
from calls.models import Call, CallAnswer
from calls.scripts import script_of
from core.clock import now
from leads.activities import Kind
from leads.models import Activity, Lead
from scoring.models import Evidence
from tests.api.conftest import Api, assert_problem
from tests.calls.conftest import statements

_keys = count(1)


@pytest.fixture
def api(rep: User) -> Api:
    """The client of `rep`."""
    return Api(rep)


def post(api: Api, path: str, body: Any, key: str = "") -> Any:
    return api.post(path, body, **{"Idempotency-Key": key or f"key-{next(_keys)}"})


def start(api: Api, lead: Lead) -> int:
    response = post(api, "calls", {"lead": lead.pk})
    assert response.status_code == 201, response.content
    number: int = response.json()["id"]
    return number


def test_a_dialer_runs_a_whole_call(api: Api, lead: Lead) -> None:
    number = start(api, lead)
    given = {"question": "budget_funding", "answer": "set_aside", "quote": "40k"}
    kept = post(api, f"calls/{number}/answers", given)
    assert kept.status_code == 201, kept.content
    assert kept.json()["delta"] > 0
    post(api, f"calls/{number}/answers", {"kind": "concern", "quote": "Fears lock-in"})
    noted = api.patch(f"calls/{number}", {"notes": "EU hosting", "notes_version": 0})
    assert noted.json()["notes_version"] == 1
    at = (now() + dt.timedelta(days=1)).isoformat()
    done = post(api, f"calls/{number}/finish", {"outcome": "callback", "callback_at": at})
    assert done.status_code == 200, done.content
    body = done.json()
    assert body["state"] == "finished"
    assert body["end"]["score"] > body["start"]["score"]
    assert body["followup_id"]
    assert [item["kind"] for item in body["answers"]] == ["answer", "concern"]
    open_required = body.pop("open_required")
    assert api.get(f"calls/{number}").json() == body
    asked = {question.key: question for question in script_of(body["framework_version"]).asked}
    required = [key for key, q in asked.items() if q.mandatory and q.dimension != "budget"]
    assert [item["key"] for item in open_required] == required
    assert open_required[0] == {
        "key": "authority_role",
        "dimension": "authority",
        "criterion": "Authority",
        "text": asked["authority_role"].text["b2b"],
        "later": False,
    }
    assert [item["id"] for item in api.get("calls", {"lead": lead.pk}).json()["data"]] == [number]
    assert Activity.objects.filter(lead=lead, kind=Kind.CALL_CONNECTED).count() == 1


def test_two_posts_are_one_call_and_one_answer(api: Api, lead: Lead) -> None:
    body = {"lead": lead.pk, "external_key": "dialer-1"}
    first = post(api, "calls", body, "a")
    again = post(api, "calls", body, "a")
    other_key = post(api, "calls", body, "b")
    assert {r.json()["id"] for r in (first, again, other_key)} == {first.json()["id"]}
    assert [first.status_code, again.status_code, other_key.status_code] == [201, 201, 200]
    assert Call.objects.count() == 1
    path = f"calls/{first.json()['id']}/answers"
    given = {"question": "budget_funding", "rating": 67}
    assert post(api, path, given, "c").json() == post(api, path, given, "c").json()
    assert CallAnswer.objects.count() == Evidence.objects.filter(lead=lead).count() == 1


def test_without_an_idempotency_key_nothing_begins(api: Api, lead: Lead) -> None:
    assert_problem(api.post("calls", {"lead": lead.pk}), 400, "required")
    number = start(api, lead)
    response = api.post(f"calls/{number}/answers", {"question": "budget_funding", "rating": 1})
    assert_problem(response, 400, "required")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"question": "shoe_size", "rating": 1}, "#/question"),
        ({"question": "budget_funding", "rating": 101}, "#/rating"),
        ({"question": "budget_funding", "rating": True}, "#/rating"),
        ({"question": "budget_funding", "answer": "maybe"}, "#/answer"),
        ({"question": "budget_funding"}, "#/answer"),
        ({"rating": 1}, "#/question"),
        ({"kind": "concern"}, "#/text"),
        ({"kind": "concern", "quote": "x", "rating": 3}, "#/rating"),
        ({"question": "budget_funding", "rating": 1, "score": 99}, "#/score"),
    ],
)
def test_a_wrong_answer_is_named(api: Api, lead: Lead, body: Any, pointer: str) -> None:
    problem = assert_problem(post(api, f"calls/{start(api, lead)}/answers", body), 422)
    assert pointer in [error.get("pointer") for error in problem["errors"]]
    assert not CallAnswer.objects.exists()


def test_a_dialer_says_what_the_lead_said_to_being_recorded(api: Api, lead: Lead) -> None:
    Workspace.objects.update(calls_recorded=True)
    number = start(api, lead)
    assert api.get(f"calls/{number}").json()["recorded"] is True
    assert_problem(
        post(api, f"calls/{number}/finish", {"outcome": "no_answer", "recording": "loud"}), 422
    )
    done = post(
        api,
        f"calls/{number}/finish",
        {"outcome": "do_not_call", "recording": "refused"},
    )
    assert done.status_code == 200, done.content
    assert done.json()["recording"] == "refused"
    assert {item["later"] for item in done.json()["open_required"]} == {False}


def test_a_call_is_finished_once(api: Api, lead: Lead) -> None:
    number = start(api, lead)
    assert_problem(post(api, f"calls/{number}/finish", {"outcome": "callback"}), 422)
    post(api, f"calls/{number}/finish", {"outcome": "no_answer"}, "end")
    again = post(api, f"calls/{number}/finish", {"outcome": "no_answer"}, "end")
    assert again.status_code == 200
    assert again["Idempotency-Replayed"] == "true"
    assert_problem(post(api, f"calls/{number}/finish", {"outcome": "no_answer"}), 409)


def test_notes_changed_meanwhile_are_told_apart(api: Api, lead: Lead) -> None:
    number = start(api, lead)
    api.patch(f"calls/{number}", {"notes": "one", "notes_version": 0})
    response = api.patch(f"calls/{number}", {"notes": "two", "notes_version": 0})
    assert_problem(response, 412, "stale_version")


def test_an_open_call_is_in_the_way_of_another_dialer(api: Api, lead: Lead) -> None:
    number = start(api, lead)
    problem = assert_problem(post(api, "calls", {"lead": lead.pk, "external_key": "x"}), 409)
    assert problem["existing_id"] == number


def test_strangers_find_nothing(api: Api, lead: Lead, stranger: User) -> None:
    number = start(api, lead)
    theirs = Api(stranger)
    assert_problem(theirs.get(f"calls/{number}"), 404)
    assert_problem(theirs.get(f"leads/{lead.pk}/next-questions"), 404)
    assert_problem(post(theirs, "calls", {"lead": lead.pk}), 422)
    assert_problem(post(theirs, f"calls/{number}/finish", {"outcome": "no_answer"}), 404)
    assert theirs.get("calls").json()["data"] == []


def test_the_next_question_and_the_scripts_agree(api: Api, lead: Lead) -> None:
    asking = api.get(f"leads/{lead.pk}/next-questions").json()
    scripts = api.get("scripts").json()
    known = {q["key"] for script in scripts["scripts"] for q in script["questions"]}
    assert {q["key"] for q in asking["questions"]} <= known
    assert asking["questions"][0]["required"]
    assert not asking["settled"]
    assert "no_answer" in [outcome["key"] for outcome in scripts["outcomes"]]


def test_an_answer_takes_ten_queries_at_most(api: Api, lead: Lead) -> None:
    number = start(api, lead)
    for question, chosen in (("budget_funding", "set_aside"), ("authority_role", "decides")):
        with CaptureQueriesContext(connection) as captured:
            given = {"question": question, "answer": chosen}
            kept = post(api, f"calls/{number}/answers", given)
        assert kept.json()["delta"] > 0
        assert len(statements(captured)) <= 10, statements(captured)
