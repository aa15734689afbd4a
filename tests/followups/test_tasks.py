"""The sweeps are registered, run by beat, and are safe to run twice or with nothing to do."""

import pytest
from django.db import connection

from core.sweeps import beat_schedule, run_sweep, sweep_names
from leads.models import Lead

SWEEPS = ("followups.plan", "followups.release")


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_is_registered_for_the_fast_worker(name):
    assert name in sweep_names()
    assert beat_schedule()[name]["options"]["queue"] == "fast"


@pytest.mark.django_db
@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_with_nothing_to_do_does_nothing(name, lead):
    run_sweep(name)
    assert run_sweep(name) == 0


@pytest.mark.django_db
def test_a_tick_of_planning_reads_the_index_of_marks_only(rep, config):
    Lead.objects.bulk_create(Lead(first_name=str(i), owner=rep) for i in range(1_000))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE scoring_standing SET unplanned_at = NULL, stale_at = NULL")
        cursor.execute("ANALYZE scoring_standing")
        cursor.execute(
            "EXPLAIN (ANALYZE, FORMAT JSON) SELECT lead_id FROM scoring_standing "
            "WHERE unplanned_at IS NOT NULL ORDER BY tier, lead_id LIMIT 20000"
        )
        text = str(cursor.fetchone()[0])
    assert "standing_unplanned" in text
    assert "Seq Scan" not in text
