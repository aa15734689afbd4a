"""Work mode: which lead of the queue is worked next.

There is no list that could grow old: each time the queue is asked anew from its top, so leads that
match only now are found, and those that others have taken or called meanwhile are not.
"""

import datetime as dt
from collections.abc import Iterator

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict

from accounts.models import User, Workspace
from accounts.roles import Role
from calls import claims, working
from calls.models import Call, WorkSession
from core.clock import now
from core.cursors import Page
from desk import queue_filters, selectors
from desk.filters import LeadFilters
from desk.listing import IN_QUEUE, ORDERS, read_leads, running_clocks
from desk.selectors import Scope
from followups.models import Followup
from leads.consent import Channel
from leads.selectors import refused_contact
from scoring.models import Standing

BATCH = 20  # leads looked at together
MOST_BATCHES = 25  # of leads that may not be called; beyond, a filter says it better


def read_queue(viewer: User, query: str) -> tuple[Scope, LeadFilters]:
    """Read the queue that a query string asks for; raise BadParameter for one that is none."""
    data = QueryDict(query)
    scope = selectors.read_scope(data, viewer)
    filters = LeadFilters(data, Standing.objects.all(), viewer=viewer, also=queue_filters.PAGING)
    filters.condition()
    return scope, filters


def take_next(viewer: User, session: WorkSession) -> int | None:
    """Claim the first lead of the session's queue that is free; return its id, None for none."""
    for lead_id in _candidates(viewer, session):
        if claims.claim(lead_id, by=viewer):
            working.take(session, lead_id)
            return lead_id
    working.take(session, None)
    return None


def _candidates(viewer: User, session: WorkSession) -> Iterator[int]:
    """Yield ids of leads to work in order: running clocks first, then by rank."""
    scope, filters = read_queue(viewer, session.query)
    condition = (
        filters.condition()
        & selectors.in_scope(viewer, scope)
        & IN_QUEUE
        & _workable(viewer)
        & ~Q(pk__in=session.worked.values("lead_id"))
        & ~claims.held_by_others(viewer)
        & ~Q(Exists(_called(now())))
        & ~Q(Exists(_put_off(now())))
    )
    yield from _callable([row.id for row in running_clocks(viewer, condition)])
    page = Page(BATCH, ORDERS["-rank"], "work", None)
    for _ in range(MOST_BATCHES):
        found = read_leads(viewer, page, condition)
        yield from _callable([row.id for row in found.items])
        if found.next_cursor is None:
            return
        last = found.items[-1]
        page = Page(BATCH, ORDERS["-rank"], "work", (last.rank, last.id))


def _workable(viewer: User) -> Q:
    """Return the condition that the viewer may change the lead, so as to call it."""
    if viewer.role == Role.ADMIN:
        return Q()
    own = Q(owner_id=viewer.pk)
    if viewer.role == Role.MANAGER and viewer.team_id is not None:
        return own | Q(team_id=viewer.team_id)
    return own


def _called(moment: dt.datetime) -> QuerySet[Call]:
    """Return the calls for which a lead is passed over: recent ones, and those going on."""
    since = moment - dt.timedelta(minutes=Workspace.current().recall_minutes)
    recent = Q(started_at__gt=since) | Q(ended_at__gt=since) | Q(state=Call.State.OPEN)
    return Call.objects.filter(recent, lead_id=OuterRef("pk"))


def _put_off(moment: dt.datetime) -> QuerySet[Followup]:
    """Return the steps for which a lead is passed over: somebody put them off to later."""
    return Followup.objects.filter(
        lead_id=OuterRef("pk"), state=Followup.State.SCHEDULED, snoozed__gt=0, due_at__gt=moment
    )


def _callable(lead_ids: list[int]) -> list[int]:
    """Leave out the leads that are not to be called."""
    refused = refused_contact(lead_ids)
    return [lead_id for lead_id in lead_ids if Channel.CALL not in refused.get(lead_id, {})]
