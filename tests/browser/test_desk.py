"""The rep's work by keyboard and mouse in a real browser."""

import datetime as dt
import re

from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from core.clock import now
from followups.models import Followup
from leads.models import Activity, Lead
from scoring.models import Evidence, Standing
from tests import factories
from tests.browser.conftest import log_in


def _make_leads(owner: User, count: int) -> list[Lead]:
    """Make leads whose order in the queue is that of the list."""
    return [
        factories.make_lead(
            owner=owner,
            first_name=f"Lead{number}",
            last_name="Test",
            value_minor=10_000_000 // 4**number,
        )
        for number in range(count)
    ]


def _make_task(lead: Lead, title: str, hours: float = -1) -> Followup:
    return Followup.objects.create(
        lead=lead,
        assignee=lead.owner,
        kind="task",
        title=title,
        due_at=now() + dt.timedelta(hours=hours),
    )


def test_a_wrong_password_is_told_and_the_right_one_leads_to_the_queue(
    page: Page, problems: list[str], site: str, rep: User
) -> None:
    page.goto(f"{site}/?scope=mine")
    expect(page).to_have_title("Log in · Leadqual")
    page.get_by_label("Email").fill(rep.email)
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert").filter(has_text="not correct")).to_be_visible()
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{site}/?scope=mine")
    expect(page.get_by_role("heading", name="Queue", exact=True)).to_be_visible()


def test_j_and_k_move_and_enter_opens(rep_page: Page, site: str, rep: User) -> None:
    leads = _make_leads(rep, 3)
    rep_page.goto(site)
    rep_page.keyboard.press("j")
    expect(rep_page.get_by_role("link", name="Lead0 Test")).to_be_focused()
    rep_page.keyboard.press("j")
    rep_page.keyboard.press("j")
    rep_page.keyboard.press("k")
    expect(rep_page.get_by_role("link", name="Lead1 Test")).to_be_focused()
    expect(rep_page.locator("tr.is-current")).to_have_count(1)
    rep_page.keyboard.press("Enter")
    expect(rep_page).to_have_url(f"{site}/leads/{leads[1].pk}/")
    expect(rep_page.get_by_role("heading", level=1)).to_have_text("Lead1 Test")
    rep_page.keyboard.press("b")
    expect(rep_page).to_have_url(f"{site}/")


def test_keys_rest_while_somebody_types_and_can_be_switched_off(
    rep_page: Page, site: str, rep: User
) -> None:
    _make_leads(rep, 2)
    rep_page.goto(site)
    rep_page.keyboard.press("/")
    search = rep_page.get_by_role("searchbox", name="Search leads")
    expect(search).to_be_focused()
    rep_page.keyboard.type("jk?")
    expect(search).to_have_value("jk?")
    search.fill("")
    rep_page.get_by_role("heading", level=1).click()
    rep_page.keyboard.press("?")
    dialog = rep_page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Single-key shortcuts are on").uncheck()
    rep_page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(rep_page.get_by_role("button", name="Help and keyboard shortcuts")).to_be_focused()
    for _ in range(2):  # now, and after a reload
        rep_page.keyboard.press("j")
        expect(rep_page.locator("tr.is-current")).to_have_count(0)
        rep_page.reload()


def test_keys_are_those_that_the_person_has_chosen(rep_page: Page, site: str, rep: User) -> None:
    _make_leads(rep, 2)
    User.objects.filter(pk=rep.pk).update(shortcuts={"on": True, "page": {"j": "x"}})
    rep_page.goto(site)
    rep_page.keyboard.press("j")
    expect(rep_page.locator("tr.is-current")).to_have_count(0)
    rep_page.keyboard.press("x")
    expect(rep_page.locator("tr.is-current")).to_have_count(1)
    User.objects.filter(pk=rep.pk).update(shortcuts={"on": False})
    rep_page.reload()
    rep_page.keyboard.press("j")
    expect(rep_page.locator("tr.is-current")).to_have_count(0)


