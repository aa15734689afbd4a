"""The pages of scoring and learning as a machine sees them, with results on them."""

import io
from collections.abc import Callable

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize

from accounts.models import Team, User
from intake.backtests import read_past_leads, start_backtest
from intake.models import Backtest
from leads.models import Lead
from pipeline.tasks import report_criteria
from scoring import reviewing, suggestions
from scoring.learning.backtest import Options
from scoring.models import DriftAlert, Feedback, FrameworkVersion, ModelVersion
from scoring.proposing import start_learning
from scoring.tasks import score_in_shadow
from tests.browser.conftest import log_in
from tests.scoring.learning.worlds import as_csv, made
from tests.scoring.test_proposing import done, history, learned

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1440, "height": 900}
CONTRAST = {
    "runOnly": {"type": "rule", "values": ["color-contrast"]},
    "resultTypes": ["violations"],
}


def backtests(by: User) -> list[Backtest]:
    """A finished backtest, one whose outcome is to be chosen, and one that could not be done."""
    columns, y = made("strong", 500, 1)
    found = []
    for raw in (
        as_csv(columns, y, ";"),
        as_csv(columns, y, ";"),
        b"Size;Result\nbig;won\nno;lost\n",
    ):
        test = read_past_leads(io.BytesIO(raw), "past.csv", by=by)
        found.append(test)
        if len(found) == 2:
            continue
        outcome = test.imported.headers[-1]
        done(start_backtest(test, Options(outcome, "won"), by=by))
    return found


def test_pages_of_scoring_break_no_accessibility_rule_and_never_scroll_sideways(
    browser: Browser,
    site: str,
    team: Team,
    rep: User,
    model_owner: User,
    check_axe: Callable[[Page, str], None],
) -> None:
    history(team, n=300)
    proposal = learned(start_learning(None))
    found = suggestions.start_suggesting("b2b", by=model_owner)
    assert found.job is not None
    done(found.job)
    reviewing.shadow(proposal, by=model_owner, days=7)
    score_in_shadow()
    finished, waiting, impossible = backtests(model_owner)
    while report_criteria():
        pass
    DriftAlert.objects.create(
        key="b2b", subject="budget", label="Budget", month="2026-10", value=0.4, text="It moved."
    )
    live = ModelVersion.objects.get(key="b2b", state="live")
    Feedback.objects.create(
        lead=Lead.objects.filter(team=team).latest("pk"),
        signal="budget",
        label="Budget",
        points=10,
        line_points=3.5,
        verdict="too_low",
        rep=rep,
        model_version=live,
    )
    script = FrameworkVersion.objects.filter(state="live").latest("pk")
    pages = [
        "/scoring/",
        "/scoring/proposals/",
        f"/scoring/proposals/{proposal.pk}/",
        f"/scoring/proposals/{proposal.pk}/shadow/scores/",
        f"/scoring/versions/{proposal.version_id}/preview/",
        f"/scoring/suggestions/{found.pk}/",
        "/scoring/backtests/",
        f"/scoring/backtests/{finished.pk}/",
        f"/scoring/backtests/{waiting.pk}/",
        f"/scoring/backtests/{impossible.pk}/",
        "/scoring/criteria/",
        "/scoring/thresholds/",
        "/scoring/feedback/",
        "/scoring/scripts/",
        f"/scoring/scripts/{script.pk}/",
        "/calls/agreement/",
        "/profile/shortcuts/",
    ]
    dark = ("/scoring/", f"/scoring/backtests/{finished.pk}/")
    context = browser.new_context(viewport=DESK, color_scheme="light")
    log_in(context, site, model_owner)
    page = context.new_page()
    for path in pages:
        response = page.goto(site + path)
        assert response is not None
        assert response.status == 200, path
        for details in page.locator("main details:not(.menu) > summary").all():
            details.click()
        check_axe(page, path)
        if path in dark:
            page.emulate_media(color_scheme="dark")
            contrast = Axe().run(page, options=CONTRAST)
            assert contrast.violations_count == 0, f"{path}, dark: {contrast.generate_report()}"
            page.emulate_media(color_scheme="light")
        page.set_viewport_size(PHONE)
        wider = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wider <= 0, f"{path} scrolls sideways by {wider} px on a phone"
        page.set_viewport_size(DESK)
    context.close()
