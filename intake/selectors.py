"""Whole reads of imports: the report of one, its rejected rows, the list of mine."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Count, Q

from accounts.models import User
from accounts.roles import Role
from core.errors import NotFound
from core.models import Job
from intake.models import Import, RejectedRow, StagedRow
from intake.proposing import REASON_HEADER, ROW_HEADER
from intake.staging import SEPARATOR

SHOWN = 100  # rejections in a report
_TIERS = ("hot", "warm", "cold")
_TOLD = ("undo", "undo_failed", "error")  # what a report says only where it is so
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def get_import(import_id: int, *, viewer: User) -> Import:
    """Return an import that the viewer may see; raise NotFound otherwise."""
    imported = (
        Import.objects.select_related("source", "owner", "team", "created_by", "undone_by", "job")
        .filter(pk=import_id)
        .first()
    )
    if imported is None or not (viewer.role == Role.ADMIN or imported.created_by_id == viewer.pk):
        raise NotFound
    return imported


def list_imports(*, viewer: User, most: int = 20) -> list[tuple[Import, dict[str, Any]]]:
    """Return the viewer's latest imports with their reports (without rejections); an admin's are
    everybody's. Two queries, whatever their number.
    """
    imports = Import.objects.select_related("created_by", "job").order_by("-pk")
    if viewer.role != Role.ADMIN:
        imports = imports.filter(created_by=viewer)
    found = list(imports[:most])
    rejected = _count_rejected(found)
    return [(imported, _report(imported, *rejected.get(imported.pk, (0, 0)))) for imported in found]


def _count_rejected(imports: Sequence[Import]) -> dict[int, tuple[int, int]]:
    """Return the numbers of rejected rows and cells by import."""
    counted = (
        RejectedRow.objects.filter(imported__in=imports)
        .values_list("imported_id")
        .annotate(
            rows=Count("row_no", distinct=True, filter=Q(whole_row=True)),
            cells=Count("id", filter=Q(whole_row=False)),
        )
    )
    return {import_id: (rows, cells) for import_id, rows, cells in counted}


def report(imported: Import, *, errors: int = SHOWN) -> dict[str, Any]:
    """Return what an import did, or in a dry run would do, as the command prints it.

    Every row is counted once: rows = created + updated + unchanged + rejected once it is over.
    Rows that repeat an earlier row's lead count as unchanged, and again in `repeated`. `errors` is
    the most rejections that it lists.
    """
    rows, cells = _count_rejected([imported]).get(imported.pk, (0, 0))
    listed = [error_of(row) for row in rejections(imported, most=errors)] if errors else []
    return {**_report(imported, rows, cells), "errors": listed}


def _report(imported: Import, rejected: int, cells: int) -> dict[str, Any]:
    written = imported.report.get("dry" if imported.dry_run else "write", {})
    if not written and imported.job is not None and imported.job.kind == "import":
        written = imported.job.counts
    repeated = imported.plan.get("merged", 0)
    return {
        "import": imported.pk,
        "state": state_of(imported, rejected + cells),
        "rows": imported.row_count,
        "created": written.get("created", 0),
        "updated": written.get("updated", 0),
        "unchanged": written.get("unchanged", 0) + (repeated if written else 0),
        "repeated": repeated,
        "rejected": rejected,
        "cells_rejected": cells,
        "consents": {
            state: written.get(f"consents_{state}", 0) for state in ("granted", "withdrawn")
        },
        "listed": written.get("listed", 0),
        "scored": written.get("scored", 0),
        "tiers": {tier: written.get(f"tier_{tier}", 0) for tier in _TIERS},
        "warnings": imported.report.get("warnings", []),
        **{key: imported.report[key] for key in _TOLD if key in imported.report},
        "milliseconds": _milliseconds(imported),
    }


def state_of(imported: Import, rejections: int) -> str:
    """Return one word for where an import stands; an end with rejections says so."""
    if imported.state != Import.State.ENDED:
        return imported.state
    if "undo_failed" in imported.report:
        return "undone_in_part"
    if imported.report.get("error"):
        return "failed" if "write" not in imported.report else Job.State.SUCCEEDED_WITH_ERRORS
    return Job.State.SUCCEEDED_WITH_ERRORS if rejections else Job.State.SUCCEEDED


def _milliseconds(imported: Import) -> dict[str, int]:
    """Return the work of each phase, added up over processes."""
    out: dict[str, int] = {}
    for phase in ("read", "check", "write"):
        counts = imported.report.get(phase, {})
        out |= {key[3:]: ms for key, ms in counts.items() if key.startswith("ms_")}
    return out


def rejections(imported: Import, *, after: int = 0, most: int = SHOWN) -> list[RejectedRow]:
    """Return rejected rows and cells in the order of the file, skipping the first `after`."""
    rows = RejectedRow.objects.filter(imported=imported).order_by("row_no", "id")
    return list(rows[after : after + most])


def error_of(row: RejectedRow) -> dict[str, Any]:
    """Return a rejection as JSON."""
    return {
        "row": row.row_no,
        "field": row.field,
        "code": row.code,
        "reason": row.reason,
        "value": row.value,
        "whole_row": row.whole_row,
    }


_PHASES = {
    "import_check": "Checking rows",
    "import_companies": "Writing companies",
    "import": "Writing leads",
    "import_undo_find": "Finding what it wrote",
    "import_undo": "Taking leads back",
}


def phase_of(imported: Import) -> str:
    """Return in words what an import is doing."""
    if imported.dry_run and imported.job is not None and imported.job.kind == "import":
        return "Comparing with what is here"
    return _PHASES.get(imported.job.kind if imported.job else "", "Waiting")


def rejected_file(imported: Import) -> Iterator[list[str]]:
    """Yield the lines of a file of the rejected rows: the cells as they were, row and reason.

    Mended, the same file can be imported: no mapping takes the last two columns. A line that was
    no row stands whole in the first column.
    """
    yield [*map(escaped, imported.headers), ROW_HEADER, REASON_HEADER]
    width, last = len(imported.headers), 0
    while True:
        found = list(
            RejectedRow.objects.filter(imported=imported, whole_row=True, row_no__gt=last)
            .order_by("row_no", "id")
            .values_list("row_no", "reason", "value")[:1_000]
        )
        if not found:
            return
        numbers = [row_no for row_no, _, _ in found]
        staged = StagedRow.objects.filter(imported=imported, row_no__in=numbers)
        cells = {row.row_no: row.cells.split(SEPARATOR) for row in staged}
        for row_no, reason, value in found:
            if row_no > last:  # one line for a row, whatever the number of reasons
                row = cells.get(row_no) or [value, *[""] * (width - 1)]
                yield [*map(escaped, row), str(row_no), reason]
                last = row_no


def escaped(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula; importing takes the mark off."""
    return f"'{cell}" if cell[:1] in FORMULA_SIGNS and cell else cell
