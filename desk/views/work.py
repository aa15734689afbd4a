"""Work mode: one lead at a time from the queue, held so that nobody else dials it."""

from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from calls import claims, working
from calls.models import Call, WorkSession
from calls.policies import can_work_queue
from calls.working import How
from core.clock import now
from core.errors import BadParameter, Conflict, Invalid, NotFound
from desk import forms, queue_filters
from desk.lead_page import LeadPage, read_lead_page
from desk.views.requests import htmx_of, viewer_of
from desk.working import read_queue, read_waiting, take_next
from followups import selectors as followups
from followups import services as followup_services
from followups.cadence import is_open_at
from followups.models import Followup
from followups.places import Places
from followups.selectors import LeadPlan, StepRow
from leads.models import Lead
from leads.policies import is_closed
from scoring.live import NotConfigured
from scoring.selectors import Asking, next_questions


@require_safe
def work(request: HttpRequest) -> HttpResponse:
    """The lead in hand: why now, what to ask, what to do; or what was done when none is left."""
    viewer = viewer_of(request)
    can_work_queue(viewer).require()
    session = working.current_session(viewer)
    context: dict[str, Any] = {"session": session, "now": now()}
    if session is None:
        return _show_rest(request, viewer, working.last_session(viewer), context)
    context |= {"tally": working.tally(session), "pills": _pills(viewer, session)}
    if session.lead_id is None:
        return _show_rest(request, viewer, session, context)
    call = working.call_of(session)
    page = _page(viewer, session.lead_id)
    over = _over(call, page)
    held = claims.claims_on([session.lead_id]).get(session.lead_id)
    if not over and held is not None and held.rep_id != viewer.pk:
        context |= {"lost": claims.told(held)}
        over = How.LOST
    if over or page is None:
        return render(request, "desk/work.html", {**context, "over": over, "call": call})
    shown = {**context, **_in_hand(page, call)}
    if not shown["can_be_called"]:
        shown["waiting"] = read_waiting(viewer, session)
    return render(request, "desk/work.html", shown)


def _show_rest(
    request: HttpRequest, viewer: User, session: WorkSession | None, context: dict[str, Any]
) -> HttpResponse:
    """Say what was done, and what is due next."""
    due = Followup.objects.to_do_by(viewer).select_related("lead").order_by("due_at", "id").first()
    tally = working.tally(session) if session is not None else None
    rest: dict[str, Any] = {"ended": session, "tally": tally, "due": due}
    if session is not None and session.ended_at is None:
        rest["waiting"] = read_waiting(viewer, session)
    return render(request, "desk/work_rest.html", {**context, **rest})


def _pills(viewer: User, session: WorkSession) -> list[str]:
    """Return the filters of a session's queue in words."""
    _, filters = read_queue(viewer, session.query)
    options = queue_filters.read_options(viewer)
    return [pill.text for pill in queue_filters.pills(filters, options)]


def _page(viewer: User, lead_id: int) -> LeadPage | None:
    """Read the lead in hand; None when it is not the viewer's to work any more."""
    try:
        page = read_lead_page(viewer, lead_id)
    except NotFound:
        return None
    return page if page.may_change else None


def _over(call: Call | None, page: LeadPage | None) -> str:
    """Say what became of the lead in hand by what happened elsewhere, "" for nothing."""
    if call is not None and call.state == Call.State.FINISHED:
        return How.CALLED
    if page is None:
        return How.LOST
    return How.DONE if is_closed(page.lead.stage) else ""


def _in_hand(page: LeadPage, call: Call | None) -> dict[str, Any]:
    lead = page.lead
    window = Places().window(lead.team_id, lead.time_zone, lead.country)
    in_window = is_open_at(window, page.as_of)
    return {
        "page": page,
        "lead": lead,
        "call": call,
        "step": _step_of(page.plan),
        "asking": _asking(lead),
        "events": page.timeline.entries[:3],
        "local_time": timezone.localtime(page.as_of, ZoneInfo(window.zone)),
        "in_window": in_window,
        "can_be_called": bool(lead.phone) and in_window,
    }


