"""Pages of imports: upload, mapping, dry run, progress, report. Every step also works by plain
forms; a running import may be left and found again.
"""

import csv
from collections.abc import Iterator
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from core.clock import now
from core.errors import FieldProblem, Invalid, LeadqualError
from intake import forms, selectors, services
from intake.forms import MOST_ROWS, MOST_UPLOAD, UploadForm
from intake.models import Import
from intake.policies import can_backtest, can_be_imported, can_import, can_undo_import
from leads.models import Lead

SHOWN = 100  # rejections on one page
_WORKING = (Import.State.CHECKING, Import.State.RUNNING, Import.State.UNDOING)


class TooLarge(LeadqualError):
    """The upload is larger than the page takes."""

    status = 413
    code = "too_large"
    title = "File too large"


def _viewer(request: HttpRequest) -> User:
    viewer = cast(User, request.user)
    can_import(viewer).require()
    return viewer


def _import(request: HttpRequest, import_id: int) -> Import:
    return selectors.get_import(import_id, viewer=_viewer(request))


@require_safe
def list_imports(request: HttpRequest) -> HttpResponse:
    """Upload a file, and see the latest imports."""
    return _list(request, UploadForm(viewer=_viewer(request)))


def _list(request: HttpRequest, form: UploadForm, status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "imports": selectors.list_imports(viewer=_viewer(request)),
        "most": MOST_UPLOAD // (1024 * 1024),
    }
    return render(request, "intake/imports.html", context, status=status)


