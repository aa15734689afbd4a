"""The locked dependencies: each has a reason, a hash, and none brings what must stay out."""

import re
from pathlib import Path

import pytest

from ops.lock import LOCKS, header, read_reasons
from ops.paths import ROOT


def locked(name: str) -> list[str]:
    """Names of the packages in a lock."""
    return re.findall(r"^([a-z0-9.-]+)==", (ROOT / f"{name}.txt").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_begins_with_the_reasons_written_in_its_source(name: str):
    source, lock = (ROOT / f"{name}{end}" for end in (".in", ".txt"))
    assert lock.read_text().startswith(header(name, source.read_text()))


@pytest.mark.parametrize("name", LOCKS)
def test_every_direct_dependency_is_locked(name: str):
    direct = {
        re.split(r"[<>=\[]", what)[0].lower()
        for what, _ in read_reasons((ROOT / f"{name}.in").read_text())
    }
    assert direct <= set(locked(name))


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_hash(name: str):
    text = (ROOT / f"{name}.txt").read_text()
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_names_an_index(name: str):
    assert "://" not in (ROOT / f"{name}.txt").read_text()


def test_psycopg_3_stays_out_since_django_would_prefer_it():
    assert "psycopg" not in {package for name in LOCKS for package in locked(name)}


def test_a_requirement_without_a_reason_is_refused():
    with pytest.raises(ValueError, match="no reason beside it: 'Django'"):
        read_reasons("Django\n")


def test_the_driver_that_runs_is_psycopg2():
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    assert not is_psycopg3


def test_production_installs_only_the_production_lock():
    dockerfile = Path(ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"requirements[a-z-]*\.txt", dockerfile)) == {"requirements.txt"}
