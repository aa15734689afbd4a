"""The queue page and the list of the API: server time by size, and against a bare view."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.roles import Role
from accounts.tokens import create_token
from bench import bare
from bench.databases import use
from bench.results import Result
from bench.timing import seconds
from leads.models import Lead

ROUNDS = 5
CALLS = 12  # of each page in a round, after as many that do not count
QUEUE, LIST, FILTERED = "/", "/api/v1/leads?limit=50", "/api/v1/leads?limit=50&tier=warm"
MOST_QUERIES = 12.0
MOST_QUERIES_OF_EVIDENCE = 10.0
_AUTHENTICATION = "accounts_apitoken"  # in the queries that authenticate
_NOT_QUERIES = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")


@dataclass
class Site:
    """The web application on one database, and how to ask it."""

    database: str
    n: int
    handler: WSGIHandler
    cookie: str
    token: str

    def call(self, path: str) -> bytes:
        """Ask for a path in-process, as a server would; raise when it is not answered with 200.

        The API is asked by an integration, which has a token and no session.
        """
        if path.startswith("/api/"):
            headers = {"HTTP_AUTHORIZATION": f"Bearer {self.token}"}
        else:
            headers = {"HTTP_COOKIE": self.cookie}
        return _call(self.handler, path, headers)


def _call(
    handler: WSGIHandler, path: str, headers: dict[str, str], method: str = "GET", body: Any = None
) -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    request = RequestFactory().generic(method, path, data, "application/json")
    environ = {**request.environ, "SERVER_NAME": "localhost", **headers}
    answer = _Answer()
    response = handler(environ, answer)
    content = b"".join(response)
    response.close()
    if not answer.status.startswith("2"):
        raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
    return content


class _Answer:
    """What a server passes to the application to be told the status."""

    status = ""

    def __call__(self, status: str, *_: object) -> Callable[[bytes], object]:
        self.status = status
        return lambda data: None


def measure(big: str, small: str, n: int, few: int) -> list[Result]:
    """Measure on two databases with so many leads each."""
    settings.API_REQUESTS_PER_MINUTE = 1_000_000
    sites = []
    for database, size in ((small, few), (big, n)):
        use(database)
        sites.append(_site(database, size))
    found = []
    for name, path in (("queue page", QUEUE), ("API list", LIST), ("API list, filtered", FILTERED)):
        found += _by_size(name, path, *sites)
    for name, path in (("API list", LIST), ("API list, filtered", FILTERED)):
        found.append(_against_bare(name, path, sites[1]))
    return found


def _site(database: str, n: int) -> Site:
    """Open the site for a rep's queue and for a token of an admin, who sees all leads."""
    rep = User.objects.filter(role=Role.REP).order_by("pk")[0]
    admin = User.objects.filter(role=Role.ADMIN).order_by("pk")[0]
    client = Client()
    client.force_login(rep)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    return Site(database, n, WSGIHandler(), cookie, create_token(admin, name="bench")[1])


def _by_size(name: str, path: str, small: Site, big: Site) -> list[Result]:
    times: dict[str, list[float]] = {small.database: [], big.database: []}
    queries: dict[str, int] = {}
    for _ in range(ROUNDS):
        for site in (small, big):
            use(site.database)
            call = partial(site.call, path)
            times[site.database] += _timed(call)
            queries[site.database] = len(_queries(call))
    most = max(queries.values())
    grows = queries[big.database] - queries[small.database]
    ours, raw = (1000 * median(times[site.database]) for site in (big, small))
    return [
        Result(f"{name}: to that at {small.n:,} leads", big.n, ours, raw, "ms", 1.5),
        Result(f"{name}: queries", big.n, most, None, "", MOST_QUERIES),
        Result(f"{name}: queries more than at {small.n:,} leads", big.n, grows, None, "", 0.0),
    ]


def _timed(call: Callable[[], object]) -> list[float]:
    for _ in range(CALLS):
        call()
    return [seconds(call) for _ in range(CALLS)]


def _queries(call: Callable[[], object]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        call()
    return [q["sql"] for q in captured.captured_queries if not q["sql"].startswith(_NOT_QUERIES)]


def _against_bare(name: str, path: str, site: Site) -> Result:
    use(site.database)
    lists = [sql for sql in _queries(lambda: site.call(path)) if "scoring_standing" in sql]
    bare.QUERY[:] = [max(lists, key=len).replace("%", "%%")]
    ours, raw = [], []
    with override_settings(ROOT_URLCONF="bench.bare", MIDDLEWARE=[]):
        handler = WSGIHandler()
    for _ in range(ROUNDS):
        ours += _timed(lambda: site.call(path))
        with override_settings(ROOT_URLCONF="bench.bare", MIDDLEWARE=[]):
            raw += _timed(lambda: _call(handler, "/bare", {}))
    ours_ms, raw_ms = 1000 * median(ours), 1000 * median(raw)
    return Result(f"{name}: to a bare view", site.n, ours_ms, raw_ms, "ms", 4.0)


def measure_evidence(n: int) -> list[Result]:
    """Count the queries of adding evidence over the API, the rescore with it."""
    settings.API_REQUESTS_PER_MINUTE = 1_000_000
    rep = User.objects.filter(role=Role.REP).order_by("pk")[0]
    lead = Lead.objects.filter(owner=rep, standing__tier="cold").order_by("pk")[0]
    headers = {"HTTP_AUTHORIZATION": f"Bearer {create_token(rep, name='bench')[1]}"}
    body = {"dimension": "need", "rating": 100, "quote": "It stops the whole line."}
    handler, path = WSGIHandler(), f"/api/v1/leads/{lead.pk}/evidence"

    def add() -> None:
        _call(handler, path, headers, "POST", body)

    add()  # the first use fills the caches of the process
    times = [1000 * seconds(add) for _ in range(CALLS)]
    count = len([sql for sql in _queries(add) if _AUTHENTICATION not in sql])
    return [
        Result(
            "evidence and rescore: queries beyond authentication",
            n,
            count,
            None,
            "",
            MOST_QUERIES_OF_EVIDENCE,
        ),
        Result("evidence and rescore: server time", n, median(times), None, "ms", None),
    ]
