"""The lead page and what people do on it, with and without scripts."""

import datetime as dt
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from accounts.models import User
from calls.services import start_call
from core.clock import now
from core.versioning import version_with
from desk.forms import FactsForm
from leads.models import Activity, CustomField, Lead, Outcome
from leads.services import LeadInput, add_note, change_lead
from scoring.feedback import answer_feedback
from scoring.models import Evidence, Feedback, ModelVersion, Standing
from scoring.publishing import publish_model
from scoring.selectors import explain, next_questions
from tests import factories
from tests.desk.conftest import log_in

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


def _get(client: Client, lead: Lead, query: str = "") -> str:
    response = client.get(f"/leads/{lead.pk}/{query}")
    assert response.status_code == 200
    return response.content.decode()


def _post(client: Client, lead: Lead, action: str, *, script: bool = False, **data: Any) -> Any:
    headers = HTMX if script else {}
    return client.post(f"/leads/{lead.pk}/{action}/", data, headers=headers)


def _facts(lead: Lead, **changed: Any) -> dict[str, Any]:
    """Return the facts form as the browser would send it with some fields changed."""
    form = FactsForm(lead=lead, custom_fields=list(CustomField.objects.all()))
    data: dict[str, Any] = {}
    for field in form:
        value = field.field.prepare_value(field.initial)
        data[field.html_name] = "" if value is None else value
        if field.field.show_hidden_initial:
            data[field.html_initial_name] = data[field.html_name]
    return data | changed


# --- who may see and do -------------------------------------------------------------------------


def test_missing_and_invisible_leads_are_the_same_404(stranger: User, lead: Lead) -> None:
    client = log_in(stranger)
    theirs, missing = client.get(f"/leads/{lead.pk}/"), client.get("/leads/999999999999/")
    assert theirs.status_code == missing.status_code == 404
    assert _without_id(theirs) == _without_id(missing)
    for action in "change note move outcome owner evidence tier".split():
        assert _post(client, lead, action, note="x").status_code == 404


def _without_id(response: Any) -> str:
    return re.sub(r'"X-CSRFToken": "[^"]+"|value="[A-Za-z0-9]{64}"', "", response.content.decode())


def test_lines_for_other_values_of_a_field_stand_together(rep: User, config: None) -> None:
    live = ModelVersion.objects.select_related("icp", "framework").get(key="b2b", state="live")
    bands = next(a for a in live.icp.definition["attributes"] if a["key"] == "industry")["bands"]
    lines = [
        {
            "key": f"industry-{band['key']}",
            "label": f"Industry: {band['label']}",
            "attribute": "industry",
            "points": 9 - 12 * (index > 0),
            "values": {other["key"]: int(other is band) for other in bands},
        }
        for index, band in enumerate(bands)
    ]
    rest = [s for s in live.definition["signals"] if s.get("attribute") != "industry"]
    groups = {**live.definition["groups"], "fit": {"cap": 40, "floor": -10}}
    content = {**live.definition, "signals": [*lines, *rest], "groups": groups}
    pins = {"icp": live.icp, "framework": live.framework}
    version, _ = version_with(ModelVersion, "b2b", content, by=None, pins=pins)
    publish_model(version, by=None)
    company = {"name": "Works", "employees": 300, "country": "DE"}
    core = factories.make_lead(owner=rep, company={**company, "industry": "Software"})
    near = factories.make_lead(owner=rep, company={**company, "industry": "Machinery"})
    client = log_in(rep)
    html = _get(client, core)
    assert "3 lines that do not hold" in html  # the other industries, and the free mail provider
    assert f"For it: company size ({bands_label(live)}), industry: {bands[0]['label']}" in html
    assert "Against it: industry" not in html
    assert f"Against it: industry: {bands[1]['label']}." in _get(client, near)


def bands_label(live: ModelVersion) -> str:
    size = next(a for a in live.icp.definition["attributes"] if a["key"] == "company_size")
    label = str(size["bands"][0]["label"])
    return label[:1].lower() + label[1:]


