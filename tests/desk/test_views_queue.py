"""The queue page: what it shows to whom, its filters, its empty states and its cost."""

import datetime as dt

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.clock import now
from leads.models import Lead
from scoring.models import Standing
from scoring.rescoring import rescore
from tests import factories
from tests.desk.conftest import log_in

pytestmark = pytest.mark.django_db

MOST_QUERIES = 12


def _html(client: Client, path: str = "/") -> str:
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def test_a_row_shows_who_how_hot_how_certain_and_why(rep_client: Client, rep: User) -> None:
    company = {"name": "Kuroda GmbH", "employees": 300, "country": "DE"}
    lead = factories.make_lead(
        owner=rep, first_name="Haruka", last_name="Ito", title="CEO", company=company
    )
    factories.make_evidence(lead, "budget", 100)
    html = _html(rep_client)
    standing = Standing.objects.get(pk=lead.pk)
    assert "Haruka Ito" in html
    assert "Kuroda GmbH · CEO" in html
    assert f"<b>{standing.score}</b>" in html
    assert f"{standing.low}–{standing.high}" in html
    assert "Budget: strong" in html
    assert "Unknown: " in html
    assert f'href="/leads/{lead.pk}/"' in html


def test_names_are_escaped(rep_client: Client, rep: User) -> None:
    factories.make_lead(owner=rep, first_name="<script>alert(1)</script>", last_name="'\"&")
    html = _html(rep_client)
    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("count", [1, 50, 200])
def test_the_page_costs_at_most_twelve_queries_whatever_the_rows(
    rep_client: Client, rep: User, count: int
) -> None:
    leads = Lead.objects.bulk_create(
        Lead(first_name=f"N{n}", owner=rep, team=rep.team) for n in range(count)
    )
    rescore([lead.pk for lead in leads])
    _html(rep_client)
    with CaptureQueriesContext(connection) as queries:
        _html(rep_client)
    assert len(queries) <= MOST_QUERIES


def test_filters_narrow_the_list_and_show_as_pills_that_go_away(
    rep_client: Client, rep: User
) -> None:
    hot = factories.make_lead(owner=rep, first_name="Hot")
    for dimension in ("budget", "authority", "need", "timing"):
        factories.make_evidence(hot, dimension, 100)
    factories.make_activity(hot, "hand_raised")
    factories.make_lead(owner=rep, first_name="Other")
    html = _html(rep_client, "/?tier=hot")
    assert "Hot Number" in html
    assert "Other Number" not in html
    assert "<span>Tier: Hot</span>" in html
    assert "Other Number" in _html(rep_client, "/?scope=mine")


def test_search_finds_by_name_mail_and_company(rep_client: Client, rep: User) -> None:
    factories.make_lead(owner=rep, first_name="Haruka", company={"name": "Kuroda Works"})
    factories.make_lead(owner=rep, first_name="Ben")
    for word in ("haruk", "KURODA", "haruka kuroda"):
        html = _html(rep_client, f"/?q={word}")
        assert "Haruka" in html
        assert "Ben Number" not in html


@pytest.mark.parametrize(
    "query",
    [
        "?nme=x",
        "?tier=lukewarm",
        "?scope=everything",
        "?after=abc",
        "?q=ab",
        "?owner=%00",
        "?scope=mine&scope=team",
        "?q=" + "+".join(["word"] * 2000),
    ],
)
def test_a_query_string_that_makes_no_sense_is_a_400_that_says_why(
    rep_client: Client, query: str
) -> None:
    response = rep_client.get("/" + query)
    assert response.status_code == 400
    assert "Bad query parameter" in response.content.decode()


def test_an_empty_form_field_is_no_filter(rep_client: Client, lead: Lead) -> None:
    assert lead.name in _html(rep_client, "/?scope=mine&q=&owner=&source=")


def test_a_script_gets_the_list_alone(rep_client: Client, lead: Lead) -> None:
    response = rep_client.get("/", headers={"HX-Request": "true"})
    html = response.content.decode()
    assert lead.name in html
    assert "<html" not in html


def test_no_leads_at_all_offers_the_import(rep_client: Client) -> None:
    assert "No leads yet" in _html(rep_client)


def test_a_clear_queue_points_to_unowned_leads(rep_client: Client, rep: User) -> None:
    factories.make_lead(team=rep.team)
    html = _html(rep_client)
    assert "Queue clear" in html
    assert "1 in your team belongs to nobody" in html
    assert 'href="?scope=unowned"' in html


def test_filters_that_match_nothing_name_the_one_that_removes_most(
    rep_client: Client, rep: User
) -> None:
    for name in ("Ada", "Ada", "Bob"):
        factories.make_lead(owner=rep, first_name=name)
    html = _html(rep_client, "/?q=Bob&stage=sql")
    assert "Nothing matches these filters" in html
    without_stage, without_search = html.index("leaves 1"), html.index("leaves 0")
    assert without_stage < without_search


def test_clocks_stand_above_with_the_time_left(rep_client: Client, lead: Lead) -> None:
    due = now() + dt.timedelta(minutes=12)
    Standing.objects.filter(pk=lead.pk).update(sla_due_at=due)
    html = _html(rep_client)
    assert "Clock running (1)" in html
    assert "in 11 min" in html or "in 12 min" in html
    Standing.objects.filter(pk=lead.pk).update(sla_due_at=now() - dt.timedelta(minutes=9))
    assert "9 min overdue" in _html(rep_client)


def test_a_rep_claims_an_unowned_lead_from_the_queue(rep_client: Client, rep: User) -> None:
    free = factories.make_lead(team=rep.team)
    html = _html(rep_client, "/?scope=unowned")
    assert f'action="/leads/{free.pk}/owner/"' in html
    response = rep_client.post(
        f"/leads/{free.pk}/owner/", {"owner": "me", "next": "/?scope=unowned"}
    )
    assert response.status_code == 302
    assert response["Location"] == "/?scope=unowned"
    free.refresh_from_db()
    assert free.owner == rep


def test_nobody_claims_what_policy_refuses(model_owner: User, stranger: User, rep: User) -> None:
    free = factories.make_lead(team=rep.team)
    html = _html(log_in(model_owner), "/?scope=unowned")
    assert free.name in html
    assert ">Claim</button>" not in html
    assert free.name not in _html(log_in(stranger), "/?scope=all")


def test_without_a_log_in_the_queue_sends_to_it_and_back(db: None) -> None:
    response = Client().get("/?tier=hot")
    assert response.status_code == 302
    assert response["Location"] == "/accounts/login/?next=/%3Ftier%3Dhot"


def test_the_queue_works_while_no_score_model_is_live(db: None) -> None:
    user = factories.make_user()
    client = log_in(user)
    assert client.get("/").status_code == 200
