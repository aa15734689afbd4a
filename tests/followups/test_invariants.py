"""The oracle finds each break that it is there for."""

import datetime as dt

import pytest
from django.db import connection

from core.invariants import breaks, names
from core.sweeps import run_sweep
from followups import planning
from followups.models import Followup, Run
from leads.activities import Kind
from leads.models import Activity, Lead
from leads.services import ConsentInput, record_consent
from scoring.models import Standing
from tests.followups.conftest import TUESDAY, runs_of, standing

pytestmark = pytest.mark.django_db
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def lead(put) -> Lead:
    """A planned hot lead."""
    made = put("hot")
    run_sweep(planning.SWEEP)
    return made


def found() -> set[str]:
    return {name.removeprefix("followups.") for name, _ in breaks() if "followups." in name}


def test_sound_data_has_no_break(lead):
    assert found() == set()
    assert sum(name.startswith("followups.") for name in names()) == 10


def test_a_call_to_a_lead_that_refused_it_is_found(lead, rep):
    record_consent(lead, ConsentInput("call", "withdrawn"), by=rep)
    assert found() == {"nobody_is_told_to_dial_who_refused"}
    planning.plan([lead.pk])
    assert found() == set()


def test_a_second_open_run_is_found(lead):
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX run_one_open")
    Run.objects.create(lead=lead, play_version=runs_of(lead)[0].play_version, started_by="tier")
    assert "one_open_run" in found()


@pytest.mark.parametrize("change", [{"stage": "lost"}, {"state": "disqualified"}])
def test_a_run_on_a_lead_that_is_over_is_found(lead, change):
    Standing.objects.filter(pk=lead.pk).update(**change)
    assert "no_run_after_the_end" in found()


@pytest.mark.parametrize("kind", [Kind.EMAIL_REPLIED, Kind.HAND_RAISED])
def test_a_run_that_outlived_its_exit_is_found(lead, clock_at, kind):
    clock_at(TUESDAY + HOUR)
    Activity.objects.create(lead=lead, kind=kind)
    Run.objects.filter(lead=lead).update(ended_at=None, end_reason="")
    assert found() == set()  # marked, so planning will see to it
    Standing.objects.filter(pk=lead.pk).update(unplanned_at=None)
    assert "no_run_after_an_exit" in found()


def test_a_lead_without_a_next_step_or_reason_is_found(lead):
    Standing.objects.filter(pk=lead.pk).update(next_step="")
    assert found() == {"open_leads_have_a_next_step"}


def test_a_standing_that_shows_another_step_is_found(lead):
    Followup.objects.create(lead=lead, kind="task", title="x", due_at=TUESDAY - HOUR)
    assert found() == {"standings_show_the_next_step"}
    assert standing(lead).next_due_at == TUESDAY


def test_a_second_step_of_a_run_is_found(lead):
    Followup.objects.create(
        lead=lead, run=runs_of(lead)[0], step=1, kind="task", title="x", due_at=TUESDAY + HOUR
    )
    assert found() == {"one_step_at_a_time"}


def test_a_step_of_an_ended_run_is_found(lead):
    Run.objects.filter(lead=lead).update(ended_at=TUESDAY, end_reason="tier")
    assert "one_step_at_a_time" in found()


def test_a_clock_without_a_run_is_found(lead):
    Run.objects.filter(lead=lead).update(ended_at=TUESDAY, end_reason="tier")
    assert "clocks_run_with_runs" in found()