def test_a_colleague_reads_and_is_told_why_they_cannot_write(rep: User, lead: Lead) -> None:
    colleague = log_in(factories.make_user(team=rep.team))
    html = _get(colleague, lead)
    assert "This lead belongs to a colleague." in html
    for form in ("note-form", "facts-form", "override-form", "evidence-budget"):
        assert f'id="{form}"' not in html
    response = _post(colleague, lead, "note", note="hello")
    assert response.status_code == 403
    assert "This lead belongs to a colleague." in response.content.decode()
    assert not Activity.objects.filter(lead=lead, kind="note").exists()


def test_a_model_owner_reads_all_and_changes_none(model_owner: User, lead: Lead) -> None:
    client = log_in(model_owner)
    assert "Model owners read leads" in _get(client, lead)
    assert _post(client, lead, "evidence", dimension="budget", answer="r:100").status_code == 403


def test_writes_by_get_are_refused(rep_client: Client, lead: Lead) -> None:
    for action in "change note move outcome owner evidence tier".split():
        assert rep_client.get(f"/leads/{lead.pk}/{action}/").status_code == 405


# --- the score panel ----------------------------------------------------------------------------


def test_the_ledger_shows_every_line_and_sums_to_the_score(rep_client: Client, lead: Lead) -> None:
    factories.make_evidence(lead, "budget", 67, quote="approved this quarter", author=lead.owner)
    explanation = explain([lead.pk])[lead.pk]
    assert sum(line.tenths for line in explanation.lines) == explanation.score * 10
    html = _get(rep_client, lead)
    for line in explanation.lines:
        assert line.label.lower().replace("'", "&#x27;") in html.lower()
    assert "“approved this quarter” Call · " in html
    assert "unknown, counted as average" in html
    assert f"v{explanation.model_number}" in html


def test_a_stale_standing_says_that_it_is_being_rescored(rep_client: Client, lead: Lead) -> None:
    assert "being rescored" not in _get(rep_client, lead)
    Standing.objects.filter(pk=lead.pk).update(stale_at=now())
    assert "being rescored" in _get(rep_client, lead)


def test_a_gate_that_holds_the_tier_is_named(rep_client: Client, lead: Lead) -> None:
    for dimension in ("budget", "need", "timing"):
        factories.make_evidence(lead, dimension, 100)
    factories.make_activity(lead, "hand_raised")
    factories.make_evidence(lead, "authority", 0)
    standing = Standing.objects.get(pk=lead.pk)
    assert standing.score >= 60
    assert standing.tier == "warm"
    assert "Held at warm: Authority is known to be below" in _get(rep_client, lead)


def test_an_answer_of_the_script_moves_the_score_at_once(rep_client: Client, lead: Lead) -> None:
    before = Standing.objects.get(pk=lead.pk)
    response = _post(
        rep_client,
        lead,
        "evidence",
        script=True,
        dimension="budget",
        answer="q:budget_funding:set_aside",
        quote="40k from the IT budget",
    )
    assert response.status_code == 200
    html = response.content.decode()
    after = Standing.objects.get(pk=lead.pk)
    evidence = Evidence.objects.get(lead=lead)
    assert (evidence.rating, evidence.question, evidence.answer) == (
        100,
        "budget_funding",
        "set_aside",
    )
    assert after.score > before.score
    assert f"Score {before.score} → {after.score} (+{after.score - before.score})" in html
    assert "40k from the IT budget" in html
    assert "<html" not in html


def test_the_best_next_question_is_answered_here_or_in_a_call(
    rep_client: Client, lead: Lead
) -> None:
    best = next_questions(lead).questions[0]
    html = _get(rep_client, lead)
    card = html[html.index('id="ask-next"') : html.index('id="answers"')]
    assert escape(best.text) in card
    assert escape(best.reason) in card
    assert f'value="q:{best.key}:{best.answers[0].key}"' in card
    chosen = {"dimension": best.dimension, "answer": f"q:{best.key}:{best.answers[0].key}"}
    after = _post(rep_client, lead, "evidence", script=True, **chosen).content.decode()
    card = after[after.index('id="ask-next"') : after.index('id="answers"')]
    assert escape(best.text) not in card
    following = next_questions(lead).questions[0].key
    started = rep_client.post(f"/leads/{lead.pk}/call/", {"q": following})
    assert started["Location"].endswith(f"/?q={following}")
    page = rep_client.get(started["Location"]).content.decode()
    shown = re.search(r'data-question="([^"]+)"[^>]*aria-labelledby="[^"]+">', page)
    assert shown is not None
    assert shown[1] == following


