"""Backtests of uploaded history: what learned weights would have won, and taking them.

The work is a job of two chunks, which two workers may do at once: measuring on the leads held out,
and learning the lines that a person picks from all of them.
"""

from collections.abc import Collection, Mapping
from typing import Any, BinaryIO

import numpy as np
from django.db import connection, transaction
from django.urls import reverse

from accounts.models import User
from core import conditions, jobs
from core.errors import Conflict, FieldProblem, Invalid
from core.models import Job
from core.versioning import lock_configuration
from intake.backtest_columns import STILL_TO_COME, Columns, make_fields, when_known
from intake.forms import MOST_ROWS
from intake.models import Backtest, Import, RejectedRow, StagedRow
from intake.policies import can_backtest, can_see_import
from intake.services import DEFAULT_SOURCE, keep_mapping, take_in
from intake.sheets import MOST_NAMED, left_out, require_most, require_two
from intake.staging import SEPARATOR
from leads.identity import clean_text
from leads.models import Source
from scoring.definitions import parse_icp
from scoring.learning.backtest import Options, Result, backtest, order_keys, read_history
from scoring.learning.evaluate import calibration_bins, gain_curve, reach
from scoring.learning.points import Definitions
from scoring.learning.suggesting import suggest
from scoring.learning.table import Sheet, is_blank, parse_numbers
from scoring.learning.taking import for_fields
from scoring.models import ModelVersion
from scoring.origins import Origin, tell_origins
from scoring.suggestions import make_drafts, refusals, refuse

BACKTEST = "backtest"
MOST_COLUMNS = 500  # of a file that comes by the page
REACH = 200  # most steps of calls for which the wins are kept
WEEK = 7 / 5  # days to a working day
ANCHOR_ROWS = 10_000  # on which base and p are set anew when lines were refused


def read_past_leads(file: BinaryIO, file_name: str, *, by: User) -> Backtest:
    """Stage a file of past leads.

    Raises Forbidden, or Invalid when it is no CSV, has one column only, or mostly bad rows.
    """
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
        take_in(file, imported, most_rows=MOST_ROWS, most_columns=MOST_COLUMNS)
        require_two(imported.headers)
        require_most(imported.row_count, *_rejected(imported))
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
    _tell_when_known(locked.imported, options.exclude)
    locked.options = {
        **vars(options),
        "exclude": list(options.exclude),
        "trust": list(options.trust),
    }
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


def options_of(test: Backtest) -> Options:
    """Return the options of a backtest that was started."""
    lists = {name: tuple(test.options.get(name, ())) for name in ("exclude", "trust")}
    return Options(**{**test.options, **lists})


def _tell_when_known(imported: Import, late: Collection[str]) -> None:
    """Make columns that are known only afterwards fields that an import marks so, and others not:
    what is learned from the leads later must not read them either.
    """
    if imported.state not in STILL_TO_COME:
        return
    columns = {h: when_known(spec, h in late) for h, spec in imported.mapping["columns"].items()}
    if columns != imported.mapping["columns"]:
        keep_mapping(imported, {**imported.mapping, "columns": columns})


def run_step(job: Job, args: dict[str, Any]) -> dict[str, int]:
    """Do one of the two steps; what is wrong with the file is kept for the page to tell."""
    test = Backtest.objects.select_related("imported").get(pk=job.args["backtest"])
    options = options_of(test)
    try:
        sheet = sheet_of(test.imported)
        if args["step"] == "measure":
            found = measured(backtest(read_history(sheet, options), options))
            found["days"] = working_days(sheet, options, found["n_test"])
            Backtest.objects.filter(pk=test.pk).update(measured=found)
        else:
            Backtest.objects.filter(pk=test.pk).update(suggested=suggested(sheet, options))
    except Invalid as error:
        text = " ".join(map(_in_words, error.problems))
        Backtest.objects.filter(pk=test.pk).update(problem=text)
    return {"done": 1}


jobs.register(BACKTEST, run_step)


def _in_words(problem: FieldProblem) -> str:
    """Return a problem of the file or its options as a sentence."""
    if problem.code == "no_columns":
        return "Beside the outcome and what is left out there is no column to learn from."
    if problem.field == "file":
        return f"The file {problem.message}."
    return f"{problem.message[0].upper()}{problem.message[1:]}."


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
    return Sheet(list(imported.headers), columns, left_out(*_rejected(imported)))


def _rejected(imported: Import) -> tuple[list[tuple[int, str]], int]:
    """Return number and reason of the first rows that could not be staged, and how many did not."""
    rejected = RejectedRow.objects.filter(imported=imported, step=RejectedRow.Step.READ)
    first = rejected.order_by("row_no").values_list("row_no", "reason")[:MOST_NAMED]
    return list(first), rejected.count()


def working_days(sheet: Sheet, options: Options, held: int) -> float | None:
    """Return over how many working days the last `held` leads came; None when no dates say so."""
    if options.order is None:
        return None
    texts = sheet.columns[sheet.header.index(options.order)]
    filled = {text for text in texts if not is_blank(text)}
    if len(parse_numbers(list(filled))) == len(filled):
        return None  # an order, and no days
    keys = order_keys(texts, options.order)
    days = np.sort(keys[~np.isnan(keys)])[-held:]
    return max(1.0, float(days[-1] - days[0]) / WEEK)


