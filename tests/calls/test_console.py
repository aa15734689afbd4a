"""A whole call by keyboard, and a server that dies between two answers."""

import datetime as dt
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.db import connection
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from calls import services
from calls.models import Call, CallAnswer
from calls.services import FinishInput
from followups.models import Followup
from leads.activities import Kind
from leads.models import Lead
from scoring.models import Evidence, Standing
from tests import factories

# Playwright's event loop runs in this thread, where Django's ORM is used between its calls.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Launch the machine's own browser (pytest-playwright asks this fixture)."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        reason = f"no browser found: none of {', '.join(BROWSERS)} is on the PATH"
        if os.environ.get("LEADQUAL_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    # Root has no user namespaces in containers, and /dev/shm is small there.
    return {"executable_path": path, "args": ["--no-sandbox", "--disable-dev-shm-usage"]}


def log_in(context: BrowserContext, site: str, user: User) -> None:
    """Give the browser a session of `user`."""
    client = Client()
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": site}])


@pytest.fixture
def site(live_server: LiveServer) -> str:
    """The address of the running server."""
    url: str = live_server.url
    return url


@pytest.fixture
def rep_page(page: Page, site: str, rep: User) -> Iterator[Page]:
    """A page of the rep's browser that must run without a fault in its scripts."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.set_viewport_size({"width": 1440, "height": 900})
    log_in(page.context, site, rep)
    yield page
    assert faults == []


def check_axe(page: Page, what: str) -> None:
    """Assert that a page breaks no accessibility rule."""
    run = Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG}})
    assert [found["id"] for found in run.response["violations"]] == [], what


@pytest.fixture
def warm_lead(rep: User) -> Lead:
    """A lead that answers can make hot."""
    lead = factories.make_lead(
        owner=rep,
        first_name="Haruka",
        last_name="Ito",
        phone="+4930901820",
        title="Head of Operations",
        country="DE",
        company={"name": "Kuroda", "industry": "Manufacturing", "country": "DE", "employees": 240},
        first_source=factories.make_source(),
    )
    factories.make_activity(lead, Kind.WEBINAR_ATTENDED)
    assert Standing.objects.get(pk=lead.pk).tier != "hot"
    return lead


def span(page: Page) -> int:
    """Return the width of the range that the page shows."""
    text = page.locator("#progress span.range").inner_text()
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    return numbers[1] - numbers[0] if numbers else 0


def settle(page: Page) -> None:
    """Wait until everything is acknowledged."""
    expect(page.locator("#save-state")).to_have_text("saved", timeout=20_000)


def test_a_whole_call_runs_by_keyboard_only(rep_page: Page, site: str, warm_lead: Lead) -> None:
    page = rep_page
    page.goto(f"{site}/leads/{warm_lead.pk}/")
    page.keyboard.press("c")
    expect(page.locator(".spoken:visible")).to_be_focused()
    check_axe(page, "the console")
    widths = [span(page)]
    asked = []
    told: list[str] = []
    page.expose_function("heard", lambda words: told.append(words))
    page.evaluate("document.addEventListener('announce', (event) => heard(event.detail.value))")
    for _ in range(4):  # whatever is most worth asking, until it is settled
        page.keyboard.press("n")
        asked.append(page.locator(".question-card:visible").get_attribute("data-question"))
        page.keyboard.press("1")
        settle(page)
        widths.append(span(page))
        if page.locator("#settled").count():
            break
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < widths[0]
    expect(page.locator("#progress .tier-hot")).to_be_visible()
    assert [words for words in told if words.endswith("The lead is now hot.")]
    page.keyboard.press("/")
    expect(page.locator("#jump")).to_be_focused()
    page.select_option("#jump", "timing_by_when")
    page.keyboard.press("m")
    page.keyboard.type("soon")
    page.keyboard.press("Enter")  # which is "next", not "ask later"
    expect(page.get_by_text("this alone tells no answer").locator("visible=true")).to_be_visible()
    page.keyboard.press("Control+a")
    page.keyboard.type("in 2 months")
    page.keyboard.press("Enter")
    settle(page)
    said = CallAnswer.objects.filter(question="timing_by_when").latest("pk")
    assert (said.amount, said.answer) == ("in 2 months", "three_months")
    page.keyboard.press("k")
    page.keyboard.type("Hosting in the EU was asked for.")
    page.keyboard.press("Enter")
    page.keyboard.type("a: she signs alone")
    expect(page.locator("#filing")).to_contain_text("File “she signs alone” under Authority?")
    page.keyboard.press("Tab")
    expect(page.locator("#notes")).to_be_focused()  # typing goes on
    settle(page)
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    page.keyboard.type("Fears lock-in")
    page.keyboard.press("Enter")
    expect(page.locator("#captured")).to_contain_text("Fears lock-in")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Enter")  # no outcome yet: to the wrap-up
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")  # "Call back", which says at once that it needs a time
    page.keyboard.press("Control+Enter")
    expect(page.locator("#finish_callback_at")).to_be_focused()
    page.locator("#finish-form [value=send_info]").focus()
    page.keyboard.press("Space")  # "Send information"
    expect(page.locator("#finish_next_title")).to_have_value("Send what was asked for on the call")
    expect(page.locator("#what-follows")).to_contain_text("Hot, in conversation")
    expect(page.locator("#finish_summary")).to_have_value(re.compile("Concerns: Fears lock-in"))
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Call with Haruka Ito")).to_be_visible()
    expect(page.locator(".toast")).to_contain_text("The lead is now hot.")
    page.locator(".toast [data-dismiss]").click()
    expect(page.get_by_text("Hosting in the EU was asked for.")).to_be_visible()
    check_axe(page, "the record of a call")
    page.goto(f"{site}/calls/")
    check_axe(page, "the list of calls")
    call = Call.objects.get()
    asked = list(dict.fromkeys([*asked, "timing_by_when"]))
    assert list(dict.fromkeys(a.question for a in call.answers.filter(kind="answer"))) == asked
    filed = call.answers.filter(dimension="authority", quote="she signs alone").get()
    assert filed.rating == 100
    assert call.end_tier == "hot" != call.start_tier
    step = Followup.objects.get(lead=warm_lead, run=None)
    assert step.title == "Send what was asked for on the call"
    assert call.followup == step


def test_the_console_fits_a_phone(rep_page: Page, site: str, warm_lead: Lead) -> None:
    rep_page.set_viewport_size({"width": 320, "height": 700})
    rep_page.goto(f"{site}/leads/{warm_lead.pk}/calls/")
    rep_page.get_by_role("button", name="Call").click()
    expect(rep_page.locator(".spoken:visible")).to_be_visible()
    assert rep_page.evaluate("document.documentElement.scrollWidth") <= 320


def test_single_keys_can_be_switched_off(rep_page: Page, site: str, warm_lead: Lead) -> None:
    rep_page.goto(site)
    rep_page.evaluate("localStorage.setItem('leadqual.shortcuts', 'off')")
    rep_page.goto(f"{site}/leads/{warm_lead.pk}/calls/")
    rep_page.get_by_role("button", name="Call").click()
    expect(rep_page.locator(".spoken:visible")).to_be_visible()
    rep_page.keyboard.press("1")
    rep_page.wait_for_timeout(300)
    assert not CallAnswer.objects.exists()


class Server:
    """A server process of its own, so that it can be killed."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on the test database and wait until it answers."""
        address = os.environ["DATABASE_URL"].rpartition("/")[0]
        environment = {
            **os.environ,
            "DATABASE_URL": f"{address}/{connection.settings_dict['NAME']}",
            "SECRET_KEY": settings.SECRET_KEY,
            "DEBUG": "1",
        }
        command = [sys.executable, "manage.py", "runserver", f"127.0.0.1:{self.port}", "--noreload"]
        self.process = subprocess.Popen(
            command,
            env=environment,
            cwd=settings.BASE_DIR,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.url}/healthz", timeout=2).close()
                return
            except OSError:
                time.sleep(0.1)
        pytest.fail("the server did not start")

    def kill(self) -> None:
        """Kill it as the kernel would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def server(transactional_db: Any) -> Iterator[Server]:
    """A running server that is gone after the test."""
    server = Server()
    server.start()
    yield server
    server.kill()


def test_a_server_killed_between_two_answers_loses_none(
    server: Server, page: Page, rep: User, warm_lead: Lead
) -> None:
    model = Standing.objects.get(pk=warm_lead.pk).model_version
    assert model is not None
    call = Call.objects.create(
        lead=warm_lead,
        rep=rep,
        framework_version=model.framework,
        start_score=40,
        start_low=30,
        start_high=90,
    )
    log_in(page.context, server.url, rep)
    page.goto(f"{server.url}/calls/{call.pk}/?q=budget_funding")
    page.keyboard.press("1")
    settle(page)
    server.kill()
    page.keyboard.press("Enter")
    page.keyboard.press("2")
    page.keyboard.press("3")
    expect(page.locator("#offline")).to_be_visible(timeout=20_000)
    page.keyboard.press("k")
    page.keyboard.type("Said while the server was away.")
    server.start()
    settle(page)
    expect(page.locator("#offline")).to_be_hidden()
    kept = call.answers.values_list("question", "answer")
    assert list(kept) == [
        ("budget_funding", "set_aside"),
        ("budget_route", "known_way"),
        ("budget_route", "next_period"),
    ]
    assert Evidence.objects.filter(lead=warm_lead).count() == 3
    call.refresh_from_db()
    assert call.notes == "Said while the server was away."


def test_two_reps_in_one_call_see_each_other_and_both_answers(
    rep_page: Page, site: str, warm_lead: Lead, manager: User, new_context: Any
) -> None:
    page = rep_page
    page.goto(f"{site}/leads/{warm_lead.pk}/calls/")
    page.get_by_role("button", name="Call").click()
    expect(page.locator(".spoken:visible")).to_be_focused()
    context = new_context(viewport={"width": 390, "height": 844})
    log_in(context, site, manager)
    theirs = context.new_page()
    theirs.goto(page.url)
    expect(theirs.locator("#presence")).to_contain_text("is in this call too")

    def look(console: Page) -> None:  # sooner than by itself
        console.evaluate("document.dispatchEvent(new Event('visibilitychange', {bubbles: true}))")

    look(page)
    expect(page.locator("#presence")).to_contain_text(f"{manager} is in this call too")
    key = page.locator(".question-card:visible").get_attribute("data-question")
    theirs.evaluate("key => document.querySelector(`[data-jump='${key}']`).click()", key)
    page.keyboard.press("1")
    settle(page)
    theirs.keyboard.press("4")
    settle(theirs)
    look(page)
    for console in (page, theirs):
        expect(console.locator(".conflict")).to_contain_text("Which one holds?")
    page.get_by_role("button", name="Keep mine").click()
    settle(page)
    expect(page.locator(".conflict")).to_have_count(0)
    assert [a.author for a in CallAnswer.objects.all()] == [
        warm_lead.owner,
        manager,
        warm_lead.owner,
    ]
    newest = CallAnswer.objects.last()
    assert newest is not None
    assert newest.answer == CallAnswer.objects.all()[0].answer
    # Words that nobody has sent stay in the tab, and need no warning.
    page.keyboard.press("q")
    page.keyboard.type("half a sentence")
    page.reload()
    expect(page.locator("[name=quote]:visible")).to_have_value("half a sentence")
    # Who answers after the other has finished is told what was not kept.
    services.finish_call(newest.call_id, FinishInput("no_answer"), by=manager)
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    expect(page.locator("#problem")).to_contain_text("This call is finished")
    expect(page.locator("#not-kept")).to_contain_text("half a sentence")


def test_a_killed_browser_resumes_where_the_call_was(
    rep_page: Page, site: str, warm_lead: Lead
) -> None:
    page = rep_page
    page.goto(f"{site}/leads/{warm_lead.pk}/calls/")
    page.get_by_role("button", name="Call").click()
    expect(page.locator(".spoken:visible")).to_be_focused()
    page.keyboard.press("1")
    expect(page.locator("#outline-title + *")).to_contain_text("1 of")
    address = page.url
    again = page.context.new_page()  # a new tab has nothing in its sessionStorage
    page.close()
    again.goto(address)
    expect(again.locator("#outline-title + *")).to_contain_text("1 of")
    given = CallAnswer.objects.get()
    assert (given.at - given.call.started_at) < dt.timedelta(minutes=5)
    checked = again.locator(f"#form-{given.question} [name=answer]:checked")
    assert checked.get_attribute("value") == given.answer