def test_without_scripts_an_answer_redirects_and_tells_the_effect(
    rep_client: Client, lead: Lead
) -> None:
    response = _post(rep_client, lead, "evidence", dimension="need", answer="r:0")
    assert response.status_code == 302
    assert response["Location"] == f"/leads/{lead.pk}/"
    assert "Need: answer saved. Score " in _get(rep_client, lead)


def test_asked_not_known_is_kept_and_is_no_evidence(rep_client: Client, lead: Lead) -> None:
    _post(rep_client, lead, "evidence", dimension="timing", answer="r:unknown")
    assert not Evidence.objects.filter(lead=lead).exists()
    assert "Timing: asked, not known" in _get(rep_client, lead)


@pytest.mark.parametrize(
    "data",
    [
        {"dimension": "budget"},
        {"dimension": "budget", "answer": "r:55"},
        {"dimension": "budget", "answer": "q:budget_funding:invented"},
        {"dimension": "luck", "answer": "r:67"},
        {"dimension": "budget", "answer": "r:67", "source": "dream"},
        {"dimension": "budget", "answer": "r:67", "quote": "x" * 20_001},
    ],
)
def test_answers_that_are_not_offered_are_refused_beside_the_form(
    rep_client: Client, lead: Lead, data: dict[str, str]
) -> None:
    response = _post(rep_client, lead, "evidence", script=True, **data)
    assert response.status_code == 422
    assert not Evidence.objects.filter(lead=lead).exists()


def test_adding_an_answer_costs_a_bounded_number_of_queries(
    rep_client: Client, rep: User, lead: Lead
) -> None:
    _post(rep_client, lead, "evidence", dimension="budget", answer="r:33")
    with CaptureQueriesContext(connection) as queries:
        _post(rep_client, lead, "evidence", dimension="budget", answer="r:67")
    few = len(queries)
    for number in range(20):
        add_note(lead, f"note {number}", by=rep)
    with CaptureQueriesContext(connection) as queries:
        _post(rep_client, lead, "evidence", dimension="budget", answer="r:100")
    assert len(queries) <= few


def test_the_tier_is_set_by_hand_with_a_reason_and_an_end(rep_client: Client, lead: Lead) -> None:
    until = (now() + dt.timedelta(days=10)).date().isoformat()
    assert _post(rep_client, lead, "tier", tier="hot", until=until).status_code == 422
    assert _post(rep_client, lead, "tier", tier="hot", reason="x").status_code == 422
    far = (now() + dt.timedelta(days=400)).date().isoformat()
    assert _post(rep_client, lead, "tier", tier="hot", reason="x", until=far).status_code == 422
    _post(rep_client, lead, "tier", tier="hot", reason="The CEO called me", until=until)
    html = _get(rep_client, lead)
    assert Standing.objects.get(pk=lead.pk).tier == "hot"
    assert "The CEO called me" in html
    assert "Set by hand by" in html
    _post(rep_client, lead, "tier", tier="")
    assert Standing.objects.get(pk=lead.pk).override_tier == ""


# --- facts --------------------------------------------------------------------------------------


def test_only_changed_facts_are_written(rep_client: Client, lead: Lead) -> None:
    data = _facts(lead, title="Head of IT", company_name="Kuroda", value="12500.50")
    assert rep_client.post(f"/leads/{lead.pk}/change/", data).status_code == 302
    lead.refresh_from_db()
    assert (lead.title, lead.value_minor, lead.version) == ("Head of IT", 1_250_050, 2)
    assert lead.company is not None
    assert lead.company.name == "Kuroda"
    changes = Activity.objects.get(lead=lead, kind="changed").data["changes"]
    assert set(changes) == {"title", "seniority", "value_minor", "company"}


