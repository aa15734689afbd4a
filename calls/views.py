"""The pages of calls: parse the request, ask a selector or a service, render.

A script is answered with the part of the page that moves; everybody else with a redirect.
"""

from typing import cast
from urllib.parse import urlencode
from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe
from django_htmx.middleware import HtmxDetails

from accounts.models import User
from calls import policies, selectors, services
from calls.agreement import waiting_for
from calls.filters import CallFilters
from calls.forms import FinishForm
from calls.models import Call, CallOutcome
from calls.scripts import script_of
from calls.selectors import NEWEST, Line, Progress, get_call, get_lead_to_call
from calls.services import AnswerInput
from calls.working import in_hand_of
from core.cursors import PARAMETERS, read_page
from core.errors import Invalid, StaleVersion
from leads.consent import Channel
from leads.policies import can_change_lead
from leads.selectors import may_contact
from scoring.feedback import open_feedback
from scoring.tiers import Tier

UNKNOWN = "-"  # the form's value for "asked, not known"


class PageRequest(HttpRequest):
    """A request behind the log-in; `htmx` is truthy when a script asks."""

    user: User
    htmx: HtmxDetails


@require_safe
def list_calls(request: HttpRequest, lead_id: int) -> HttpResponse:
    """The calls with one lead."""
    viewer = cast(PageRequest, request).user
    lead = get_lead_to_call(viewer, lead_id)
    context = {
        "lead": lead,
        "calls": selectors.calls_of(viewer, lead_id),
        "may_call": policies.can_start_call(viewer, lead),
        "may_dial": may_contact(lead_id, Channel.CALL),
    }
    return render(request, "calls/list.html", context)


@require_safe
def list_all_calls(request: HttpRequest) -> HttpResponse:
    """The calls with all leads that the viewer may see, by rep, outcome and day."""
    viewer = cast(PageRequest, request).user
    filters = CallFilters(
        request.GET, selectors.calls_seen_by(viewer), viewer=viewer, also=PARAMETERS
    )
    bound = ("all calls", str(viewer.pk), filters.given())
    calls, cursor = selectors.list_calls(filters, read_page(request.GET, NEWEST, bound_to=bound))
    following = request.GET.copy()
    following["cursor"] = cursor or ""
    context = {
        "calls": calls,
        "next_page": following.urlencode() if cursor else "",
        "given": {name: request.GET.get(name, "") for name in filters.filters},
        "filtered": any(request.GET.get(name) for name in filters.filters),
        "reps": selectors.reps_seen_by(viewer),
        "outcomes": CallOutcome.objects.all(),
        "waiting": waiting_for(viewer),
    }
    return render(request, "calls/all.html", context)


