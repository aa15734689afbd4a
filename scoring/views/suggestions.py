"""Pages of suggested signals: look for them, pick, take."""

from typing import cast

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
from scoring.models import Suggestion, Trusted


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
    viewer = cast(User, request.user)
    policies.can_read_proposals(viewer).require()
    require_known(request.GET, (), "suggested signals")
    return _page(request, viewer, _suggestion(suggestion_id))


def _page(
    request: HttpRequest,
    viewer: User,
    found: Suggestion,
    problem: str = "",
    leak_problem: tuple[str, str] = ("", ""),
    status: int = 200,
) -> HttpResponse:
    leaks, warnings = trusting.leaks_of(
        found.result.get("warnings", []),
        found.result.get("name_of", {}),
        trusting.trusted_of(found.key, Trusted.Kind.FIELD),
    )
    result = found.result
    picked = set(request.POST.getlist("use")) if problem else None
    context = {
        "suggestion": found,
        "name": suggestions.name_of_model(found.key),
        "result": result,
        "sentence": sentence(result["backtest"]) if "backtest" in result else "",
        "lines": [
            {
                **line,
                "rate": line["won"] / line["n"] if line["n"] else 0.0,
                "ticked": picked is None or line["key"] in picked,
            }
            for line in result.get("lines", [])
        ],
        "leaks": leaks,
        "leak_problem": leak_problem,
        "warnings": warnings,
        "job": found.job,
        "working": found.job is not None and not found.job.ended,
        "problem": problem,
        "may_change": policies.can_change_models(viewer),
        "now": now(),
    }
    return render(request, "scoring/suggestion.html", context, status=status)


@require_POST
def take_signals(request: HttpRequest, suggestion_id: int) -> HttpResponse:
    """Make drafts from the picked lines and put them up for review."""
    viewer = cast(User, request.user)
    policies.can_change_models(viewer).require()
    found = _suggestion(suggestion_id)
    try:
        suggestions.start_taking(found, request.POST.getlist("use"), by=viewer)
    except Invalid as error:
        words = "; ".join(p.message for p in error.problems)
        return _page(request, viewer, found, words, status=422)
    return redirect("scoring:list_proposals")


@require_POST
def trust_field(request: HttpRequest, suggestion_id: int) -> HttpResponse:
    """Let signals be suggested from a field though it gives the outcome away."""
    viewer = cast(User, request.user)
    policies.can_change_models(viewer).require()
    found = _suggestion(suggestion_id)
    field = request.POST.get("subject", "")
    try:
        kept = trusting.trust_field(found, field, request.POST.get("reason", ""), by=viewer)
    except Invalid as error:
        words = error.problems[0].message
        return _page(request, viewer, found, leak_problem=(field, words), status=422)
    messages.success(request, f"Signals are suggested from {kept.label} too from now on.")
    return redirect("scoring:view_suggestion", found.pk)


@require_POST
def distrust_field(request: HttpRequest, suggestion_id: int) -> HttpResponse:
    """Leave a field out of suggested signals again."""
    viewer = cast(User, request.user)
    policies.can_change_models(viewer).require()
    found = _suggestion(suggestion_id)
    trusting.distrust_field(found, request.POST.get("subject", ""), by=viewer)
    messages.success(request, "No signals are suggested from it from now on.")
    return redirect("scoring:view_suggestion", found.pk)
