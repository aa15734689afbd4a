"""Pages of score models and their versions."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.clock import now
from core.errors import Conflict, Invalid, StaleVersion
from core.filters import require_known
from leads.models import Outcome
from scoring import drafting, hand_made, model_selectors, policies, previewing, reviewing
from scoring.forms import DraftForm
from scoring.origins import origin_of
from scoring.views.viewers import model_owner, model_reader, proposal_reader


@require_safe
def list_models(request: HttpRequest) -> HttpResponse:
    """All score models with their live, open and retired versions."""
    viewer = model_reader(request)
    require_known(request.GET, (), "the score models")
    context = {
        "models": model_selectors.list_models(),
        "may_change": policies.can_change_models(viewer),
        "untaught": policies.can_change_models(viewer) and not Outcome.objects.exists(),
        "now": now(),
    }
    return render(request, "scoring/models.html", context)


@require_safe
def view_version(request: HttpRequest, version_id: int) -> HttpResponse:
    """All numbers of one version, and what differs from the live one."""
    viewer = model_reader(request)
    require_known(request.GET, (), "a version")
    version = model_selectors.get_version(version_id)
    context = {
        "page": model_selectors.read_version(version),
        "version": version,
        "origin": origin_of(version),
        "may_change": policies.can_change_models(viewer),
        "now": now(),
    }
    return render(request, "scoring/version.html", context)


@require_POST
def make_draft(request: HttpRequest, version_id: int) -> HttpResponse:
    """Draft from a version, and go on to edit it."""
    viewer = model_owner(request)
    draft = drafting.make_draft(model_selectors.get_version(version_id), by=viewer)
    return redirect("scoring:edit_draft", draft.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def edit_draft(request: HttpRequest, version_id: int) -> HttpResponse:
    """Every number of a draft in one form."""
    viewer = model_owner(request)
    require_known(request.GET, (), "a draft")
    version = model_selectors.get_version(version_id)
    [parsed] = model_selectors.parse_versions([version])
    if version.state != version.State.DRAFT:
        raise Conflict(f"v{version.number} is {version.state}, and only drafts change.")
    status, read = 200, drafting.content_tag(version)
    if request.method == "POST":
        form = DraftForm(version.definition, parsed.framework, request.POST)
        status, opened = Invalid.status, request.POST.get("read", "")
        if form.is_valid():
            try:
                drafting.save_draft(version, form.edited(), by=viewer, read=opened)
            except Invalid as error:
                form.add_problems(error)
                read = opened
            except StaleVersion as stale:  # saved again, it takes the place of what they saved
                version.refresh_from_db()
                form.set_beside(version.definition)
                status, read = stale.status, drafting.content_tag(version)
            else:
                return redirect("scoring:view_version", version.pk)
        else:
            read = opened
    else:
        form = DraftForm(version.definition, parsed.framework)
    context = {"version": version, "form": form, "read": read, "now": now()}
    return render(request, "scoring/draft.html", context, status=status)


@require_POST
def delete_draft(request: HttpRequest, version_id: int) -> HttpResponse:
    """Throw a draft away."""
    viewer = model_owner(request)
    version = model_selectors.get_version(version_id)
    drafting.delete_draft(version, by=viewer)
    messages.success(request, f"Draft v{version.number} is gone.")
    return redirect("scoring:list_models")


@require_POST
def propose_draft(request: HttpRequest, version_id: int) -> HttpResponse:
    """Measure a draft on past leads and put it up for review."""
    viewer = model_owner(request)
    hand_made.start_appraisal(model_selectors.get_version(version_id), by=viewer)
    return redirect("scoring:list_proposals")


@require_POST
def roll_back(request: HttpRequest, version_id: int) -> HttpResponse:
    """Put a retired version's content live again."""
    viewer = model_owner(request)
    again, _ = reviewing.roll_back(model_selectors.get_version(version_id), by=viewer)
    messages.success(request, f"v{again.number} is live. Every open lead is being rescored.")
    return redirect("scoring:view_version", again.pk)


@require_safe
def show_preview(request: HttpRequest, version_id: int) -> HttpResponse:
    """What a version would do: a sample at once, and all open leads when that was asked for."""
    viewer = proposal_reader(request)
    require_known(request.GET, (), "a preview")
    version = model_selectors.get_version(version_id)
    if version.state == version.State.LIVE:
        raise Conflict(f"v{version.number} is live already.")
    page = model_selectors.read_preview(version, viewer)
    may_change = policies.can_change_models(viewer)
    context = {
        "version": version,
        "compare": version if may_change else None,
        "page": page,
        "job": page.job,
        "working": page.job is not None and not page.job.ended,
        "may_change": may_change,
        "now": now(),
    }
    return render(request, "scoring/preview.html", context)


@require_POST
def start_preview(request: HttpRequest, version_id: int) -> HttpResponse:
    """Try a version on every open lead."""
    viewer = model_owner(request)
    previewing.start_preview(model_selectors.get_version(version_id), viewer)
    return redirect("scoring:show_preview", version_id)
