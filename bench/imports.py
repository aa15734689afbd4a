"""Importing a file through to planned leads, against the raw COPY of all rows that it writes."""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection

from accounts.models import User
from accounts.roles import Role
from bench.databases import columns_of, like, refer_like
from bench.results import Result
from bench.timing import seconds
from core.clock import now
from core.models import Job, JobChunk
from core.workers import same_database
from intake.models import Import
from leads.activities import Kind
from leads.identity import email_kind, normal_email
from leads.models import Activity, Company, Identity, Lead, Source
from leads.titles import seniority_of
from scoring.models import Evidence, Standing
from world import cast
from world.chunk import CHUNK, Setting
from world.generator import make_chunk
from world.lists import COUNTRIES, INDUSTRIES, NOTHING
from world.names import ALL_TITLES, FAMILY, GIVEN, company_name, domain_of, mailbox, telephone

MOST_MB = 400.0
SAMPLE = 400  # rows that are also written one by one
_BOOKKEEPING = (Job, JobChunk, Import)  # a few rows about the work, not the work
_UNITS_PER_MB = 1024 * 1024 if sys.platform == "darwin" else 1024  # of ru_maxrss
_WORDS = {0: "ruled out", 33: "weak", 67: "likely", 100: "sure"}
_HEADERS = (
    "Lead ID",
    "First name",
    "Last name",
    "E-mail",
    "Phone",
    "Job title",
    "Company",
    "Website",
    "Industry",
    "Country",
    "Employees",
    "Deal value",
    "Budget",
    "Authority",
    "Need",
    "Timing",
)


def measure(n: int) -> list[Result]:
    """Measure on the present database, which is empty: import n rows."""
    cast.hire(n)
    with tempfile.TemporaryDirectory() as folder:
        file, mapping = Path(folder) / "leads.csv", Path(folder) / "mapping.json"
        rows = list(_rows(SAMPLE))
        _write_file(file, n)
        mapping.write_text(json.dumps(_mapping()), "utf-8")
        before = _counts()
        with _planner() as planner:
            report, peak_mb = _import(file, mapping)
            planning = seconds(lambda: planner.communicate("all is there\n"))
        raw, raw_without_keys, written = _copy_raw(Path(folder), before)
    if waiting := Standing.objects.filter(unplanned_at__isnull=False).count():
        raise RuntimeError(f"{waiting} leads were left without a plan")
    if report["created"] != n:
        raise RuntimeError(f"{report['created']} of {n} rows were imported: {report['errors'][:3]}")
    normalising = report["milliseconds"].get("normalise", 0) / 1000
    ours = report["seconds"] + planning
    by_row = seconds(lambda: _one_by_one(rows)) / SAMPLE
    return [
        Result("import, scored and planned: to a COPY of its rows", n, ours, raw, "s", 3.0),
        Result("import: to a COPY without foreign keys", n, ours, raw_without_keys, "s", None),
        Result("import: of that, normalising", n, normalising, None, "s", None),
        Result("import: of that, planning after its last row", n, planning, None, "s", None),
        Result("import: rows that it wrote", n, written, None, "rows", None),
        Result("import: memory of its largest process", n, peak_mb, None, "MB", MOST_MB),
        Result(
            "import: how much faster than ORM upserts, row by row",
            SAMPLE,
            by_row / (ours / n),
            None,
            "×",
            40.0,
            least=True,
        ),
    ]


def _rows(n: int, first: int = 0) -> Iterator[dict[str, Any]]:
    """Yield n rows of a file of business leads, the `first`-th on."""
    dimensions = ("budget", "authority", "need", "timing")
    setting = Setting(
        seed=7,
        leads=10 * CHUNK,
        now=now().timestamp(),
        reps=1,
        dimensions={"b2b": dimensions, "b2c": dimensions},
        expiry_days=dict.fromkeys(dimensions, 90.0),
        gates={"b2b": {}, "b2c": {}},
    )
    number, made = 0, 0
    while made < n:
        chunk = make_chunk(setting, number % 10)
        leads, companies, answers = chunk.leads, chunk.companies, chunk.answers
        said: dict[int, dict[str, str]] = {}
        for lead, place, rating in zip(
            answers.lead.tolist(), answers.dimension.tolist(), answers.rating.tolist(), strict=True
        ):
            said.setdefault(lead, {})[setting.all_dimensions[place]] = _WORDS[rating]
        for lead in range(min(leads.n, n - made)):
            place = int(leads.company[lead]) if leads.b2b[lead] else lead % len(companies.country)
            company = company_name(number * 10_000 + place)
            given, family = GIVEN[leads.given[lead]], FAMILY[leads.family[lead]]
            serial = first + made
            country = COUNTRIES[int(companies.country[place])][0]
            phone, title = int(leads.phone[lead]), int(leads.title[lead])
            employees, value = int(companies.employees[place]), int(leads.value[lead])
            industry = int(companies.industry[place])
            row = {
                "Lead ID": f"L{serial}",
                "First name": given,
                "Last name": family,
                "E-mail": f"{mailbox(given, family)}{serial}@{domain_of(company)}",
                "Phone": "" if phone == NOTHING else telephone(country, phone),
                "Job title": "" if title == NOTHING else ALL_TITLES[title],
                "Company": company,
                "Website": f"https://www.{domain_of(company)}/",
                "Industry": "" if industry == NOTHING else INDUSTRIES[industry][0],
                "Country": country,
                "Employees": "" if employees == NOTHING else employees,
                "Deal value": "" if value == NOTHING else value / 100,
            }
            for dimension in dimensions:
                row[dimension.capitalize()] = said.get(lead, {}).get(dimension, "")
            yield row
            made += 1
        number += 1


