"""Two people work one queue at once, by keyboard, and never meet on a lead."""

from collections.abc import Callable

from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from calls.models import Claim
from tests import factories
from tests.browser.conftest import log_in


def test_two_people_work_one_queue(
    rep_page: Page,
    browser: Browser,
    site: str,
    rep: User,
    manager: User,
    check_axe: Callable[[Page, str], None],
) -> None:
    first, second, third = (
        factories.make_lead(owner=rep, first_name=name, last_name="Test", value_minor=minor)
        for name, minor in (("First", 9_000_000), ("Second", 2_000_000), ("Third", 500_000))
    )
    rep_page.goto(site)
    rep_page.keyboard.press("s")
    title = rep_page.locator("#work-title")
    expect(title).to_have_text(str(first))
    check_axe(rep_page, "work mode")
    other = browser.new_context(viewport={"width": 390, "height": 844})
    log_in(other, site, manager)
    their = other.new_page()
    their.goto(f"{site}/?scope=team")
    expect(their.get_by_text(f"{rep} is on it")).to_be_visible()
    their.keyboard.press("s")
    expect(their.locator("#work-title")).to_have_text(str(second))
    assert their.evaluate("document.documentElement.scrollWidth") == 390
    # Skipping gives neither the lead just left nor the one that the other is on.
    rep_page.keyboard.press("s")
    rep_page.keyboard.type("Not today")
    rep_page.keyboard.press("Enter")
    expect(title).to_have_text(str(third))
    assert Claim.objects.get(lead=third).rep == rep
    # A call comes back to the queue, which says what was done and that nothing is left.
    rep_page.keyboard.press("c")
    expect(rep_page.locator("#console")).to_be_visible()
    rep_page.keyboard.press("w")
    rep_page.locator("input[name=outcome][value=no_answer]").check(force=True)
    rep_page.keyboard.press("Control+Enter")
    expect(rep_page.get_by_role("heading", name="Queue clear")).to_be_visible()
    expect(rep_page.get_by_text("1 call, 0 reached, 1 skipped.")).to_be_visible()
    other.close()