# Without the exemption the check of the form's token would read the whole body before the view can
# refuse it by its size; `_upload` then makes that check.
@csrf_exempt
def upload_file(request: HttpRequest) -> HttpResponse:
    """Read a file and go on to its mapping."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > MOST_UPLOAD + 1024 * 1024:
        limit = MOST_UPLOAD // (1024 * 1024)
        raise TooLarge(f"A file may have {limit} MB here. The command import_leads takes more.")
    return _upload(request)


@csrf_protect
@require_POST
def _upload(request: HttpRequest) -> HttpResponse:
    viewer = _viewer(request)
    form = UploadForm(request.POST, request.FILES, viewer=viewer)
    if not form.is_valid():
        return _list(request, form, status=422)
    data = form.cleaned_data
    like = selectors.get_import(data["like"], viewer=viewer) if data.get("like") else None
    try:
        imported = services.read_file(
            data["file"].file,
            data["file"].name,
            by=viewer,
            source=data["source"],
            owner=data.get("owner"),
            team=data.get("team"),
            most_rows=MOST_ROWS,
            like=like,
        )
    except Invalid as error:
        for problem in error.problems:
            name = problem.field if problem.field in form.fields else None
            more = " The command import_leads takes more." * (problem.code == "too_many_rows")
            form.add_error(name, f"{problem.field.capitalize()} {problem.message}.{more}")
        return _list(request, form, status=422)
    return redirect("intake:view_import", imported.pk)


@require_safe
def view_import(request: HttpRequest, import_id: int) -> HttpResponse:
    """Show an import where it stands: mapping, progress, dry run or report."""
    imported = _import(request, import_id)
    if not (may := can_be_imported(imported)):
        messages.warning(request, may.reason)
        return redirect("intake:list_imports")
    if imported.state == Import.State.STAGED or (
        imported.state == Import.State.CHECKED and "map" in request.GET
    ):
        return _mapping(request, imported)
    return render(request, "intake/import.html", _context(request, imported))


def _context(request: HttpRequest, imported: Import) -> dict[str, Any]:
    after = request.GET.get("after", "0")
    skipped = int(after) if after.isdecimal() and len(after) < 10 else 0
    rejected = selectors.rejections(imported, after=skipped, most=SHOWN + 1)
    report = selectors.report(imported, errors=0)
    return {
        "imported": imported,
        "report": report,
        "taken": report["rows"] - report["rejected"],
        "working": imported.state in _WORKING,
        "rejected": rejected[:SHOWN],
        "next": skipped + SHOWN if len(rejected) > SHOWN else None,
        "phase": selectors.phase_of(imported),
        "wrote": bool(report["created"] or report["updated"] or report["listed"]),
        "undo": can_undo_import(_viewer(request), imported, at=now()),
        "may_backtest": bool(
            imported.state == Import.State.ENDED
            and imported.cleared_at is None
            and _has_outcome(imported)
            and can_backtest(_viewer(request))
        ),
        "stay": Lead.objects.visible_to(_viewer(request)).filter(
            pk__in=imported.report.get("stay", [])
        ),
    }


def _has_outcome(imported: Import) -> bool:
    columns = imported.mapping.get("columns", {})
    return any(spec.get("to") == "outcome" for spec in columns.values())


def _mapping(
    request: HttpRequest,
    imported: Import,
    problems: tuple[FieldProblem, ...] = (),
    note: str = "",
) -> HttpResponse:
    context = {
        "imported": imported,
        "rows": forms.rows(imported),
        "targets": forms.targets(services.known(imported)),
        "ratings": forms.RATINGS,
        "ends": forms.ENDS,
        "says": forms.SAYS,
        "exists": forms.EXISTS,
        "problems": problems,
        "note": note,
        "warnings": imported.report.get("warnings", []),
    }
    return render(request, "intake/mapping.html", context, status=422 if problems else 200)


@require_POST
def check_import(request: HttpRequest, import_id: int) -> HttpResponse:
    """Take the mapping and begin the dry run; nothing is written by it."""
    imported = _import(request, import_id)
    mapping, complete = forms.mapping_from(request.POST.dict(), imported)
    try:
        if complete:
            services.start(imported, mapping, dry_run=True, by=_viewer(request))
        else:
            services.keep_mapping(imported, mapping)
    except Invalid as error:
        imported.mapping = mapping
        return _mapping(request, imported, error.problems)
    if not complete:
        imported.mapping = mapping
        return _mapping(request, imported, note="Say what each of the values means, then go on.")
    return redirect("intake:view_import", imported.pk)


@require_POST
def run_import(request: HttpRequest, import_id: int) -> HttpResponse:
    """Import what a dry run has checked."""
    imported = _import(request, import_id)
    services.run(imported)
    return redirect("intake:view_import", imported.pk)


@require_POST
def stop_import(request: HttpRequest, import_id: int) -> HttpResponse:
    """Stop an import after the chunks that are being written."""
    imported = _import(request, import_id)
    services.stop(imported)
    return redirect("intake:view_import", imported.pk)


@require_POST
def undo_import(request: HttpRequest, import_id: int) -> HttpResponse:
    """Take an import back: what nobody has worked on since goes, what it changed is reversed."""
    imported = _import(request, import_id)
    services.undo_import(imported, by=_viewer(request))
    return redirect("intake:view_import", imported.pk)


@require_safe
def show_progress(request: HttpRequest, import_id: int) -> HttpResponse:
    """The progress alone, asked for each second; the whole page anew when there is none."""
    imported = _import(request, import_id)
    context = _context(request, imported)
    if not context["working"]:
        response = HttpResponse(status=200)
        response["HX-Redirect"] = reverse("intake:view_import", args=[imported.pk])
        return response
    return render(request, "intake/_progress.html", context)


@require_safe
def download_rejected(request: HttpRequest, import_id: int) -> StreamingHttpResponse:
    """The rejected rows as a CSV that can be mended and uploaded again."""
    imported = _import(request, import_id)
    response = StreamingHttpResponse(
        _csv(selectors.rejected_file(imported)), content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="rejected-{imported.pk}.csv"'
    return response


class _Echo:
    def write(self, text: str) -> str:
        """Return what csv.writer writes."""
        return text


def _csv(lines: Iterator[list[str]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff"  # Excel takes a file without it for Windows-1252
    for line in lines:
        yield writer.writerow(line)
