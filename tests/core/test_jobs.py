"""Jobs: chunks done once, progress, failures set aside, survival of a killed worker."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from django.db import connection

from core import jobs
from core.models import Heartbeat, Job
from core.sweeps import run_all
from core.workers import work_on

TRY = "test.try"


def _try_chunk(job: Job, args: dict[str, Any]) -> dict[str, int]:
    if args.get("fail"):
        raise RuntimeError("this chunk is broken")
    return {"done": args["n"], "seen": 1}


jobs.register(TRY, _try_chunk)


@pytest.mark.django_db
def test_a_job_adds_up_what_its_chunks_did() -> None:
    job = jobs.start_job(TRY, chunks=[{"n": 3}, {"n": 4}], total=7)
    assert (job.state, job.percent) == (Job.State.RUNNING, 0)
    work_on(job, processes=1)
    assert (job.state, job.done, job.counts, job.percent) == ("succeeded", 7, {"seen": 2}, 100)
    assert job.finished_at is not None


@pytest.mark.django_db
def test_a_job_without_chunks_is_done_at_once() -> None:
    job = jobs.start_job(TRY, chunks=[], total=0)
    job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED


@pytest.mark.django_db
def test_a_broken_chunk_is_set_aside_with_its_reason_and_the_others_are_done() -> None:
    job = jobs.start_job(TRY, chunks=[{"fail": True}, {"n": 4}], total=7)
    work_on(job, processes=1)
    assert job.state == Job.State.SUCCEEDED_WITH_ERRORS
    assert job.done == 4
    assert "this chunk is broken" in job.error


@pytest.mark.django_db
def test_a_cancelled_job_does_no_more_chunks() -> None:
    job = jobs.start_job(TRY, chunks=[{"n": 1}], total=1)
    jobs.cancel_job(job)
    work_on(job, processes=1)
    assert (job.state, job.done) == (Job.State.CANCELLED, 0)


@pytest.mark.django_db
def test_the_sweep_does_the_chunks_of_every_job() -> None:
    made = [jobs.start_job(TRY, chunks=[{"n": 1}, {"n": 1}], total=2) for _ in range(2)]
    run_all()
    assert {job.state for job in Job.objects.filter(pk__in=[m.pk for m in made])} == {"succeeded"}


_SLOW = """
import time, django; django.setup()
from core import jobs
from core.models import Heartbeat
from core.clock import DatabaseNow
def slow(job, args):
    Heartbeat.objects.create(name=f"chunk {args['n']}", at=DatabaseNow())
    time.sleep(args["seconds"])
    return {"done": 1}
jobs.register("test.slow", slow)
from core.models import Job
from core.workers import work_on
work_on(Job.objects.get(kind="test.slow"), processes=1)
"""


@pytest.mark.django_db(transaction=True)
def test_a_chunk_of_a_killed_worker_is_open_again_at_once_and_leaves_nothing() -> None:
    done: list[int] = []

    def quick(job: Job, args: dict[str, Any]) -> dict[str, int]:
        done.append(args["n"])
        return {"done": 1}

    jobs.register("test.slow", quick)
    job = jobs.start_job("test.slow", chunks=[{"n": 0, "seconds": 60}], total=1)
    database = connection.settings_dict
    url = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**database)
    worker = subprocess.Popen(
        [sys.executable, "-c", _SLOW],
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "leadqual.settings"},
    )
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until and not _chunk_is_held():
            time.sleep(0.1)
        assert jobs.run_one_chunk(job.pk) is False  # the worker holds it
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    while _chunk_is_held() and time.monotonic() < until:
        time.sleep(0.1)
    assert jobs.run_one_chunk(job.pk) is True
    job.refresh_from_db()
    assert (done, job.done, job.state) == ([0], 1, "succeeded")
    assert not Heartbeat.objects.filter(name__startswith="chunk").exists()  # rolled back


def _chunk_is_held() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM core_jobchunk WHERE id NOT IN "
            "(SELECT id FROM core_jobchunk FOR UPDATE SKIP LOCKED)"
        )
        return bool(cursor.fetchone()[0])