def _step_of(plan: LeadPlan) -> StepRow | None:
    """Return the next step of a lead that is not held back."""
    free = (step for step in plan.open if not (step.held and step.kind == Followup.Kind.CALL))
    return next(free, None)


def _asking(lead: Lead) -> Asking | None:
    try:
        return next_questions(lead)
    except (NotConfigured, NotFound):
        return None


@require_POST
def start_work(request: HttpRequest) -> HttpResponse:
    """Begin to work the queue under the filters that it shows."""
    viewer = viewer_of(request)
    can_work_queue(viewer).require()
    query = request.POST.get("query", "")
    read_queue(viewer, query)
    take_next(viewer, working.start_session(viewer, query))
    return redirect("desk:work")


@require_POST
def next_lead(request: HttpRequest) -> HttpResponse:
    """Note what became of the lead in hand, and take the next."""
    viewer = viewer_of(request)
    session = _session(viewer)
    how = request.POST.get("how", "")
    if how not in ("", *How.values):
        choices = ", ".join(How.values)
        raise Invalid.field("how", "not_a_choice", f"must be one of {choices}")
    if how and session.lead_id is not None and request.POST.get("lead") == str(session.lead_id):
        _settle(request, viewer, session.lead_id, how)
        working.leave(session, how, request.POST.get("reason", ""))
    if "any_hour" in request.POST:
        working.offer_any_hour(session)
    if session.lead_id is None:
        take_next(viewer, session)
    if htmx_of(request):
        return _go()
    return redirect("desk:work")


def _go() -> HttpResponse:
    """Send a script's page to what is in hand now."""
    response = HttpResponse(status=204)
    response["HX-Redirect"] = reverse("desk:work")
    return response


def _session(viewer: User) -> WorkSession:
    can_work_queue(viewer).require()
    session = working.current_session(viewer)
    if session is None:
        raise Conflict("You are not working a queue. Start from the queue.")
    return session


def _settle(request: HttpRequest, viewer: User, lead_id: int, how: str) -> None:
    """Do with the lead's next step what the person chose."""
    if how not in (How.DONE, How.SNOOZED):
        return
    lead = Lead.objects.visible_to(viewer).filter(pk=lead_id).first()
    step = _step_of(followups.plan_of(viewer, lead)) if lead is not None else None
    if step is None:
        return
    followup = followups.get_followup(viewer, step.id)
    if how == How.DONE:
        if followup.kind != Followup.Kind.EMAIL:
            followup_services.complete_followup(
                followup,
                by=viewer,
                result=request.POST.get("result", ""),
                note=request.POST.get("note", ""),
            )
        return
    form = forms.SnoozeForm(request.POST)
    until = form.moment(now()) if form.is_valid() else None
    if until is None:
        raise Invalid.field("until", "invalid", "is a date and a time of day")
    followup_services.snooze_followup(followup, by=viewer, until=until)


@require_POST
def stay_on_lead(request: HttpRequest) -> HttpResponse:
    """A sign of life from the page: hold the lead for longer, or say that it was taken over."""
    viewer = viewer_of(request)
    session = _session(viewer)
    if session.lead_id is not None and claims.claim(session.lead_id, by=viewer):
        return HttpResponse(status=204)
    return _go()


@require_POST
def stop_work(request: HttpRequest) -> HttpResponse:
    """Leave: the lead in hand is free again."""
    session = _session(viewer_of(request))
    query = session.query
    tally = working.tally(session).words
    working.end_session(session)
    messages.success(request, f"You left work mode. {tally}.")
    try:
        read_queue(viewer_of(request), query)
    except BadParameter:
        query = ""
    return redirect(f"{reverse('desk:queue')}?{query}")