def test_a_form_without_changes_writes_nothing(rep_client: Client, lead: Lead) -> None:
    assert rep_client.post(f"/leads/{lead.pk}/change/", _facts(lead)).status_code == 302
    lead.refresh_from_db()
    assert lead.version == 1
    assert not Activity.objects.filter(lead=lead, kind="changed").exists()


def test_changes_of_different_fields_by_two_people_both_stand(
    rep_client: Client, rep: User, lead: Lead
) -> None:
    data = _facts(lead, title="CTO")
    change_lead(lead, LeadInput(phone="+4930123456"), by=rep)
    assert rep_client.post(f"/leads/{lead.pk}/change/", data).status_code == 302
    lead.refresh_from_db()
    assert (lead.title, lead.phone) == ("CTO", "+4930123456")


def test_a_conflict_shows_both_values_and_the_second_save_replaces(
    rep_client: Client, rep: User, lead: Lead
) -> None:
    data = _facts(lead, title="CTO")
    change_lead(lead, LeadInput(title="CIO", phone="+4930123456"), by=rep)
    response = rep_client.post(f"/leads/{lead.pk}/change/", data, headers=HTMX)
    assert response.status_code == 412
    html = response.content.decode()
    assert "Somebody else changed this lead meanwhile." in html
    assert "Meanwhile set to <strong>CIO</strong>" in html
    assert 'value="CTO"' in html
    lead.refresh_from_db()
    assert lead.title == "CIO"
    again = _facts(lead, title="CTO")
    assert rep_client.post(f"/leads/{lead.pk}/change/", again).status_code == 302
    lead.refresh_from_db()
    assert (lead.title, lead.phone) == ("CTO", "+4930123456")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("email", "not an address", "Is not an e-mail address."),
        ("phone", "12", "Is not a phone number."),
        ("company_domain", "no domain at all", "Is not a domain."),
        ("value", "NaN", "Enter a number."),
        ("value", "1e400", "value"),
        ("country", "Germany", "valid value"),
        ("first_name", "x" * 101, "at most 100"),
        ("version", "", "This form has lost its version"),
    ],
)
def test_a_wrong_fact_is_shown_beside_its_field(
    rep_client: Client, lead: Lead, field: str, value: str, words: str
) -> None:
    data = _facts(lead, **{field: value, "company_name": "Kuroda"})
    response = rep_client.post(f"/leads/{lead.pk}/change/", data)
    assert response.status_code == 422
    assert words.lower() in response.content.decode().lower()
    lead.refresh_from_db()
    assert lead.version == 1


def test_an_address_of_another_lead_is_a_conflict_that_names_it_only_to_those_who_see_it(
    rep_client: Client, rep: User, stranger: User, lead: Lead
) -> None:
    known = factories.make_lead(owner=rep)
    foreign = factories.make_lead(owner=stranger)
    response = rep_client.post(f"/leads/{lead.pk}/change/", _facts(lead, email=known.email))
    assert response.status_code == 409
    assert f"Belongs to lead {known.pk}." in response.content.decode()
    response = rep_client.post(f"/leads/{lead.pk}/change/", _facts(lead, email=foreign.email))
    assert response.status_code == 409
    assert f"lead {foreign.pk}" not in response.content.decode()


def test_custom_fields_are_edited_by_type(rep_client: Client, lead: Lead) -> None:
    CustomField.objects.create(key="seats", label="Seats", type="number")
    CustomField.objects.create(key="trial", label="Trial", type="bool")
    CustomField.objects.create(key="plan", label="Plan", type="choice", choices=["S", "M"])
    data = _facts(lead, custom_seats="40", custom_trial="true", custom_plan="M")
    assert rep_client.post(f"/leads/{lead.pk}/change/", data).status_code == 302
    lead.refresh_from_db()
    assert lead.custom == {"seats": 40, "trial": True, "plan": "M"}
    html = _get(rep_client, lead)
    assert "<dt>Trial</dt><dd>yes</dd>" in html
    bad = _facts(lead, custom_plan="XXL")
    assert rep_client.post(f"/leads/{lead.pk}/change/", bad).status_code == 422


