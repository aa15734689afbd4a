"""Jobs of an import, each starting the next one, and the sweep that clears what they leave."""

import datetime as dt
from collections import Counter
from typing import Any

from django.db import connection

from accounts.models import Workspace
from core import jobs
from core.clock import DatabaseNow, now
from core.copying import copy_rows
from core.models import Job, JobChunk
from core.sweeps import sweep
from intake import services
from intake.checking import COLUMNS, Context, check
from intake.chunks import Chunk, Owners
from intake.companies import write_companies
from intake.consents import unlist_refusals
from intake.models import CheckedRow, Import, RejectedRow, StagedRow
from intake.planning import plan
from intake.policies import can_import
from intake.staging import write_rejections
from intake.undoing import MOST_NAMED, take_back, touched_leads
from intake.writing import write_chunk

KEPT = dt.timedelta(days=7)  # staged rows of an import; they hold personal data
CLEARED_AT_ONCE = 20_000  # rows in one transaction


def _import(import_id: int) -> Import:
    return Import.objects.select_related("source", "owner", "team", "created_by__team").get(
        pk=import_id
    )


def _lost_right(job: Job, imported: Import) -> bool:
    """End the job when its importer may no longer import: it acts with a person's rights."""
    if imported.created_by is None:
        return False
    may = can_import(imported.created_by)
    if not may:
        jobs.fail_job(job, may.reason)
        services.end(imported, error=may.reason)
    return not may


def _end_if_failed(job: Job, imported: Import, what: str) -> bool:
    """End the import when a chunk was set aside: what comes next needs all of them."""
    error = JobChunk.objects.filter(job=job).exclude(error="").values_list("error", flat=True)
    if error:
        services.end(imported, error=f"{what} could not be finished: {error[0]}")
    return bool(error)


# --- check --------------------------------------------------------------------------------------
def _check_chunk(job: Job, args: dict[str, Any]) -> dict[str, int]:
    imported = _import(args["import"])
    if _lost_right(job, imported):
        return {}
    mapping = services.mapping_of(imported)
    workspace = Workspace.current()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT row_no, cells FROM {StagedRow._meta.db_table} "
            "WHERE imported_id = %s AND row_no >= %s AND row_no < %s ORDER BY row_no",
            [imported.pk, args["from"], args["to"]],
        )
        rows = cursor.fetchall()
    context = Context(
        imported.pk,
        mapping,
        mapping.reading(workspace.country, workspace.time_zone),
        services.assignable(imported.created_by) if mapping.has("owner") else {},
        now(),
    )
    checked = check(rows, context)
    copy_rows(CheckedRow._meta.db_table, COLUMNS, checked.lines)
    write_rejections(
        imported.pk,
        RejectedRow.Step.CHECK,
        ((r.row_no, r.field, r.code, r.reason, r.value, r.whole_row) for r in checked.rejections),
    )
    return {
        "done": len(rows),
        "ms_check": round(1000 * (checked.seconds - checked.normalising)),
        "ms_normalise": round(1000 * checked.normalising),
    }


def _after_check(job: Job) -> None:
    imported = _import(job.args["import"])
    if _end_if_failed(job, imported, "Checking"):
        return
    imported.report["check"] = job.counts
    imported.plan = plan(imported, services.mapping_of(imported))
    Import.objects.filter(pk=imported.pk).update(plan=imported.plan, report=imported.report)
    services.begin_writing(imported)


# --- companies ----------------------------------------------------------------------------------
def _companies_chunk(job: Job, args: dict[str, Any]) -> dict[str, int]:
    imported = _import(args["import"])
    if _lost_right(job, imported):
        return {}
    mapping = services.mapping_of(imported)
    written = write_companies(imported, mapping, args["part"], args["parts"])
    return {"done": 1, "companies": written}


def _after_companies(job: Job) -> None:
    imported = _import(job.args["import"])
    if not _end_if_failed(job, imported, "Writing companies"):
        services.begin_leads(imported)


