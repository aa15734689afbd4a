"""The call console: server time of one answer, rescored and rendered, and of the next question."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median, quantiles
from urllib.parse import urlencode

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.roles import Role
from bench import bare
from bench.results import Result
from bench.timing import seconds
from calls.models import Call
from calls.scripts import script_of
from calls.selectors import get_call
from calls.services import start_call
from leads.models import Lead
from scoring import facts as fact_store
from scoring.definitions import Answer, Question
from scoring.live import live_at
from scoring.questions import worth_asking
from scoring.tiers import NONE

LEADS = 25  # each is called once, with an answer to every question
CALLS = 200
MOST_QUERIES = 10.0
MOST_MS = 60.0
QUESTIONS, ANSWERS, MOST_QUESTION_MS = 20, 5, 5.0
_AUTHENTICATION = ("django_session", "accounts_user", "accounts_team")  # read before the view
_NOT_QUERIES = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")
_TOKEN = "a" * 32  # of the form; cookie and header need only agree


def measure(n: int) -> list[Result]:
    """Measure on the present database of `n` leads."""
    rep = User.objects.filter(role=Role.REP).order_by("pk")[0]
    warm = Lead.objects.filter(owner=rep, standing__tier="warm")
    # In a world that was measured before, its calls are open, and their answers would be repeats.
    called = Call.objects.filter(state=Call.State.OPEN).values("lead")
    leads = list(warm.exclude(pk__in=called).order_by("pk")[:LEADS])
    return [*_answers(leads, rep, n), _next_question(leads[0], n)]


def _answers(leads: list[Lead], rep: User, n: int) -> list[Result]:
    """Answer the questions of one call after another, as the console's script does."""
    client = Client()
    client.force_login(rep)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    environ = {
        "SERVER_NAME": "localhost",
        "HTTP_COOKIE": f"{cookie}; {settings.CSRF_COOKIE_NAME}={_TOKEN}",
        "HTTP_X_CSRFTOKEN": _TOKEN,
        "HTTP_HX_REQUEST": "true",
    }
    handler = WSGIHandler()
    times, statements = [], []
    processor: list[float] = []
    for lead in leads:
        call, _ = start_call(lead, by=rep)
        for at, question in enumerate(script_of(call.framework_version_id).questions):
            chosen = question.answers[(lead.pk + at) % len(question.answers)].key
            fields = {"question": question.key, "answer": chosen, "client_key": question.key}
            ask = partial(_call, handler, environ, f"/calls/{call.pk}/answers/", urlencode(fields))
            if lead is leads[-1]:
                with CaptureQueriesContext(connection) as captured:
                    ask()
                statements.append(sum(_counts(q["sql"]) for q in captured.captured_queries))
            else:
                began = time.process_time()
                times.append(1000 * seconds(ask))
                processor.append(1000 * (time.process_time() - began))
    times = times[len(times) // 5 :]  # the first ones fill the caches of the process
    with CaptureQueriesContext(connection) as captured:
        get_call(rep, call.pk)
    bare.QUERY[:] = [captured.captured_queries[0]["sql"].replace("%", "%%")]
    with override_settings(ROOT_URLCONF="bench.bare", MIDDLEWARE=[]):
        raw_handler = WSGIHandler()
        ask = partial(_call, raw_handler, {"SERVER_NAME": "localhost"}, "/bare")
        raw = [1000 * seconds(ask) for _ in range(CALLS)][CALLS // 5 :]
    most = max(statements)
    return [
        Result("answer in a call: queries beyond authentication", n, most, None, "", MOST_QUERIES),
        Result("answer in a call, p50: to a bare view", n, median(times), median(raw), "ms", None),
        Result("answer in a call, p95: to a bare view", n, _p95(times), _p95(raw), "ms", None),
        Result("answer in a call: server time, p95", n, _p95(times), None, "ms", MOST_MS),
        Result("answer in a call: processor time of it", n, median(processor), None, "ms", None),
    ]


def _counts(sql: str) -> bool:
    """Say whether a statement is a query beyond those that authenticate."""
    asks = any(sql.startswith(f'SELECT "{table}".') for table in _AUTHENTICATION)
    return not asks and not sql.startswith(_NOT_QUERIES)


def _p95(times: list[float]) -> float:
    return quantiles(times, n=20)[-1]


def _call(handler: WSGIHandler, environ: dict[str, str], path: str, form: str = "") -> None:
    """Ask in-process, as a server would; raise when it is not answered with 200."""
    method = "POST" if form else "GET"
    kind = "application/x-www-form-urlencoded"
    request = RequestFactory().generic(method, path, form.encode(), kind)
    statuses: list[str] = []

    def begin(status: str, *_: object) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda data: None

    response = handler({**request.environ, **environ}, begin)
    content = b"".join(response)
    response.close()
    if not statuses[0].startswith("200"):
        raise RuntimeError(f"{method} {path}: {statuses[0]} {content[:300]!r}")


def _next_question(lead: Lead, n: int) -> Result:
    """Find the best of 20 open questions with 5 rated answers each, from facts that are read."""
    config, as_of = live_at()
    live = config.models[0]
    facts = fact_store.read([lead.pk], config, as_of).facts
    dimensions = [criterion.dimension for criterion in live.framework.criteria]
    for dimension in dimensions:
        facts = facts.with_rating(dimension, facts.ratings[dimension] * float("nan"))
    answers = tuple(Answer(f"a{i}", f"Answer {i}", 25 * i) for i in range(ANSWERS))
    model: Question = live.framework.questions[0]
    questions = [
        replace(model, key=f"q{i}", dimension=dimensions[i % len(dimensions)], answers=answers)
        for i in range(QUESTIONS)
    ]

    def ask() -> None:
        found = worth_asking(live.card, facts, NONE, questions, config.types, {})
        assert len(found) == QUESTIONS

    for _ in range(20):
        ask()
    times = [1000 * seconds(ask) for _ in range(CALLS)]
    name = f"next best of {QUESTIONS} questions × {ANSWERS} answers"
    return Result(name, n, median(times), None, "ms", MOST_QUESTION_MS)