# --- timeline -----------------------------------------------------------------------------------


def test_the_timeline_says_what_happened_and_what_it_did_to_the_score(
    rep_client: Client, lead: Lead
) -> None:
    _post(rep_client, lead, "note", note="Wants EU hosting.")
    _post(rep_client, lead, "evidence", dimension="budget", answer="r:100")
    html = _get(rep_client, lead)
    assert "Wants EU hosting." in html
    assert "Budget: strong" in html
    assert "▲" in html


def test_the_timeline_filters_and_pages(rep_client: Client, lead: Lead) -> None:
    for number in range(30):
        _post(rep_client, lead, "note", note=f"note number {number:02}")
    factories.make_activity(lead, "call_connected")
    first = _get(rep_client, lead, "?show=notes")
    assert "note number 29" in first
    assert "note number 00" not in first
    assert "Call connected</span>" not in first.split('id="timeline"')[1]
    older = first.split("&older=")[1].split('"')[0]
    second = _get(rep_client, lead, f"?show=notes&older={older}")
    assert "note number 00" in second
    assert "note number 29" not in second
    for query in ("?show=gossip", "?show=notes&older=abc", f"?show=contact&older={older}"):
        assert rep_client.get(f"/leads/{lead.pk}/{query}").status_code == 400


def test_an_empty_or_endless_note_is_refused(rep_client: Client, lead: Lead) -> None:
    for text in ("", "   ", "x" * 20_001):
        assert _post(rep_client, lead, "note", note=text, script=True).status_code == 422
    assert not Activity.objects.filter(lead=lead, kind="note").exists()


def test_texts_of_leads_and_people_are_escaped(rep_client: Client, lead: Lead) -> None:
    _post(rep_client, lead, "note", note="<img src=x onerror=alert(1)>")
    factories.make_activity(lead, "page_viewed", data={"page": "<b>/pricing</b>"})
    html = _get(rep_client, lead)
    assert "<img src=x" not in html
    assert "<b>/pricing" not in html


def test_the_page_costs_the_same_for_a_long_history(rep_client: Client, lead: Lead) -> None:
    _get(rep_client, lead)
    with CaptureQueriesContext(connection) as queries:
        _get(rep_client, lead)
    few = len(queries)
    for number in range(60):
        factories.make_activity(lead, "page_viewed", data={"page": f"/{number}"})
    factories.make_evidence(lead, "budget", 67)
    with CaptureQueriesContext(connection) as queries:
        _get(rep_client, lead)
    assert len(queries) <= few + 1


# --- stage, outcome, owner ----------------------------------------------------------------------


def test_moves_forward_are_buttons_and_back_needs_a_reason(rep_client: Client, lead: Lead) -> None:
    assert _post(rep_client, lead, "move", target="accepted").status_code == 302
    lead.refresh_from_db()
    assert lead.stage == "accepted"
    response = _post(rep_client, lead, "move", target="mql", script=True)
    assert response.status_code == 422
    assert "Going back needs a reason." in response.content.decode()
    assert _post(rep_client, lead, "move", target="mql", reason="too early").status_code == 302
    lead.refresh_from_db()
    assert lead.stage == "mql"
    assert "too early" in _get(rep_client, lead)


def test_a_move_that_a_gate_forbids_is_shown_disabled_with_its_reason(
    rep_client: Client, rep: User
) -> None:
    lead = factories.make_lead(owner=rep, stage="accepted")
    html = _get(rep_client, lead)
    assert "A required criterion is not met yet." in html
    assert 'id="move-sql"' not in html
    assert _post(rep_client, lead, "move", target="sql").status_code == 403
    for dimension in ("authority", "need", "budget", "timing"):
        factories.make_evidence(lead, dimension, 100)
    assert 'id="move-sql"' in _get(rep_client, lead)
    assert _post(rep_client, lead, "move", target="sql").status_code == 302


@pytest.mark.parametrize("target", ["moon", "", "won"])
def test_moves_that_are_none_are_refused(rep_client: Client, lead: Lead, target: str) -> None:
    assert _post(rep_client, lead, "move", target=target).status_code in (403, 422)
    lead.refresh_from_db()
    assert lead.stage == "new"


