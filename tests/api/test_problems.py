"""Every error path answers one whole problem document."""

import threading
from typing import Any

import orjson
import pytest
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    connections,
    transaction,
)
from django.http import HttpResponse
from django.test import Client, RequestFactory
from rest_framework.request import Request

from accounts.models import User
from core import wire
from core.api import Endpoint
from core.clock import now
from core.errors import Conflict, FieldProblem, NotFound
from core.problems import problem_of
from leads.models import Lead
from tests import factories
from tests.api.conftest import Api, assert_problem

NO_TOKENS = [
    None,
    "",
    "Bearer",
    "Bearer ",
    "Bearer lq_1",
    "Bearer lq_.",
    "Bearer lq_x.y",
    "Bearer lq_1.wrong",
    "Bearer lq_999999999999999999999999.x",
    "Bearer lq_²³.x",
    "Bearer a b c",
    "Basic cmVwOnJlcA==",
    "Token lq_1.wrong",
    "Bearer " + "x" * 10_000,
]


def test_without_a_good_token_it_is_a_401_with_the_scheme(
    config: None, subtests: pytest.Subtests
) -> None:
    for header in NO_TOKENS:
        with subtests.test(header=str(header)[:60]):
            headers = {} if header is None else {"Authorization": header}
            response = Client().get("/api/v1/leads", headers=headers)
            assert_problem(response, 401, "not_authenticated")
            assert response["WWW-Authenticate"] == "Bearer"


def test_a_token_that_ended_is_a_401(api_of: Any, rep: User) -> None:
    for change in (
        {"revoked_at": now()},
        {"expires_at": now()},
    ):
        client = api_of(rep)
        assert client.get("me").status_code == 200
        type(client.token).objects.filter(pk=client.token.pk).update(**change)
        assert_problem(client.get("me"), 401, "not_authenticated")


def test_a_disabled_account_and_a_lowered_role_hold_from_the_next_request(
    api_of: Any, admin: User, lead: Lead
) -> None:
    client = api_of(admin)
    assert client.get(f"leads/{lead.pk}").status_code == 200
    User.objects.filter(pk=admin.pk).update(role="rep")
    assert_problem(client.get(f"leads/{lead.pk}"), 404)
    User.objects.filter(pk=admin.pk).update(is_active=False)
    assert_problem(client.get(f"leads/{lead.pk}"), 401)


def test_a_read_only_token_reads_and_does_not_write(api_of: Any, rep: User, lead: Lead) -> None:
    client = api_of(rep, read_only=True)
    assert client.get("leads").status_code == 200
    document = assert_problem(client.post("leads", {"email": "a@b.example"}), 403, "forbidden")
    assert "only read" in document["detail"]
    assert_problem(client.patch(f"leads/{lead.pk}", {"title": "X"}), 403, "forbidden")


def test_a_session_is_no_way_into_the_api(rep: User) -> None:
    client = Client()
    client.force_login(rep)
    assert_problem(client.get("/api/v1/leads"), 401, "not_authenticated")


@pytest.mark.parametrize("path", ["/api/", "/api/v1", "/api/v1/", "/api/v2/leads", "/api/x"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_what_is_not_there_is_a_404_for_everybody(db: None, path: str, method: str) -> None:
    assert_problem(Client().generic(method, path), 404, "not_found")


def test_a_wrong_host_is_refused_in_the_same_form(api: Api) -> None:
    response = api.client.get("/api/v1/me", headers={**api.headers, "Host": "evil.example"})
    document = assert_problem(response, 400, "bad_request")
    assert "evil" not in response.content.decode()
    assert document["retryable"] is False
    page = api.client.get("/accounts/login/", headers={"Host": "evil.example"})
    assert page.status_code == 400
    assert page["Content-Type"].startswith("text/html")


def test_a_slash_at_the_end_makes_no_difference(api: Api, lead: Lead) -> None:
    for path in ("leads", f"leads/{lead.pk}", f"leads/{lead.pk}/standing", "me"):
        assert api.get(path).content == api.get(f"{path}/").content
    assert api.post("leads/", {"email": "slash@works.example"}).status_code == 201


def test_every_answer_carries_version_request_id_and_no_cookie(api: Api, lead: Lead) -> None:
    for response in (
        api.get("leads"),
        api.get(f"leads/{lead.pk}"),
        api.post("leads", {}),
        api.get("nothing"),
        api.client.options("/api/v1/leads", headers=api.headers),
    ):
        assert response["API-Version"] == "1.0"
        assert len(response["X-Request-Id"]) == 32
        assert response["Cache-Control"] == "no-store"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert not response.cookies


def test_accept_does_not_matter(api: Api, lead: Lead) -> None:
    for accept in ("text/html", "application/xml", "garbage", "application/json; indent=4"):
        response = api.get("me", Accept=accept)
        assert response["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OperationalError("away"), 503, "unavailable"),
        (InterfaceError("closed"), 503, "unavailable"),
        (IntegrityError("twice"), 409, "conflict"),
        (DataError("too long"), 400, "out_of_range"),
        (ValueError("a fault of ours: secret"), 500, "fault"),
    ],
)
def test_what_an_error_says_never_reaches_the_client(
    error: Exception, status: int, code: str
) -> None:
    class Broken(Endpoint):
        authentication_classes = permission_classes = throttle_classes = ()

        def get(self, request: Request) -> HttpResponse:
            raise error

    request = RequestFactory().get("/api/v1/broken")
    response = Broken.as_view()(request)
    document = orjson.loads(response.content)
    assert response.status_code == document["status"] == status
    assert response["Content-Type"] == "application/problem+json"
    assert document["code"] == code
    assert str(error) not in document["detail"]
    assert document["retryable"] == (status == 503) == ("Retry-After" in response)


@pytest.mark.django_db(transaction=True)
def test_a_table_that_is_locked_is_a_503_to_repeat(config: None) -> None:
    api = Api(factories.make_user())
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE scoring_standing")
            held.set()
            done.wait(10)
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")
    response = api.get("leads")
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")
    done.set()
    holder.join()
    document = assert_problem(response, 503, "unavailable")
    assert document["retryable"] is True
    assert api.get("leads").status_code == 200


def test_pointers_and_extras_are_as_documented() -> None:
    problem = problem_of(
        Conflict("Taken.", [FieldProblem("company.domain", "duplicate", "taken")], existing_id=7)
    )
    assert problem is not None
    document = problem.document("abc")
    assert document["errors"] == [
        {"pointer": "#/company/domain", "code": "duplicate", "detail": "taken"}
    ]
    assert (document["existing_id"], document["code"]) == (7, "duplicate")
    assert problem_of(NotFound()) is not None
    assert problem_of(KeyError("x")) is None


def test_moments_are_rendered_in_utc(db: None) -> None:
    assert wire.dump({"at": now()}).decode().endswith('Z"}')
