"""Pages of proposals: the list, the review, and what is decided there."""

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from core.clock import now
from core.errors import Conflict, Invalid
from core.filters import require_known
from scoring import policies, proposal_selectors, proposing, reviewing, shadowing, trusting
from scoring.forms import NoteForm, ShadowForm
from scoring.models import Proposal


def _reader(request: HttpRequest) -> User:
    viewer = cast(User, request.user)
    policies.can_read_proposals(viewer).require()
    return viewer


def _owner(request: HttpRequest) -> User:
    viewer = cast(User, request.user)
    policies.can_change_models(viewer).require()
    return viewer


@require_safe
def list_proposals(request: HttpRequest) -> HttpResponse:
    """What waits for a decision, and what was learned last."""
    viewer = _reader(request)
    require_known(request.GET, (), "the proposals")
    job = proposal_selectors.latest_learning()
    context = {
        "proposals": proposal_selectors.list_proposals(),
        "job": job,
        "working": job is not None and not job.ended,
        "may_change": policies.can_change_models(viewer),
        "now": now(),
    }
    return render(request, "scoring/proposals.html", context)


@require_POST
def start_learning(request: HttpRequest) -> HttpResponse:
    """Learn now."""
    proposing.start_learning(_owner(request))
    return redirect("scoring:list_proposals")


@require_safe
def view_proposal(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """The review of one proposal."""
    return _review(request, _reader(request), proposal_selectors.get_proposal(proposal_id))


def _review(
    request: HttpRequest,
    viewer: User,
    proposal: Proposal,
    *,
    note: NoteForm | None = None,
    shadow: ShadowForm | None = None,
    problem: str = "",
    leak_problem: tuple[str, str] = ("", ""),
    status: int = 200,
) -> HttpResponse:
    page = proposal_selectors.read_proposal(proposal, viewer)
    context = {
        "page": page,
        "proposal": proposal,
        "version": proposal.version,
        "backtest": page.evidence.get("backtest"),
        "under_way": proposal.state in Proposal.UNDER_WAY,
        "working": page.job is not None and not page.job.ended,
        "note_form": note or NoteForm(),
        "shadow_form": shadow or ShadowForm(),
        "problem": problem,
        "seen": request.POST.getlist("seen"),
        "leak_problem": leak_problem,
        "tier_words": proposal_selectors.TIER_WORDS,
        "now": now(),
    }
    return render(request, "scoring/proposal.html", context, status=status)


@require_POST
def approve_proposal(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """Publish the proposed version."""
    viewer = _owner(request)
    proposal = proposal_selectors.get_proposal(proposal_id)
    try:
        reviewing.approve(proposal, by=viewer, seen=request.POST.getlist("seen"))
    except Invalid as error:
        words = "; ".join(p.message for p in error.problems) or error.message
        return _review(request, viewer, proposal, problem=words, status=422)
    messages.success(request, "Published. Every open lead is being rescored.")
    return redirect("scoring:view_proposal", proposal.pk)


@require_POST
def shadow_proposal(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """Let it score in the shadow for some days."""
    viewer = _owner(request)
    proposal = proposal_selectors.get_proposal(proposal_id)
    form = ShadowForm(request.POST)
    if not form.is_valid():
        return _review(request, viewer, proposal, shadow=form, status=422)
    reviewing.shadow(proposal, by=viewer, days=form.cleaned_data["days"])
    return redirect("scoring:view_proposal", proposal.pk)


@require_safe
def show_shadow(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """Where a version in the shadow disagrees, and how both fare on new outcomes."""
    viewer = _reader(request)
    proposal = proposal_selectors.get_proposal(proposal_id)
    if proposal.version is None:
        raise Conflict("This is a note without a version.")
    context = {
        "proposal": proposal,
        "version": proposal.version,
        "page": shadowing.read_shadow(proposal.version, viewer),
        "now": now(),
    }
    return render(request, "scoring/shadow.html", context)


@require_POST
def request_changes(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """Hand it back with what is to change."""
    viewer = _owner(request)
    proposal = proposal_selectors.get_proposal(proposal_id)
    form = NoteForm(request.POST)
    if not form.is_valid():
        return _review(request, viewer, proposal, note=form, status=422)
    reviewing.request_changes(proposal, by=viewer, note=form.cleaned_data["note"])
    return redirect("scoring:view_proposal", proposal.pk)


@require_POST
def dismiss_proposal(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """Lay it aside."""
    viewer = _owner(request)
    proposal = proposal_selectors.get_proposal(proposal_id)
    reviewing.dismiss(proposal, by=viewer)
    messages.success(request, "Dismissed. The version is kept as a draft.")
    return redirect("scoring:view_proposal", proposal.pk)


@require_POST
def trust_line(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """Let a line be learned though it gives the outcome away."""
    viewer = _owner(request)
    proposal = proposal_selectors.get_proposal(proposal_id)
    line = request.POST.get("subject", "")
    try:
        kept = trusting.trust_line(proposal, line, request.POST.get("reason", ""), by=viewer)
    except Invalid as error:
        words = error.problems[0].message
        return _review(request, viewer, proposal, leak_problem=(line, words), status=422)
    messages.success(request, f"{kept.label} is learned like any other line from now on.")
    return redirect("scoring:view_proposal", proposal.pk)


@require_POST
def distrust_line(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """Leave a line out of learning again."""
    viewer = _owner(request)
    proposal = proposal_selectors.get_proposal(proposal_id)
    trusting.distrust_line(proposal, request.POST.get("subject", ""), by=viewer)
    messages.success(request, "It keeps its points from now on.")
    return redirect("scoring:view_proposal", proposal.pk)


@require_safe
def show_job(request: HttpRequest, job_id: int) -> HttpResponse:
    """The progress of a job alone, asked for each second; the page anew when it has ended."""
    _reader(request)
    job = proposal_selectors.get_job(job_id)
    if job.ended:
        response = HttpResponse(status=200)
        response["HX-Refresh"] = "true"
        return response
    return render(request, "scoring/_progress.html", {"job": job})
