"""Killed and competing importers lose nothing and double nothing."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

from accounts.models import Team
from core import sweeps
from core.invariants import breaks
from core.models import Job, JobChunk
from core.workers import Workers
from intake import planning, services
from intake.models import CheckedRow, Import
from intake.progress import work
from intake.selectors import report
from leads.activities import Kind
from leads.models import Activity, Identity, Lead
from scoring.models import Evidence, Standing
from tests import baseline
from tests.factories import make_user
from tests.intake.conftest import to_csv
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)

HEADER = ["Email", "Name", "Phone", "Company", "Budget", "Note"]
SIZE = 6_000


def lines(size: int, start: int = 0) -> list[list[object]]:
    return [
        [f"p{n}@firm{n % 50}.example", f"Al Number{n}", "", f"Firm {n % 50}", "Yes", n % 7]
        for n in range(start, start + size)
    ]


@pytest.fixture
def reps(config: None) -> list[Any]:
    team = Team.objects.create(name="North")
    return [make_user(team=team) for _ in range(2)]


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment in which a process of its own uses the test's database."""
    url = urlsplit(os.environ["DATABASE_URL"])
    name = connection.settings_dict["NAME"]
    return {**os.environ, "DATABASE_URL": urlunsplit(url._replace(path=f"/{name}"))}


def start(environment: dict[str, str], *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "import_leads", "--json", *options],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end_queries_of_the_killed() -> None:
    """End what the server still does for a process that is gone, so that only one test fails."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def wait_for_chunks(kind: str, count: int) -> Job:
    """Wait until a job of the kind has done some of its chunks."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        job = Job.objects.filter(kind=kind).first()
        if job and JobChunk.objects.filter(job=job, done=True).count() >= count:
            return job
        time.sleep(0.02)
    raise AssertionError(f"no {kind} job came that far")


def assert_whole(size: int) -> None:
    assert Lead.objects.count() == Standing.objects.count() == size
    assert Identity.objects.filter(kind="email").count() == size
    assert Activity.objects.filter(kind=Kind.IMPORTED).count() == size
    assert Evidence.objects.filter(current=True).count() == size
    assert not CheckedRow.objects.exists()
    assert list(breaks()) == []


