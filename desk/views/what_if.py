"""The what-if page: a lead's facts as controls, and what it would score. Nothing is stored."""

import re

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django_htmx.http import trigger_client_event

from accounts.models import User
from accounts.policies import can_change_configuration
from core.clock import now
from core.errors import BadParameter, FieldProblem
from desk import suppose
from desk.selectors import get_lead
from desk.views.requests import htmx_of, viewer_of
from scoring.live import live_config
from scoring.models import ModelVersion
from scoring.templatetags.standings import tier_label
from scoring.whatif import WhatIf, config_of
from scoring.whatif import what_if as try_out

MOST_VERSIONS = 20


@require_safe
def what_if(request: HttpRequest, lead_id: int) -> HttpResponse:
    """What the lead would score with the facts of the query string.

    A script is answered with the result alone, which it announces when the tier changes.
    """
    viewer = viewer_of(request)
    lead = get_lead(viewer, lead_id)
    asked = request.GET.get("version", "")
    versions = _versions(viewer, lead.standing.model_version_id, asked)
    version = _chosen(asked, versions)
    config = live_config()
    if version is not None:
        config = config_of(version, config)
    supposed = suppose.read_supposition(request.GET, config)
    found = try_out(lead.pk, supposed, version=version)
    context = {
        "lead": lead,
        "found": found,
        "given": request.GET,
        "now": now(),
        "controls": suppose.controls_of(found, config),
        "versions": versions,
        "version": version,
        "most_days": suppose.MOST_DAYS,
        "unchanged": not found.supposed and version is None,
    }
    if not htmx_of(request):
        return render(request, "desk/what_if.html", context)
    response = render(request, "desk/_what_if_result.html", context)
    return trigger_client_event(response, "announce", {"value": _announced(found)}, after="settle")


def _versions(viewer: User, model_id: int | None, asked: str) -> list[ModelVersion]:
    """Return other versions of the lead's model for those who may look at drafts, and the one that
    is `asked` for: by it the lead may come to another model.
    """
    if model_id is None or not can_change_configuration(viewer):
        return []
    key = ModelVersion.objects.filter(pk=model_id).values("key")
    others = ModelVersion.objects.exclude(state=ModelVersion.State.LIVE)
    others = others.select_related("icp", "framework")
    found = list(others.filter(key__in=key).order_by("-number")[:MOST_VERSIONS])
    if re.fullmatch(r"[0-9]{1,18}", asked) and int(asked) not in [version.pk for version in found]:
        found += others.filter(pk=int(asked))
    return found


def _chosen(text: str, versions: list[ModelVersion]) -> ModelVersion | None:
    if not text:
        return None
    for version in versions:
        if str(version.pk) == text:
            return version
    message = "This version is not there, or not for you to try."
    raise BadParameter(message, [FieldProblem("version", "not_a_choice", message)])


def _announced(found: WhatIf) -> str:
    after, before = found.after, found.before
    text = f"Score {after.score}, possible {after.low} to {after.high}."
    if before is not None and before.tier != after.tier:
        text += f" {tier_label(before.tier)} would become {tier_label(after.tier).lower()}."
    return text
