"""Whole reads of imports: the report of one, its rejected rows, the list of mine."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, Q

from accounts.models import User
from accounts.roles import Role
from core.errors import NotFound
from core.models import Job
from intake.models import Import, RejectedRow

SHOWN = 100  # rejections in a report
_TIERS = ("hot", "warm", "cold")


def get_import(import_id: int, *, viewer: User) -> Import:
    """Return an import that the viewer may see; raise NotFound otherwise."""
    imported = (
        Import.objects.select_related("source", "owner", "team", "created_by", "job")
        .filter(pk=import_id)
        .first()
    )
    if imported is None or not (viewer.role == Role.ADMIN or imported.created_by_id == viewer.pk):
        raise NotFound
    return imported


def list_imports(*, viewer: User, most: int = 20) -> list[Import]:
    """Return the viewer's latest imports; an admin's are everybody's."""
    imports = Import.objects.select_related("created_by", "job").order_by("-pk")
    if viewer.role != Role.ADMIN:
        imports = imports.filter(created_by=viewer)
    return list(imports[:most])


def report(imported: Import) -> dict[str, Any]:
    """Return what an import did, or in a dry run would do, as the command prints it.

    Every row is counted once: rows = created + updated + unchanged + rejected once it is over.
    Rows that repeat an earlier row's lead count as unchanged, and again in `repeated`.
    """
    written = imported.report.get("dry" if imported.dry_run else "write", {})
    if not written and imported.job is not None:
        written = imported.job.counts if imported.job.kind == "import" else {}
    repeated = imported.plan.get("merged", 0)
    rejected = RejectedRow.objects.filter(imported=imported).aggregate(
        rows=Count("row_no", distinct=True, filter=Q(whole_row=True)),
        cells=Count("id", filter=Q(whole_row=False)),
    )
    return {
        "import": imported.pk,
        "state": state_of(imported),
        "rows": imported.row_count,
        "created": written.get("created", 0),
        "updated": written.get("updated", 0),
        "unchanged": written.get("unchanged", 0) + (repeated if written else 0),
        "repeated": repeated,
        "rejected": rejected["rows"],
        "cells_rejected": rejected["cells"],
        "scored": written.get("scored", 0),
        "tiers": {tier: written.get(f"tier_{tier}", 0) for tier in _TIERS},
        "warnings": imported.report.get("warnings", []),
        "errors": [error_of(row) for row in rejections(imported, most=SHOWN)],
        **({"error": imported.report["error"]} if "error" in imported.report else {}),
        "milliseconds": _milliseconds(imported),
    }


def state_of(imported: Import) -> str:
    """Return one word for where an import stands; an end with rejected rows says so."""
    if imported.state != Import.State.ENDED:
        return imported.state
    if imported.report.get("error"):
        return "failed" if "write" not in imported.report else Job.State.SUCCEEDED_WITH_ERRORS
    some = RejectedRow.objects.filter(imported=imported).exists()
    return Job.State.SUCCEEDED_WITH_ERRORS if some else Job.State.SUCCEEDED


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


def rejected_file(imported: Import) -> Iterator[list[str]]:
    """Yield the lines of a file of the rejected rows: row, reason, then the cells as they were.

    The same file can be mended and imported: the first two columns are ignored by its mapping.
    """
    raise NotImplementedError