def test_filters_change_the_list_in_place_and_the_address(
    rep_page: Page, site: str, rep: User
) -> None:
    _make_leads(rep, 2)
    factories.make_lead(owner=rep, first_name="Haruka", last_name="Ito")
    rep_page.goto(site)
    rep_page.keyboard.press("/")
    rep_page.keyboard.type("haruka")
    rep_page.keyboard.press("Enter")
    expect(rep_page.get_by_role("link", name="Haruka Ito")).to_be_visible()
    expect(rep_page.get_by_role("link", name="Lead0 Test")).to_be_hidden()
    expect(rep_page).to_have_url(re.compile(r"\?scope=mine&q=haruka$"))
    expect(rep_page.get_by_role("searchbox")).to_be_focused()
    rep_page.get_by_role("link", name="Search: haruka").click()
    expect(rep_page.get_by_role("link", name="Lead0 Test")).to_be_visible()


def test_an_answer_by_keyboard_moves_the_score_and_is_announced(
    rep_page: Page, site: str, lead: Lead
) -> None:
    before = Standing.objects.get(pk=lead.pk).score
    rep_page.goto(f"{site}/leads/{lead.pk}/")
    score = rep_page.locator("#score .big-score b")
    expect(score).to_have_text(str(before))
    rep_page.keyboard.press("a")
    expect(rep_page.locator("details.ask[open]")).to_have_count(1)
    rep_page.keyboard.press("Space")  # the first answer of the script has the focus
    rep_page.keyboard.press("Tab")
    rep_page.keyboard.type("Approved, forty thousand.")
    rep_page.keyboard.press("Tab")
    rep_page.keyboard.press("Tab")
    rep_page.keyboard.press("Enter")
    expect(rep_page.get_by_text("Approved, forty thousand.").first).to_be_visible()
    after = Standing.objects.get(pk=lead.pk).score
    assert after > before
    assert Evidence.objects.get(lead=lead).rating == 100
    expect(score).to_have_text(str(after))
    expect(rep_page.locator("#live")).to_contain_text(f"Score {before} → {after}")
    focused = rep_page.evaluate("document.activeElement !== document.body")
    assert focused, "the focus was lost with the swap"


def test_a_note_lands_on_the_timeline_and_the_focus_stays(
    rep_page: Page, site: str, lead: Lead
) -> None:
    rep_page.goto(f"{site}/leads/{lead.pk}/")
    rep_page.keyboard.press("n")
    rep_page.keyboard.type("Prefers calls after four.")
    rep_page.keyboard.press("Tab")
    rep_page.keyboard.press("Enter")
    expect(rep_page.locator(".timeline")).to_contain_text("Prefers calls after four.")
    expect(rep_page.locator("#note-note")).to_have_value("")
    expect(rep_page.get_by_role("button", name="Save note")).to_be_focused()


def test_a_refused_form_keeps_what_was_typed(rep_page: Page, site: str, lead: Lead) -> None:
    rep_page.goto(f"{site}/leads/{lead.pk}/")
    rep_page.keyboard.press("e")
    rep_page.get_by_label("E-mail").fill("not an address")
    rep_page.get_by_label("Job title").fill("Head of IT")
    with rep_page.expect_response(re.compile("/change/")) as response:
        rep_page.get_by_role("button", name="Save facts").click()
    assert response.value.status == 422
    expect(rep_page.get_by_text("Is not an e-mail address.")).to_be_visible()
    expect(rep_page.get_by_label("Job title")).to_have_value("Head of IT")


def test_a_task_is_done_by_one_key_and_undone_by_another(
    rep_page: Page, site: str, lead: Lead
) -> None:
    first, second = _make_task(lead, "Send the case study", -3), _make_task(lead, "Ask Bob", -2)
    rep_page.goto(f"{site}/today/")
    rep_page.keyboard.press("j")
    rep_page.keyboard.press("e")
    expect(rep_page.locator(f"#step-{first.pk}:visible")).to_have_count(0)
    expect(rep_page.locator("#live")).to_contain_text("Done: Send the case study")
    expect(rep_page.locator(f"#step-{second.pk} [data-row-link]")).to_be_focused()
    rep_page.keyboard.press("z")
    expect(rep_page.locator(f"#step-{first.pk}:visible")).to_have_count(1)
    first.refresh_from_db()
    assert first.state == "scheduled"


