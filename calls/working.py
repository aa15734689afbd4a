"""Working a queue: sessions, the lead in hand, and what became of those before it.

Which lead comes next is found by desk.working, which knows the queue; here it is taken and left.
"""

import datetime as dt
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from accounts.models import User
from calls import claims, policies
from calls.models import Call, WorkedLead, WorkSession
from core.clock import now
from core.errors import Conflict
from leads.identity import clean_text

MOST_REASON = 200
How = WorkedLead.How


def current_session(rep: User) -> WorkSession | None:
    """Return the open session of a person with its lead, None without any."""
    return (
        WorkSession.objects.filter(rep=rep, ended_at=None).select_related("lead__standing").first()
    )


def last_session(rep: User) -> WorkSession | None:
    """Return the session of a person that ended last."""
    ended = WorkSession.objects.filter(rep=rep, ended_at__isnull=False)
    return ended.order_by("-started_at").first()


@transaction.atomic
def start_session(rep: User, query: str) -> WorkSession:
    """Begin to work a queue, whose query string was checked; an open session ends."""
    policies.can_work_queue(rep).require()
    # One after the other, so that a double click begins one session.
    User.objects.select_for_update(no_key=True).get(pk=rep.pk)
    present = current_session(rep)
    if present is not None:
        end_session(present)
    session: WorkSession = WorkSession.objects.create(rep=rep, query=query)
    return session


@transaction.atomic
def end_session(session: WorkSession) -> None:
    """Stop; the lead in hand is free again."""
    if session.lead_id is not None:
        claims.release(session.lead_id, by=session.rep)
    session.lead = session.taken_at = None
    session.ended_at = now()
    session.save(update_fields=["lead", "taken_at", "ended_at"])


def offer_any_hour(session: WorkSession) -> None:
    """From now on offer leads outside their contact hours too; the one in hand goes back."""
    session.any_hour = True
    session.save(update_fields=["any_hour"])
    if session.lead_id is not None:
        claims.release(session.lead_id, by=session.rep)
        take(session, None)


def take(session: WorkSession, lead_id: int | None) -> None:
    """Note which lead is in hand; it is claimed already. None says that nothing was left."""
    session.lead_id = lead_id
    session.taken_at = now() if lead_id is not None else None
    session.save(update_fields=["lead", "taken_at"])


@transaction.atomic
def leave(session: WorkSession, how: str, reason: str = "") -> None:
    """Note what became of the lead in hand and let go of it."""
    if session.ended_at is not None:
        raise Conflict("You stopped working this queue.")
    if session.lead_id is None:
        return
    WorkedLead.objects.update_or_create(
        session=session,
        lead_id=session.lead_id,
        defaults={"how": how, "reason": clean_text(reason)[:MOST_REASON]},
    )
    claims.release(session.lead_id, by=session.rep)
    take(session, None)


def call_of(session: WorkSession) -> Call | None:
    """Return the newest call with the lead in hand since it was taken, open or finished."""
    if session.lead_id is None or session.taken_at is None:
        return None
    calls = Call.objects.filter(lead_id=session.lead_id).select_related("outcome")
    since = Q(ended_at__gte=session.taken_at) | Q(state=Call.State.OPEN)
    return calls.filter(since).order_by("-started_at", "-id").first()


def in_hand_of(rep: User) -> QuerySet[WorkSession]:
    """Return the session in which a person works a queue; its `lead` is the one in hand."""
    return WorkSession.objects.filter(rep=rep, ended_at=None)


@dataclass(frozen=True)
class Tally:
    """What a session came to: leads by what became of them, and calls that reached somebody."""

    called: int
    reached: int
    done: int
    skipped: int
    snoozed: int

    @property
    def words(self) -> str:
        """The tally in words: "14 calls, 6 reached, 2 skipped"."""
        parts = [
            f"{self.called} call{'' if self.called == 1 else 's'}, {self.reached} reached"
            if self.called
            else "",
            f"{self.done} done" if self.done else "",
            f"{self.snoozed} snoozed" if self.snoozed else "",
            f"{self.skipped} skipped" if self.skipped else "",
        ]
        return ", ".join(filter(None, parts)) or "Nothing yet"


def tally(session: WorkSession) -> Tally:
    """Count what a session came to; two queries."""
    rows = session.worked.values_list("how").annotate(number=Count("id"))
    by_how: dict[str, int] = dict(rows)
    until: dt.datetime = session.ended_at or now()
    calls = Call.objects.filter(
        lead__in=session.worked.values("lead"),
        ended_by=session.rep,
        ended_at__range=(session.started_at, until),
    )
    reached = calls.filter(outcome__connected=True).values("lead").distinct().count()
    return Tally(
        called=by_how.get(How.CALLED, 0),
        reached=reached,
        done=by_how.get(How.DONE, 0),
        skipped=by_how.get(How.SKIPPED, 0),
        snoozed=by_how.get(How.SNOOZED, 0),
    )