def measured(result: Result) -> dict[str, Any]:
    """Return what the page shows of the leads held out, as JSON values."""
    held = result.held
    both = bool(0 < held.y.sum() < len(held.y))
    found = {**result.as_json(), "floor": result.floor, "auc_interval": result.auc_interval}
    del found["signals"]
    found |= {"won_test": int(held.y.sum()), "gain": result.gain}
    if both:
        steps = min(len(held.y), REACH)
        found["reach"] = reach(held.y, held.learned, held.start, steps).round(2).tolist()
        curves = (("learned weights", held.learned), ("start", held.start))
        found["curves"] = [(name, gain_curve(held.y, r).tolist()) for name, r in curves]
        if result.learned.ece is not None:
            found["bins"] = [vars(part) for part in calibration_bins(held.y, held.p)]
    return found


def suggested(sheet: Sheet, options: Options) -> dict[str, Any]:
    """Return the lines learned from all past leads, and their definitions, as JSON values."""
    history = read_history(sheet, options)
    time = np.arange(len(history.y)).astype(float) if history.in_order else None
    found = suggest(
        history.table,
        history.y,
        time,
        seed=options.seed,
        refused=refusals(),
        trusted=history.trusted,
    )
    definitions = found.definitions
    return {
        "n": found.learned.n,
        "won": found.learned.won,
        "enough": found.enough,
        "lines": [line.as_json() for line in found.lines],
        "notices": [notice.as_json() for notice in found.notices],
        "definitions": None if definitions is None else definitions.as_json(),
    }


@transaction.atomic
def pick_lines(test: Backtest, keep: Collection[str], *, by: User) -> None:
    """Refuse the lines that are not among the keys `keep`, and forget refusals of those kept."""
    can_backtest(by).require()
    refuse(test.suggested.get("lines", []), keep, by=by)


@transaction.atomic
def take_model(
    test: Backtest,
    keep: Collection[str],
    live: ModelVersion,
    *,
    by: User,
    chosen: Mapping[str, str] | None = None,
) -> ModelVersion:
    """Make drafts of an ICP and a score model from the lines `keep` for the profile of `live`.

    The lines that are not kept are refused. `chosen` says by header what each column becomes
    (intake.backtest_columns), None what is proposed; custom fields that are lacking are made, and
    an import of the file that is still to come fills the same fields. Nothing is published. Raises
    Forbidden, Conflict, also when it was taken since `test` was read, or Invalid naming the field
    or column.
    """
    can_backtest(by).require()
    content = test.suggested.get("definitions")
    if content is None:
        raise Conflict("This backtest has no lines to take.")
    lock_configuration()
    if Backtest.objects.values_list("taken", flat=True).get(pk=test.pk) != test.taken_id:
        raise Conflict("This model was taken already.")
    columns = Columns(test)
    targets = columns.targets(columns.chosen({}) if chosen is None else chosen)
    pick_lines(test, keep, by=by)
    definitions: Definitions | None = Definitions.of_json(content)
    assert definitions is not None
    out = [
        line["key"]
        for line in test.suggested["lines"]
        if line["key"] not in keep or not conditions.fields_of(line["rule"]) <= targets.keys()
    ]
    if out:
        definitions = _without(test, definitions, out)
    if definitions is None:
        raise Invalid.field("use", "required", "keep at least one line")
    used = parse_icp(definitions.icp, definitions.types).fields()
    targets = {header: target for header, target in targets.items() if header in used}
    make_fields(targets.values())
    name_of = {header: target.field for header, target in targets.items()}
    definitions = for_fields(definitions, name_of, columns.leaf(targets))
    version = make_drafts(definitions, live, by=by)
    test.taken = version
    test.save(update_fields=["taken"])
    if columns.to_come:
        mapping = columns.mapping(targets)
        leaks = {n["field"] for n in test.suggested["notices"] if n["code"] == "leak"}
        for header in leaks - set(columns.headers):  # left out as a whole
            mapping["columns"][header] = when_known(mapping["columns"].get(header, {}), True)
        keep_mapping(test.imported, mapping)
    return version


def _without(test: Backtest, definitions: Definitions, out: list[str]) -> Definitions | None:
    """Return the definitions without lines, base and p set anew on some of the rows."""
    if test.imported.cleared_at is not None:
        raise Conflict("The rows of this file are no longer kept. Upload it again to refuse lines.")
    options = options_of(test)
    sheet = sheet_of(test.imported, ANCHOR_ROWS)
    history = read_history(sheet, options, definitions.types)
    return definitions.without(out, history.table, history.y, np.ones(len(history.y)))


@transaction.atomic
def backtest_import(imported: Import, *, by: User) -> Backtest:
    """Return the backtest of a file that was imported, made when there is none.

    Raises Forbidden, or Conflict when its rows are no longer kept.
    """
    can_see_import(by, imported).require()
    can_backtest(by).require()
    found = Backtest.objects.filter(imported=imported).order_by("-pk").first()
    if found is not None:
        return found
    if imported.cleared_at is not None:
        raise Conflict("The rows of this file are no longer kept. Upload it again.")
    return Backtest.objects.create(imported=imported, created_by=by)


def _origin(version: ModelVersion) -> Origin | None:
    """Return what the file that a version was taken from has shown."""
    tests = Backtest.objects.filter(taken=version).select_related("imported")
    test = tests.order_by("-pk").first()
    if test is None:
        return None
    words, found = f"Taken from a backtest of {test.imported.file_name}", test.measured
    ours, start = (found.get(side, {}).get("auc") for side in ("learned", "start"))
    if ours is not None and start is not None:
        words += (
            f": learned from {found['n_train']:,} of its leads, the lines ranked the "
            f"{found['n_test']:,} held out with AUC {ours:.2f} instead of {start:.2f}"
        )
    return Origin(f"{words}.", reverse("intake:view_backtest", args=[test.pk]))


tell_origins(_origin)
