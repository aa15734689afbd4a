"""Who asks for a page about scoring, once it is sure that they may."""

from typing import cast

from django.http import HttpRequest

from accounts.models import User
from scoring import policies


def model_reader(request: HttpRequest) -> User:
    """Return the viewer, who may read score models. Raises Forbidden."""
    viewer = cast(User, request.user)
    policies.can_read_models(viewer).require()
    return viewer


def proposal_reader(request: HttpRequest) -> User:
    """Return the viewer, who may read proposals. Raises Forbidden."""
    viewer = cast(User, request.user)
    policies.can_read_proposals(viewer).require()
    return viewer


def model_owner(request: HttpRequest) -> User:
    """Return the viewer, who may change score models and scripts. Raises Forbidden."""
    viewer = cast(User, request.user)
    policies.can_change_models(viewer).require()
    return viewer
