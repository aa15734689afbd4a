"""The desk's pages: parse the request, ask a selector or a service, render.

Every POST answers a script with the changed part of the page and everybody else with a redirect.
"""

import datetime as dt
from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe
from django_htmx.middleware import HtmxDetails

from accounts.models import User
from core import money
from core.errors import (
    BadParameter,
    Conflict,
    FieldProblem,
    Invalid,
    LeadqualError,
    StaleVersion,
)
from desk import forms, lead_page, queue_filters, selectors, services, timeline
from desk.filters import LeadFilters
from desk.forms import PageForm
from desk.listing import count_leads
from desk.selectors import QueuePage, Scope, get_lead
from leads import policies
from leads import services as leads
from leads.models import CustomField, Lead
from leads.stages import StageKey
from scoring.live import live_config
from scoring.models import Standing
from scoring.selectors import explain
from scoring.tiers import Tier


class PageRequest(HttpRequest):
    """A request behind the log-in; `htmx` is truthy when a fragment is wanted."""

    user: User
    htmx: HtmxDetails


# --- queue --------------------------------------------------------------------------------------


@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """The ranked queue: whom to work next, and why."""
    viewer = cast(PageRequest, request).user
    scope = _scope(request, viewer)
    filters = LeadFilters(
        request.GET, Standing.objects.all(), viewer=viewer, also=queue_filters.PAGING
    )
    page = selectors.queue(
        viewer,
        scope=scope,
        filters=filters,
        after=request.GET.get("after", ""),
        before=request.GET.get("before", ""),
    )
    options = queue_filters.read_options(viewer)
    active = queue_filters.pills(filters, options)
    context = {
        "page": page,
        "now": page.as_of,
        "scope": scope,
        "scopes": [
            (choice, label, queue_filters.with_value(request.GET, "scope", choice))
            for choice, label in selectors.scopes_of(viewer)
        ],
        "pills": active,
        "quick": queue_filters.quick_filters(request.GET),
        "options": options,
        "tiers": [(tier.value, tier.label) for tier in reversed(Tier)],
        "stage_labels": options.stage_labels(),
        "chosen": {
            name: request.GET.getlist(name) for name in ("tier", "stage", "owner", "source")
        },
        "q": request.GET.get("q", ""),
        "first_page": queue_filters.with_value(request.GET, "scope", scope),
        "next_page": _page_link(request, "after", page.next_cursor),
        "previous_page": _page_link(request, "before", page.previous_cursor)
        if page.before > len(page.rows)
        else "",
        "claimable": _claimable(viewer, page),
        "empty": _why_empty(viewer, scope, active, page),
    }
    htmx = cast(PageRequest, request).htmx
    fragment = htmx and not htmx.history_restore_request
    return render(request, "desk/_queue.html" if fragment else "desk/queue.html", context)


def _scope(request: HttpRequest, viewer: User) -> Scope:
    text = request.GET.get("scope") or selectors.default_scope(viewer)
    if text not in list(Scope):
        message = f"scope is one of {', '.join(Scope)}"
        raise BadParameter(message, [FieldProblem("scope", "not_a_choice", message)])
    return Scope(text)


def _page_link(request: HttpRequest, direction: str, cursor: str | None) -> str:
    if cursor is None:
        return ""
    data = request.GET.copy()
    data.pop("after", None)
    data.pop("before", None)
    data[direction] = cursor
    return data.urlencode()


def _claimable(viewer: User, page: QueuePage) -> set[int]:
    """Return the ids of the page's leads that the viewer may take."""
    return {
        row.id
        for row in [*page.clocks, *page.rows]
        if row.owner_id is None
        and policies.can_claim_lead(viewer, Lead(pk=row.id, team_id=row.team_id))
    }


def _why_empty(
    viewer: User,
    scope: Scope,
    active: list[queue_filters.Pill],
    page: QueuePage,
) -> dict[str, object]:
    """Say which of the three kinds of nothing this is; empty when there are rows."""
    if page.rows or page.clocks:
        return {}
    if active:
        narrowing = []
        for pill in active:
            rest = LeadFilters(
                QueryDict(pill.without),
                Standing.objects.all(),
                viewer=viewer,
                also=queue_filters.PAGING,
            )
            condition = rest.condition() & selectors.in_scope(viewer, scope)
            narrowing.append((count_leads(viewer, condition)[0], pill))
        narrowing.sort(key=lambda pair: -pair[0])
        return {"kind": "filtered", "narrowing": narrowing}
    visible = Lead.objects.visible_to(viewer)
    if not visible.exists():
        return {"kind": "no_leads", "may_import": bool(policies.can_create_lead(viewer))}
    unowned = count_leads(viewer, selectors.in_scope(viewer, Scope.UNOWNED))[0]
    return {"kind": "clear", "unowned": unowned}


