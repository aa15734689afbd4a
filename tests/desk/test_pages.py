"""What holds for every page: a strict policy that nothing needs an exception from, one heading,
labels, no missing icon, and sizes within the budget.
"""

import gzip
import re
from pathlib import Path

import django_htmx
import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from core.templatetags.ui import icon
from desk import timeline
from leads.models import Lead
from tests import factories
from tests.desk.conftest import log_in

pytestmark = pytest.mark.django_db

TEMPLATES = settings.BASE_DIR / "templates"
STATIC = settings.BASE_DIR / "static"


@pytest.fixture
def pages(admin: User, lead: Lead) -> dict[str, str]:
    """The HTML of every page of desk, pipeline and accounts, by path."""
    factories.make_evidence(lead, "budget", 67, quote="next year", author=lead.owner)
    client = log_in(admin)
    paths = [
        "/",
        "/?scope=all&tier=hot&q=nobody",
        f"/leads/{lead.pk}/",
        "/today/",
        "/calendar/",
        "/work/",
        "/pipeline/",
        "/accounts/password/change/",
        "/accounts/logout/",
        "/leads/999999999/",
        "/?nonsense=1",
    ]
    found = {path: client.get(path) for path in paths}
    anonymous = Client()
    for path in ("/accounts/login/", "/accounts/password/reset/", "/accounts/signup/"):
        found[path] = anonymous.get(path)
    for path, response in found.items():
        policy = response["Content-Security-Policy"]
        assert "script-src 'self';" in policy + ";", path
        assert "style-src 'self'" in policy, path
        assert "unsafe" not in policy
        assert "nonce" not in policy
    return {path: response.content.decode() for path, response in found.items()}


def test_no_page_has_an_inline_script_style_or_handler(pages: dict[str, str]) -> None:
    for path, html in pages.items():
        assert not re.search(r"\sstyle\s*=", html), path
        assert not re.search(r"<style\b", html), path
        assert not re.search(r"\son[a-z]+\s*=", html), path
        assert "javascript:" not in html, path
        for tag in re.findall(r"<script\b[^>]*>", html):
            assert "src=" in tag, path


def test_templates_have_neither(db: None) -> None:
    for file in TEMPLATES.rglob("*.html"):
        text = re.sub(r"{% comment %}.*?{% endcomment %}", "", file.read_text(), flags=re.S)
        assert not re.search(r"\sstyle\s*=|<style\b|\son[a-z]+=|hx-on", text), file
        assert not re.search(r"<script(?![^>]*src=)", text), file


def test_every_page_has_one_heading_landmarks_a_language_and_a_skip_link(
    pages: dict[str, str],
) -> None:
    for path, html in pages.items():
        assert len(re.findall(r"<h1\b", html)) == 1, path
        assert html.count("<main ") == 1, path
        assert '<html lang="en"' in html, path
        assert 'class="skip" href="#main"' in html, path


def test_ids_are_unique_on_each_page(pages: dict[str, str]) -> None:
    for path, html in pages.items():
        ids = re.findall(r'\sid="([^"]+)"', html)
        assert len(ids) == len(set(ids)), (path, [i for i in ids if ids.count(i) > 1])


def test_help_is_in_the_same_place_on_every_page_behind_the_log_in(pages: dict[str, str]) -> None:
    for path, html in pages.items():
        if not path.startswith("/accounts/login") and "Log out" in html:
            assert 'data-dialog="help"' in html, path


def test_the_theme_is_the_servers_to_write_and_only_a_known_one(rep_client: Client) -> None:
    assert "data-theme=" not in rep_client.get("/").content.decode().split(">")[1]
    rep_client.cookies["theme"] = "dark"
    assert '<html lang="en" data-theme="dark"' in rep_client.get("/").content.decode()
    rep_client.cookies["theme"] = '"><script>'
    assert 'data-theme="' not in rep_client.get("/").content.decode().split("</head>")[0]


def test_every_icon_that_is_named_exists() -> None:
    named = {name for file in TEMPLATES.rglob("*.html") for name in _icons_in(file)}
    named |= set(timeline._ICONS.values())
    assert len(named) > 20
    for name in named:
        assert "<svg" in icon(name)


def _icons_in(file: Path) -> list[str]:
    return re.findall(r'{% icon "([^"]+)"', file.read_text())


def test_what_every_page_loads_stays_within_the_budget() -> None:
    def size(path: Path) -> int:
        return len(gzip.compress(path.read_bytes(), 9))

    assert size(STATIC / "js" / "leadqual.js") <= 12 * 1024
    assert size(STATIC / "css" / "leadqual.css") <= 20 * 1024
    # However much a page adds of its own, scripts stay within 40 KB and style within 25 KB.
    htmx = Path(django_htmx.__file__).parent / "static" / "django_htmx" / "htmx-2.min.js"
    everywhere = size(htmx) + size(STATIC / "js" / "leadqual.js")
    extra = {
        path: [size(STATIC / name) for name in re.findall(r"static '((?:js|css)/[^']+)'", text)]
        for path in TEMPLATES.rglob("*.html")
        if path.name != "base.html" and "{% static" in (text := path.read_text())
    }
    for path, sizes in extra.items():
        assert everywhere + sum(sizes) <= 40 * 1024, path
    sheets = [size(path) for path in (STATIC / "css").glob("*.css")]
    assert sum(sheets) <= 25 * 1024


def test_a_full_queue_stays_within_its_budget(rep_client: Client, rep: User) -> None:
    for _ in range(50):
        factories.make_lead(owner=rep, title="Head of Operations", company={})
    html = rep_client.get("/").content
    assert len(gzip.compress(html, 6)) <= 20 * 1024


def test_a_failure_and_a_stale_form_have_pages_without_a_database(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.post("/accounts/login/", {"login": "a@b.example", "password": "x"})
    assert response.status_code == 403
    assert "Please reload the page" in response.content.decode()
