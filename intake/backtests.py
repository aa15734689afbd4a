"""Backtests of uploaded history: what learned weights would have won, and taking them.

The work is a job of two chunks, which two workers may do at once: measuring on the leads held out,
and learning the lines that a person picks from all of them.
"""

from collections.abc import Collection, Mapping
from typing import Any, BinaryIO

import numpy as np
from django.db import connection, transaction

from accounts.models import User
from core import jobs
from core.errors import Conflict, Invalid
from core.models import Job
from core.versioning import lock_configuration, version_with
from intake.forms import MOST_ROWS
from intake.mapping import Known
from intake.models import Backtest, Import, StagedRow
from intake.policies import can_backtest
from intake.proposing import plain_key
from intake.services import DEFAULT_SOURCE, known, take_in
from intake.staging import SEPARATOR
from leads.identity import clean_text
from leads.models import CustomField, Source
from scoring.definitions import parse_icp, parse_model
from scoring.fields import BUILT_IN, CUSTOM, all_fields, field_types
from scoring.learning.backtest import Options, Result, backtest, read_history
from scoring.learning.evaluate import calibration_bins, gain_curve, wins_at, wins_gained
from scoring.learning.points import Definitions
from scoring.learning.reading import Sheet
from scoring.learning.suggesting import suggest
from scoring.learning.taking import for_fields, icp_like, model_like
from scoring.live import load_model
from scoring.models import IcpVersion, ModelVersion
from scoring.suggestions import refusals, refuse

BACKTEST = "backtest"
CALLED = 0.2  # share of the leads held out that the first sentence calls
ANCHOR_ROWS = 20_000  # on which base and p are set anew when lines were refused
MOST_CHOICES = 100  # values up to which a new field is a choice
# Fields of leads whose values an import takes as they are written.
TAKEN_AS_WRITTEN = ("title", "industry", "employees", "revenue", "value", "age", "source")


def read_past_leads(file: BinaryIO, file_name: str, *, by: User) -> Backtest:
    """Stage a file of past leads; raise Forbidden, or Invalid when it is no CSV."""
    can_backtest(by).require()
    with transaction.atomic():
        imported = Import.objects.create(
            file_name=clean_text(file_name)[:255] or "file.csv",
            digest="",
            encoding="",
            delimiter="",
            headers=[],
            source=Source.objects.get_or_create(
                name=DEFAULT_SOURCE, defaults={"channel": Source.Channel.IMPORT}
            )[0],
            created_by=by,
        )
        take_in(file, imported, most_rows=MOST_ROWS)
        imported.save()
        return Backtest.objects.create(imported=imported, created_by=by)


@transaction.atomic
def start_backtest(test: Backtest, options: Options, *, by: User) -> Job:
    """Start, or start anew with other options; raise Conflict while it runs or without rows."""
    can_backtest(by).require()
    locked = Backtest.objects.select_for_update().get(pk=test.pk)
    if locked.job is not None and locked.job.state == Job.State.RUNNING:
        raise Conflict("This backtest is under way already.")
    if locked.imported.cleared_at is not None:
        raise Conflict("The rows of this file are no longer kept. Upload it again.")
    locked.options = {**vars(options), "exclude": list(options.exclude)}
    locked.measured, locked.suggested, locked.problem = {}, {}, ""
    locked.job = jobs.start_job(
        BACKTEST,
        chunks=[{"step": "measure"}, {"step": "suggest"}],
        total=2,
        unit="steps",
        by=by,
        args={"backtest": locked.pk},
    )
    locked.save()
    return locked.job


