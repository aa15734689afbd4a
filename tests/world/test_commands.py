import json
import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from core.invariants import breaks
from core.models import Job
from core.workers import Workers
from leads.models import Activity, Lead
from scoring.models import Standing
from scoring.tasks import start_rescore_all


def world(*arguments: str) -> str:
    out = StringIO()
    call_command("world", "--seed=3", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.mark.django_db
def test_the_command_builds_scores_plans_and_reports_as_json(config: None):
    report = json.loads(world("--leads=200", "--processes=1", "--json"))
    assert report["counts"]["leads"] == report["counts"]["scored"] == 200
    assert report["counts"]["activities"] <= Activity.objects.count()
    assert set(report["seconds"]) == {"prepare", "rows", "score", "plan", "total"}
    assert not Standing.objects.exclude(unplanned_at=None).exists()
    assert list(breaks()) == []


@pytest.mark.django_db
def test_scoring_can_be_left_to_the_workers(config: None):
    assert "leads" in world("--leads=50", "--processes=1", "--no-score")
    assert Standing.objects.filter(state="unscored").count() == 50


@pytest.mark.django_db
def test_history_ends_at_the_moment_that_is_asked_for(config: None):
    world("--leads=50", "--processes=1", "--no-score", "--now=2026-03-02T08:00:00Z")
    newest = Activity.objects.order_by("-at").first()
    assert newest is not None
    assert "2026-02" <= newest.at.isoformat() <= "2026-03-02T08:00:00+00:00"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--leads=0", "--leads: must be between 1 and"),
        ("--leads=99999999", "--leads: must be between 1 and"),
        ("--closes=1.5", "--closes must be between 0 and 1"),
        ("--closes=nan", "--closes must be between 0 and 1"),
        ("--processes=0", "--processes must be between"),
        ("--now=soon", "--now must be a moment"),
        ("--now=2026-13-01", "--now must be a moment"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(config: None, argument: str, message: str):
    with pytest.raises(CommandError, match=message):
        world("--leads=10", argument)
    assert not Lead.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_processes_share_a_job_and_another_does_what_a_killed_one_leaves(config: None):
    world("--leads=300", "--processes=1", "--no-score")
    with Workers(2) as workers:
        workers.processes[0].kill()
        works = workers.work(job := start_rescore_all())
    assert [work.chunks for work in works] == [1]
    assert 20 < works[0].peak_mb < 1_000
    assert works[0].longest_seconds > 0
    job.refresh_from_db()
    assert (job.state, job.done) == (Job.State.SUCCEEDED, 300)
    assert not Standing.objects.filter(state="unscored").exists()


def test_the_hidden_command_says_when_a_job_is_no_number():
    result = subprocess.run(
        [sys.executable, "manage.py", "work_on_jobs"], input="x\n", capture_output=True, text=True
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
