"""Every page as a machine sees it: accessible in both themes, whole on a phone, focus in sight."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from core.clock import now
from followups.models import Followup
from leads.models import Lead
from scoring.models import Standing
from tests import factories
from tests.browser.conftest import log_in

SCREENS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "phone": {
        "viewport": {"width": 320, "height": 640},
        "color_scheme": "light",
        "has_touch": True,
        "is_mobile": True,
    },
}


@pytest.fixture
def lead(rep: User) -> Lead:
    """A lead of whom much is known, with a clock, steps, notes, an override and a long name."""
    lead = factories.make_lead(
        owner=rep,
        first_name="Maximiliane-Theodora",
        last_name="von Hohenstein-Wittgensteinburg",
        title="Head of Operations and Digital Transformation",
        company={"name": "Donaudampfschifffahrtsgesellschaft", "employees": 300, "country": "DE"},
        value_minor=1_234_500,
    )
    factories.make_evidence(lead, "budget", 67, quote="approved this quarter", author=rep)
    factories.make_evidence(lead, "authority", 0)
    factories.make_activity(lead, "hand_raised")
    factories.make_activity(lead, "note", data={"text": "x" * 300}, actor=rep)
    for hours, kind in ((-30, "call"), (-1, "task"), (30, "task"), (0, "email")):
        Followup.objects.create(
            lead=lead,
            assignee=rep,
            kind=kind,
            title=f"A {kind} with a title that says in full what is to be done",
            body="Ask first.\nThen listen.",
            due_at=now() + dt.timedelta(hours=hours),
        )
    student = factories.make_lead(owner=rep, title="Student", company={"employees": 20})
    for minutes in (-90, 90, 100):
        Followup.objects.create(
            lead=student,
            assignee=rep,
            kind="call",
            title="A booked call with a title that says in full what it is about",
            due_at=now() + dt.timedelta(minutes=minutes),
            agreed=True,
            minutes=45,
            uid=uuid4(),
        )
    factories.make_lead(team=rep.team)
    Standing.objects.filter(pk=lead.pk).update(sla_due_at=now() + dt.timedelta(minutes=5))
    return lead


def _paths(lead: Lead, screen: str) -> list[str]:
    """The pages of a rep: the daily ones on every screen, the others on one."""
    daily = ["/?scope=all", f"/leads/{lead.pk}/", f"/leads/{lead.pk}/what-if/", "/today/"]
    daily.append("/calendar/")
    if screen != "light":
        return daily
    return [
        *daily,
        "/?scope=all&tier=cold&stage=sql",
        "/pipeline/",
        "/accounts/password/change/",
        "/accounts/logout/",
        "/leads/999999999/",
        "/?nonsense=1",
    ]


@pytest.mark.parametrize("screen", SCREENS)
def test_pages_break_no_accessibility_rule_and_never_scroll_sideways(
    browser: Browser,
    site: str,
    manager: User,
    rep: User,
    lead: Lead,
    check_axe: Callable[[Page, str], None],
    tmp_path: Path,
    screen: str,
) -> None:
    context = browser.new_context(**SCREENS[screen])
    page = context.new_page()
    page.goto(f"{site}/accounts/login/")
    check_axe(page, f"log-in, {screen}")
    for user in (rep, manager):
        context.clear_cookies()
        log_in(context, site, user)
        managers = ("/pipeline/", "/scoring/criteria/", "/scoring/thresholds/")
        for path in _paths(lead, screen) if user == rep else managers:
            page.goto(site + path)
            for details in page.locator("main details:not(.menu):not(.disclosure) > summary").all():
                details.click()
            check_axe(page, f"{path}, {screen}, {user.role}")
            wider = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wider <= 0, f"{path} scrolls sideways by {wider} px on {screen}"
            heading = page.locator("h1").first.bounding_box()
            assert heading is not None, path
            assert heading["height"] < 200, f"the heading of {path} is broken up on {screen}"
            shot = page.screenshot(path=tmp_path / "page.png")
            assert len(shot) > 5_000, f"{path} is blank on {screen}"
    context.close()


def test_open_menus_and_the_help_break_no_rule(
    rep_page: Page, site: str, lead: Lead, check_axe: Callable[[Page, str], None]
) -> None:
    rep_page.goto(site)
    rep_page.locator("summary", has_text="Filter").click()
    check_axe(rep_page, "filter sheet")
    rep_page.keyboard.press("Escape")
    rep_page.get_by_role("button", name="Help and keyboard shortcuts").click()
    check_axe(rep_page, "help")
    rep_page.keyboard.press("Escape")
    rep_page.goto(f"{site}/leads/{lead.pk}/")
    for summary in rep_page.locator("main details:not(.menu) > summary").all():
        summary.click()
    check_axe(rep_page, "lead page with every form open")


def test_the_dark_theme_is_chosen_by_hand_and_stays(rep_page: Page, site: str) -> None:
    rep_page.goto(site)
    body = rep_page.locator("body")
    expect(body).to_have_css("background-color", "rgb(247, 248, 250)")
    rep_page.locator(".tools .menu > summary").click()
    rep_page.get_by_role("button", name="Dark").click()
    expect(body).to_have_css("background-color", "rgb(18, 22, 28)")
    rep_page.reload()
    expect(body).to_have_css("background-color", "rgb(18, 22, 28)")
    rep_page.locator(".tools .menu > summary").click()
    rep_page.get_by_role("button", name="System").click()
    expect(body).to_have_css("background-color", "rgb(247, 248, 250)")


def test_the_focus_is_never_under_the_header(rep_page: Page, site: str, rep: User) -> None:
    for _ in range(25):
        factories.make_lead(owner=rep)
    rep_page.goto(site)
    for key in ["Tab"] * 45 + ["Shift+Tab"] * 30:
        rep_page.keyboard.press(key)
        hidden = rep_page.evaluate(
            """() => {
                const focused = document.activeElement.getBoundingClientRect();
                const bar = document.querySelector(".topbar");
                if (bar.contains(document.activeElement)) return false;
                if (document.activeElement.classList.contains("skip")) return false;
                return focused.top < bar.getBoundingClientRect().bottom - 1;
            }"""
        )
        assert not hidden, rep_page.evaluate("document.activeElement.outerHTML")


def test_the_skip_link_leads_past_the_navigation(rep_page: Page, site: str) -> None:
    rep_page.goto(site)
    rep_page.keyboard.press("Tab")
    expect(rep_page.get_by_role("link", name="Skip to content")).to_be_focused()
    rep_page.keyboard.press("Enter")
    expect(rep_page.locator("main")).to_be_focused()


def test_text_at_twice_its_size_stays_within_the_page(
    rep_page: Page, site: str, lead: Lead
) -> None:
    rep_page.set_viewport_size({"width": 720, "height": 450})  # 200 % of 1440 × 900
    for path in ("/", f"/leads/{lead.pk}/", "/today/"):
        rep_page.goto(site + path)
        wider = rep_page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wider <= 0, path


def test_a_clock_counts_down_by_itself(rep_page: Page, site: str, lead: Lead) -> None:
    Standing.objects.filter(pk=lead.pk).update(sla_due_at=now() + dt.timedelta(seconds=110))
    rep_page.clock.install()
    rep_page.goto(site)
    due = rep_page.locator("time[data-due]").first
    expect(due).to_have_text("in 1 min")
    rep_page.clock.fast_forward("05:00")
    expect(due).to_contain_text("overdue")