def run_step(job: Job, args: dict[str, Any]) -> dict[str, int]:
    """Do one of the two steps; what is wrong with the file is kept for the page to tell."""
    test = Backtest.objects.select_related("imported").get(pk=job.args["backtest"])
    options = Options(**{**test.options, "exclude": tuple(test.options["exclude"])})
    try:
        sheet = sheet_of(test.imported)
        if args["step"] == "measure":
            found = measured(backtest(read_history(sheet, options), options))
            Backtest.objects.filter(pk=test.pk).update(measured=found)
        else:
            Backtest.objects.filter(pk=test.pk).update(suggested=suggested(sheet, options))
    except Invalid as error:
        text = " ".join(f"{p.field.capitalize()}: {p.message}." for p in error.problems)
        Backtest.objects.filter(pk=test.pk).update(problem=text)
    return {"done": 1}


jobs.register(BACKTEST, run_step)


def sheet_of(imported: Import, most: int | None = None) -> Sheet:
    """Return the good rows of a staged file as columns, `most` of them evenly spread."""
    every = 1 if most is None else max(1, imported.row_count // most)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT cells FROM {StagedRow._meta.db_table} "
            "WHERE imported_id = %s AND row_no %% %s = 0 ORDER BY row_no",
            [imported.pk, every],
        )
        columns: list[list[str]] = [[] for _ in imported.headers]
        seen: list[dict[str, str]] = [{} for _ in columns]  # equal cells share their memory
        for (cells,) in cursor:
            for column, once, cell in zip(columns, seen, cells.split(SEPARATOR), strict=True):
                text = cell.strip()
                column.append(once.setdefault(text, text))
    return Sheet(list(imported.headers), columns, [])


def measured(result: Result) -> dict[str, Any]:
    """Return what the page shows of the leads held out, as JSON values."""
    held = result.held
    both = bool(0 < held.y.sum() < len(held.y))
    calls = max(1, round(CALLED * len(held.y)))
    found = {**result.as_json(), "floor": result.floor, "auc_interval": result.auc_interval}
    del found["signals"]
    found |= {"base_rate": float(held.y.mean()), "calls": calls, "gain": result.gain}
    if both:
        found["wins"] = [wins_at(held.y, r, calls) for r in (held.learned, held.start)]
        found["wins_gained"] = wins_gained(held.y, held.learned, held.start, calls)
        curves = (("learned weights", held.learned), ("start", held.start))
        found["curves"] = [(name, gain_curve(held.y, r).tolist()) for name, r in curves]
        if result.learned.ece is not None:
            found["bins"] = [vars(part) for part in calibration_bins(held.y, held.p)]
    return found


def suggested(sheet: Sheet, options: Options) -> dict[str, Any]:
    """Return the lines learned from all past leads, and their definitions, as JSON values."""
    history = read_history(sheet, options)
    time = np.arange(len(history.y)).astype(float) if history.in_order else None
    found = suggest(history.table, history.y, time, seed=options.seed, refused=refusals())
    definitions = found.definitions
    return {
        "n": found.learned.n,
        "won": found.learned.won,
        "enough": found.enough,
        "lines": [line.as_json() for line in found.lines],
        "notices": [notice.as_json() for notice in found.notices],
        "definitions": None
        if definitions is None
        else {
            "icp": definitions.icp,
            "model": definitions.model,
            "types": dict(definitions.types),
            "scale": definitions.scale,
        },
    }


@transaction.atomic
def pick_lines(test: Backtest, keep: Collection[str], *, by: User) -> None:
    """Refuse the lines that are not among the keys `keep`, and forget refusals of those kept."""
    can_backtest(by).require()
    refuse(test.suggested.get("lines", []), keep, by=by)