# --- lead ---------------------------------------------------------------------------------------


@require_safe
def view_lead(request: HttpRequest, lead_id: int) -> HttpResponse:
    """One lead: facts, timeline, score in detail, follow-ups, and what can be done."""
    return _show_lead(request, lead_id)


def _show_lead(
    request: HttpRequest, lead_id: int, *, status: int = 200, **bound: PageForm
) -> HttpResponse:
    """Render the lead page, or only its body for a script that changed something.

    `bound` are forms to show with their errors, by name.
    """
    viewer = cast(PageRequest, request).user
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
    changed = cast(PageRequest, request).htmx and request.method == "POST"
    template = "desk/_lead.html" if changed else "desk/lead.html"
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
        "evidence": forms.EvidenceForm(),
        "override": forms.OverrideForm(initial={"until": until}),
    }
    return unbound | bound


def _refused(
    request: HttpRequest, lead_id: int, form: PageForm, error: LeadqualError
) -> HttpResponse:
    """Show a form again with what a service found wrong with it."""
    form.add_problems(error.problems, error.message)
    return _show_lead(request, lead_id, status=error.status, **{form.name: form})


def _invalid(request: HttpRequest, lead_id: int, form: PageForm) -> HttpResponse:
    """Show a form again with its own errors."""
    return _show_lead(request, lead_id, status=Invalid.status, **{form.name: form})


def _changed(request: HttpRequest, lead_id: int, message: str, before: Standing) -> HttpResponse:
    """Answer for a change: the page's new body, or a redirect; with its effect on the score."""
    after = Standing.objects.get(pk=lead_id)
    messages.success(request, " ".join(filter(None, (message, _effect(before, after)))))
    if cast(PageRequest, request).htmx:
        return _show_lead(request, lead_id)
    return redirect(_next_url(request) or reverse("desk:view_lead", args=[lead_id]))


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


def _next_url(request: HttpRequest) -> str:
    """Return the page that the form wants to go back to, if it is one of ours."""
    url = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if url and safe else ""


