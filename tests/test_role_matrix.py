"""Every URL × method × person × object against the table in tests/role_matrix.py."""

import datetime as dt
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.db import transaction
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.models import ApiToken, Team, User
from accounts.roles import Role
from accounts.tokens import create_token
from calls.models import Call
from core.clock import now
from core.models import Job
from followups.models import Followup
from intake.backtests import read_past_leads
from intake.services import read_file
from leads.models import Lead
from scoring.models import (
    DriftAlert,
    Feedback,
    FrameworkVersion,
    ModelVersion,
    Proposal,
    Standing,
    Suggestion,
)
from tests import factories
from tests.role_matrix import (
    BOUNDED,
    NOBODY,
    NOWHERE,
    OBJECTS,
    OWN,
    PREFIXES,
    TABLE,
    Rule,
)

# Whole groups are given out first, and the matrix takes longest of all.
pytestmark = pytest.mark.xdist_group("role matrix")

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
SAFE = ("GET", "HEAD", "OPTIONS")
MISSING = 999_999_999


def urls(
    resolver: Any, prefix: str = "", spaces: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """Yield (path, name) of every URL pattern."""
    for pattern in resolver.url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield path, ":".join((*spaces, pattern.name or ""))
        else:
            assert isinstance(pattern, URLResolver)
            inner = (*spaces, pattern.namespace) if pattern.namespace else spaces
            yield from urls(pattern, path, inner)


PATHS = {name: path for path, name in urls(get_resolver()) if not path.startswith(PREFIXES)}


def test_every_url_is_in_the_table() -> None:
    assert set(PATHS) == set(TABLE) | set(NOWHERE)


@dataclass
class World:
    """People who can ask, and what they ask for."""

    pages: dict[str, Client]
    tokens: dict[str, str]
    leads: dict[str, int]
    followups: dict[str, int]
    bookings: dict[str, int]
    calls: dict[str, int]
    imports: dict[str, int]
    backtests: dict[str, int]
    versions: dict[str, int]
    proposals: dict[str, int]
    jobs: dict[str, int]
    suggestions: dict[str, int]
    frameworks: dict[str, int]
    feedback: dict[str, int]
    alerts: dict[str, int]


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """Two teams with their people and leads, made once: what a request changes is taken back."""
    unlimited = override_settings(API_REQUESTS_PER_MINUTE=0)
    with unlimited, django_db_blocker.unblock(), transaction.atomic():
        yield _world()
        transaction.set_rollback(True)


def _world() -> World:
    north, south = Team.objects.create(name="N"), Team.objects.create(name="S")
    people = {
        "owner": factories.make_user(team=north),
        "mate": factories.make_user(team=north),
        "stranger": factories.make_user(team=south),
        "manager": factories.make_user(role=Role.MANAGER, team=north),
        "other_manager": factories.make_user(role=Role.MANAGER, team=south),
        "model_owner": factories.make_user(role=Role.MODEL_OWNER),
        "admin": factories.make_user(role=Role.ADMIN),
        "deactivated": factories.make_user(team=north),
    }
    leads = {
        "own": factories.make_lead(owner=people["owner"]),
        "team": factories.make_lead(owner=people["mate"]),
        "other": factories.make_lead(owner=people["stranger"]),
        "unowned": factories.make_lead(owner=None, team=north),
    }
    return World(
        pages=_pages(people),
        tokens=_tokens(people),
        leads={name: lead.pk for name, lead in leads.items()} | {"missing": MISSING},
        followups={name: _step(lead) for name, lead in leads.items()} | {"missing": MISSING},
        bookings={name: _booking(lead) for name, lead in leads.items()} | {"missing": MISSING},
        calls={name: _call(lead) for name, lead in leads.items()} | {"missing": MISSING},
        imports={name: _import(lead.owner) for name, lead in leads.items()} | {"missing": MISSING},
        backtests=dict.fromkeys(leads, _backtest(people["model_owner"])) | {"missing": MISSING},
        versions=dict.fromkeys(leads, _version()) | {"missing": MISSING},
        proposals=dict.fromkeys(leads, _proposal()) | {"missing": MISSING},
        jobs=dict.fromkeys(leads, _job()) | {"missing": MISSING},
        suggestions=dict.fromkeys(leads, Suggestion.objects.create(key="b2b").pk)
        | {"missing": MISSING},
        frameworks=dict.fromkeys(leads, _draft()) | {"missing": MISSING},
        feedback={name: _feedback(lead) for name, lead in leads.items()} | {"missing": MISSING},
        alerts=dict.fromkeys(leads, _alert()) | {"missing": MISSING},
    )


def _pages(people: dict[str, User]) -> dict[str, Client]:
    clients = {"anonymous": Client(), "no_csrf": Client(enforce_csrf_checks=True)}
    clients["no_csrf"].force_login(people["owner"])
    for name, user in people.items():
        clients[name] = Client()
        clients[name].force_login(user)
    User.objects.filter(pk=people["deactivated"].pk).update(is_active=False)
    return clients


def _tokens(people: dict[str, User]) -> dict[str, str]:
    texts = {name: create_token(user, name=name)[1] for name, user in people.items()}
    texts["read_only"] = create_token(people["owner"], name="r", read_only=True)[1]
    for name, change in (("revoked", {"revoked_at": now()}), ("expired", {"expires_at": now()})):
        token, texts[name] = create_token(people["owner"], name=name)
        ApiToken.objects.filter(pk=token.pk).update(**change)
    return texts | {"anonymous": ""}


def _step(lead: Lead) -> int:
    step = Followup.objects.create(
        lead=lead, kind=Followup.Kind.TASK, title="Send it", assignee=lead.owner, due_at=now()
    )
    return step.pk


def _booking(lead: Lead) -> int:
    booked = Followup.objects.create(
        lead=lead,
        kind=Followup.Kind.CALL,
        title="Demo",
        assignee=lead.owner,
        due_at=now(),
        agreed=True,
        minutes=30,
        uid=uuid4(),
    )
    return booked.pk


def _call(lead: Lead) -> int:
    framework = FrameworkVersion.objects.filter(state=FrameworkVersion.State.LIVE).first()
    assert framework is not None
    scores = {"start_score": 40, "start_low": 30, "start_high": 50}
    call = Call.objects.create(lead=lead, rep=lead.owner, framework_version=framework, **scores)
    return call.pk


def _draft() -> int:
    champ = FrameworkVersion.objects.get(key="champ", state=FrameworkVersion.State.LIVE)
    draft = FrameworkVersion.objects.create(
        key="champ", number=champ.number + 1, definition=champ.definition
    )
    return draft.pk


def _import(by: User | None) -> int:
    return read_file(io.BytesIO(b"Email\nnew@works.example\n"), "leads.csv", by=by).pk


def _backtest(by: User) -> int:
    file = io.BytesIO(b"Size,Won\n" + b"big,yes\nsmall,no\n" * 15)
    return read_past_leads(file, "past.csv", by=by).pk


def _version() -> int:
    live = ModelVersion.objects.filter(state=ModelVersion.State.LIVE).first()
    assert live is not None
    return live.pk


def _feedback(lead: Lead) -> int:
    version = Standing.objects.get(pk=lead.pk).model_version
    assert version is not None
    given = Feedback.objects.create(
        lead=lead,
        rep=lead.owner,
        signal="budget",
        label="Budget",
        verdict=Feedback.Verdict.TOO_HIGH,
        model_version=version,
        points=10,
        line_points=3.5,
        answered_at=now(),
        answer="Done.",
    )
    return given.pk


def _alert() -> int:
    return DriftAlert.objects.create(
        key="b2b", subject="need", label="Need", month="2026-10", value=0.4, text="It moved."
    ).pk


def _proposal() -> int:
    live = ModelVersion.objects.get(pk=_version())
    made = Proposal.objects.create(
        key=live.key, origin="learned", live=live, verdict="keep", state="noted", sentence="No."
    )
    return made.pk


def _job() -> int:
    return Job.objects.create(kind="learn", state=Job.State.RUNNING).pk


def grid(text: str) -> dict[str, dict[str, str]]:
    """Read a grid of the table: person → object → letter."""
    if "\n" not in text:  # without objects
        pairs = (part.split() for part in text.split(","))
        return {person: {"": letter} for person, letter in pairs}
    header, *lines = (line.split() for line in text.strip().splitlines())
    assert tuple(header) == OBJECTS
    return {person: dict(zip(OBJECTS, letters, strict=True)) for person, *letters in lines}


def expected(name: str, method: str, person: str, thing: str) -> int:
    """Return the status that the table asks for."""
    api = name.startswith("api:")
    rules = TABLE[name]
    rule = rules.get("GET" if method == "HEAD" else method)
    if person == "no_csrf" and method not in SAFE:
        return 403
    if any(r.public for r in rules.values()):
        return 200 if rule else 204 if api and method == "OPTIONS" else 405
    if person in NOBODY:
        return 401 if api else 302
    if person == "read_only" and method not in SAFE:
        return 403
    if rule is None:
        return 204 if api and method == "OPTIONS" else 405
    letter = grid(rule.who)["owner" if person in BOUNDED else person][thing]
    through = "rw" if rule.reads else "w"
    return rule.status if letter in through else {".": 404, "!": 422, "r": 403}[letter]


def ask(world: World, name: str, method: str, person: str, thing: str, rule: Rule | None) -> int:
    """Make the request and return its status; what it changed is taken back."""
    by_argument = {
        "lead_id": world.leads,
        "followup_id": world.followups,
        "booking_id": world.bookings,
        "call_id": world.calls,
        "import_id": world.imports,
        "backtest_id": world.backtests,
        "version_id": world.versions,
        "proposal_id": world.proposals,
        "job_id": world.jobs,
        "suggestion_id": world.suggestions,
        "framework_id": world.frameworks,
        "feedback_id": world.feedback,
        "alert_id": world.alerts,
    }
    argument = re.search(r"<int:(\w+)>", PATHS[name])
    args = [by_argument[argument[1]][thing]] if argument else []
    address = reverse(name, args=args)
    soon = (now() + dt.timedelta(days=30)).date().isoformat()
    body = {
        key: world.leads["own"]
        if value == OWN
        else re.sub(r"^2026-12-24", soon, value)
        if isinstance(value, str)
        else value
        for key, value in (rule.body if rule else {}).items()
    }
    with transaction.atomic():
        if name.startswith("api:"):
            text = world.tokens[person]
            headers = {"Authorization": f"Bearer {text}"} if text else {}
            headers["Idempotency-Key"] = "matrix"  # some writes need one
            raw = b"" if method in SAFE else orjson.dumps(body)
            kind = "application/json"
            response = Client().generic(method, address, raw, content_type=kind, headers=headers)
        elif method == "POST":
            response = world.pages[person].post(address, body)
        else:
            response = world.pages[person].generic(method, address)
        transaction.set_rollback(True)
    if response.status_code == 302 and person in NOBODY:
        assert response["Location"].startswith("/accounts/login/"), response["Location"]
    status: int = response.status_code
    return status


def people_of(name: str) -> list[str]:
    """Return who asks for this URL: sessions on pages, tokens in the API."""
    everybody = ["owner", "mate", "stranger", "manager", "other_manager", "model_owner", "admin"]
    if name.startswith("api:"):
        return [*everybody, *NOBODY, "read_only"]
    return [*everybody, "anonymous", "deactivated", "no_csrf"]


@pytest.mark.parametrize("name", TABLE)
def test_everybody_gets_what_the_table_says(world: World, name: str) -> None:
    wrong = list(differences(world, name))
    assert not wrong, "(method, person, object, got, expected)"


def differences(world: World, name: str) -> Iterator[tuple[str, str, str, int, int]]:
    """Yield every request to this URL that the product answers otherwise than the table."""
    for method in METHODS:
        rule = TABLE[name].get("GET" if method == "HEAD" else method)
        # Who is refused a method is refused it whatever the object.
        things = OBJECTS if rule and method != "HEAD" else ("own",)
        for thing in things if "<" in PATHS[name] else ("",):
            for person in people_of(name):
                got = ask(world, name, method, person, thing, rule)
                wanted = expected(name, method, person, thing)
                if got != wanted:
                    yield method, person, thing, got, wanted


@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_there_is_a_404_for_everybody(world: World, method: str) -> None:
    for text in world.tokens.values():
        headers = {"Authorization": f"Bearer {text}"} if text else {}
        response = Client().generic(method, "/api/v1/nothing", headers=headers)
        assert response.status_code == 404


def test_the_admin_site_lets_only_admins_in(world: World) -> None:
    for path, name in urls(get_resolver()):
        open_to_all = ("admin:login", "admin:logout", "admin:jsi18n")
        if not path.startswith("admin/") or name in open_to_all:
            continue
        address = "/" + re.sub(r"<[^>]+>|\(\?P<[^)]+\)|[\^$]", "1", path).replace("1.*1", "x")
        for person in ("anonymous", "owner", "manager", "model_owner", "deactivated"):
            response = world.pages[person].get(address)
            assert response.status_code == 302, (address, person)
            assert "login" in response["Location"], (address, person)
    assert world.pages["admin"].get("/admin/").status_code == 200


def test_the_pages_of_accounts_never_fail(world: World) -> None:
    for path, name in urls(get_resolver()):
        if path.startswith("accounts/") and "<" not in path and name != "account_logout":
            for person in ("anonymous", "owner", "deactivated"):
                response = world.pages[person].get(f"/{path}")
                assert response.status_code in (200, 302), (path, person)
