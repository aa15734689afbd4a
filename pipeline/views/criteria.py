"""What each line of a score model is worth by the outcomes, and alerts that it has changed."""

from collections.abc import Mapping
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from accounts.policies import can_change_configuration
from calls.agreement import Agreement, kappa_by_criterion
from core.clock import now
from core.errors import BadParameter, FieldProblem, Invalid
from core.filters import require_known
from followups import control
from pipeline import policies
from pipeline.measures import MONTHS
from pipeline.models import CriteriaReport
from scoring import alerts
from scoring.definitions import GROUPS
from scoring.learning.lifts import LEAST_KNOWN
from scoring.live import LiveModel, live_config

LEAST_AGREEMENT = 0.41  # kappa; below it is "fair" at most (Landis and Koch 1977)
GROUP_LABELS = {"fit": "Fit", "engagement": "Engagement", "qualification": "Qualification"}


@require_safe
def show_criteria(request: HttpRequest) -> HttpResponse:
    """The report of one live model: coverage, win rates, lift, weight against evidence, drift."""
    return _page(request)


def _page(request: HttpRequest, *, problem: str = "", status: int = 200) -> HttpResponse:
    viewer = cast(User, request.user)
    policies.can_read_criteria(viewer).require()
    require_known(request.GET, ("model",), "the criteria page")
    models = live_config().everything
    chosen = chosen_model(models, request.GET.get("model", ""))
    reports = CriteriaReport.objects.select_related("model_version")
    report = reports.filter(key=chosen.key).first()
    setting = control.present_setting()
    agreed = {found.dimension: found for found in kappa_by_criterion()} if report else {}
    context: dict[str, Any] = {
        "now": now(),
        "models": models,
        "chosen": chosen,
        "report": report,
        "groups": _groups(report.data["lines"], chosen, agreed) if report else [],
        "divided": _divided(chosen, agreed),
        "alerts": alerts.standing_alerts(chosen.key),
        "may_dismiss": can_change_configuration(viewer),
        "problem": problem,
        "control": setting,
        "share": f"{100 * setting.share:g}" if setting else "0",
        "most_share": 100 * control.MOST_SHARE,
        "least": LEAST_KNOWN,
        "months": MONTHS,
    }
    return render(request, "pipeline/criteria.html", context, status=status)


def chosen_model(models: tuple[LiveModel, ...], key: str) -> LiveModel:
    """Return the live model named in the address, the first without one."""
    for live in models:
        if not key or live.key == key:
            return live
    message = f"model is one of {', '.join(live.key for live in models)}"
    raise BadParameter(message, [FieldProblem("model", "not_a_choice", message)])


def _divided(live: LiveModel, agreed: Mapping[str, Agreement]) -> list[Agreement]:
    """Return the criteria of the model that two people judge alike hardly more than by chance."""
    asked = {criterion.dimension for criterion in live.framework.criteria}
    return [
        found
        for dimension, found in agreed.items()
        if dimension in asked and found.kappa is not None and found.kappa < LEAST_AGREEMENT
    ]


def _groups(
    lines: list[dict[str, Any]], live: LiveModel, agreed: Mapping[str, Agreement]
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the report's lines by group, those that the model has now, with the agreement."""
    for line in lines:
        line["agreement"] = agreed.get(line["dimension"])
    keys = {signal.key for signal in live.model.signals}
    found = []
    for group in reversed(GROUPS):
        mine = [line for line in lines if line["group"] == group and line["key"] in keys]
        if mine:
            found.append((GROUP_LABELS[group], mine))
    return found


@require_POST
def dismiss_alert(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Put an alert away with a reason."""
    viewer = cast(User, request.user)
    try:
        alert = alerts.dismiss_alert(alert_id, request.POST.get("reason", ""), by=viewer)
    except Invalid as error:
        return _page(request, problem=error.message, status=error.status)
    messages.success(request, f"{alert.label}, {alert.month}: put away.")
    return _to_criteria(request)


@require_POST
def set_control(request: HttpRequest) -> HttpResponse:
    """Set the share of cold leads that is worked as warm from now on, and the seed."""
    viewer = cast(User, request.user)
    can_change_configuration(viewer).require()
    try:
        share, seed = _number(request, "share"), _number(request, "seed")
        setting = control.set_control(share / 100, int(seed), by=viewer)
    except Invalid as error:
        return _page(request, problem=error.message, status=error.status)
    word = f"{100 * setting.share:g} % of cold leads" if setting.share else "nobody new"
    messages.success(request, f"The control group takes in {word} from now on.")
    return _to_criteria(request)


def _to_criteria(request: HttpRequest) -> HttpResponse:
    """Return to the page of the model that the form was sent from."""
    asked = {name: request.GET[name] for name in ("model",) if name in request.GET}
    return redirect(reverse("pipeline:show_criteria", query=asked or None))


def _number(request: HttpRequest, name: str) -> float:
    try:
        value = float(request.POST.get(name, ""))
    except ValueError:
        value = float("nan")
    if value != value:
        raise Invalid.field(name, "wrong_type", "must be a number")
    return value