@require_POST
def change_lead(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Change facts. When somebody else changed the same ones meanwhile, show both values."""
    viewer = cast(PageRequest, request).user
    lead = get_lead(viewer, lead_id)
    form = forms.FactsForm(request.POST, lead=lead, custom_fields=list(CustomField.objects.all()))
    if not form.is_valid():
        return _invalid(request, lead_id, form)
    try:
        try:
            services.change_lead(
                lead, form.to_input(), by=viewer, version=form.cleaned_data["version"]
            )
        except StaleVersion as stale:
            present = get_lead(viewer, lead_id)
            if form.find_conflicts(present):
                form.rebase(present)
                form.add_error(None, "Somebody else changed this lead meanwhile.")
                return _show_lead(request, lead_id, status=stale.status, facts=form)
            # Others changed other fields: both changes stand.
            services.change_lead(lead, form.to_input(), by=viewer, version=present.version)
    except (Invalid, Conflict) as error:
        return _refused(request, lead_id, form, error)
    return _changed(request, lead_id, "Facts saved.", lead.standing)


@require_POST
def add_note(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Write a note."""
    viewer = cast(PageRequest, request).user
    lead = get_lead(viewer, lead_id)
    form = forms.NoteForm(request.POST)
    if not form.is_valid():
        return _invalid(request, lead_id, form)
    try:
        leads.add_note(lead, form.cleaned_data["note"], by=viewer)
    except Invalid as error:
        return _refused(request, lead_id, form, error)
    return _changed(request, lead_id, "Note saved.", lead.standing)


@require_POST
def move_lead(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Move to another stage."""
    viewer = cast(PageRequest, request).user
    lead = get_lead(viewer, lead_id)
    form = forms.MoveForm(request.POST)
    if not form.is_valid():
        return _invalid(request, lead_id, form)
    target, reason = form.cleaned_data["target"], form.cleaned_data["reason"]
    if target not in StageKey.values:
        form.add_error(None, "This is no stage.")
        return _invalid(request, lead_id, form)
    decision = policies.can_move_lead(viewer, lead, target, gates_met=True, reason=reason)
    if not decision and policies.can_move_lead(viewer, lead, target, reason="given"):
        form.add_error("reason", "Going back needs a reason.")
        return _invalid(request, lead_id, form)
    gates_met = explain([lead_id])[lead_id].gates_met
    services.move_lead(lead, target, by=viewer, reason=reason, gates_met=gates_met)
    return _changed(request, lead_id, f"Stage is now {StageKey(target).label}.", lead.standing)


@require_POST
def record_outcome(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Close the lead as won, lost or disqualified."""
    viewer = cast(PageRequest, request).user
    lead = get_lead(viewer, lead_id)
    form = forms.OutcomeForm(request.POST)
    if not form.is_valid():
        return _invalid(request, lead_id, form)
    data = form.cleaned_data
    amount = data["value"] if data["result"] == StageKey.WON else None
    try:
        services.record_outcome(
            lead,
            data["result"],
            by=viewer,
            reason=data["reason"],
            value_minor=None if amount is None else money.minor(amount, lead.currency),
            currency=lead.currency,
        )
    except Invalid as error:
        return _refused(request, lead_id, form, error)
    return _changed(request, lead_id, f"Closed as {data['result']}.", lead.standing)


@require_POST
def assign_lead(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Claim the lead, or give it to somebody."""
    viewer = cast(PageRequest, request).user
    lead = get_lead(viewer, lead_id)
    form = forms.AssignForm(request.POST)
    if not form.is_valid():
        return _invalid(request, lead_id, form)
    chosen = form.cleaned_data["owner"]
    owner: User | None = None
    if chosen == "me":
        owner = viewer
    elif chosen != "none":
        owner = next((p for p in lead_page.assignable(viewer) if str(p.pk) == chosen), None)
        if owner is None:
            form.add_error("owner", "This person cannot own the lead.")
            return _invalid(request, lead_id, form)
    before = lead.standing
    lead = services.assign_lead(lead, owner, by=viewer)
    message = f"{lead.name} is yours." if owner == viewer else f"Owner is now {owner or 'nobody'}."
    return _changed(request, lead_id, message, before)


@require_POST
def add_evidence(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Add an answer; the score moves at once."""
    viewer = cast(PageRequest, request).user
    lead = get_lead(viewer, lead_id)
    form = forms.EvidenceForm(request.POST)
    if not form.is_valid():
        return _invalid(request, lead_id, form)
    data = form.cleaned_data
    config = live_config()
    live = config.by_id(lead.standing.model_version_id) or config.fallback
    criterion = live.framework.criterion(data["dimension"])
    chosen = form.resolve(live.framework.questions)
    if criterion is None or chosen is None:
        form.add_error("answer", "This answer is not one of the script any more. Choose again.")
        return _invalid(request, lead_id, form)
    try:
        services.add_evidence(
            lead,
            data["dimension"],
            chosen["rating"],
            by=viewer,
            source=data["source"] or "call",
            quote=data["quote"],
            question=chosen["question"],
            answer=chosen["answer"],
        )
    except Invalid as error:
        return _refused(request, lead_id, form, error)
    word = "asked, not known" if chosen["rating"] is None else "answer saved"
    return _changed(request, lead_id, f"{criterion.label}: {word}.", lead.standing)


@require_POST
def override_tier(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Set the tier by hand until a day, or end that."""
    viewer = cast(PageRequest, request).user
    lead = get_lead(viewer, lead_id)
    form = forms.OverrideForm(request.POST)
    if not form.is_valid():
        return _invalid(request, lead_id, form)
    data = form.cleaned_data
    tier, day = data["tier"], data["until"]
    if tier and day is None:
        form.add_error("until", "Say until which day.")
        return _invalid(request, lead_id, form)
    # To the end of that day, where the person is.
    until = timezone.make_aware(dt.datetime.combine(day or timezone.localdate(), dt.time(23, 59)))
    try:
        services.override_tier(lead, tier, by=viewer, reason=data["reason"], until=until)
    except Invalid as error:
        return _refused(request, lead_id, form, error)
    message = f"Tier set to {tier}." if tier else "The tier follows the score again."
    return _changed(request, lead_id, message, lead.standing)
