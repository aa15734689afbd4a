"""Pages of score models and their versions."""

from typing import cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import User
from core.clock import now
from core.filters import require_known
from scoring import model_selectors, policies


@require_safe
def list_models(request: HttpRequest) -> HttpResponse:
    """All score models with their live, open and retired versions."""
    viewer = cast(User, request.user)
    policies.can_read_models(viewer).require()
    require_known(request.GET, (), "the score models")
    context = {
        "models": model_selectors.list_models(),
        "may_change": policies.can_change_models(viewer),
        "now": now(),
    }
    return render(request, "scoring/models.html", context)


@require_safe
def view_version(request: HttpRequest, version_id: int) -> HttpResponse:
    """All numbers of one version, and what differs from the live one."""
    viewer = cast(User, request.user)
    policies.can_read_models(viewer).require()
    require_known(request.GET, (), "a version")
    version = model_selectors.get_version(version_id)
    context = {
        "page": model_selectors.read_version(version),
        "version": version,
        "may_change": policies.can_change_models(viewer),
        "now": now(),
    }
    return render(request, "scoring/version.html", context)