@require_POST
def start_call(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Begin a call, or go on with the open one."""
    viewer = cast(PageRequest, request).user
    lead = get_lead_to_call(viewer, lead_id)
    direction = request.POST.get("direction", Call.Direction.OUTBOUND)
    take_over = "take_over" in request.POST
    call, _ = services.start_call(lead, by=viewer, direction=direction, take_over=take_over)
    asked = {"q": request.POST.get("q", ""), "next": _next_page(request)}
    query = urlencode({name: value for name, value in asked.items() if value})
    return redirect(f"{reverse('calls:run_call', args=[call.pk])}{query and '?'}{query}")


@require_safe
def run_call(request: HttpRequest, call_id: int) -> HttpResponse:
    """The console of an open call; the record of a finished one, or for who may only read."""
    viewer = cast(PageRequest, request).user
    call = get_call(viewer, call_id)
    if not policies.can_work_on_call(viewer, call):
        if any(second.call_id == call.pk for second in waiting_for(viewer)):
            return redirect("calls:rate_call", call.pk)  # first the rating, then what was said
        return _show_record(request, call)
    return _show_console(request, call)


def _show_record(request: HttpRequest, call: Call) -> HttpResponse:
    """What was asked, what was said, and what each answer changed in the score."""
    script = script_of(call.framework_version_id)
    texts = {question.key: question.text[call.lead.kind] for question in script.questions}
    answers = list(call.answers.select_related("author", "evidence", "replaces__author"))
    asked = {answer.question for answer in answers}
    entries = selectors.timeline_ids(call)
    viewer = cast(PageRequest, request).user
    may_judge = can_change_lead(viewer, call.lead)
    may_ask = policies.can_ask_for_rating(viewer, call)
    context = {
        "raters": [r for r in selectors.reps_seen_by(viewer) if r != call.rep] if may_ask else [],
        "judged": selectors.judged_lines(call.lead_id, answers) if may_judge else [],
        "given": open_feedback(call.lead_id, viewer) if may_judge else {},
        "call": call,
        "lead": call.lead,
        "rows": [
            (answer, texts.get(answer.question, ""), entries.get(answer.evidence_id or 0))
            for answer in answers
        ],
        "not_asked": [texts[item.key] for item in script.asked if item.key not in asked],
        "plot": selectors.plot_of(call),
        "summary": call.summary or selectors.summary_of(call),
        "seconds": (call.ended_at - call.started_at).total_seconds() if call.ended_at else None,
    }
    return render(request, "calls/record.html", context)


def _show_console(
    request: HttpRequest,
    call: Call,
    *,
    status: int = 200,
    form: FinishForm | None = None,
    my_notes: str | None = None,
) -> HttpResponse:
    progress = selectors.read_progress(call)
    viewer = cast(PageRequest, request).user
    brief = selectors.read_brief(call, viewer)
    current = _current(progress, request.GET.get("q", ""))
    context = {
        "call": call,
        "lead": call.lead,
        "progress": progress,
        "cards": [
            selectors.card_of(line, call.lead, timezone.localdate(brief.as_of))
            for line in progress.lines
        ],
        "brief": brief,
        "current": current,
        "now": brief.as_of,
        "local_time": brief.local_time,
        "form": form or FinishForm(outcomes=brief.outcomes, initial={"summary": progress.summary}),
        "wrapping_up": form is not None,
        "my_notes": my_notes,
        "key": uuid4().hex,
        "next": _next_page(request) or (reverse("desk:work") if brief.in_hand else ""),
        "currencies": brief.currencies,
    }
    return render(request, "calls/console.html", context, status=status)


def _next_page(request: HttpRequest) -> str:
    """Return the page of ours that is to follow the call, "" for its record."""
    url = request.POST.get("next") or request.GET.get("next", "")
    ours = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if ours else ""


def _current(progress: Progress, key: str) -> Line | None:
    """Return the question that is asked for, else the most worthwhile, else the first."""
    for wanted in (key, progress.next_key):
        for line in progress.lines:
            if line.question.key == wanted:
                return line
    return progress.lines[0] if progress.lines else None


@require_safe
def show_progress(request: HttpRequest, call_id: int) -> HttpResponse:
    """What moves during a call; the console asks for it to see what others do."""
    call = get_call(cast(PageRequest, request).user, call_id)
    return _progress(request, selectors.read_progress(call))


@require_POST
def be_present(request: HttpRequest, call_id: int) -> HttpResponse:
    """Say that a console is open; answer what others have changed, or 204 when nothing has."""
    viewer = cast(PageRequest, request).user
    call = get_call(viewer, call_id)
    others: list[str] = []
    if call.state == Call.State.OPEN:
        policies.can_work_on_call(viewer, call).require()
        others = services.be_present(call, request.POST.get("tab", ""), by=viewer)
    seen = request.POST.get("stamp", ""), request.POST.getlist("present")
    if seen == (selectors.stamp_of(call), others):
        return HttpResponse(status=204)
    return _progress(request, selectors.read_progress(call), others)


def _progress(
    request: HttpRequest, progress: Progress, others: list[str] | None = None
) -> HttpResponse:
    context = {
        "call": progress.call,
        "progress": progress,
        "lead": progress.call.lead,
        "others": others,
        "alone": True,
    }
    return render(request, "calls/_progress.html", context)


@require_POST
def save_answer(request: HttpRequest, call_id: int) -> HttpResponse:
    """Keep one answer."""
    viewer = cast(PageRequest, request).user
    given, seen = request.POST.get("answer", ""), request.POST.get("seen", "")
    rating, amount = request.POST.get("rating", ""), request.POST.get("amount", "").strip()
    data = AnswerInput(
        question=request.POST.get("question", ""),
        client_key=request.POST.get("client_key", ""),
        answer="" if given == UNKNOWN else given,
        unknown=given == UNKNOWN,
        later="later" in request.POST,
        rating=int(rating) if rating.isascii() and rating.isdigit() and len(rating) < 9 else None,
        amount=f"{amount} {request.POST.get('currency', '')}".strip() if amount else "",
        quote=request.POST.get("quote", ""),
        seen=int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 19 else None,
    )
    kept = services.save_answer(call_id, data, by=viewer)
    progress = selectors.read_progress(kept.answer.call, kept.asking)
    if cast(PageRequest, request).htmx:
        return _progress(request, progress)
    following = _following(progress, data.question)
    return redirect(f"{reverse('calls:run_call', args=[call_id])}?q={following}")


def _following(progress: Progress, key: str) -> str:
    """Return the key of the next open question after `key`, in the script's order."""
    keys = [line.question.key for line in progress.lines]
    at = keys.index(key) + 1 if key in keys else 0
    around = [*progress.lines[at:], *progress.lines[:at]]
    return next((line.question.key for line in around if line.state == "open"), key)


@require_POST
def capture(request: HttpRequest, call_id: int) -> HttpResponse:
    """Keep a concern or a competitor."""
    viewer = cast(PageRequest, request).user
    kept = services.capture(
        call_id,
        request.POST.get("kind", ""),
        request.POST.get("text", ""),
        by=viewer,
        client_key=request.POST.get("client_key", ""),
    )
    if cast(PageRequest, request).htmx:
        return _progress(request, selectors.read_progress(kept.answer.call, kept.asking))
    return redirect("calls:run_call", call_id)


@require_POST
def save_notes(request: HttpRequest, call_id: int) -> HttpResponse:
    """Save the notes. When somebody changed them meanwhile, give both texts back."""
    viewer = cast(PageRequest, request).user
    text, version = request.POST.get("notes", ""), request.POST.get("version", "")
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        get_call(viewer, call_id)
        raise Invalid.field("version", "wrong_type", "must be a whole number")
    scripted = bool(cast(PageRequest, request).htmx)
    try:
        call = services.save_notes(call_id, text, version=int(version), by=viewer)
    except StaleVersion as stale:
        call = get_call(viewer, call_id)
        if scripted:
            theirs = {"notes": call.notes, "version": call.notes_version}
            return JsonResponse(theirs, status=stale.status)
        return _show_console(request, call, status=stale.status, my_notes=text)
    if scripted:
        return JsonResponse({"notes": call.notes, "version": call.notes_version})
    messages.success(request, "Notes saved.")
    return redirect("calls:run_call", call_id)


@require_POST
def note_recording(request: HttpRequest, call_id: int) -> HttpResponse:
    """Note what the lead said to being recorded."""
    viewer = cast(PageRequest, request).user
    call = services.note_recording(call_id, request.POST.get("recording", ""), by=viewer)
    if cast(PageRequest, request).htmx:
        return _progress(request, selectors.read_progress(call))
    return redirect("calls:run_call", call_id)


@require_POST
def finish_call(request: HttpRequest, call_id: int) -> HttpResponse:
    """End the call."""
    viewer = cast(PageRequest, request).user
    call = get_call(viewer, call_id)
    form = FinishForm(request.POST, outcomes=list(CallOutcome.objects.all()))
    if call.state == Call.State.FINISHED or form.is_valid():
        data = form.to_input() if form.is_valid() else services.FinishInput("")
        try:
            call = services.finish_call(call_id, data, by=viewer)
        except Invalid as error:
            form.add_problems(error)
        else:
            messages.success(request, _told(call))
            if there := _next_page(request):
                return redirect(there)
            if in_hand_of(viewer).filter(lead=call.lead_id).exists():
                return redirect("desk:work")
            return redirect("calls:run_call", call_id)
    return _show_console(request, call, status=Invalid.status, form=form)


def _told(call: Call) -> str:
    """Say what a finished call has brought about."""
    told = f"Call finished: {call.outcome}."
    if call.end_score != call.start_score:
        told += f" Score {call.start_score} → {call.end_score}."
    if call.end_tier and call.end_tier != call.start_tier:
        told += f" The lead is now {Tier(call.end_tier).label.lower()}."
    if call.followup is not None:
        due = timezone.localtime(call.followup.due_at)
        told += f" Next: {call.followup.title}, {due:%a %-d %b, %H:%M}."
    return told