def test_a_task_is_snoozed_by_keyboard(rep_page: Page, site: str, lead: Lead) -> None:
    task = _make_task(lead, "Send the case study")
    due = task.due_at
    rep_page.goto(f"{site}/today/")
    rep_page.keyboard.press("j")
    rep_page.keyboard.press("h")
    expect(rep_page.get_by_role("button", name="1 hour")).to_be_focused()
    rep_page.keyboard.press("Enter")
    expect(rep_page.locator("#live")).to_contain_text("Snoozed until")
    task.refresh_from_db()
    assert task.snoozed == 1
    assert task.due_at > due + dt.timedelta(minutes=90)


def test_a_call_is_done_with_how_it_went(rep_page: Page, site: str, lead: Lead) -> None:
    call = _make_task(lead, "First call")
    Followup.objects.filter(pk=call.pk).update(kind="call")
    rep_page.goto(f"{site}/today/")
    rep_page.keyboard.press("j")
    rep_page.keyboard.press("e")
    expect(rep_page.get_by_role("button", name="Connected")).to_be_focused()
    rep_page.keyboard.press("Enter")
    expect(rep_page.locator("#live")).to_contain_text("Done: First call")
    assert Activity.objects.filter(lead=lead, kind="call_connected").exists()


def test_an_unowned_lead_is_claimed_by_one_key(rep_page: Page, site: str, rep: User) -> None:
    free = factories.make_lead(team=rep.team)
    rep_page.goto(f"{site}/?scope=unowned")
    rep_page.keyboard.press("j")
    rep_page.keyboard.press("c")
    expect(rep_page.get_by_text(f"{free.name} is yours.").first).to_be_visible()
    free.refresh_from_db()
    assert free.owner == rep


def test_a_lost_connection_is_told_and_nothing_typed_is_lost(
    rep_page: Page, site: str, lead: Lead
) -> None:
    rep_page.goto(f"{site}/leads/{lead.pk}/")
    rep_page.get_by_label("Note", exact=True).fill("Written on the train.")
    rep_page.context.set_offline(True)
    rep_page.get_by_role("button", name="Save note").click()
    expect(rep_page.locator("#problem")).to_contain_text("The server cannot be reached.")
    expect(rep_page.get_by_label("Note", exact=True)).to_have_value("Written on the train.")
    rep_page.context.set_offline(False)
    rep_page.get_by_role("button", name="Save note").click()
    expect(rep_page.locator(".timeline")).to_contain_text("Written on the train.")
    expect(rep_page.locator("#problem")).to_be_empty()


def test_an_ended_session_leads_to_the_log_in_and_not_into_a_panel(
    rep_page: Page, site: str, lead: Lead
) -> None:
    rep_page.goto(f"{site}/leads/{lead.pk}/")
    rep_page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    rep_page.get_by_role("link", name="Notes").click()
    expect(rep_page).to_have_url(re.compile(r"/accounts/login/\?next=%2Fleads%2F"))


def test_a_refusal_by_policy_stands_in_the_one_place_for_problems(
    rep_page: Page, site: str, rep: User, lead: Lead
) -> None:
    task = _make_task(lead, "Send the case study")
    rep_page.goto(f"{site}/today/")
    Lead.objects.filter(pk=lead.pk).update(owner=factories.make_user(team=rep.team))
    rep_page.locator(f"#step-{task.pk}").get_by_role("button", name="Done").click()
    expect(rep_page.locator("#problem")).to_contain_text("This lead belongs to a colleague.")
    expect(rep_page.locator(f"#step-{task.pk}")).to_be_visible()


def test_the_work_is_done_without_scripts_too(browser: Browser, site: str, lead: Lead) -> None:
    context = browser.new_context(java_script_enabled=False)
    assert lead.owner is not None
    log_in(context, site, lead.owner)
    page = context.new_page()
    task = _make_task(lead, "Send the case study")
    page.goto(f"{site}/leads/{lead.pk}/")
    page.locator("#ask-budget > summary").click()
    page.locator("#evidence-budget input[value='r:100']").check()
    page.locator("#evidence-budget").get_by_role("button", name="Save answer").click()
    expect(page).to_have_url(f"{site}/leads/{lead.pk}/")
    expect(page.locator(".toast")).to_contain_text("Budget: answer saved. Score")
    page.goto(f"{site}/today/")
    page.locator(f"#step-{task.pk}").get_by_role("button", name="Done").click()
    expect(page).to_have_url(f"{site}/today/")
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(f"#step-{task.pk}")).to_be_visible()
    context.close()
