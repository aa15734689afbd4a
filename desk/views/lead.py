"""The lead page and what people do on it: read a form, call a service, answer."""

import datetime as dt

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from core import money
from core.errors import Conflict, Invalid, StaleVersion
from desk import forms, lead_page, services
from desk.selectors import get_lead
from desk.views.rendering import changed, invalid, refused, show_lead
from desk.views.requests import viewer_of
from leads import policies
from leads import services as leads
from leads.models import CustomField
from leads.services import ConsentInput
from leads.stages import StageKey
from scoring.live import live_config
from scoring.selectors import explain


@require_safe
def view_lead(request: HttpRequest, lead_id: int) -> HttpResponse:
    """One lead: facts, timeline, score in detail, follow-ups, and what can be done."""
    return show_lead(request, lead_id)


@require_POST
def change_lead(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Change facts. When somebody else changed the same ones meanwhile, show both values."""
    viewer = viewer_of(request)
    lead = get_lead(viewer, lead_id)
    form = forms.FactsForm(request.POST, lead=lead, custom_fields=list(CustomField.objects.all()))
    if not form.is_valid():
        return invalid(request, lead_id, form)
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
                return show_lead(request, lead_id, status=stale.status, facts=form)
            # Others changed other fields: both changes stand.
            services.change_lead(lead, form.to_input(), by=viewer, version=present.version)
    except (Invalid, Conflict) as error:
        return refused(request, lead_id, form, error)
    return changed(request, lead_id, "Facts saved.", lead.standing)


@require_POST
def add_note(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Write a note."""
    viewer = viewer_of(request)
    lead = get_lead(viewer, lead_id)
    form = forms.NoteForm(request.POST)
    if not form.is_valid():
        return invalid(request, lead_id, form)
    try:
        leads.add_note(lead, form.cleaned_data["note"], by=viewer)
    except Invalid as error:
        return refused(request, lead_id, form, error)
    return changed(request, lead_id, "Note saved.", lead.standing)


@require_POST
def move_lead(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Move to another stage."""
    viewer = viewer_of(request)
    lead = get_lead(viewer, lead_id)
    form = forms.MoveForm(request.POST)
    if not form.is_valid():
        return invalid(request, lead_id, form)
    target, reason = form.cleaned_data["target"], form.cleaned_data["reason"]
    if target not in StageKey.values:
        form.add_error(None, "This is no stage.")
        return invalid(request, lead_id, form)
    decision = policies.can_move_lead(viewer, lead, target, gates_met=True, reason=reason)
    if not decision and policies.can_move_lead(viewer, lead, target, reason="given"):
        form.add_error("reason", "Going back needs a reason.")
        return invalid(request, lead_id, form)
    gates_met = explain([lead_id])[lead_id].gates_met
    services.move_lead(lead, target, by=viewer, reason=reason, gates_met=gates_met)
    return changed(request, lead_id, f"Stage is now {StageKey(target).label}.", lead.standing)


@require_POST
def record_outcome(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Close the lead as won, lost or disqualified."""
    viewer = viewer_of(request)
    lead = get_lead(viewer, lead_id)
    form = forms.OutcomeForm(request.POST)
    if not form.is_valid():
        return invalid(request, lead_id, form)
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
        return refused(request, lead_id, form, error)
    return changed(request, lead_id, f"Closed as {data['result']}.", lead.standing)


@require_POST
def assign_lead(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Claim the lead, or give it to somebody."""
    viewer = viewer_of(request)
    lead = get_lead(viewer, lead_id)
    form = forms.AssignForm(request.POST)
    if not form.is_valid():
        return invalid(request, lead_id, form)
    chosen = form.cleaned_data["owner"]
    owner: User | None = None
    if chosen == "me":
        owner = viewer
    elif chosen != "none":
        owner = next((p for p in lead_page.assignable(viewer) if str(p.pk) == chosen), None)
        if owner is None:
            form.add_error("owner", "This person cannot own the lead.")
            return invalid(request, lead_id, form)
    before = lead.standing
    lead = services.assign_lead(lead, owner, by=viewer)
    message = f"{lead.name} is yours." if owner == viewer else f"Owner is now {owner or 'nobody'}."
    return changed(request, lead_id, message, before)


@require_POST
def record_consent(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Keep whether the lead agreed to be called or written to."""
    viewer = viewer_of(request)
    lead = get_lead(viewer, lead_id)
    form = forms.ConsentForm(request.POST)
    if not form.is_valid():
        return invalid(request, lead_id, form)
    try:
        consent = services.record_consent(lead, ConsentInput(**form.cleaned_data), by=viewer)
    except Invalid as error:
        return refused(request, lead_id, form, error)
    return changed(request, lead_id, f"Noted. {consent}.", lead.standing)


@require_POST
def add_evidence(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Add an answer; the score moves at once."""
    viewer = viewer_of(request)
    lead = get_lead(viewer, lead_id)
    form = forms.EvidenceForm(request.POST)
    if not form.is_valid():
        return invalid(request, lead_id, form)
    data = form.cleaned_data
    config = live_config()
    live = config.by_id(lead.standing.model_version_id) or config.fallback
    criterion = live.framework.criterion(data["dimension"])
    chosen = form.resolve(live.framework.asked)
    if criterion is None or chosen is None:
        form.add_error("answer", "This answer is not one of the script any more. Choose again.")
        return invalid(request, lead_id, form)
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
        return refused(request, lead_id, form, error)
    word = "asked, not known" if chosen["rating"] is None else "answer saved"
    return changed(request, lead_id, f"{criterion.label}: {word}.", lead.standing)


@require_POST
def override_tier(request: HttpRequest, lead_id: int) -> HttpResponse:
    """Set the tier by hand until a day, or end that."""
    viewer = viewer_of(request)
    lead = get_lead(viewer, lead_id)
    form = forms.OverrideForm(request.POST)
    if not form.is_valid():
        return invalid(request, lead_id, form)
    data = form.cleaned_data
    tier, day = data["tier"], data["until"]
    if tier and day is None:
        form.add_error("until", "Say until which day.")
        return invalid(request, lead_id, form)
    # To the end of that day, where the person is.
    until = timezone.make_aware(dt.datetime.combine(day or timezone.localdate(), dt.time(23, 59)))
    try:
        services.override_tier(lead, tier, by=viewer, reason=data["reason"], until=until)
    except Invalid as error:
        return refused(request, lead_id, form, error)
    message = f"Tier set to {tier}." if tier else "The tier follows the score again."
    return changed(request, lead_id, message, lead.standing)
