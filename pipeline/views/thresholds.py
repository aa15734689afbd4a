"""Where the marks of a score model stand, what others would change, and a draft with them."""

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from core.clock import now
from core.errors import BadParameter, FieldProblem, Invalid
from core.filters import require_known
from pipeline import policies
from pipeline import thresholds as selectors
from pipeline.views.criteria import chosen_model
from scoring.arriving import DAYS
from scoring.live import LiveModel, live_config
from scoring.marks import draft_with_marks
from scoring.policies import can_change_models


@require_safe
def show_thresholds(request: HttpRequest) -> HttpResponse:
    """Scores of open leads, volume against capacity, and what other marks would move."""
    require_known(request.GET, ("model", "hot", "warm"), "the thresholds page")
    return _page(request, request.GET)


def _page(
    request: HttpRequest, data: QueryDict, *, problem: str = "", status: int = 200
) -> HttpResponse:
    viewer = cast(User, request.user)
    policies.can_read_criteria(viewer).require()
    config = live_config()
    chosen = chosen_model(config.everything, data.get("model", ""))
    found = selectors.read_thresholds(chosen, config)
    hot, warm = _marks(data, chosen)
    context: dict[str, Any] = {
        "now": now(),
        "models": config.everything,
        "chosen": chosen,
        "found": found,
        "hot": hot,
        "warm": warm,
        "counts": found.standings.counts.tolist(),
        "tens": _tens(found.standings.counts.tolist()),
        "moved": selectors.moved(found.standings, chosen, hot, warm),
        "same": (hot, warm) == (chosen.model.hot, chosen.model.warm),
        "may_change": can_change_models(viewer),
        "days": DAYS,
        "problem": problem,
    }
    return render(request, "pipeline/thresholds.html", context, status=status)


def _marks(data: QueryDict, live: LiveModel) -> tuple[int, int]:
    """Return the marks of the address, the live ones where it names none."""
    found = []
    for name, live_mark in (("hot", live.model.hot), ("warm", live.model.warm)):
        text = data.get(name) or str(live_mark)
        if not (text.isascii() and text.isdigit() and 0 < int(text[:4]) <= 100):
            message = f"{name} is a whole number from 1 to 100"
            raise BadParameter(message, [FieldProblem(name, "out_of_range", message)])
        found.append(int(text))
    return found[0], found[1]


def _tens(counts: list[int]) -> list[tuple[str, int]]:
    """Return (scores, open leads) in steps of ten, the table of the histogram."""
    return [
        (f"{low} to {min(low + 9, 100)}", sum(counts[low : low + 10])) for low in range(0, 101, 10)
    ]


@require_POST
def draft_marks(request: HttpRequest) -> HttpResponse:
    """Make a draft of the model with these marks; publishing it is another step."""
    viewer = cast(User, request.user)
    can_change_models(viewer).require()
    live = chosen_model(live_config().everything, request.POST.get("model", ""))
    hot, warm = _marks(request.POST, live)
    try:
        draft, made = draft_with_marks(live.key, hot, warm, by=viewer)
    except Invalid as error:
        return _page(request, request.POST, problem=error.message, status=error.status)
    word = "made" if made else "was there already"
    messages.success(request, f"Draft v{draft.number} {word}. It scores nobody before it is live.")
    return redirect("scoring:view_version", draft.pk)
