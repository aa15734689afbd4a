"""Alerts that leads or outcomes have changed: raised once, put away by people with a reason."""

from collections.abc import Sequence

from django.db import transaction

from accounts.models import User
from accounts.policies import can_change_configuration
from core.clock import DatabaseNow
from core.errors import Invalid, NotFound
from leads.identity import clean_text
from scoring.models import DriftAlert

MOST_REASON = 300


def raise_alerts(alerts: Sequence[DriftAlert]) -> None:
    """Keep new alerts; one that is there already, put away or not, stays as it is."""
    DriftAlert.objects.bulk_create(alerts, ignore_conflicts=True)


def standing_alerts(key: str = "") -> list[DriftAlert]:
    """Return alerts that nobody has put away, the newest month first (of one model, if given)."""
    found = DriftAlert.objects.filter(dismissed_at=None)
    if key:
        found = found.filter(key=key)
    return list(found.order_by("-month", "key", "subject"))


@transaction.atomic
def dismiss_alert(alert_id: int, reason: str, *, by: User) -> DriftAlert:
    """Put an alert away, saying why; Forbidden, NotFound or Invalid otherwise."""
    can_change_configuration(by).require()
    alert = DriftAlert.objects.select_for_update().filter(pk=alert_id).first()
    if alert is None:
        raise NotFound()
    reason = clean_text(reason)
    if not reason:
        raise Invalid.field("reason", "required", "say why it needs no attention")
    if len(reason) > MOST_REASON:
        raise Invalid.field("reason", "too_long", f"has at most {MOST_REASON} characters")
    if alert.dismissed_at is None:
        alert.dismissed_at, alert.dismissed_by, alert.reason = DatabaseNow(), by, reason
        alert.save(update_fields=["dismissed_at", "dismissed_by", "reason"])
        alert.refresh_from_db()
    return alert
