"""What must always hold of calls and claims (manage.py verify_invariants)."""

from collections.abc import Iterator

from django.db.models import F

from calls.claims import MINUTES
from calls.models import Claim, WorkSession
from core.clock import now
from core.invariants import invariant


@invariant("calls.claims_end")
def claims_end() -> Iterator[str]:
    """No claim outlasts what one sign of life gives, so an abandoned lead is free again."""
    latest = now().timestamp() + MINUTES * 60 + 60
    for claim in Claim.objects.filter(expires_at__gt=F("started_at")).iterator():
        if claim.expires_at.timestamp() > latest:
            yield f"the claim on lead {claim.lead_id} ends only at {claim.expires_at}"


@invariant("calls.one_pair_of_hands")
def one_pair_of_hands() -> Iterator[str]:
    """A lead in hand in two sessions is claimed by at most one of them: the claim is the row."""
    moment = now()
    sessions = WorkSession.objects.filter(ended_at=None, lead__isnull=False)
    for session in sessions.select_related("lead__claim", "rep"):
        claim = getattr(session.lead, "claim", None)
        if claim is None or claim.rep_id == session.rep_id or claim.expires_at <= moment:
            continue
        if session.taken_at is not None and claim.started_at < session.taken_at:
            yield f"lead {session.lead_id} was given to {session.rep} while {claim.rep_id} held it"
