"""Whole reads of the desk's pages; what leads a person may see is decided below, in one place.

Lists are read by desk.listing, the same for pages and the API; here they are put together with
what only a page shows: the block of running clocks, reasons, and the way back.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import Q

from accounts.models import User
from accounts.roles import READS_ALL, Role
from core import cursors
from core.clock import now
from core.cursors import Order, Page
from core.errors import BadParameter, FieldProblem, NotFound
from desk.filters import LeadFilters
from desk.listing import IN_QUEUE, ORDERS, LeadRow, count_leads, read_leads, running_clocks
from leads.models import Lead
from leads.stages import CLOSED
from scoring.live import NotConfigured
from scoring.selectors import Explanation, explain

PAGE = 50
BACKWARDS = "rank"  # of desk.listing.ORDERS: towards the head of the queue
FORWARDS = "-rank"
# A page's cursor also carries how many rows stand before it, for "51–100".
_POSITION = Order(("rank", "lead_id", "seen"), descending=True)


class Scope(StrEnum):
    """Whose leads a queue shows."""

    MINE = "mine"
    TEAM = "team"
    UNOWNED = "unowned"
    ALL = "all"


def default_scope(viewer: User) -> Scope:
    """Reps begin with their own leads, managers with their team's, the others with all."""
    if viewer.role in READS_ALL:
        return Scope.ALL
    if viewer.role == Role.MANAGER and viewer.team_id is not None:
        return Scope.TEAM
    return Scope.MINE


def read_scope(data: Mapping[str, str], viewer: User) -> Scope:
    """Read the scope in a query string, a person's usual one without; raise BadParameter."""
    text = data.get("scope") or default_scope(viewer)
    if text not in list(Scope):
        message = f"scope is one of {', '.join(Scope)}"
        raise BadParameter(message, [FieldProblem("scope", "not_a_choice", message)])
    return Scope(text)


def scopes_of(viewer: User) -> list[tuple[Scope, str]]:
    """Return the scopes that make sense for a person, with their labels, in menu order."""
    mine, every = (Scope.MINE, "My queue"), (Scope.ALL, "All I can see")
    if viewer.role in READS_ALL:
        return [(Scope.ALL, "All leads"), (Scope.UNOWNED, "Unowned"), mine]
    if viewer.team_id is None:
        return [mine]
    return [mine, (Scope.TEAM, "My team"), (Scope.UNOWNED, "Unowned in my team"), every]


def in_scope(viewer: User, scope: Scope) -> Q:
    """Return the condition of a scope on standings. It narrows; visibility is applied beside it."""
    if scope == Scope.MINE:
        return Q(owner_id=viewer.pk)
    if scope == Scope.ALL:
        return Q()
    team = Q() if viewer.role in READS_ALL else Q(team_id=viewer.team_id)
    return team & Q(owner_id=None) if scope == Scope.UNOWNED else team


@dataclass(frozen=True)
class QueuePage:
    """A page of a queue: `rows` by rank, on the first page also the running `clocks` by due time.

    `explained` holds why each of them stands where it does, by lead id; it is empty while no score
    model is live. `before` is how many ranked rows stand before the first of `rows`. `count` stops
    at desk.listing.COUNT_CAP, then `counted_all` is False.
    """

    clocks: list[LeadRow]
    rows: list[LeadRow]
    explained: dict[int, Explanation]
    before: int
    count: int
    counted_all: bool
    previous_cursor: str | None
    next_cursor: str | None
    as_of: dt.datetime

    @property
    def last(self) -> int:
        """The position of the last of `rows`."""
        return self.before + len(self.rows)


def queue(
    viewer: User,
    *,
    scope: Scope,
    filters: LeadFilters,
    after: str = "",
    before: str = "",
    limit: int = PAGE,
) -> QueuePage:
    """Return a page of the leads in `scope` that meet `filters`, by rank; seven queries or fewer.

    Open, scored leads, unless the filters ask for others. `after` and `before` are cursors of the
    neighbouring page; BadParameter is raised for one of another list, person or set of filters.
    """
    moment = now()
    condition = filters.condition() & in_scope(viewer, scope)
    usual = _usual(filters)
    bound = cursors.scope("queue", str(viewer.pk), scope, filters.given())
    at = cursors.decode(before or after, bound, _POSITION) if before or after else None
    # Clocks stand in their block and nowhere else, so that no lead is listed twice.
    clocks = running_clocks(viewer, condition & usual)
    beyond = condition & usual & ~Q(pk__in=[row.id for row in clocks])
    order = BACKWARDS if before else FORWARDS
    page = Page(limit, ORDERS[order], bound, at[:2] if at else None)
    found = read_leads(viewer, page, beyond)
    rows = found.items[::-1] if before else found.items
    seen = int(at[2]) if at else 0
    start = max(0, seen - len(rows)) if before else seen
    more = found.next_cursor is not None
    count, counted_all = count_leads(viewer, condition & usual)
    shown = rows if at else [*clocks, *rows]
    return QueuePage(
        clocks=[] if at else clocks,
        rows=rows,
        explained=_explained([row.id for row in shown], moment),
        before=start,
        count=count,
        counted_all=counted_all,
        previous_cursor=_cursor(rows[0], start, bound)
        if rows and (more if before else at is not None)
        else None,
        next_cursor=_cursor(rows[-1], start + len(rows), bound)
        if rows and (more or before)
        else None,
        as_of=moment,
    )


def _usual(filters: LeadFilters) -> Q:
    """A queue holds open leads with a rank; who filters by state or a closed stage sees others."""
    if "state" in filters.data or "is_open" in filters.data:
        return Q()
    if CLOSED & set(filters.data.getlist("stage")):
        return Q()
    return IN_QUEUE


def _cursor(row: LeadRow, seen: int, bound: str) -> str:
    return cursors.encode([row.rank, row.id, seen], bound)


def _explained(lead_ids: Sequence[int], moment: dt.datetime) -> dict[int, Explanation]:
    try:
        return explain(lead_ids, as_of=moment)
    except NotConfigured:
        return {}


def get_lead(viewer: User, lead_id: int) -> Lead:
    """Return a lead with its standing, company, owner, team and sources; raise NotFound when it
    is missing or not the viewer's to see, which look the same.
    """
    lead = (
        Lead.objects.visible_to(viewer)
        .select_related(
            "standing",
            "standing__override_by",
            "company",
            "owner",
            "team",
            "first_source",
            "last_source",
        )
        .filter(pk=lead_id)
        .first()
    )
    if lead is None:
        raise NotFound
    return lead
