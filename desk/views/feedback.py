"""What people say of the points: verdicts on lines of the ledger, and answers that they read."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from core.errors import Invalid
from desk import forms
from desk.selectors import get_lead
from desk.views.rendering import invalid, refused, shown_again
from desk.views.requests import viewer_of
from scoring import feedback as scoring


@require_POST
def give_feedback(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Keep, change or take back a verdict on one line."""
    viewer = viewer_of(request)
    lead = get_lead(viewer, lead_id)
    form = forms.FeedbackForm(request.POST)
    if not form.is_valid():
        return invalid(request, lead_id, form)
    data = form.cleaned_data
    if data["verdict"] == form.NONE:
        scoring.withdraw_feedback(lead, data["signal"], by=viewer)
        messages.success(request, "Taken back.")
        return shown_again(request, lead_id)
    try:
        given = scoring.give_feedback(
            lead, data["signal"], data["verdict"], by=viewer, reason=data["reason"]
        )
    except Invalid as error:
        return refused(request, lead_id, form, error)
    verdict = given.get_verdict_display().lower()
    messages.success(request, f"{given.label}: “{verdict}” is noted for the next review.")
    return shown_again(request, lead_id)


@require_POST
def mark_seen(request: HttpRequest, feedback_id: int) -> HttpResponse:
    """Put an answer away."""
    lead_id = scoring.mark_seen(feedback_id, by=viewer_of(request))
    return shown_again(request, lead_id)
