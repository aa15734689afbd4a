"""Pages of backtests: upload history, choose its outcome, see what learned weights would have won,
pick the lines, take the model. Every step also works by plain forms.
"""

from collections.abc import Sequence
from typing import Any, cast

from django import forms as django_forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from accounts.selectors import capacity
from core import conditions
from core.clock import now
from core.errors import Conflict, Invalid
from core.filters import require_known
from core.models import Job
from core.versions import Version
from intake import backtests
from intake.backtest_columns import STILL_TO_COME, Columns
from intake.backtest_pages import DayForm, StartForm, page_of
from intake.forms import MOST_UPLOAD
from intake.models import Backtest
from intake.policies import (
    can_backtest,
    can_be_imported,
    can_import,
    can_read_backtests,
    can_see_import,
)
from intake.selectors import get_import
from intake.views import TooLarge
from scoring.learning.table import table_of
from scoring.models import ModelVersion

SHOWN = 20  # backtests in the list


class HistoryForm(django_forms.Form):
    """A file of past leads."""

    file = django_forms.FileField(
        label="CSV of past leads",
        widget=django_forms.ClearableFileInput(attrs={"accept": ".csv,.txt,.tsv"}),
    )


def _reader(request: HttpRequest) -> User:
    viewer = cast(User, request.user)
    can_read_backtests(viewer).require()
    return viewer


def _test(backtest_id: int) -> Backtest:
    related = ("imported", "job", "created_by", "taken")
    return get_object_or_404(Backtest.objects.select_related(*related), pk=backtest_id)


@require_safe
def list_backtests(request: HttpRequest) -> HttpResponse:
    """Upload past leads, and see the latest backtests."""
    _reader(request)
    require_known(request.GET, (), "the backtests")
    return _list(request, HistoryForm())


def _list(request: HttpRequest, form: HistoryForm, status: int = 200) -> HttpResponse:
    tests = Backtest.objects.select_related("imported", "job", "created_by").order_by("-pk")
    context = {
        "form": form,
        "tests": tests[:SHOWN],
        "most": MOST_UPLOAD // (1024 * 1024),
        "may": can_backtest(_reader(request)),
        "now": now(),
    }
    return render(request, "intake/backtests.html", context, status=status)


# As with imports: a file that is too large is refused before its body is read.
@csrf_exempt
def upload_history(request: HttpRequest) -> HttpResponse:
    """Read a file of past leads and go on to the choice of its outcome."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > MOST_UPLOAD + 1024 * 1024:
        limit = MOST_UPLOAD // (1024 * 1024)
        raise TooLarge(f"A file may have {limit} MB here. The command backtest takes more.")
    return _upload(request)


@csrf_protect
@require_POST
def _upload(request: HttpRequest) -> HttpResponse:
    viewer = _reader(request)
    can_backtest(viewer).require()
    form = HistoryForm(request.POST, request.FILES)
    if not form.is_valid():
        return _list(request, form, status=422)
    file = form.cleaned_data["file"]
    try:
        test = backtests.read_past_leads(file.file, file.name, by=viewer)
    except Invalid as error:
        for problem in error.problems:
            too_much = problem.code in ("too_many_rows", "too_many_columns")
            more = " The command backtest takes more." * too_much
            form.add_error("file", f"{problem.field.capitalize()} {problem.message}.{more}")
        return _list(request, form, status=422)
    return redirect("intake:view_backtest", test.pk)


@require_safe
def view_backtest(request: HttpRequest, backtest_id: int) -> HttpResponse:
    """Show a backtest where it stands: its options, its progress, or what came of it."""
    _reader(request)
    require_known(request.GET, ("change", "calls", "leads"), "a backtest")
    test = _test(backtest_id)
    if not test.options or test.problem or ("change" in request.GET and not _works(test)):
        return _choose(request, test, StartForm(test))
    return _show(request, test)


def _show(
    request: HttpRequest, test: Backtest, error: Invalid | None = None, status: int = 200
) -> HttpResponse:
    """Show progress or result; with an error as it was posted, so that nothing chosen is lost."""
    viewer = _reader(request)
    kept = set(request.POST.getlist("use")) if request.POST else None
    page = None if _works(test) else page_of(test, kept)
    context: dict[str, Any] = {
        "test": test,
        "working": _works(test),
        "page": page,
        "may": can_backtest(viewer),
        "can_import": can_import(viewer) and can_see_import(viewer, test.imported),
        "importable": can_be_imported(test.imported),
    }
    if page is not None:
        live = ModelVersion.objects.filter(state=Version.State.LIVE).select_related("icp")
        day = {name: request.GET[name] for name in ("calls", "leads") if name in request.GET}
        models = [v for v in live.order_by("key") if not v.icp.definition.get("fallback")]
        context |= {
            "day": DayForm(test.measured, capacity(), day),
            "models": models,
            "model": request.POST.get("model") or _profile_for(test, models),
        }
    if page is not None and page.lines:
        columns = Columns(test)
        problems = error.problems if error else ()
        rows = columns.rows(columns.chosen(request.POST), problems)
        context |= {
            "columns": rows,
            "remarks": sum(bool(row.note) for row in rows),
            "problems": [p for p in problems if not p.field.startswith("columns.")],
            "refused_columns": any(p.field.startswith("columns.") for p in problems),
        }
    return render(request, "intake/backtest.html", context, status=status)


def _profile_for(test: Backtest, models: Sequence[ModelVersion]) -> str:
    """Return the key of the first model for leads of the file's kind, "" for none."""
    row = table_of({"kind": [test.imported.mapping.get("kind", "")]}, {"kind": "text"})
    for version in models:
        segment = version.icp.definition.get("segment")
        if not segment or not conditions.fields_of(segment) <= row.types.keys():
            continue
        if conditions.evaluate(segment, row, row.types)[0] == conditions.TRUE:
            return version.key
    return ""


