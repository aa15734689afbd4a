"""The queue page: parse the filters, ask the selector, render."""

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import User
from calls import claims
from calls.policies import can_work_queue
from desk import queue_filters, selectors
from desk.filters import LeadFilters
from desk.listing import count_leads
from desk.selectors import QueuePage, Scope
from desk.views.requests import htmx_of, viewer_of
from leads import policies
from leads.models import Lead
from scoring.models import Standing
from scoring.tiers import Tier


@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """The ranked queue: whom to work next, and why."""
    viewer = viewer_of(request)
    scope = selectors.read_scope(request.GET, viewer)
    filters = LeadFilters(
        request.GET, Standing.objects.all(), viewer=viewer, also=queue_filters.PAGING
    )
    page = selectors.queue(
        viewer,
        scope=scope,
        filters=filters,
        after=request.GET.get("after", ""),
        before=request.GET.get("before", ""),
    )
    options = queue_filters.read_options(viewer)
    active = queue_filters.pills(filters, options)
    shown = [row.id for row in (*page.clocks, *page.rows)]
    context = {
        "page": page,
        "now": page.as_of,
        "scope": scope,
        "scopes": [
            (choice, label, queue_filters.with_value(request.GET, "scope", choice))
            for choice, label in selectors.scopes_of(viewer)
        ],
        "pills": active,
        "quick": queue_filters.quick_filters(request.GET),
        "options": options,
        "tiers": [(tier.value, tier.label) for tier in reversed(Tier)],
        "stage_labels": options.stage_labels(),
        "chosen": {
            name: request.GET.getlist(name) for name in ("tier", "stage", "owner", "source")
        },
        "q": request.GET.get("q", ""),
        "first_page": queue_filters.with_value(request.GET, "scope", scope),
        "next_page": _page_link(request, "after", page.next_cursor),
        "previous_page": _page_link(request, "before", page.previous_cursor)
        if page.before > len(page.rows)
        else "",
        "claimable": _claimable(viewer, page),
        "claims": claims.claims_on(shown),
        "may_work": can_work_queue(viewer),
        "work_query": queue_filters.with_value(request.GET, "scope", scope),
        "empty": _why_empty(viewer, scope, active, page),
    }
    htmx = htmx_of(request)
    fragment = htmx and not htmx.history_restore_request
    return render(request, "desk/_queue.html" if fragment else "desk/queue.html", context)


def _page_link(request: HttpRequest, direction: str, cursor: str | None) -> str:
    if cursor is None:
        return ""
    data = request.GET.copy()
    data.pop("after", None)
    data.pop("before", None)
    data[direction] = cursor
    return data.urlencode()


def _claimable(viewer: User, page: QueuePage) -> set[int]:
    """Return the ids of the page's leads that the viewer may take."""
    return {
        row.id
        for row in [*page.clocks, *page.rows]
        if row.owner_id is None
        and policies.can_claim_lead(viewer, Lead(pk=row.id, team_id=row.team_id))
    }


def _why_empty(
    viewer: User,
    scope: Scope,
    active: list[queue_filters.Pill],
    page: QueuePage,
) -> dict[str, object]:
    """Say which of the three kinds of nothing this is; empty when there are rows."""
    if page.rows or page.clocks:
        return {}
    if active:
        narrowing = []
        for pill in active:
            rest = LeadFilters(
                QueryDict(pill.without),
                Standing.objects.all(),
                viewer=viewer,
                also=queue_filters.PAGING,
            )
            condition = rest.condition() & selectors.in_scope(viewer, scope)
            narrowing.append((count_leads(viewer, condition)[0], pill))
        narrowing.sort(key=lambda pair: -pair[0])
        return {"kind": "filtered", "narrowing": narrowing}
    visible = Lead.objects.visible_to(viewer)
    if not visible.exists():
        return {"kind": "no_leads", "may_import": bool(policies.can_create_lead(viewer))}
    unowned = count_leads(viewer, selectors.in_scope(viewer, Scope.UNOWNED))[0]
    return {"kind": "clear", "unowned": unowned}
