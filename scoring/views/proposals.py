"""Pages of proposals: the list, the review, and what is decided there."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.forms import Form
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
from scoring.origins import origin_of
from scoring.views.viewers import model_owner, proposal_reader


@require_safe
def list_proposals(request: HttpRequest) -> HttpResponse:
    """What waits for a decision, and what was learned last."""
    viewer = proposal_reader(request)
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
    proposing.start_learning(model_owner(request))
    return redirect("scoring:list_proposals")


@require_safe
def view_proposal(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """The review of one proposal."""
    viewer = proposal_reader(request)
    require_known(request.GET, (), "a proposal")
    return _review(request, viewer, proposal_selectors.get_proposal(proposal_id))


def _review(
    request: HttpRequest,
    viewer: User,
    proposal: Proposal,
    *,
    note: Form | None = None,
    shadow: Form | None = None,
    problem: str = "",
    leak: str = "",
    status: int = 200,
) -> HttpResponse:
    """Show a proposal; `problem` is about the line `leak`, or about the decision."""
    page = proposal_selectors.read_proposal(proposal, viewer)
    made_by_hand = proposal.origin == Proposal.Origin.HAND
    context = {
        "page": page,
        "proposal": proposal,
        "version": proposal.version,
        "origin": origin_of(proposal.version) if made_by_hand and proposal.version else None,
        "backtest": page.evidence.get("backtest"),
        "under_way": proposal.state in Proposal.UNDER_WAY,
        "working": page.job is not None and not page.job.ended,
        "note_form": note or NoteForm(),
        "shadow_form": shadow or ShadowForm(),
        "problem": problem,
        "seen": request.POST.getlist("seen"),
        "leak": leak,
        "tier_words": proposal_selectors.TIER_WORDS,
        "now": now(),
    }
    return render(request, "scoring/proposal.html", context, status=status)


def _decide(
    request: HttpRequest,
    proposal_id: int,
    act: Callable[[Proposal, User], Any],
    *,
    said: str = "",
    leak: str = "",
    **forms: Form,
) -> HttpResponse:
    """Do what a model owner asked for, and say so; show the proposal again, as it is by now, with
    what is wrong or what somebody else did first.
    """
    viewer = model_owner(request)
    proposal = proposal_selectors.get_proposal(proposal_id)
    problem, status = "", Invalid.status
    if all(form.is_valid() for form in forms.values()):
        try:
            act(proposal, viewer)
        except Invalid as error:
            problem = error.words
        except Conflict as error:
            problem, status = error.message, error.status
            proposal = proposal_selectors.get_proposal(proposal_id)
        else:
            if said:
                messages.success(request, said)
            return redirect("scoring:view_proposal", proposal.pk)
    return _review(request, viewer, proposal, problem=problem, leak=leak, status=status, **forms)


@require_POST
def approve_proposal(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """Publish the proposed version."""
    seen = request.POST.getlist("seen")
    return _decide(
        request,
        proposal_id,
        lambda proposal, by: reviewing.approve(proposal, by=by, seen=seen),
        said="Published. Every open lead is being rescored.",
    )


@require_POST
def shadow_proposal(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """Let it score in the shadow for some days."""
    form = ShadowForm(request.POST)
    return _decide(
        request,
        proposal_id,
        lambda proposal, by: reviewing.shadow(proposal, by=by, days=form.cleaned_data["days"]),
        shadow=form,
    )


@require_POST
def request_changes(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """Hand it back with what is to change."""
    form = NoteForm(request.POST)
    return _decide(
        request,
        proposal_id,
        lambda proposal, by: reviewing.request_changes(
            proposal, by=by, note=form.cleaned_data["note"]
        ),
        note=form,
    )


@require_POST
def dismiss_proposal(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """Lay it aside."""
    return _decide(
        request,
        proposal_id,
        lambda proposal, by: reviewing.dismiss(proposal, by=by),
        said="Dismissed. The version is kept as a draft.",
    )


@require_POST
def trust_line(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """Let a line be learned though it gives the outcome away."""
    line, reason = request.POST.get("subject", ""), request.POST.get("reason", "")
    return _decide(
        request,
        proposal_id,
        lambda proposal, by: trusting.trust_line(proposal, line, reason, by=by),
        said="It is learned like any other line from now on.",
        leak=line,
    )


@require_POST
def distrust_line(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """Leave a line out of learning again."""
    line = request.POST.get("subject", "")
    return _decide(
        request,
        proposal_id,
        lambda proposal, by: trusting.distrust_line(proposal, line, by=by),
        said="It keeps its points from now on.",
    )


@require_safe
def show_shadow(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """Where a version in the shadow disagrees, and how both fare on new outcomes."""
    viewer = proposal_reader(request)
    require_known(request.GET, (), "a version in the shadow")
    proposal = proposal_selectors.get_proposal(proposal_id)
    if proposal.version is None:
        raise Conflict("This is a note without a version.")
    if not proposal.shadow_kept:
        raise Conflict("It is not in the shadow. With a decision the shadow scores go.")
    context = {
        "proposal": proposal,
        "version": proposal.version,
        "page": shadowing.read_shadow(proposal.version, viewer),
        "may_change": policies.can_change_models(viewer),
        "now": now(),
    }
    return render(request, "scoring/shadow.html", context)


@require_safe
def show_job(request: HttpRequest, job_id: int) -> HttpResponse:
    """The progress of a job alone, asked for each second; the page anew when it has ended."""
    proposal_reader(request)
    job = proposal_selectors.get_job(job_id)
    if job.ended:
        response = HttpResponse(status=200)
        response["HX-Refresh"] = "true"
        return response
    return render(request, "scoring/_progress.html", {"job": job})
