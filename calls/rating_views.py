"""Pages of second ratings: judge a call not knowing how the rep did; how alike people judge."""

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from calls import agreement, policies, second_ratings
from calls.models import SecondRating
from calls.selectors import get_call, reps_seen_by
from core.clock import now
from core.errors import Invalid
from core.filters import require_known

GRADES = (("100", "Strong"), ("67", "Moderate"), ("33", "Weak"), ("0", "Ruled out"))


@require_safe
def show_agreement(request: HttpRequest) -> HttpResponse:
    """Agreement by criterion, the questions judged differently, and what there is to rate."""
    viewer = cast(User, request.user)
    policies.can_read_agreement(viewer).require()
    require_known(request.GET, (), "the agreement")
    found = agreement.pairs()
    context = {
        "agreements": agreement.kappa_by_criterion(found),
        "divided": agreement.judged_differently(found),
        "least": agreement.LEAST,
        "waiting": agreement.waiting_for(viewer),
        "to_rate": agreement.to_rate(viewer),
        "now": now(),
    }
    return render(request, "calls/agreement.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def rate_call(request: HttpRequest, call_id: int) -> HttpResponse:
    """Judge a finished call by what was said; afterwards both judgements side by side."""
    viewer = cast(User, request.user)
    call = get_call(viewer, call_id)
    policies.can_rate_call(viewer, call).require()
    mine = SecondRating.objects.filter(call=call, rater=viewer).first()
    heard = agreement.heard_in(call, mine)
    asked = [item.criterion.dimension for item in heard]
    problems: dict[str, str] = {}
    if request.method == "POST":
        try:
            second_ratings.rate_call(call, request.POST, asked=asked, by=viewer)
        except Invalid as error:
            problems = {problem.field: problem.message for problem in error.problems}
        else:
            messages.success(request, "Kept. Here are both judgements.")
            return redirect("calls:rate_call", call.pk)
    context = {
        "call": call,
        "lead": call.lead,
        "heard": [
            (item, request.POST.get(item.criterion.dimension, ""), problems) for item in heard
        ],
        "done": mine is not None and mine.rated_at is not None,
        "grades": GRADES,
        "problems": problems,
    }
    status = Invalid.status if problems else 200
    return render(request, "calls/rating.html", context, status=status)


@require_POST
def ask_for_rating(request: HttpRequest, call_id: int) -> HttpResponse:
    """Ask somebody to judge a call a second time."""
    viewer = cast(User, request.user)
    call = get_call(viewer, call_id)
    policies.can_ask_for_rating(viewer, call).require()
    person = request.POST.get("rater", "")
    rater = next((rep for rep in reps_seen_by(viewer) if str(rep.pk) == person), None)
    if rater is None:
        raise Invalid.field("rater", "not_a_choice", "must be a person whose calls you see")
    second_ratings.ask_for_rating(call, rater, by=viewer)
    messages.success(request, f"{rater} is asked to rate this call.")
    return redirect("calls:run_call", call.pk)
