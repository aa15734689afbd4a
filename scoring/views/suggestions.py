"""Pages of suggested signals: look for them, pick, take."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from core.clock import now
from core.errors import Invalid, NotFound
from core.filters import require_known
from scoring import policies, suggestions, trusting
from scoring.appraising import sentence
from scoring.learning.suggesting import strongest
from scoring.models import Suggestion, Trusted
from scoring.views.viewers import model_owner, proposal_reader


def _suggestion(suggestion_id: int) -> Suggestion:
    found = Suggestion.objects.select_related("job", "taken").filter(pk=suggestion_id).first()
    if found is None:
        raise NotFound
    return found


@require_POST
def start_suggesting(request: HttpRequest) -> HttpResponse:
    """Look for signals in the past leads of a model."""
    viewer = cast(User, request.user)
    made = suggestions.start_suggesting(request.POST.get("key", ""), by=viewer)
    return redirect("scoring:view_suggestion", made.pk)


@require_safe
def view_suggestion(request: HttpRequest, suggestion_id: int) -> HttpResponse:
    """What was found, to pick from."""
    viewer = proposal_reader(request)
    require_known(request.GET, (), "suggested signals")
    return _page(request, viewer, _suggestion(suggestion_id))


def _page(
    request: HttpRequest,
    viewer: User,
    found: Suggestion,
    *,
    problem: str = "",
    leak: str = "",
    status: int = 200,
) -> HttpResponse:
    """Show what was found; `problem` is about the field `leak`, or about taking lines."""
    leaks, warnings = trusting.leaks_of(
        found.result.get("warnings", []),
        found.result.get("name_of", {}),
        trusting.trusted_of(found.key, Trusted.Kind.FIELD),
    )
    result = found.result
    picked = set(request.POST.getlist("use")) if problem and not leak else None
    context = {
        "suggestion": found,
        "name": suggestions.name_of_model(found.key),
        "result": result,
        "sentence": sentence(result["backtest"]) if "backtest" in result else "",
        "strongest": strongest(result.get("lines", [])),
        "lines": [
            {
                **line,
                "rate": line["won"] / line["n"] if line["n"] else 0.0,
                "ticked": picked is None or line["key"] in picked,
            }
            for line in result.get("lines", [])
        ],
        "leaks": leaks,
        "leak": leak,
        "warnings": warnings,
        "job": found.job,
        "working": found.job is not None and not found.job.ended,
        "problem": problem,
        "may_change": policies.can_change_models(viewer),
        "now": now(),
    }
    return render(request, "scoring/suggestion.html", context, status=status)


def _decide(
    request: HttpRequest,
    suggestion_id: int,
    act: Callable[[Suggestion, User], Any],
    *,
    said: str = "",
    leak: str = "",
    to: str = "",
) -> HttpResponse:
    """Do what a model owner asked for, and say so; show the lines again with what is wrong."""
    viewer = model_owner(request)
    found = _suggestion(suggestion_id)
    try:
        act(found, viewer)
    except Invalid as error:
        return _page(request, viewer, found, problem=error.words, leak=leak, status=error.status)
    if said:
        messages.success(request, said)
    return redirect(to) if to else redirect("scoring:view_suggestion", found.pk)


@require_POST
def take_signals(request: HttpRequest, suggestion_id: int) -> HttpResponse:
    """Make drafts from the picked lines and put them up for review."""
    use = request.POST.getlist("use")
    return _decide(
        request,
        suggestion_id,
        lambda found, by: suggestions.start_taking(found, use, by=by),
        to="scoring:list_proposals",
    )


@require_POST
def trust_field(request: HttpRequest, suggestion_id: int) -> HttpResponse:
    """Let signals be suggested from a field though it gives the outcome away."""
    field, reason = request.POST.get("subject", ""), request.POST.get("reason", "")
    return _decide(
        request,
        suggestion_id,
        lambda found, by: trusting.trust_field(found, field, reason, by=by),
        said="Signals are suggested from it too from now on.",
        leak=field,
    )


@require_POST
def distrust_field(request: HttpRequest, suggestion_id: int) -> HttpResponse:
    """Leave a field out of suggested signals again."""
    field = request.POST.get("subject", "")
    return _decide(
        request,
        suggestion_id,
        lambda found, by: trusting.distrust_field(found, field, by=by),
        said="No signals are suggested from it from now on.",
    )