def test_outcomes_close_the_lead_and_lost_needs_a_reason(rep_client: Client, lead: Lead) -> None:
    response = _post(rep_client, lead, "outcome", result="lost", script=True)
    assert response.status_code == 422
    assert "Say why it was lost." in response.content.decode()
    assert _post(rep_client, lead, "outcome", result="won", value="1200").status_code == 302
    outcome = Outcome.objects.get(lead=lead)
    assert (outcome.result, outcome.value_minor) == ("won", 120_000)
    html = _get(rep_client, lead)
    assert "€1,200" in html
    assert "The lead is closed." in html
    assert _post(rep_client, lead, "outcome", result="won").status_code == 403


def test_a_manager_assigns_within_the_team_and_a_rep_does_not(
    rep_client: Client, manager_client: Client, rep: User, stranger: User, lead: Lead
) -> None:
    colleague = factories.make_user(team=rep.team)
    assert _post(rep_client, lead, "owner", owner=colleague.pk).status_code == 403
    assert _post(manager_client, lead, "owner", owner=stranger.pk).status_code == 422
    assert _post(manager_client, lead, "owner", owner="abc").status_code == 422
    assert _post(manager_client, lead, "owner", owner=colleague.pk).status_code == 302
    lead.refresh_from_db()
    assert lead.owner == colleague
    assert f"Owner: {rep.name} → {colleague.name}" in _get(manager_client, lead)


def test_a_next_page_of_a_foreign_host_is_not_followed(rep_client: Client, rep: User) -> None:
    free = factories.make_lead(team=rep.team)
    response = _post(rep_client, free, "owner", owner="me", next="https://evil.example/")
    assert response["Location"] == f"/leads/{free.pk}/"


# --- feedback ------------------------------------------------------------------------------------


def test_feedback_is_given_seen_and_answered_on_the_page(
    rep_client: Client, model_owner: User, lead: Lead
) -> None:
    assert 'data-choose="company_size"' in _get(rep_client, lead)
    response = _post(rep_client, lead, "feedback", signal="company_size", verdict="wrong_data")
    assert response.status_code == 422
    assert "so it can be mended" in response.content.decode()
    given = {"signal": "company_size", "verdict": "too_high", "reason": "They never buy."}
    response = _post(rep_client, lead, "feedback", script=True, **given)
    assert "you: too high" in response.content.decode()
    (feedback,) = Feedback.objects.all()
    answer_feedback(feedback.pk, "Looked at in March.", by=model_owner)
    for page in (f"/leads/{lead.pk}/", "/today/"):
        assert "Looked at in March." in rep_client.get(page).content.decode()
    seen = rep_client.post(f"/feedback/{feedback.pk}/seen/", {"next": "/today/"})
    assert seen["Location"] == "/today/"
    assert "Looked at in March." not in _get(rep_client, lead)


# --- consent ------------------------------------------------------------------------------------


def test_a_refusal_is_noted_and_the_lead_is_not_offered_for_dialling(
    rep_client: Client, lead: Lead
) -> None:
    assert 'id="not-to-contact"' not in _get(rep_client, lead)
    missing = _post(rep_client, lead, "consents", script=True, channel="call", state="granted")
    assert missing.status_code == 422
    assert "Say what the lead agreed to, and how." in missing.content.decode()
    said = "<b>No</b> more calls"
    done = _post(rep_client, lead, "consents", channel="call", state="withdrawn", wording=said)
    assert done.status_code == 302
    page = _get(rep_client, lead)
    for shown in ("Do not call.", "They are calling", "&lt;b&gt;No&lt;/b&gt; more calls"):
        assert shown in page
    assert said not in page


def test_a_call_that_goes_on_is_gone_on_with(
    rep_client: Client, manager: User, rep: User, lead: Lead
) -> None:
    call, _ = start_call(lead, by=rep)
    assert f'href="/calls/{call.pk}/" data-key="c"' in _get(rep_client, lead)
    theirs = _get(log_in(manager), lead)
    assert f"Go on with the call of {rep}" in " ".join(theirs.split())