@transaction.atomic
def take_model(
    test: Backtest, keep: Collection[str], live: ModelVersion, *, by: User
) -> ModelVersion:
    """Make drafts of an ICP and a score model from the lines `keep` for the profile of `live`.

    The lines that are not kept are refused. Columns become fields of leads as an import of the
    same file proposes; custom fields that are lacking are made. Nothing is published. Raises
    Forbidden, Conflict, or Invalid naming the field.
    """
    can_backtest(by).require()
    content = test.suggested.get("definitions")
    if content is None:
        raise Conflict("This backtest has no lines to take.")
    pick_lines(test, keep, by=by)
    lock_configuration()
    definitions: Definitions | None = Definitions(**content, counts={})
    assert definitions is not None
    out = [line["key"] for line in test.suggested["lines"] if line["key"] not in keep]
    if out:
        definitions = _without(test, definitions, out)
    if definitions is None:
        raise Invalid.field("use", "required", "keep at least one line")
    definitions = for_fields(definitions, _make_fields(test, definitions))
    types = field_types(all_fields())
    old = load_model(live, types)
    icp_content = icp_like(definitions, live.icp.definition)
    model_content = model_like(definitions, live.definition, old.model, old.icp)
    # Checked as any other before it is kept.
    parse_model(model_content, parse_icp(icp_content, types), old.framework, types)
    icp, _ = version_with(IcpVersion, live.icp.key, icp_content, by=by)
    version, _ = version_with(
        ModelVersion, live.key, model_content, by=by, pins={"icp": icp, "framework": live.framework}
    )
    Backtest.objects.filter(pk=test.pk).update(taken=version)
    return version


def _without(test: Backtest, definitions: Definitions, out: list[str]) -> Definitions | None:
    """Return the definitions without lines, base and p set anew on some of the rows."""
    if test.imported.cleared_at is not None:
        raise Conflict("The rows of this file are no longer kept. Upload it again to refuse lines.")
    options = Options(**{**test.options, "exclude": tuple(test.options["exclude"])})
    sheet = sheet_of(test.imported, ANCHOR_ROWS)
    history = read_history(sheet, options, definitions.types)
    return definitions.without(out, history.table, history.y, np.ones(len(history.y)))


def _make_fields(test: Backtest, definitions: Definitions) -> dict[str, str]:
    """Return the field of leads for each column that the lines read; make those that lack."""
    used = parse_icp(definitions.icp, definitions.types).fields()
    known_fields = known(test.imported)
    targets = fields_for(test.imported, used, definitions.types, known_fields)
    values = {column["header"]: column["values"] for column in test.imported.profile}
    for header, name in targets.items():
        if not name.startswith(CUSTOM) or name.removeprefix(CUSTOM) in known_fields.custom:
            continue
        choices = values.get(header) or []
        kind = CustomField.Type.TEXT
        if definitions.types[header] == "number":
            kind = CustomField.Type.NUMBER
        elif 0 < len(choices) <= MOST_CHOICES:
            kind = CustomField.Type.CHOICE
        CustomField.objects.create(
            key=name.removeprefix(CUSTOM),
            label=header,
            type=kind,
            choices=choices if kind == CustomField.Type.CHOICE else [],
        )
    return targets


def fields_for(
    imported: Import, used: Collection[str], types: Mapping[str, str], there: Known
) -> dict[str, str]:
    """Return which field of leads each used column becomes, in the order of the file."""
    built_in = {field.name: field.type for field in BUILT_IN}
    wanted = imported.mapping.get("columns", {})
    found: dict[str, str] = {}
    for header in imported.headers:
        if header not in used:
            continue
        spec = wanted.get(header, {})
        name = spec.get("field", "")
        fits = name in TAKEN_AS_WRITTEN and built_in[name] == types[header]
        found[header] = name if fits else _custom(header, types[header], there, found)
    return found


def _custom(header: str, kind: str, there: Known, taken: Mapping[str, str]) -> str:
    base = plain_key(header)
    key, number = base, 1
    while CUSTOM + key in taken.values() or not _suits(there.custom.get(key), kind):
        number += 1
        key = f"{base}_{number}"
    return CUSTOM + key


def _suits(custom: tuple[str, Any] | None, kind: str) -> bool:
    if custom is None:
        return True
    number = custom[0] == CustomField.Type.NUMBER
    text = custom[0] in (CustomField.Type.TEXT, CustomField.Type.CHOICE)
    return number if kind == "number" else text