def _write_file(file: Path, n: int) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, _HEADERS)
        writer.writeheader()
        writer.writerows(_rows(n))


def _mapping() -> dict[str, Any]:
    fields = {
        "First name": "first_name",
        "Last name": "last_name",
        "E-mail": "email",
        "Phone": "phone",
        "Job title": "title",
        "Company": "company",
        "Website": "company_domain",
        "Industry": "industry",
        "Country": "country",
        "Employees": "employees",
        "Deal value": "value",
    }
    ratings = {word: rating for rating, word in _WORDS.items()}
    return {
        "kind": "b2b",
        "columns": {
            "Lead ID": {"to": "external_id", "source": "bench"},
            **{header: {"to": "field", "field": name} for header, name in fields.items()},
            **{
                dimension.capitalize(): {
                    "to": "evidence",
                    "dimension": dimension,
                    "ratings": ratings,
                }
                for dimension in ("budget", "authority", "need", "timing")
            },
        },
    }


def _import(file: Path, mapping: Path) -> tuple[dict[str, Any], float]:
    """Import by the command, as a user does; return its report and its memory's peak in MB.

    The peak is that of the command or of the process that it starts, whichever is larger.
    """
    process = subprocess.Popen(
        [
            sys.executable,
            "manage.py",
            "import_leads",
            str(file),
            "--mapping",
            str(mapping),
            "--json",
        ],
        cwd=settings.BASE_DIR,
        env=same_database(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"the import failed: {printed[-2000:]}")
    return json.loads(printed.splitlines()[-1]), usage.ru_maxrss / _UNITS_PER_MB


@contextmanager
def _planner() -> Iterator["subprocess.Popen[str]"]:
    """Start a process that plans leads as they come, as the worker does that commits nudge; told
    so by a line, it ends once nothing is left.
    """
    process = subprocess.Popen(
        [sys.executable, "manage.py", "plan_followups"],
        cwd=settings.BASE_DIR,
        env=same_database(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()  # it is ready
        yield process
        if process.returncode:
            raise RuntimeError("the planning failed")
    finally:
        process.kill()


def _tables() -> list[str]:
    skipped = {model._meta.db_table for model in _BOOKKEEPING}
    models = [model for model in apps.get_models() if not model._meta.proxy]
    return sorted({model._meta.db_table for model in models if model._meta.managed} - skipped)


def _counts() -> dict[str, int]:
    found = {}
    with connection.cursor() as cursor:
        for table in _tables():
            cursor.execute(f"SELECT count(*) FROM {table}")
            found[table] = cursor.fetchone()[0]
    return found


def _copy_raw(folder: Path, before: dict[str, int]) -> tuple[float, float, int]:
    """COPY the very rows that were written into empty copies of their tables with the same
    indexes; return the seconds that it took with their foreign keys and without any, and how many
    rows.
    """
    after = _counts()
    written = {name: after[name] - before[name] for name in after if after[name] > before[name]}
    took = {True: 0.0, False: 0.0}
    for table in written:
        columns, file = columns_of(table), folder / f"{table}.copy"
        with connection.cursor() as cursor, file.open("wb") as out:
            cursor.copy_expert(f"COPY {table} ({columns}) TO STDOUT", out)
        for with_keys in took:
            like(table, "bench_copy", indexes=True)
            if with_keys:
                refer_like(table, "bench_copy")
            with connection.cursor() as cursor, file.open("rb") as rows:
                began = time.perf_counter()
                cursor.copy_expert(f"COPY bench_copy ({columns}) FROM STDIN", rows)
                took[with_keys] += time.perf_counter() - began
                cursor.execute("DROP TABLE bench_copy")
    return took[True], took[False], sum(written.values())


def _one_by_one(rows: list[dict[str, Any]]) -> None:
    """Upsert rows the plain way: look up and save, object by object, each in its transaction."""
    source, _ = Source.objects.get_or_create(name="One by one", defaults={"channel": "import"})
    owner = User.objects.filter(role=Role.REP).order_by("pk")[0]
    for row in rows:
        company, _ = Company.objects.update_or_create(
            domain=domain_of(row["Company"]) + ".test",
            defaults={
                "name": row["Company"],
                "industry": row["Industry"],
                "country": row["Country"],
                "employees": row["Employees"] or None,
            },
        )
        email = normal_email(f"one.{row['E-mail']}") or ""
        known = Identity.objects.filter(kind="email", normal=email).first()
        lead = Lead.objects.get(pk=known.lead_id) if known else Lead()
        lead.first_name, lead.last_name = row["First name"], row["Last name"]
        lead.email, lead.email_kind = email, email_kind(email)
        lead.phone, lead.title = row["Phone"], row["Job title"]
        lead.seniority = seniority_of(row["Job title"])
        lead.company, lead.owner, lead.team = company, owner, owner.team
        lead.value_minor = round(row["Deal value"] * 100) if row["Deal value"] else None
        lead.first_source = lead.last_source = source
        lead.save()
        for kind, normal in (("email", email), ("phone", row["Phone"]), ("external:one", email)):
            if normal:
                Identity.objects.get_or_create(lead=lead, kind=kind, normal=normal)
        ratings = {word: rating for rating, word in _WORDS.items()}
        for dimension in ("budget", "authority", "need", "timing"):
            word = row[dimension.capitalize()]
            if word:
                Evidence.objects.update_or_create(
                    lead=lead,
                    dimension=dimension,
                    current=True,
                    defaults={"rating": ratings[word], "source": Evidence.Source.IMPORT},
                )
        Activity.objects.create(lead=lead, kind=Kind.IMPORTED, data={"source": source.name})
