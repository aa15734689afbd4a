"""The criteria page from facts to alerts: what was known in time, kept by a sweep, put away."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from calls.kappa import LEAST
from calls.models import Call, CallAnswer
from core.clock import now
from followups.control import chosen
from followups.models import ControlMember
from followups.planning import plan
from leads.models import Lead, Outcome
from pipeline.measures import control_outcomes, seconds_by_dimension
from pipeline.models import CriteriaReport
from pipeline.tasks import report_criteria
from pipeline.views.criteria import ORDERS
from scoring.alerts import raise_alerts, standing_alerts
from scoring.feedback import give_feedback
from scoring.live import live_config
from scoring.marks import draft_with_marks
from scoring.models import DriftAlert, Feedback, FrameworkVersion, Snapshot
from scoring.publishing import publish_model
from tests import factories
from tests.calls.test_agreement import hold
from tests.desk.conftest import log_in

pytestmark = pytest.mark.django_db


def _close(
    lead: Lead, result: str = "won", *, days_ago: float = 1, need: int | None = None
) -> None:
    """Close a lead about whose need something was known five days before."""
    at = now() - dt.timedelta(days=days_ago)
    known = at - dt.timedelta(days=5)
    if need is not None:
        factories.make_evidence(lead, "need", need, observed_at=known, recorded_at=known)
    Outcome.objects.create(lead=lead, round=1, result=result, at=at)
    Snapshot.objects.filter(lead=lead).update(at=known)


def test_the_sweep_keeps_one_report_a_model_and_the_page_reads_it(
    rep: User, manager: User, model_owner: User
) -> None:
    client = log_in(manager)
    assert "The report is being made" in client.get("/scoring/criteria/").content.decode()
    for number in range(6):
        won = number % 2 == 0
        lead = factories.make_lead(owner=rep)
        _close(lead, "won" if won else "lost", need=100 if won else 0)
    runs = 0
    while report_criteria():
        runs += 1
    assert runs == CriteriaReport.objects.count() == len(live_config().everything)
    assert report_criteria() == 0
    with CaptureQueriesContext(connection) as queries:
        html = client.get("/scoring/criteria/?model=b2b").content.decode()
    assert len(queries) <= 11
    assert "needs 44 more answers" in html
    assert "50 % (19–81)" in html
    assert client.get("/scoring/criteria/?model=x").status_code == 400
    assert client.get("/scoring/criteria/?sort=x").status_code == 400
    _orders_by_links(client)
    # A version that went live since is not shown with numbers of the one before as its own.
    draft, _ = draft_with_marks("b2b", 65, 45, by=model_owner)
    publish_model(draft, by=model_owner)
    assert f"what follows is of v{draft.number - 1}" in (
        client.get("/scoring/criteria/?model=b2b").content.decode()
    )
    assert report_criteria() == 1
    assert "what follows is of" not in client.get("/scoring/criteria/?model=b2b").content.decode()
    # An hour later, with one more outcome, the report is due again.
    _close(factories.make_lead(owner=rep))
    assert report_criteria() == 0
    CriteriaReport.objects.update(made_at=now() - dt.timedelta(hours=2))
    assert report_criteria() == 1


def _orders_by_links(client: Client) -> None:
    """Each heading orders the lines by it, says so, and turns them; unknown values come last."""
    report = CriteriaReport.objects.get(key="b2b")
    known = {"budget": 30.0, "need": 10.0, "timing": -5.0}
    for line in report.data["lines"]:
        line["evidence"] = known.get(line["key"])
    report.save()
    points = {line["key"]: line["points"] for line in report.data["lines"]}
    by_gap = sorted(known, key=lambda key: points[key] - known[key])

    def ordered(query: str) -> tuple[list[str], str]:
        html = client.get(f"/scoring/criteria/?{query}").content.decode()
        [(how, link)] = re.findall(r'aria-sort="(\w+)"><a href="\?([^"]+)"', html) or [("", "")]
        rows = re.findall(r'<th scope="row" class="full">([^<]+)<span class="sub-line">', html)
        return rows, f"{how} {link}"

    labels = {line["key"]: line["label"] for line in report.data["lines"]}
    rows, said = ordered("model=b2b&sort=gap")
    assert rows[:3] == [labels[key] for key in by_gap]
    assert said == "ascending model=b2b&amp;sort=-gap"
    assert len(rows) == len(points)
    rows, said = ordered("model=b2b&sort=-gap")
    assert rows[:3] == [labels[key] for key in reversed(by_gap)]
    assert said == "descending model=b2b&amp;sort=gap"
    for key in ORDERS:
        assert len(ordered(f"model=b2b&sort=-{key}")[0]) == len(points)
    assert ordered("model=b2b") == ([], " ")


def test_an_alert_stands_until_a_model_owner_says_why_not(
    manager: User, model_owner: User, rep: User
) -> None:
    alert = {"key": "b2b", "subject": "need", "label": "Need", "month": "2026-10", "value": 0.4}
    raise_alerts([DriftAlert(**alert, text="Need moved in October 2026.")])
    raise_alerts([DriftAlert(**alert, text="Again.")])
    (standing,) = standing_alerts()
    assert (
        "Need moved in October 2026." in log_in(manager).get("/scoring/criteria/").content.decode()
    )
    owner = log_in(model_owner)
    assert "Need moved in October 2026." in owner.get("/scoring/").content.decode()
    url = f"/scoring/alerts/{standing.pk}/dismiss/"
    assert log_in(manager).post(url, {"reason": "x"}).status_code == 403
    assert owner.post(url, {"reason": " "}).status_code == 422
    put_away = owner.post(f"{url}?model=b2b", {"reason": "We asked fewer people."})
    assert put_away["Location"] == "/scoring/criteria/?model=b2b"
    raise_alerts([DriftAlert(**alert, text="Again.")])
    assert standing_alerts() == []
    assert "Need moved" not in owner.get("/scoring/").content.decode()


def test_feedback_is_listed_filtered_and_answered(
    rep: User, manager: User, model_owner: User, lead: Lead
) -> None:
    give_feedback(lead, "budget", "too_high", by=rep, reason="Nobody has one.")
    give_feedback(lead, "need", "right", by=rep)
    owner = log_in(model_owner)
    html = owner.get("/scoring/feedback/").content.decode()
    assert "Nobody has one." in html
    assert html.count("/leads/") == 2
    narrowed = owner.get("/scoring/feedback/?signal=need&verdict=right").content.decode()
    assert "Nobody has one." not in narrowed
    assert owner.get("/scoring/feedback/?verdict=maybe").status_code == 400
    feedback = Feedback.objects.get(signal="budget")
    url = f"/scoring/feedback/{feedback.pk}/answer/"
    assert log_in(manager).post(url, {"answer": "No."}).status_code == 403
    assert owner.post(url, {"answer": ""}).status_code == 422
    assert owner.post(url, {"answer": "v2 will lower it."}).status_code == 302
    assert "v2 will lower it." in owner.get("/scoring/feedback/?state=answered").content.decode()
    Feedback.objects.filter(signal="need").update(signal="need_of_old", label="Need, of old")
    html = owner.get("/scoring/feedback/").content.decode()
    assert html.count("Need, of old") == 2  # in the counts and in the list, though it is gone
    assert "need_of_old" not in html
    assert log_in(rep).get("/scoring/feedback/").status_code == 403


def test_the_control_group_is_counted_as_chosen_beside_leads_worked_as_cold(
    rep: User, manager: User, model_owner: User
) -> None:
    owner = log_in(model_owner)
    assert owner.post("/scoring/control/", {"share": "x", "seed": "1"}).status_code == 422
    assert owner.post("/scoring/control/", {"share": "90", "seed": "1"}).status_code == 422
    assert log_in(manager).post("/scoring/control/", {"share": "5", "seed": "1"}).status_code == 403
    assert owner.post("/scoring/control/", {"share": "20", "seed": "1"}).status_code == 302
    leads = [factories.make_lead(owner=rep)]
    while sum(chosen(lead.pk, 1, 0.2) for lead in leads) < 3 or len(leads) < 10:
        leads.append(factories.make_lead(owner=rep))
    plan([lead.pk for lead in leads])
    members = set(ControlMember.objects.values_list("lead_id", flat=True))
    (open_one, *closing) = sorted(leads, key=lambda lead: lead.pk not in members)
    for lead in closing:
        Outcome.objects.create(lead=lead, round=1, result="lost", at=now())
        if lead.pk in members:  # reopened, and won: counted once
            soon = now() + dt.timedelta(seconds=1)
            Outcome.objects.create(lead=lead, round=2, result="won", at=soon)
    inside, outside = len(members) - 1, len(leads) - len(members)
    assert control_outcomes("b2b") == (inside, inside, 0, outside, len(members))
    while report_criteria():
        pass
    html = owner.get("/scoring/criteria/?model=b2b").content.decode()
    assert "20 % of cold leads, seed 1" in html
    assert "more of the group must close" in html
    page = log_in(rep).get(f"/leads/{open_one.pk}/").content.decode()
    assert "Control group: cold, and worked as warm." in page


def test_seconds_are_the_median_between_answers_without_pauses(rep: User, lead: Lead) -> None:
    framework = FrameworkVersion.objects.filter(state="live").first()
    assert framework is not None
    start = now() - dt.timedelta(hours=1)
    call = Call.objects.create(
        lead=lead,
        rep=rep,
        framework_version=framework,
        started_at=start,
        start_score=40,
        start_low=30,
        start_high=50,
    )
    after = 0
    for number, (dimension, seconds) in enumerate(
        [("budget", 20), ("budget", 30), ("need", 40), ("budget", 1_000), ("budget", 50)]
    ):
        after += seconds
        CallAnswer.objects.create(
            call=call,
            client_key=str(number),
            kind="answer",
            dimension=dimension,
            at=start + dt.timedelta(seconds=after),
            score_before=40,
            score=40,
            low=30,
            high=50,
        )
    assert seconds_by_dimension() == {"budget": (30.0, 3), "need": (40.0, 1)}


def test_agreement_of_two_people_stands_beside_the_line_and_names_what_divides_them(
    rep: User, manager: User, lead: Lead
) -> None:
    mate = factories.make_user(team=rep.team)
    for number in range(LEAST):
        # Budget is judged alike, need by chance; need is on the page as what divides people.
        alike = 100 * (number % 2)
        hold(lead, rep, mate, {"budget": (alike, alike), "need": (alike, 100 * (number % 4 // 2))})
    _close(factories.make_lead(owner=rep))
    while report_criteria():
        pass
    html = log_in(manager).get("/scoring/criteria/?model=b2b").content.decode()
    assert f'1.00<span class="sub-line">n {LEAST}</span>' in html
    assert "“Need” is judged differently by two people (agreement 0.00" in html
    assert "“Budget” is judged" not in html
