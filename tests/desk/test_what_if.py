"""The what-if page: a form that works by itself, and a fragment for scripts; nothing is stored."""

import json
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from leads.models import Activity, Lead
from scoring.models import Evidence, ModelVersion, ScoreChange, Standing
from tests import factories
from tests.desk.conftest import log_in

pytestmark = pytest.mark.django_db

URL = "/leads/{}/what-if/"


def test_the_page_shows_what_is_and_what_would_be(rep_client: Client, lead: Lead) -> None:
    factories.make_evidence(lead, "budget", 33)
    stored = [model.objects.count() for model in (Activity, Evidence, ScoreChange)]
    before = Standing.objects.values().get(pk=lead.pk)
    query = {"r.budget": "100", "r.need": "100", "e.hand_raised": "1", "f.employees": "90"}
    with CaptureQueriesContext(connection) as queries:
        response = rep_client.get(URL.format(lead.pk), query)
    html = response.content.decode()
    assert "nothing here is saved" in html
    assert "would become hot" in html
    assert '<option value="100" selected>strong (100)</option>' in html
    assert "Asked for contact or a demo" in html
    statements = [q["sql"].lstrip().split()[0].upper() for q in queries]
    assert set(statements) <= {"SELECT", "COPY"}
    assert len(statements) <= 11
    assert stored == [model.objects.count() for model in (Activity, Evidence, ScoreChange)]
    assert before == Standing.objects.values().get(pk=lead.pk)


@pytest.mark.parametrize("supposed", [{}, {"r.need": "67"}, {"e.hand_raised": "1", "days": "2"}])
def test_each_way_to_hot_leads_to_the_score_that_it_names(
    rep_client: Client, lead: Lead, supposed: dict[str, str]
) -> None:
    html = rep_client.get(URL.format(lead.pk), supposed).content.decode()
    ways = re.findall(r'href="(/leads/\d+/what-if/\?[^"]+)">→ (\d+)</a>', html)
    assert ways
    for address, score in ways:
        page = rep_client.get(address.replace("&amp;", "&")).content.decode()
        assert f'<div class="big-score"><b>{score}</b>' in page


def test_a_script_gets_the_result_alone_and_announces_the_crossing(
    rep_client: Client, lead: Lead
) -> None:
    response = rep_client.get(
        URL.format(lead.pk),
        {"e.hand_raised": "1", "r.need": "67", "f.employees": ""},
        headers={"HX-Request": "true"},
    )
    html = response.content.decode()
    assert "<html" not in html
    assert "Cold would become" in html
    news = json.loads(response["HX-Trigger-After-Settle"])["announce"]["value"]
    assert news.startswith("Score ")
    assert "Cold would become" in news


def test_what_is_no_control_or_no_value_is_refused(rep_client: Client, lead: Lead) -> None:
    assert rep_client.get(URL.format(lead.pk), {"r.luck": "1"}).status_code == 400
    assert rep_client.get(URL.format(lead.pk), {"version": "1"}).status_code == 400
    response = rep_client.get(URL.format(lead.pk), {"f.employees": "many", "days": "x"})
    assert response.status_code == 422
    assert "must be a number" in response.content.decode()


def test_only_who_writes_models_tries_other_versions(
    rep_client: Client, model_owner: User, lead: Lead
) -> None:
    live = ModelVersion.objects.get(key="b2b", state="live")
    draft = ModelVersion.objects.create(
        key="b2b",
        number=7,
        definition={**live.definition, "base": 20},
        icp=live.icp,
        framework=live.framework,
    )
    query = {"version": str(draft.pk)}
    assert rep_client.get(URL.format(lead.pk), query).status_code == 400
    html = log_in(model_owner).get(URL.format(lead.pk), query).content.decode()
    assert "from 38" in html
    assert "v7" in html
    # By a version the lead may come to another model, whose page links here.
    other = ModelVersion.objects.get(key="general", state="live")
    other = ModelVersion.objects.create(
        key="general",
        number=9,
        definition=other.definition,
        icp=other.icp,
        framework=live.framework,
    )
    query = {"version": str(other.pk)}
    assert "v9" in log_in(model_owner).get(URL.format(lead.pk), query).content.decode()
    for nonsense in ("9" * 30, "²", "-1"):
        answer = log_in(model_owner).get(URL.format(lead.pk), {"version": nonsense})
        assert answer.status_code == 400


def test_the_lead_page_says_in_words_what_would_lift_and_drop_it(
    rep_client: Client, lead: Lead
) -> None:
    factories.make_activity(lead, "hand_raised")
    for dimension in ("budget", "need", "authority"):
        factories.make_evidence(lead, dimension, 100)
    html = rep_client.get(f"/leads/{lead.pk}/").content.decode()
    assert Standing.objects.get(pk=lead.pk).tier == "hot"
    assert "What would drop it" in html
    assert "Authority turning out ruled out" in html
    assert 'data-key="w"' in html