# --- leads --------------------------------------------------------------------------------------
def _write_chunk(job: Job, args: dict[str, Any]) -> Counter[str]:
    imported = _import(args["import"])
    if _lost_right(job, imported):
        return Counter()
    given = job.args
    owners = Owners(given["owners"], given["open"], given["team"])
    return write_chunk(
        Chunk(
            imported,
            services.mapping_of(imported),
            owners,
            args["from"],
            args["to"],
            args["offset"],
            Workspace.current().currency,
            imported.dry_run,
        )
    )


def _after_leads(job: Job) -> None:
    imported = _import(job.args["import"])
    if imported.state == Import.State.ENDED:
        return
    failed = JobChunk.objects.filter(job=job).exclude(error="")
    for chunk in failed:
        first, last = chunk.args["from"], chunk.args["to"] - 1
        reason = f"rows {first} to {last} could not be written: {chunk.error}"
        write_rejections(
            imported.pk, RejectedRow.Step.WRITE, [(first, "", "failed", reason, "", True)]
        )
    imported.report["dry" if imported.dry_run else "write"] = job.counts
    if failed:
        imported.report["error"] = "Some rows could not be written; they are in the list."
    state = Import.State.CHECKED if imported.dry_run else Import.State.ENDED
    Import.objects.filter(pk=imported.pk).update(state=state, report=imported.report)


jobs.register(services.CHECK, _check_chunk, _after_check)
jobs.register(services.COMPANIES, _companies_chunk, _after_companies)
jobs.register(services.WRITE, _write_chunk, _after_leads)


# --- undo ---------------------------------------------------------------------------------------
_UNDONE = ("removed", "restored", "kept")


def _find_chunk(job: Job, args: dict[str, Any]) -> dict[str, int]:
    """Find what the import touched, and start the job that takes it back."""
    imported = _import(args["import"])
    unlist_refusals(imported)
    services.begin_taking_back(imported, list(touched_leads(imported)))
    return {"done": 1}


def _undo_chunk(job: Job, args: dict[str, Any]) -> dict[str, int]:
    imported = _import(args["import"])
    counts = take_back(imported, args["leads"])
    if stay := counts.pop("stay"):
        locked = Import.objects.select_for_update(of=("self",)).get(pk=imported.pk)
        named = [*locked.report.get("stay", []), *stay][:MOST_NAMED]
        Import.objects.filter(pk=imported.pk).update(report={**locked.report, "stay": named})
    return counts


def _after_find(job: Job) -> None:
    if services.set_aside(job):
        _end_undo(job)


def _end_undo(job: Job) -> None:
    """End the undo; where a chunk was set aside it stays open, for that chunk’s leads alone."""
    imported = Import.objects.select_for_update(of=("self",)).get(pk=job.args["import"])
    report, before = imported.report, imported.report.get("undo", {})
    if job.kind == services.UNDO:
        report["undo"] = {name: before.get(name, 0) + job.counts.get(name, 0) for name in _UNDONE}
    report.pop("undo_failed", None)
    imported.state = Import.State.UNDONE
    if failed := services.set_aside(job):
        left = sum(len(chunk.args.get("leads", ())) for chunk in failed)
        report["undo_failed"] = {"leads": left, "reason": failed[0].error}
        imported.state = Import.State.ENDED
    imported.save(update_fields=["state", "report"])


jobs.register(services.FIND, _find_chunk, _after_find)
jobs.register(services.UNDO, _undo_chunk, _end_undo)


# --- clearing -----------------------------------------------------------------------------------
@sweep("intake.clear_rows", queue="bulk")
def clear_rows() -> int:
    """Remove a batch of rows of an old import, kept only as long as they may be needed."""
    old = (
        Import.objects.filter(cleared_at=None, created_at__lt=now() - KEPT)
        .exclude(state__in=(Import.State.CHECKING, Import.State.RUNNING))  # it needs them
        .order_by("created_at")
        .first()
    )
    if old is None:
        return 0
    for table in (StagedRow._meta.db_table, CheckedRow._meta.db_table):
        with connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {table} WHERE imported_id = %(id)s AND row_no IN "
                f"(SELECT row_no FROM {table} WHERE imported_id = %(id)s LIMIT %(most)s)",
                {"id": old.pk, "most": CLEARED_AT_ONCE},
            )
            if cursor.rowcount:
                return int(cursor.rowcount)
    Import.objects.filter(pk=old.pk).update(cleared_at=DatabaseNow())
    return 1
