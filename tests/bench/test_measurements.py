import csv
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client, override_settings

from bench import bare, imports, rescores, ticks
from core.invariants import breaks
from followups.models import Followup
from intake.mapping import Known, parse_mapping
from leads.models import Identity, Lead
from scoring.live import live_config
from scoring.models import Standing
from scoring.rescoring import rescore
from tests.factories import make_lead, make_user
from world import cast
from world.services import build_world


def test_the_file_to_import_has_no_two_leads_alike(config: None, tmp_path: Path):
    file = tmp_path / "leads.csv"
    imports._write_file(file, 12_000)
    with file.open(encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == 12_000
    for column in ("Lead ID", "E-mail"):
        assert len({row[column] for row in rows}) == 12_000
    assert any(row["Need"] for row in rows)


def test_its_mapping_takes_every_column(config: None):
    known = Known({}, live_config().dimensions)
    assert parse_mapping(imports._mapping(), imports._HEADERS, known).ignored == ()


def test_the_plain_way_writes_each_row_once_however_often_it_runs(config: None):
    cast.hire()
    rows = list(imports._rows(5))
    for _ in range(2):
        imports._one_by_one(rows)
    assert Lead.objects.count() == 5
    assert Identity.objects.filter(kind="email").count() == 5


@pytest.mark.django_db(transaction=True)
def test_the_planner_plans_what_is_marked_until_it_is_told_and_nothing_is_left(config: None):
    leads = [make_lead(owner=make_user()) for _ in range(3)]
    marked = Standing.objects.filter(unplanned_at__isnull=False)
    assert marked.count() == len(leads)
    with imports._planner() as planner:
        assert float(planner.communicate("all is there\n")[0]) > 0
    assert not marked.exists()


def test_a_raised_base_moves_every_score_and_the_floor_rewrites_every_row(config: None):
    build_world(150, seed=1, closes=0.0, processes=1)
    before = dict(Standing.objects.values_list("lead_id", "score"))
    rescores._raise_base()
    places = rescores._place_of_rows()
    assert rescore(list(before)) == 150
    assert rescores._place_of_rows() != places
    after = dict(Standing.objects.values_list("lead_id", "score"))
    assert {after[lead] - score for lead, score in before.items()} == {1}
    assert list(breaks()) == []
    ranks = dict(Standing.objects.values_list("lead_id", "rank"))
    rescores._seconds_of(rescores._REWRITE.format(table="scoring_standing"))
    for lead, rank in Standing.objects.values_list("lead_id", "rank"):
        assert rank == pytest.approx(ranks[lead] + 0.01)


def test_pending_follow_ups_are_none_of_them_due_until_they_are_brought_due(lead: Lead):
    ticks._schedule(50)
    pending = Followup.objects.filter(title="Bench")
    assert pending.count() == 50
    assert ticks.hold_due() == 0
    ticks._bring_due()
    assert ticks.hold_due() == 50


def test_the_bare_view_dumps_the_rows_of_its_query(lead: Lead):
    bare.QUERY[:] = ["SELECT id, last_name FROM leads_lead"]
    with override_settings(ROOT_URLCONF="bench.bare", MIDDLEWARE=[]):
        answer = Client().get("/bare")
    assert answer.json() == [{"id": lead.pk, "last_name": lead.last_name}]


@pytest.mark.parametrize("argument", ["--leads=10", "--rows=0", "--rounds=0"])
def test_sizes_that_measure_nothing_are_refused(argument: str):
    with pytest.raises(CommandError, match="needs at least"):
        call_command("bench", argument, stdout=StringIO())
