"""Who is on which lead, so that no two people dial one.

A claim holds for MINUTES from its last sign of life and ends by time alone: nothing has to run for
that. Taking one is a single statement on the row of the lead, so two people never both get it.
"""

from collections.abc import Sequence

from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from accounts.models import User
from calls.models import Claim
from core.clock import DatabaseNow

MINUTES = 20

_CLAIM = f"""
    INSERT INTO calls_claim AS held (lead_id, rep_id, started_at, expires_at)
    VALUES (%(lead)s, %(rep)s, leadqual_now(), leadqual_now() + interval '{MINUTES} minutes')
    ON CONFLICT (lead_id) DO UPDATE SET
        rep_id = excluded.rep_id,
        started_at = CASE WHEN held.rep_id = excluded.rep_id AND held.expires_at > leadqual_now()
                     THEN held.started_at ELSE excluded.started_at END,
        expires_at = excluded.expires_at
    WHERE held.expires_at <= leadqual_now() OR held.rep_id = excluded.rep_id OR %(take)s
    RETURNING lead_id
"""


def claim(lead_id: int, *, by: User) -> bool:
    """Take a lead, or hold it for longer; False when somebody else is on it."""
    return _take(lead_id, by, take=False)


def take_over(lead_id: int, *, by: User) -> None:
    """Take a lead, whoever is on it. The caller has asked the policy."""
    _take(lead_id, by, take=True)


def _take(lead_id: int, by: User, *, take: bool) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"lead": lead_id, "rep": by.pk, "take": take})
        return cursor.fetchone() is not None


def release(lead_id: int, *, by: User) -> None:
    """Leave a lead, if it is still the person's."""
    Claim.objects.filter(lead_id=lead_id, rep=by).delete()


def claims_on(lead_ids: Sequence[int]) -> dict[int, Claim]:
    """Return the claims that hold on some leads, by lead, with who has them; one query."""
    held = Claim.objects.filter(lead_id__in=lead_ids, expires_at__gt=DatabaseNow())
    return {claim.lead_id: claim for claim in held.select_related("rep")}


def held_by_others(viewer: User) -> Q:
    """Return the condition, on rows whose primary key is a lead's, that somebody else is on it."""
    held = Claim.objects.filter(lead_id=OuterRef("pk"), expires_at__gt=DatabaseNow())
    return Q(Exists(held.exclude(rep_id=viewer.pk)))


def told(held: Claim) -> str:
    """Say who is on a lead and until when, on the clock of whoever asks."""
    return f"{held.rep} is on this lead until {timezone.localtime(held.expires_at):%H:%M}."
