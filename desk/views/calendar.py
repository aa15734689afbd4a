"""The calendar of booked calls, and what people do with one: move, call off, mark as missed."""

import datetime as dt
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from calls import services as calls
from core.clock import now
from core.errors import BadParameter, FieldProblem, Invalid
from core.filters import require_known
from desk import forms, services
from desk.selectors import get_lead
from desk.views.rendering import changed, invalid, refused
from desk.views.requests import next_url, viewer_of
from followups import selectors as followups
from followups import services as followup_services
from followups.invitation import Invitation, Party, to_ics
from followups.models import Followup
from followups.policies import can_reschedule_call
from followups.services import Booking

DAYS = 14  # on one page
MISSED_DAYS = 7  # how far back it asks what became of a call


@require_safe
def show_calendar(request: HttpRequest) -> HttpResponse:
    """Booked calls by day, today's first; of the viewer, or of everybody they may see."""
    return _show(request, viewer_of(request))


def _show(
    request: HttpRequest,
    viewer: User,
    *,
    status: int = 200,
    wrong: tuple[int, forms.RescheduleForm] | None = None,
) -> HttpResponse:
    data = request.GET
    require_known(data, ("from", "whose"), "the calendar")
    zone = followups.zone_of(viewer)
    moment = now()
    today = moment.astimezone(ZoneInfo(zone)).date()
    day = _day(data.get("from", ""), today)
    whose = data.get("whose", "mine")
    if whose not in ("mine", "team"):
        message = "whose is mine or team"
        raise BadParameter(message, [FieldProblem("whose", "not_a_choice", message)])
    start, end = _midnight(day, zone), _midnight(day + dt.timedelta(days=DAYS), zone)
    team = whose == "team"

    def booked(since: dt.datetime, until: dt.datetime) -> list[followups.CalendarDay]:
        return followups.booked_calls(viewer, team=team, since=since, until=until, zone=zone)

    missed_since = start - dt.timedelta(days=MISSED_DAYS)
    days = booked(start, end)
    missed = booked(missed_since, start) if day == today else []
    context = {
        "now": moment,
        "zone": zone,
        "today": today,
        "whose": whose,
        "day": day,
        "last": day + dt.timedelta(days=DAYS - 1),
        "missed": missed,
        "days": days,
        "changeable": _changeable(viewer, [*missed, *days]),
        "before": _query(day - dt.timedelta(days=DAYS), whose),
        "after": _query(day + dt.timedelta(days=DAYS), whose),
        "wrong": wrong,
    }
    return render(request, "desk/calendar.html", context, status=status)


def _day(text: str, today: dt.date) -> dt.date:
    if not text:
        return today
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        day = dt.date.min
    if not 2000 <= day.year <= 2999:
        message = "from is a day such as 2026-11-24"
        raise BadParameter(message, [FieldProblem("from", "not_a_day", message)])
    return day


def _midnight(day: dt.date, zone: str) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), ZoneInfo(zone))


def _query(day: dt.date, whose: str) -> str:
    return urlencode({"from": day.isoformat(), "whose": whose})


def _changeable(viewer: User, days: list[followups.CalendarDay]) -> set[int]:
    return {
        call.followup.pk
        for day in days
        for call in day.calls
        if can_reschedule_call(viewer, call.followup)
    }


@require_POST
def book_call(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Book a call with a lead."""
    viewer = viewer_of(request)
    lead = get_lead(viewer, lead_id)
    form = forms.BookingForm(request.POST)
    if not form.is_valid():
        return invalid(request, lead_id, form)
    data = form.cleaned_data
    booking = Booking(data["title"], data["at"], data["minutes"])
    try:
        booked = services.book_call(lead, booking, by=viewer, anyway=data["anyway"])
    except Invalid as error:
        return refused(request, lead_id, form, error)
    return changed(request, lead_id, f"Booked for {_told(booked)}.", lead.standing)


def _told(booked: Followup) -> str:
    return f"{timezone.localtime(booked.due_at):%a %-d %b, %H:%M}"


@require_POST
def reschedule_call(request: HttpRequest, booking_id: int) -> HttpResponse:
    """Move a booked call. What stands in the way is named first."""
    viewer = viewer_of(request)
    followup = followups.get_followup(viewer, booking_id)
    form = forms.RescheduleForm(request.POST)
    if form.is_valid():
        data = form.cleaned_data
        try:
            moved = followup_services.reschedule_call(
                followup, by=viewer, at=data["at"], anyway=data["anyway"]
            )
        except Invalid as error:
            form.add_problems(error.problems, error.message)
        else:
            messages.success(
                request,
                f"Moved to {_told(moved)}: {followup.title}, {followup.lead}. "
                "Send the invitation again.",
            )
            return _back(request)
    return _show(request, viewer, status=Invalid.status, wrong=(booking_id, form))


@require_POST
def cancel_call(request: HttpRequest, booking_id: int) -> HttpResponse:
    """Call a booked call off."""
    viewer = viewer_of(request)
    followup = followups.get_followup(viewer, booking_id)
    followup_services.cancel_call(followup, by=viewer, reason=request.POST.get("reason", ""))
    messages.success(request, f"Called off: {followup.title}, {followup.lead}.")
    return _back(request)


@require_POST
def mark_no_show(request: HttpRequest, booking_id: int) -> HttpResponse:
    """Note that the lead did not come; the next try follows by the outcome's rule."""
    viewer = viewer_of(request)
    followup = followups.get_followup(viewer, booking_id)
    call = calls.mark_no_show(followup, by=viewer)
    again = call.followup
    told = f"Next: {again.title}, {_told(again)}." if again else "It was tried often enough."
    messages.success(request, f"{followup.lead} did not come. {told}")
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    return redirect(next_url(request) or reverse("desk:calendar"))


@require_safe
def download_invitation(request: HttpRequest, booking_id: int) -> HttpResponse:
    """The invitation to a booked call as it is now, or its cancellation, as an iCalendar file."""
    viewer = viewer_of(request)
    followup = followups.get_booked_call(viewer, booking_id)
    lead, host = followup.lead, followup.assignee or viewer
    assert followup.uid is not None, "every booked call has one"
    ics = to_ics(
        Invitation(
            uid=followup.uid,
            sequence=followup.sequence,
            title=f"{followup.title}: {lead.name}",
            text=f"{lead.name}{f', {lead.phone}' if lead.phone else ''}. {host} calls.",
            starts_at=followup.due_at,
            minutes=followup.minutes or 0,
            organiser=Party(str(host), host.email),
            attendee=Party(lead.name, lead.email),
            cancelled=followup.state == Followup.State.CANCELLED,
            as_of=now(),
        )
    )
    response = HttpResponse(ics, content_type="text/calendar; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="call-{followup.pk}.ics"'
    return response
