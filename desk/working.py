"""Work mode: which lead of the queue is worked next.

There is no list that could grow old: each time the queue is asked anew from its top, so leads that
match only now are found, and those that others have taken or called meanwhile are not.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

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
from desk.listing import IN_QUEUE, ORDERS, LeadRow, read_leads, running_clocks
from desk.selectors import Scope
from followups.cadence import opens_at
from followups.models import Followup
from followups.places import Places
from leads.consent import Channel
from leads.selectors import refused_contact
from scoring.models import Standing

BATCH = 20  # leads looked at together at first, which mostly is enough
MORE = 200  # and from then on
MOST_BATCHES = 4  # of leads that cannot be called; beyond, a filter says it better


def read_queue(viewer: User, query: str) -> tuple[Scope, LeadFilters]:
    """Read the queue that a query string asks for; raise BadParameter for one that is none."""
    data = QueryDict(query)
    scope = selectors.read_scope(data, viewer)
    filters = LeadFilters(data, Standing.objects.all(), viewer=viewer, also=queue_filters.PAGING)
    filters.condition()
    return scope, filters


def take_next(viewer: User, session: WorkSession) -> int | None:
    """Claim the first lead of the session's queue that is free; return its id, None for none."""
    for lead_id in _candidates(viewer, session, Sorter(now(), any_hour=session.any_hour)):
        if claims.claim(lead_id, by=viewer):
            working.take(session, lead_id)
            return lead_id
    working.take(session, None)
    return None


@dataclass(frozen=True)
class Waiting:
    """How many leads a session leaves out for their hours, at least where there are `more`.

    `first` and `last` are from when the first and the last of them may be called.
    """

    number: int
    first: dt.datetime
    last: dt.datetime
    more: bool


def read_waiting(viewer: User, session: WorkSession) -> Waiting | None:
    """Return who waits for the contact hours, None where nobody does or they are offered too."""
    if session.any_hour:
        return None
    sorter = Sorter(now(), any_hour=False)
    for _ in _candidates(viewer, session, sorter):
        pass
    opening = sorted(sorter.waiting.values())
    if not opening:
        return None
    return Waiting(len(opening), opening[0], opening[-1], not sorter.saw_all)


class Sorter:
    """Tells leads that can be called now from those that come last and those that wait.

    A lead can be called that has a number and is in its contact hours, or with whom this moment was
    agreed; with `any_hour` every one that has a number. `last` are those for whom there is
    something else to do: a due step that is no call, or a number to be found. `waiting` says from
    when the others may be called.
    """

    def __init__(self, moment: dt.datetime, *, any_hour: bool) -> None:
        self.saw_all = False  # True once the queue was read to its end
        self.last: list[int] = []
        self.waiting: dict[int, dt.datetime] = {}
        self._moment, self._any_hour = moment, any_hour
        self._places = Places()
        self._opening = lru_cache(lambda window: opens_at(window, moment))

    def callable_now(self, rows: Sequence[LeadRow]) -> list[int]:
        """Return the ids of those that can be called now, and put the others where they belong.

        Leads that are not to be called are left out. Two queries.
        """
        found: list[int] = []
        ids = [row.id for row in rows]
        refused = refused_contact(ids)
        agreed, with_task = self._due(ids)
        for row in rows:
            if Channel.CALL in refused.get(row.id, {}):
                continue
            window = self._places.window(row.team_id, row.time_zone, row.country)
            opening = self._opening(window)
            if row.phone and (self._any_hour or row.id in agreed or opening == self._moment):
                found.append(row.id)
            elif row.id in with_task or not row.phone:
                self.last.append(row.id)
            else:
                self.waiting[row.id] = opening
        return found

    def _due(self, lead_ids: Sequence[int]) -> tuple[set[int], set[int]]:
        """Return the leads with whom a call was agreed that is due, and those with a due task."""
        steps = Followup.objects.filter(
            Q(agreed=True, kind=Followup.Kind.CALL) | Q(kind=Followup.Kind.TASK),
            lead__in=lead_ids,
            state=Followup.State.SCHEDULED,
            held="",
            due_at__lte=self._moment,
        )
        found: tuple[set[int], set[int]] = set(), set()
        for lead_id, kind in steps.values_list("lead", "kind"):
            found[kind == Followup.Kind.TASK].add(lead_id)
        return found


def _candidates(viewer: User, session: WorkSession, sorter: Sorter) -> Iterator[int]:
    """Yield ids of leads to work in order: running clocks first, then by rank, and after those
    that can be called now the others.
    """
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
    clocks = running_clocks(viewer, condition)
    yield from sorter.callable_now(clocks)
    ranked = condition & ~Q(pk__in=[row.id for row in clocks])
    page = Page(BATCH, ORDERS["-rank"], "work", None)
    for _ in range(MOST_BATCHES):
        found = read_leads(viewer, page, ranked)
        yield from sorter.callable_now(found.items)
        if found.next_cursor is None:
            sorter.saw_all = True
            break
        last = found.items[-1]
        page = Page(MORE, ORDERS["-rank"], "work", (last.rank, last.id))
    yield from sorter.last


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