def test_a_killed_import_is_resumed_where_it_stood(
    reps: list[Any], environment: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "leads.csv"
    path.write_text(to_csv(HEADER, lines(SIZE)))
    process = start(environment, str(path), "--team", "North")
    wait_for_chunks(services.WRITE, 1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    imported = Import.objects.get()
    assert imported.state == Import.State.RUNNING
    assert 0 < Lead.objects.count() < SIZE
    resumed = start(environment, "--resume", str(imported.pk))
    out, complaint = resumed.communicate(timeout=100)
    assert resumed.returncode == 0, complaint
    done = json.loads(out)
    assert (done["created"], done["updated"], done["unchanged"]) == (SIZE, 0, 0)
    assert done["scored"] == SIZE
    assert_whole(SIZE)
    assert [rep.leads.count() for rep in reps] == [SIZE // 2, SIZE // 2]


@pytest.mark.parametrize("filled_before", [False, True])
def test_an_import_into_tables_known_as_empty_goes_on_after_its_first_chunk(
    reps: list[Any], environment: dict[str, str], tmp_path: Path, filled_before: bool
) -> None:
    """Plans that are made for no rows take minutes from chunk two on.

    A table that keeps the pages of deleted rows is believed empty whatever it holds by now.
    """
    path = tmp_path / "leads.csv"
    path.write_text(to_csv(HEADER, lines(4 * planning.CHUNK)))
    if filled_before:
        start(environment, str(path), "--team", "North").communicate(timeout=60)
        assert Lead.objects.count() == 4 * planning.CHUNK
        baseline.put_back()
        make_user(team=Team.objects.create(name="North"))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE, TRUNCATE off)")
    process = start(environment, str(path), "--team", "North", "--processes", "1")
    try:
        out, complaint = process.communicate(timeout=60)
    finally:
        process.kill()
        end_queries_of_the_killed()
    assert process.returncode == 0, complaint
    done = json.loads(out)
    assert (done["created"], done["scored"]) == (4 * planning.CHUNK, 4 * planning.CHUNK)


def test_an_import_killed_while_it_checks_is_finished_by_the_workers(
    reps: list[Any], environment: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "leads.csv"
    path.write_text(to_csv(HEADER, lines(SIZE)))
    process = start(environment, str(path), "--team", "North")
    wait_for_chunks(services.CHECK, 1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    sweeps.run_sweep("core.run_chunks")
    assert report(Import.objects.get())["created"] == SIZE
    assert_whole(SIZE)


def test_two_importers_of_the_same_rows_make_each_lead_once(
    reps: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "CHUNK", 100)
    rows = lines(500) + [
        ["", f"Bo Number{n}", f"030 90182{n:03d}", "", "Yes", n] for n in range(500)
    ]
    imports = []
    for content in (rows, list(reversed(rows))):
        imported = services.read_file(
            io.BytesIO(to_csv(HEADER, content).encode()), "leads.csv", by=None
        )
        services.start(imported, None, dry_run=False)
        imports.append(imported)
    in_threads(*(lambda i=imported: work(i) for imported in imports))
    reports = [report(Import.objects.get(pk=imported.pk)) for imported in imports]
    assert [r["state"] for r in reports] == ["succeeded", "succeeded"]
    assert sum(r["created"] for r in reports) == 1_000
    assert sum(r["created"] + r["updated"] + r["unchanged"] for r in reports) == 2_000
    assert Identity.objects.filter(kind="email").count() == 500
    assert Lead.objects.count() == Standing.objects.count() == 1_000
    assert list(breaks()) == []


def test_several_processes_share_one_import(
    reps: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "CHUNK", 50)
    imported = services.read_file(io.BytesIO(to_csv(HEADER, lines(1_000)).encode()), "x", by=None)
    services.start(imported, None, dry_run=False)
    in_threads(*[lambda: work(imported)] * 3)
    assert report(Import.objects.get())["created"] == 1_000
    assert_whole(1_000)
    assert [rep.leads.count() for rep in reps] == [500, 500]


def test_helpers_do_their_share_of_an_import(
    reps: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "CHUNK", 50)
    imported = services.read_file(io.BytesIO(to_csv(HEADER, lines(600)).encode()), "x", by=None)
    services.start(imported, None, dry_run=False)
    with Workers(1) as helpers:
        helpers.wait_until_up()
        assert report(work(Import.objects.get(), helpers=helpers))["created"] == 600
    assert_whole(600)


def test_no_transaction_of_an_import_holds_more_than_a_chunk(
    reps: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one chunk has written is there for all to see before the next one begins."""
    monkeypatch.setattr(planning, "CHUNK", 100)
    imported = services.read_file(io.BytesIO(to_csv(HEADER, lines(300)).encode()), "x", by=None)
    services.start(imported, None, dry_run=False)
    seen: list[int] = []

    def look(_: Import) -> None:
        in_threads(lambda: seen.append(Lead.objects.count()))

    work(Import.objects.get(), tell=look)
    assert {100, 200, 300} <= set(seen)


def test_an_import_that_is_stopped_keeps_what_it_wrote(
    reps: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "CHUNK", 100)
    imported = services.read_file(io.BytesIO(to_csv(HEADER, lines(300)).encode()), "x", by=None)
    services.start(imported, None, dry_run=False)

    def stop_after_the_first(present: Import) -> None:
        if Lead.objects.count() == 100 and present.state == Import.State.RUNNING:
            services.stop(present)

    done = report(work(Import.objects.get(), tell=stop_after_the_first))
    assert done["state"] == "failed"
    assert done["error"] == "It was stopped by hand."
    assert done["created"] == 100
    assert Lead.objects.count() == 100
    assert list(breaks()) == []
