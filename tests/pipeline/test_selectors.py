"""Every number of the pipeline is the length of the list that its link opens."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.clock import now
from leads.models import Lead
from pipeline import links, policies, selectors
from pipeline.selectors import COLUMNS, NO_TIER
from scoring.models import Standing
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def leads(rep: User, stranger: User) -> list[Lead]:
    """Leads over stages, tiers and teams: hot, cold, disqualified, closed, unowned, another's."""
    hot = factories.make_lead(owner=rep, stage="accepted")
    for dimension in ("budget", "authority", "need", "timing"):
        factories.make_evidence(hot, dimension, 100)
    factories.make_activity(hot, "hand_raised")
    cold = factories.make_lead(owner=rep)
    for dimension in ("budget", "authority", "need", "timing"):
        factories.make_evidence(cold, dimension, 0)
    company = {"name": "Uni", "employees": 300, "country": "DE", "industry": "manufacturing"}
    return [
        hot,
        cold,
        factories.make_lead(owner=rep, title="Student", company=company),
        factories.make_lead(owner=rep, stage="won"),
        factories.make_lead(owner=rep, stage="lost"),
        factories.make_lead(team=rep.team, stage="mql"),
        factories.make_lead(owner=rep, scored=False),
        factories.make_lead(owner=stranger, stage="sql"),
    ]


def _listed(client: Client, query: str) -> int:
    """Return how many leads the queue page says that it lists."""
    html = client.get(f"/?{query}").content.decode()
    found = re.search(r'id="queue-count">(\d+) lead', html)
    return int(found.group(1)) if found else 0


def _client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_every_number_equals_the_length_of_its_list(
    leads: list[Lead], manager: User, admin: User
) -> None:
    Standing.objects.filter(pk=leads[0].pk).update(sla_due_at=now(), next_due_at=now())
    for viewer in (manager, admin):
        client, pipeline = _client(viewer), selectors.read_pipeline(viewer)
        for row in pipeline.rows:
            assert _listed(client, links.of_stage(row.key, closed=row.closed)) == row.total.count
            if row.key not in ("new", "accepted", "won"):
                continue  # a list for each column of three stages says what the others would
            for cell, column in zip(row.cells, COLUMNS, strict=True):
                assert _listed(client, links.of_cell(row.key, column)) == cell.count
        for cell, column in zip(pipeline.open_cells, COLUMNS, strict=True):
            assert _listed(client, links.of_column(column)) == cell.count
        assert _listed(client, links.of_open()) == pipeline.open_total.count
        assert _listed(client, links.LEAKS["unowned"]) == pipeline.leaks.unowned == 1
        assert _listed(client, links.LEAKS["clocks"]) == pipeline.leaks.clocks == 1
        found = _listed(client, links.LEAKS["without_next_step"])
        assert found == pipeline.leaks.without_next_step > 0


def test_counts_cover_all_visible_leads_once(leads: list[Lead], manager: User, admin: User) -> None:
    for viewer in (manager, admin):
        pipeline = selectors.read_pipeline(viewer)
        total = sum(row.total.count for row in pipeline.rows)
        assert total == Lead.objects.visible_to(viewer).count()
    assert total == len(leads)


def test_tiers_and_states_fall_into_their_columns(leads: list[Lead], admin: User) -> None:
    cells = {
        (row.key, column): cell.count
        for row in selectors.read_pipeline(admin).rows
        for cell, column in zip(row.cells, COLUMNS, strict=True)
    }
    assert cells["accepted", "hot"] == 1
    assert cells["new", "cold"] == 1
    assert cells["new", NO_TIER] == 2  # the student and the one not scored yet


def test_expected_value_sums_open_leads_only(leads: list[Lead], admin: User) -> None:
    pipeline = selectors.read_pipeline(admin)
    expected = sum(Standing.objects.filter(is_open=True).values_list("expected_minor", flat=True))
    assert pipeline.open_total.expected_minor == expected > 0
    assert all(row.total.expected_minor == 0 for row in pipeline.closed_rows)


def test_the_read_costs_four_queries(leads: list[Lead], admin: User) -> None:
    with CaptureQueriesContext(connection) as queries:
        selectors.read_pipeline(admin)
    assert len(queries) == 4


def test_reps_are_refused_with_a_sentence(rep: User) -> None:
    decision = policies.can_read_pipeline(rep)
    assert not decision
    assert "managers" in decision.reason
