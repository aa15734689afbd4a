"""What each line of a score model is worth by the outcomes, and alerts that it has changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
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
from scoring.describing import GROUP_LABELS
from scoring.learning.lifts import LEAST_KNOWN
from scoring.live import LiveModel, live_config

LEAST_AGREEMENT = 0.41  # kappa; below it is "fair" at most (Landis and Koch 1977)
Line = dict[str, Any]


@dataclass(frozen=True)
class Heading:
    """A heading of the table that orders its lines: `sorted` is how they are ordered by it now, as
    `aria-sort` says it, and `query` orders them by it, the other way round where they are already.
    """

    label: str
    css: str
    sorted: str
    query: str


def _most_drift(line: Line) -> float | None:
    """Return the highest stability index of the months, None where no month has one."""
    return max((m["psi"] for m in line["months"] if m["psi"] is not None), default=None)


# By what lines are ordered: the heading, its classes, and a line's value, None where it has none.
ORDERS: Mapping[str, tuple[str, str, Callable[[Line], Any]]] = {
    "line": ("Line", "", lambda line: line["label"].casefold()),
    "known": ("Known", "num", lambda line: line["coverage"]),
    "strong": ("Strong → won", "num", lambda line: line["strong"]["rate"]),
    "weak": ("Weak → won", "num", lambda line: line["weak"]["rate"]),
    "unknown": ("Unknown → won", "num", lambda line: line["unknown"]["rate"]),
    "lift": ("Lift", "w-lift", lambda line: line["lift"]),
    "points": ("Points", "num", lambda line: line["points"]),
    "evidence": ("Evidence", "num", lambda line: line["evidence"]),
    "gap": ("Gap", "num", lambda line: line["gap"]),
    "drift": ("Drift by month", "w-drift", _most_drift),
    "agree": ("Agree", "num", lambda line: line["agreement"] and line["agreement"].kappa),
    "seconds": ("Seconds", "num", lambda line: line["seconds"]),
}


@require_safe
def show_criteria(request: HttpRequest) -> HttpResponse:
    """The report of one live model: coverage, win rates, lift, weight against evidence, drift."""
    return _page(request)


def _page(request: HttpRequest, *, problem: str = "", status: int = 200) -> HttpResponse:
    viewer = cast(User, request.user)
    policies.can_read_criteria(viewer).require()
    require_known(request.GET, ("model", "sort"), "the criteria page")
    models = live_config().everything
    chosen = chosen_model(models, request.GET.get("model", ""))
    order = _order(request.GET.get("sort", ""))
    reports = CriteriaReport.objects.select_related("model_version")
    report = reports.filter(key=chosen.key).first()
    setting = control.present_setting()
    agreed = {found.dimension: found for found in kappa_by_criterion()} if report else {}
    context: dict[str, Any] = {
        "now": now(),
        "models": models,
        "chosen": chosen,
        "report": report,
        "groups": _groups(report.data["lines"], chosen, agreed, order) if report else [],
        "headings": _headings(chosen, order),
        "order": order,
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


def _order(asked: str) -> str:
    """Return by what the lines are to be ordered, descending after a "−"; "" is by group."""
    if asked and asked.removeprefix("-") not in ORDERS:
        message = f"sort is one of {', '.join(ORDERS)}, with a - before it the other way round"
        raise BadParameter(message, [FieldProblem("sort", "not_a_choice", message)])
    return asked


def _headings(live: LiveModel, order: str) -> list[Heading]:
    """Return the headings. A first click orders names from A to Z, numbers from the highest."""
    found = []
    for key, (label, css, _) in ORDERS.items():
        down = f"-{key}"
        first, other = (key, down) if key == "line" else (down, key)
        query = {"model": live.key, "sort": other if order == first else first}
        how = {key: "ascending", down: "descending"}.get(order, "")
        found.append(Heading(label, css, how, urlencode(query)))
    return found


def _groups(
    lines: list[Line], live: LiveModel, agreed: Mapping[str, Agreement], order: str
) -> list[tuple[str, list[Line]]]:
    """Return the report's lines that the model has now, with the agreement: by group, or in one
    without a name in the asked order, those without a value last.
    """
    keys = {signal.key for signal in live.model.signals}
    lines = [line for line in lines if line["key"] in keys]
    for line in lines:
        line["agreement"] = agreed.get(line["dimension"])
        line["gap"] = None if line["evidence"] is None else line["points"] - line["evidence"]
        line["group_label"] = GROUP_LABELS[line["group"]]
    if not order:
        by_group = ((g, [line for line in lines if line["group"] == g]) for g in reversed(GROUPS))
        return [(GROUP_LABELS[group], mine) for group, mine in by_group if mine]
    _, _, value = ORDERS[order.removeprefix("-")]
    told = [line for line in lines if value(line) is not None]
    told.sort(key=value, reverse=order.startswith("-"))
    return [("", [*told, *(line for line in lines if value(line) is None)])]


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
    asked = {"model": request.GET["model"]} if "model" in request.GET else None
    return redirect(reverse("pipeline:show_criteria", query=asked))


def _number(request: HttpRequest, name: str) -> float:
    try:
        value = float(request.POST.get(name, ""))
    except ValueError:
        value = float("nan")
    if value != value:
        raise Invalid.field(name, "wrong_type", "must be a number")
    return value