def _works(test: Backtest) -> bool:
    return test.job is not None and test.job.state == Job.State.RUNNING


def _choose(
    request: HttpRequest, test: Backtest, form: StartForm, status: int = 200
) -> HttpResponse:
    context = {"test": test, "form": form, "may": can_backtest(_reader(request))}
    return render(request, "intake/backtest_options.html", context, status=status)


@require_POST
def start_backtest(request: HttpRequest, backtest_id: int) -> HttpResponse:
    """Start the work under the chosen options."""
    viewer = _reader(request)
    can_backtest(viewer).require()
    test = _test(backtest_id)
    form = StartForm(test, request.POST)
    if not form.is_valid():
        return _choose(request, test, form, status=422)
    try:
        backtests.start_backtest(test, form.options(), by=viewer)
    except Conflict as error:  # pressed twice, or in two tabs: the page shows where it stands
        messages.warning(request, str(error))
    return redirect("intake:view_backtest", test.pk)


@require_safe
def show_backtest_progress(request: HttpRequest, backtest_id: int) -> HttpResponse:
    """The progress alone, asked for each second; the whole page anew when there is none."""
    _reader(request)
    test = _test(backtest_id)
    if not _works(test):
        response = HttpResponse(status=200)
        response["HX-Redirect"] = reverse("intake:view_backtest", args=[test.pk])
        return response
    return render(request, "intake/_backtest_progress.html", {"test": test})


@require_POST
def take_model(request: HttpRequest, backtest_id: int) -> HttpResponse:
    """Keep which lines are wanted; with `model` make drafts of them for its profile."""
    viewer = _reader(request)
    can_backtest(viewer).require()
    test = _test(backtest_id)
    keep = set(request.POST.getlist("use"))
    key = request.POST.get("model", "")
    if "only_keep" in request.POST:
        backtests.pick_lines(test, keep, by=viewer)
        return redirect("intake:view_backtest", test.pk)
    live = ModelVersion.objects.filter(state=Version.State.LIVE, key=key)
    version = live.select_related("icp", "framework").first()
    if request.POST.get("taken", "") != str(test.taken_id or ""):
        return _taken_already(request, test)
    try:
        if version is None:
            raise Invalid.field("model", "not_a_choice", "choose the profile that it is for")
        chosen = Columns(test).chosen(request.POST) if test.suggested.get("definitions") else {}
        made = backtests.take_model(test, keep, version, by=viewer, chosen=chosen)
    except Invalid as error:
        return _show(request, test, error, status=422)
    except Conflict as error:
        test.refresh_from_db()
        if not test.taken_id:
            raise error
        return _taken_already(request, test)
    text = "Drafts were made. Look at what they change, then propose them for review."
    if test.imported.state in STILL_TO_COME and can_be_imported(test.imported):
        text += " An import of the same file fills the fields that their lines read."
    messages.success(request, text)
    return redirect("scoring:view_version", made.pk)


def _taken_already(request: HttpRequest, test: Backtest) -> HttpResponse:
    """Go on to what was made since the page was shown: pressed twice, or by somebody else."""
    messages.warning(request, "This model was taken already; nothing was made again.")
    if test.taken_id is None:  # and its draft was deleted
        return redirect("intake:view_backtest", test.pk)
    return redirect("scoring:view_version", test.taken_id)


@require_POST
def backtest_import(request: HttpRequest, import_id: int) -> HttpResponse:
    """Go on to the backtest of a file that was imported."""
    viewer = _reader(request)
    can_backtest(viewer).require()
    imported = get_import(import_id, viewer=viewer)
    test = backtests.backtest_import(imported, by=viewer)
    return redirect("intake:view_backtest", test.pk)
