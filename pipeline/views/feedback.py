"""All feedback on ledger lines: for whoever reviews weights, and answers."""

from typing import Any, cast

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from accounts.policies import can_change_configuration
from core.clock import now
from core.cursors import Order, read_page, take
from core.errors import BadParameter, FieldProblem, Invalid
from core.filters import require_known
from pipeline import policies
from scoring import feedback
from scoring.live import live_config
from scoring.models import Feedback

NEWEST = {"-at": Order(("at", "id"), descending=True)}
STATES = {"open": "Open", "answered": "Answered", "all": "All"}


@require_safe
def list_feedback(request: HttpRequest) -> HttpResponse:
    """Verdicts, the newest first, with the counts by signal of the chosen model."""
    return _page(request)


def _page(
    request: HttpRequest, *, problem: str = "", status: int = 200, typed: int = 0
) -> HttpResponse:
    viewer = cast(User, request.user)
    policies.can_read_criteria(viewer).require()
    given = request.GET
    require_known(given, ("model", "signal", "verdict", "state", "cursor"), "the feedback page")
    models = live_config().everything
    model = _one_of("model", given.get("model") or models[0].key, [m.key for m in models])
    verdict = _one_of("verdict", given.get("verdict", ""), ["", *Feedback.Verdict.values])
    state = _one_of("state", given.get("state") or "open", list(STATES))
    signal = given.get("signal", "")
    condition = Q(model_version__key=model)
    if signal:
        condition &= Q(signal=signal)
    if verdict:
        condition &= Q(verdict=verdict)
    if state != "all":
        condition &= Q(answered_at__isnull=state == "open")
    bound = ("feedback", str(viewer.pk), model, signal, verdict, state)
    cursor = {"cursor": given.get("cursor", "")}
    page = read_page(cursor, NEWEST, bound_to=bound)
    found, after = take(feedback.list_feedback().filter(condition), page)
    live = next(m for m in models if m.key == model)
    counts = feedback.feedback_by_signal(live)
    labels = {s.key: s.label for s in live.model.signals}
    if gone := [key for key in counts if key not in labels]:  # lines of an earlier version
        old = Feedback.objects.filter(model_version__key=model, signal__in=gone)
        labels |= dict(old.order_by("pk").values_list("signal", "label"))
    context: dict[str, Any] = {
        "now": now(),
        "models": models,
        "chosen": model,
        "signals": live.model.signals,
        "verdicts": Feedback.Verdict.choices,
        "states": STATES,
        "filters": {"signal": signal, "verdict": verdict, "state": state},
        "rows": found,
        "after": after,
        "counts": [(labels.get(key, key), count) for key, count in counts.items()],
        "may_answer": can_change_configuration(viewer),
        "problem": problem,
        "typed": typed,
    }
    return render(request, "pipeline/feedback.html", context, status=status)


def _one_of(name: str, value: str, choices: list[str]) -> str:
    if value not in choices:
        message = f"{name} is one of {', '.join(filter(None, choices))}"
        raise BadParameter(message, [FieldProblem(name, "not_a_choice", message)])
    return value


@require_POST
def answer_feedback(request: HttpRequest, feedback_id: int) -> HttpResponse:
    """Answer one verdict in words."""
    viewer = cast(User, request.user)
    try:
        answered = feedback.answer_feedback(feedback_id, request.POST.get("answer", ""), by=viewer)
    except Invalid as error:
        return _page(request, problem=error.words, status=error.status, typed=feedback_id)
    messages.success(request, f"{answered.rep or 'Its author'} is told.")
    model = answered.model_version.key
    return redirect(f"{reverse('pipeline:list_feedback')}?model={model}")
