"""Alerts of drift on every page of the scoring hub, for those who can do something about them."""

from typing import Any

from django import template

from accounts.policies import can_change_configuration
from scoring.alerts import standing_alerts
from scoring.models import DriftAlert

register = template.Library()


@register.simple_tag
def alerts_for(user: Any) -> list[DriftAlert]:
    """Return the alerts that stand, for model owners and admins; no query for others."""
    return standing_alerts() if can_change_configuration(user) else []
