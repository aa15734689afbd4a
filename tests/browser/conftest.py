"""A real browser on a live server. Without one the tests here are skipped with the reason, unless
LEADQUAL_REQUIRE_BROWSER=1 makes its absence a failure (as in CI).
"""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from accounts.models import User

# Playwright's event loop runs in this thread, where Django's ORM is used between its calls.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",  # root has no user namespaces in containers
    "--disable-dev-shm-usage",  # /dev/shm is small there
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--no-first-run",
    "--mute-audio",
]
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
    return {"executable_path": path, "args": FLAGS, "headless": True}


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    """A desk screen, by the light."""
    return {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light", "locale": "en-GB"}


@pytest.fixture
def site(live_server: LiveServer) -> str:
    """The address of the running server."""
    url: str = live_server.url
    return url


def log_in(context: BrowserContext, site: str, user: User) -> None:
    """Give the browser a session of `user`; the log-in page has a test of its own."""
    client = Client()
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": site}])


# What the browser says of answers and losses that a test brings about.
_PROVOKED = (
    "the server responded with a status of 4",
    "Response Status Error Code 4",
    "ERR_INTERNET_DISCONNECTED",
    "htmx:",
)


@pytest.fixture
def problems(page: Page) -> Iterator[list[str]]:
    """What the browser complained about, policy violations above all; none is expected."""
    found: list[str] = []
    page.on("console", lambda m: found.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    yield found
    assert [text for text in found if not any(word in text for word in _PROVOKED)] == []


@pytest.fixture
def rep_page(page: Page, problems: list[str], site: str, rep: User) -> Page:
    """A page of the rep's browser that must run without a complaint."""
    log_in(page.context, site, rep)
    return page


@pytest.fixture
def check_axe() -> Callable[[Page, str], None]:
    """Return a check that a page breaks no accessibility rule."""

    def check(page: Page, what: str) -> None:
        # Telling the elements of every rule that is kept takes three times as long.
        only = {"runOnly": {"type": "tag", "values": WCAG}, "resultTypes": ["violations"]}
        run = Axe().run(page, options=only)
        broken = [
            f"{found['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
            for found in run.response["violations"]
            for node in found["nodes"]
        ]
        assert broken == [], what

    return check
