"""A repeated call has its effect once and the same answer each time."""

import threading
from typing import Any

import pytest
from django.db import connection, connections, transaction

from accounts.models import User
from core import clock, idempotency
from core.models import IdempotencyKey
from leads.models import Activity, Lead
from tests import factories
from tests.api.conftest import Api, assert_problem


def test_a_replay_gives_the_first_answer_again(api: Api) -> None:
    body = {"email": "a@works.example"}
    first = api.post("leads", body, Idempotency_Key="k-1")
    again = api.post("leads/", body, Idempotency_Key='"k-1"')
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert again["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    for name in ("Location", "ETag", "Content-Type"):
        assert again[name] == first[name]
    assert Lead.objects.count() == 1


def test_a_key_for_another_call_is_refused(api: Api, lead: Lead) -> None:
    api.post("leads", {"email": "a@works.example"}, Idempotency_Key="k-1")
    for response in (
        api.post("leads", {"email": "b@works.example"}, Idempotency_Key="k-1"),
        api.post(f"leads/{lead.pk}/activities", {"kind": "page_viewed"}, Idempotency_Key="k-1"),
        api.patch(f"leads/{lead.pk}", {"email": "a@works.example"}, Idempotency_Key="k-1"),
    ):
        assert_problem(response, 422, "idempotency_key_reused")
    assert not Activity.objects.filter(kind="page_viewed").exists()


def test_every_write_takes_a_key(api: Api, lead: Lead) -> None:
    for number, (method, path, body) in enumerate(
        (
            ("patch", f"leads/{lead.pk}", {"title": "CEO"}),
            ("post", f"leads/{lead.pk}/evidence", {"dimension": "budget", "rating": 100}),
            ("post", f"leads/{lead.pk}/activities", {"kind": "page_viewed"}),
            ("post", f"leads/{lead.pk}/outcomes", {"result": "won"}),
        )
    ):
        send = getattr(api, method)
        first = send(path, body, Idempotency_Key=f"k-{number}")
        assert first.status_code in (200, 201), first.content
        assert send(path, body, Idempotency_Key=f"k-{number}").content == first.content
    assert Activity.objects.filter(kind="page_viewed").count() == 1


def test_another_tokens_key_never_matches(api: Api, api_of: Any, rep: User) -> None:
    api.post("leads", {"email": "a@works.example"}, Idempotency_Key="k-1")
    response = api_of(rep).post("leads", {"email": "b@works.example"}, Idempotency_Key="k-1")
    assert response.status_code == 201
    assert "Idempotency-Replayed" not in response


def test_a_call_that_failed_may_be_repeated_with_its_key(api: Api) -> None:
    assert_problem(api.post("leads", {"email": "nobody"}, Idempotency_Key="k-1"), 422, "invalid")
    assert not IdempotencyKey.objects.exists()
    good = api.post("leads", {"email": "a@works.example"}, Idempotency_Key="k-1")
    assert good.status_code == 201


@pytest.mark.parametrize("key", ["", '""', "k" * 256, "tab\tkey", "schlüssel"])
def test_a_malformed_key_is_refused(api: Api, key: str) -> None:
    response = api.post("leads", {"email": "a@works.example"}, Idempotency_Key=key)
    document = assert_problem(response, 400, "malformed")
    assert document["errors"][0]["parameter"] == "Idempotency-Key"
    assert not Lead.objects.exists()


def test_answers_are_forgotten_after_seven_days(api: Api) -> None:
    api.post("leads", {"email": "a@works.example"}, Idempotency_Key="old")
    api.post("leads", {"email": "b@works.example"}, Idempotency_Key="new")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE core_idempotencykey SET at = leadqual_now() - interval '7 days 1 minute' "
            "WHERE key = 'old'"
        )
    assert idempotency.purge() == 1
    assert [known.key for known in IdempotencyKey.objects.all()] == ["new"]
    assert idempotency.purge() == 0
    assert clock.now() is not None


@pytest.mark.django_db(transaction=True)
def test_twenty_threads_with_one_key_make_one_lead(config: None) -> None:
    user = factories.make_user()
    seed = Api(user)
    start = threading.Barrier(20)
    answers: list[Any] = []

    def call() -> None:
        client = Api(None)
        client.headers = seed.headers
        start.wait()
        answers.append(client.post("leads", {"email": "a@works.example"}, Idempotency_Key="k"))
        connections.close_all()

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [answer for answer in answers if answer.status_code == 201]
    assert made
    assert len({answer.content for answer in made}) == 1
    assert Lead.objects.count() == 1
    for answer in answers:
        if answer.status_code != 201:
            assert_problem(answer, 409, "in_flight")


@pytest.mark.django_db(transaction=True)
def test_a_call_that_still_runs_is_a_409_to_repeat(config: None) -> None:
    user = factories.make_user()
    api = Api(user)
    call = idempotency.Call(api.token.pk, "k", "POST /api/v1/leads", b"")
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [call.lock])
            held.set()
            done.wait(10)
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    response = api.post("leads", {"email": "a@works.example"}, Idempotency_Key="k")
    done.set()
    holder.join()
    assert assert_problem(response, 409, "in_flight")["retryable"] is True
    repeated = api.post("leads", {"email": "a@works.example"}, Idempotency_Key="k")
    assert repeated.status_code == 201
