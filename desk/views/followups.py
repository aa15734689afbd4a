"""Today and what people do with follow-ups: read a form, call a service, answer."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from core.clock import now
from core.errors import Invalid
from desk import forms
from desk.selectors import get_lead
from desk.views.rendering import changed, invalid, refused, show_today, shown_again
from desk.views.requests import viewer_of
from followups import selectors as followups
from followups import services as followup_services
from followups.models import Followup


@require_safe
def today(request: HttpRequest) -> HttpResponse:
    """The rep's day: overdue, due, later, done, unowned in the team, without a next step."""
    return show_today(request)


@require_POST
def add_followup(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Plan a next step by hand."""
    viewer = viewer_of(request)
    lead = get_lead(viewer, lead_id)
    form = forms.FollowupForm(request.POST)
    if not form.is_valid():
        return invalid(request, lead_id, form)
    try:
        followup_services.add_followup(lead, by=viewer, **form.cleaned_data)
    except Invalid as error:
        return refused(request, lead_id, form, error)
    return changed(request, lead_id, "Next step planned.", lead.standing)


@require_POST
def complete_followup(request: HttpRequest, followup_id: int) -> HttpResponse:
    """Mark a call or task as done; a call with how it went."""
    viewer = viewer_of(request)
    followup = followups.get_followup(viewer, followup_id)
    followup_services.complete_followup(
        followup,
        by=viewer,
        result=request.POST.get("result", ""),
        note=request.POST.get("note", ""),
    )
    return _finished(request, followup, f"Done: {followup.title}, {followup.lead.name}.")


@require_POST
def skip_followup(request: HttpRequest, followup_id: int) -> HttpResponse:
    """Leave a step out, with a reason."""
    viewer = viewer_of(request)
    followup = followups.get_followup(viewer, followup_id)
    followup_services.skip_followup(followup, by=viewer, reason=request.POST.get("reason", ""))
    return _finished(request, followup, f"Skipped: {followup.title}, {followup.lead.name}.")


def _finished(request: HttpRequest, followup: Followup, message: str) -> HttpResponse:
    """Answer for a finished step, with Undo where policy knows one."""
    undoable = followup.kind != Followup.Kind.EMAIL
    undo = reverse("desk:reopen_followup", args=[followup.pk]) if undoable else ""
    messages.success(request, message, extra_tags=undo)
    return shown_again(request, followup.lead_id)


@require_POST
def snooze_followup(request: HttpRequest, followup_id: int) -> HttpResponse:
    """Put a step off."""
    viewer = viewer_of(request)
    followup = followups.get_followup(viewer, followup_id)
    form = forms.SnoozeForm(request.POST)
    until = form.moment(now()) if form.is_valid() else None
    if until is None:
        raise Invalid.field("until", "invalid", "is a date and a time of day")
    followup_services.snooze_followup(followup, by=viewer, until=until)
    local = timezone.localtime(until)
    messages.success(
        request, f"Snoozed until {local:%a %-d %b, %H:%M}: {followup.title}, {followup.lead.name}."
    )
    return shown_again(request, followup.lead_id)


@require_POST
def reopen_followup(request: HttpRequest, followup_id: int) -> HttpResponse:
    """Undo that a step was done or skipped today."""
    viewer = viewer_of(request)
    followup = followups.get_followup(viewer, followup_id)
    followup_services.reopen_followup(followup, by=viewer)
    messages.success(request, f"Reopened: {followup.title}, {followup.lead.name}.")
    return shown_again(request, followup.lead_id)
