"""How the lead page and Today are rendered, as pages and as what a change puts in their place.

Every POST answers a script with the changed part of the page and everybody else with a redirect.
"""

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from calls.selectors import unfinished_calls
from core import money
from core.clock import now
from core.errors import BadParameter, FieldProblem, Invalid, LeadqualError
from core.filters import require_known
from desk import forms, lead_page, timeline
from desk.forms import PageForm
from desk.views.requests import htmx_of, next_url, viewer_of
from followups import selectors as followups
from followups.selectors import LeadGroup, StepGroup
from scoring.feedback import unread_answers
from scoring.models import Standing
from scoring.tiers import Tier


def show_lead(
    request: HttpRequest, lead_id: int, *, status: int = 200, **bound: PageForm
) -> HttpResponse:
    """Render the lead page, or only its body for a script that changed something.

    `bound` are forms to show with their errors, by name.
    """
    viewer = viewer_of(request)
    page = lead_page.read_lead_page(
        viewer, lead_id, show=request.GET.get("show", "all"), older=request.GET.get("older", "")
    )
    context = {
        "page": page,
        "lead": page.lead,
        "standing": page.standing,
        "now": page.as_of,
        "forms": _forms_of(page, bound),
        "open_forms": set(bound),
        "timeline_filters": timeline.FILTERS,
        "ratings": (("100", "Strong"), ("67", "Moderate"), ("33", "Weak"), ("0", "Ruled out")),
    }
    fragment = htmx_of(request) and request.method == "POST"
    template = "desk/_lead.html" if fragment else "desk/lead.html"
    return render(request, template, context, status=status)


def _forms_of(page: lead_page.LeadPage, bound: dict[str, PageForm]) -> dict[str, PageForm]:
    until = timezone.localdate(page.as_of) + dt.timedelta(days=forms.OVERRIDE_DAYS)
    value = page.lead.value_minor
    unbound: dict[str, PageForm] = {
        "facts": forms.FactsForm(lead=page.lead, custom_fields=page.custom_fields),
        "note": forms.NoteForm(),
        "move": forms.MoveForm(),
        "outcome": forms.OutcomeForm(
            initial={"value": None if value is None else money.major(value, page.lead.currency)}
        ),
        "assign": forms.AssignForm(),
        "consent": forms.ConsentForm(),
        "evidence": forms.EvidenceForm(),
        "override": forms.OverrideForm(initial={"until": until}),
        "feedback": forms.FeedbackForm(),
        "booking": forms.BookingForm(initial={"at": _next_hour(page.as_of)}),
        "followup": forms.FollowupForm(initial={"due_at": _next_hour(page.as_of)}),
    }
    return unbound | bound


def _next_hour(moment: dt.datetime) -> dt.datetime:
    """Return the next full hour but one, a harmless moment to propose."""
    return moment.replace(minute=0, second=0, microsecond=0) + dt.timedelta(hours=2)


def refused(
    request: HttpRequest, lead_id: int, form: PageForm, error: LeadqualError
) -> HttpResponse:
    """Show a form again with what a service found wrong with it."""
    form.add_problems(error.problems, error.message)
    return show_lead(request, lead_id, status=error.status, **{form.name: form})


def invalid(request: HttpRequest, lead_id: int, form: PageForm) -> HttpResponse:
    """Show a form again with its own errors."""
    return show_lead(request, lead_id, status=Invalid.status, **{form.name: form})


def changed(request: HttpRequest, lead_id: int, message: str, before: Standing) -> HttpResponse:
    """Answer for a change: the page's new body, or a redirect; with its effect on the score."""
    after = Standing.objects.get(pk=lead_id)
    messages.success(request, " ".join(filter(None, (message, _effect(before, after)))))
    return shown_again(request, lead_id)


def shown_again(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Render what the script's request is to replace: Today's lists, or the lead page's body."""
    htmx = htmx_of(request)
    if htmx:
        return show_today(request) if htmx.target == "today" else show_lead(request, lead_id)
    return redirect(next_url(request) or reverse("desk:view_lead", args=[lead_id]))


def _effect(before: Standing, after: Standing) -> str:
    """Say how a change moved the score and the tier; "" when it did not."""
    told = ""
    if after.score != before.score:
        delta = after.score - before.score
        sign = "+" if delta > 0 else "−"
        told = f"Score {before.score} → {after.score} ({sign}{abs(delta)})"
    if after.tier != before.tier and after.tier:
        tier = f"now {Tier(after.tier).label.lower()}"
        told = f"{told}, {tier}" if told else f"Tier is {tier}"
    return f"{told}." if told else ""


TODAY_ROWS = 20  # a group; what is beyond stands on pages of its own

_STEP_GROUPS: tuple[tuple[StepGroup, str], ...] = (
    ("overdue", "Overdue"),
    ("due", "Due today"),
    ("later", "Later"),
    ("waiting", "Waiting for delivery"),
    ("done", "Done today"),
)
_LEAD_GROUPS: tuple[tuple[LeadGroup, str], ...] = (
    ("unowned", "Unowned in my team"),
    ("no_next_step", "No next step"),
)


def show_today(request: HttpRequest) -> HttpResponse:
    """Render Today, one group of it behind its first page, or its lists for a script."""
    viewer = viewer_of(request)
    moment = now()
    fragment = htmx_of(request) and request.method == "POST"
    data = QueryDict() if fragment else request.GET
    require_known(data, ("group", "cursor"), "Today")
    chosen = data.get("group", "")
    context: dict[str, Any] = {"now": moment, "viewer": viewer, "group": chosen}
    context["answers"] = [] if chosen else list(unread_answers(viewer))
    context["unfinished"] = [] if chosen else unfinished_calls(viewer)
    if chosen:
        context["groups"] = [_one_group(viewer, chosen, data, moment)]
    else:
        day = followups.today(viewer, now=moment, limit=TODAY_ROWS)
        context["groups"] = [
            (key, label, getattr(day, key), key in dict(_LEAD_GROUPS))
            for key, label in (*_STEP_GROUPS, *_LEAD_GROUPS)
        ]
        context["day"] = day
        context["clear"] = not (day.overdue.rows or day.due.rows)
    return render(request, "desk/_today.html" if fragment else "desk/today.html", context)


def _one_group(
    viewer: User, chosen: str, data: QueryDict, moment: dt.datetime
) -> tuple[str, str, Any, bool]:
    paging = {"cursor": data.get("cursor", "")}
    for step_group, label in _STEP_GROUPS:
        if step_group == chosen:
            page = followups.page_for(viewer, step_group, paging)
            zone = followups.zone_of(viewer)
            rows = followups.read_steps(viewer, step_group, page, now=moment, zone=zone)
            return step_group, label, rows, False
    for lead_group, label in _LEAD_GROUPS:
        if lead_group == chosen:
            page = followups.page_for(viewer, lead_group, paging)
            return lead_group, label, followups.read_leads_without(viewer, lead_group, page), True
    keys = ", ".join(key for key, _ in (*_STEP_GROUPS, *_LEAD_GROUPS))
    message = f"group is one of {keys}"
    raise BadParameter(message, [FieldProblem("group", "not_a_choice", message)])
