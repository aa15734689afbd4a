"""The one hot read: a page of leads with their standings, for the queue page and the API alike.

`read_leads` decides which rows by index alone and then joins what a row shows, in one statement.
Rows are tuples, not models: building fifty models costs more than the query
(docs/adr/0003). Usage, on a page or in an endpoint:

    filters = LeadFilters(request.GET, Standing.objects.all(), viewer=user, also=PARAMETERS)
    page = read_page(request.GET, ORDERS, bound_to=("queue", str(user.pk), filters.given()))
    rows = read_leads(user, page, filters.condition() & IN_QUEUE)
    rows.items, rows.next_cursor        # LeadRow tuples; None on the last page
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Q

from accounts.models import User
from core.cursors import Order, Page, page_of
from core.errors import NotFound
from leads.querysets import visibility
from scoring.models import Standing
from scoring.tiers import State

# By indexed columns only (docs/adr/0003); the first is the default.
ORDERS = {
    "-rank": Order(("rank", "lead_id"), descending=True),
    "rank": Order(("rank", "lead_id"), descending=False),
    "-id": Order(("lead_id",), descending=True),
    "id": Order(("lead_id",), descending=False),
}
# What a rep works: open leads that have a rank.
IN_QUEUE = Q(is_open=True, state=State.SCORED)
MOST_CLOCKS = 50
COUNT_CAP = 10_000


class LeadRow(NamedTuple):
    """One line of a list of leads. Money is in minor units, expected value in the workspace's."""

    id: int
    rank: float
    kind: str
    first_name: str
    last_name: str
    email: str
    phone: str
    title: str
    seniority: str
    country: str
    time_zone: str
    company_id: int | None
    company: str | None
    owner_id: int | None
    owner: str | None
    team_id: int | None
    team: str | None
    source: str | None
    value_minor: int | None
    currency: str
    stage: str
    state: str
    tier: str
    tier_reason: str
    score: int
    low: int
    high: int
    fit: int
    engagement: int
    qualification: int
    p: float
    expected_minor: int
    expected_currency: str
    next_step: str
    next_due_at: dt.datetime | None
    sla_due_at: dt.datetime | None
    contacted_at: dt.datetime | None
    intent_at: dt.datetime | None
    scored_at: dt.datetime | None
    created_at: dt.datetime
    version: int

    @property
    def name(self) -> str:
        """The name to show, never empty (leads.models.Lead.name)."""
        full = f"{self.first_name} {self.last_name}".strip()
        return full or self.email or self.phone or f"Lead {self.id}"


# In the order of LeadRow. Names come by sub-queries: as joins, planning seven tables took longer
# than running the whole statement.
_COLUMNS = """
    s.lead_id, s.rank, l.kind, l.first_name, l.last_name, l.email, l.phone, l.title, l.seniority,
    l.country, l.time_zone,
    l.company_id, (SELECT name FROM leads_company WHERE id = l.company_id),
    s.owner_id, (SELECT name FROM accounts_user WHERE id = s.owner_id),
    s.team_id, (SELECT name FROM accounts_team WHERE id = s.team_id),
    (SELECT name FROM leads_source WHERE id = l.first_source_id),
    l.value_minor, l.currency, s.stage, s.state, s.tier, s.tier_reason, s.score, s.low, s.high,
    s.fit, s.engagement, s.qualification, s.p, s.expected_minor,
    coalesce((SELECT currency FROM accounts_workspace WHERE id = 1), 'EUR'),
    s.next_step, s.next_due_at, s.sla_due_at, l.contacted_at, s.intent_at, s.scored_at,
    l.created_at, l.version
"""
_JOINS = """
    JOIN scoring_standing s ON s.lead_id = page.lead_id
    JOIN leads_lead l ON l.id = page.lead_id
"""


@dataclass(frozen=True)
class LeadPage:
    """Rows of a page and the cursor of the next, None on the last."""

    items: list[LeadRow]
    next_cursor: str | None


def read_leads(viewer: User, page: Page, condition: Q) -> LeadPage:
    """Read a page of the leads that `viewer` may see and that meet `condition` on standings.

    One query, whose cost does not depend on the number of leads: each way in which a lead may be
    visible (own, the team's) walks its own index, and the few rows of all ways are merged.
    """
    rows = _fetch(viewer, page, condition)
    more = len(rows) > page.limit
    rows = rows[: page.limit]
    if not more:
        return LeadPage(rows, None)
    last = rows[-1]
    position = (last.rank, last.id) if len(page.order.columns) == 2 else (last.id,)
    return LeadPage(rows, page.next_cursor(position))


def _fetch(viewer: User, page: Page, condition: Q) -> list[LeadRow]:
    parts: list[str] = []
    params: list[Any] = []
    for way in ways(viewer):
        queryset = Standing.objects.filter(condition, way).values_list("lead_id", "rank")
        try:
            sql, values = page_of(queryset, page).query.sql_with_params()
        except EmptyResultSet:
            continue
        parts.append(f"({sql})")
        params += values
    if not parts:
        return []
    direction = "DESC" if page.order.descending else "ASC"
    order = ", ".join(f"{column} {direction}" for column in page.order.columns)
    if len(parts) > 1:  # the best of all ways, before anything is joined
        merged = " UNION ".join(parts)
        parts = [f"SELECT * FROM ({merged}) merged ORDER BY {order} LIMIT {page.limit + 1}"]
    by_page = ", ".join(f"page.{column} {direction}" for column in page.order.columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH page AS ({parts[0]}) SELECT {_COLUMNS} FROM page {_JOINS} ORDER BY {by_page}",
            params,
        )
        return [LeadRow._make(row) for row in cursor.fetchall()]


def read_lead(viewer: User, lead_id: int) -> LeadRow:
    """Read the line of one lead; raise NotFound when it is missing or not `viewer`'s to see."""
    page = Page(limit=1, order=ORDERS["id"], scope="", position=None)
    rows = _fetch(viewer, page, Q(lead_id=lead_id))
    if not rows:
        raise NotFound
    return rows[0]


def ways(viewer: User) -> Sequence[Q]:
    """Split what `viewer` may see into conditions that an index answers one by one."""
    seen = visibility(viewer)
    if seen.connector != Q.OR:
        return [seen]
    return [child if isinstance(child, Q) else Q(child) for child in seen.children]


def running_clocks(viewer: User, condition: Q) -> list[LeadRow]:
    """Return the leads of the queue whose reply clock runs, the most urgent first, at most 50.

    They stand in a block above the ranked list and are not left out of it.
    """
    queryset = (
        Standing.objects.filter(condition, visibility(viewer), sla_due_at__isnull=False)
        .filter(IN_QUEUE)
        .order_by("sla_due_at", "lead_id")
        .values_list("lead_id", "sla_due_at")[:MOST_CLOCKS]
    )
    try:
        sql, params = queryset.query.sql_with_params()
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH page AS ({sql}) SELECT {_COLUMNS} FROM page {_JOINS} "
            "ORDER BY s.sla_due_at, s.lead_id",
            params,
        )
        return [LeadRow._make(row) for row in cursor.fetchall()]


def count_leads(viewer: User, condition: Q) -> tuple[int, bool]:
    """Count the leads that `viewer` may see and that meet `condition`, up to COUNT_CAP.

    Returns the count and whether it is exact.
    """
    found = Standing.objects.filter(condition, visibility(viewer))[: COUNT_CAP + 1].count()
    return min(found, COUNT_CAP), found <= COUNT_CAP
