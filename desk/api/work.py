"""The queue, and what a client needs to know to take part: who it is, what can be asked."""

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from accounts.authentication import asker, token_of
from accounts.models import Workspace
from calls.claims import claims_on
from core.api import Endpoint
from core.cursors import PARAMETERS, read_page
from core.wire import answer, answer_page
from desk import selectors
from desk.api import examples, rows, shapes
from desk.filters import LeadFilters
from desk.listing import LeadRow
from desk.selectors import Scope
from scoring.definitions import Criterion, Framework
from scoring.live import live_config
from scoring.models import Standing
from scoring.selectors import rating_word

RATINGS = (0, 33, 67, 100)


class Queue(Endpoint):
    """What to work next: the ranking of the queue page."""

    parameters = None
    filterset_class = LeadFilters
    orders = ("-rank",)

    @extend_schema(
        operation_id="read_queue",
        summary="What to work next",
        description="Open, scored leads by rank, as the queue page shows them. `clocks` are leads "
        "whose reply clock runs; they stand above the list and not in it, on the first page only. "
        "Without `owner` or `team` it is the owner's usual queue: a rep's own leads, a manager's "
        "team, everything for the others. `claim` says who is on a lead just now, so that no two "
        "people dial it.",
        responses=OpenApiResponse(
            shapes.page_of(
                shapes.QueueLeadShape,
                clocks=shapes.QueueLeadShape(many=True),
                count=serializers.IntegerField(),
                count_is_exact=serializers.BooleanField(),
            ),
            examples=[OpenApiExample("A page", examples.QUEUE)],
        ),
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer one page."""
        viewer = asker(request)
        given = request.query_params
        filters = LeadFilters(given, Standing.objects.all(), viewer=viewer, also=PARAMETERS)
        filters.condition()
        # The queue's own cursor also counts rows, so only limit and ordering are read here.
        plain = {name: given[name] for name in ("limit", "ordering") if name in given}
        limit = read_page(plain, {"-rank": selectors.ORDERS["-rank"]}, bound_to=()).limit
        scoped = "owner" in given or "team" in given
        page = selectors.queue(
            viewer,
            scope=Scope.ALL if scoped else selectors.default_scope(viewer),
            filters=filters,
            after=given.get("cursor", ""),
            limit=limit,
        )

        held = claims_on([row.id for row in (*page.clocks, *page.rows)])

        def shown(row: LeadRow) -> rows.Json:
            why = page.explained.get(row.id)
            reasons, claim = why.reasons if why else [], rows.claim(held.get(row.id))
            return {**rows.lead(row), "reasons": reasons, "claim": claim}

        return answer_page(
            request,
            [shown(row) for row in page.rows],
            page.next_cursor,
            clocks=[shown(row) for row in page.clocks],
            count=page.count,
            count_is_exact=page.counted_all,
        )


class Me(Endpoint):
    """Who asks."""

    @extend_schema(
        operation_id="read_me",
        summary="Who this token belongs to",
        responses=OpenApiResponse(shapes.MeShape, examples=[OpenApiExample("Me", examples.ME)]),
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer the token's owner."""
        user, token = asker(request), token_of(request)
        workspace = Workspace.current()
        return answer(
            {
                "id": user.pk,
                "name": str(user),
                "email": user.email,
                "role": user.role,
                "team": rows.named(user.team_id, user.team.name if user.team else None),
                "token": {
                    "id": token.pk,
                    "name": token.name,
                    "read_only": token.read_only,
                    "expires_at": token.expires_at,
                },
                "workspace": {
                    "name": workspace.name,
                    "currency": workspace.currency,
                    "time_zone": workspace.time_zone,
                },
            }
        )


class Frameworks(Endpoint):
    """What can be asked of leads, for clients that post evidence."""

    @extend_schema(
        operation_id="list_frameworks",
        summary="Dimensions, questions and the rating scale",
        responses=OpenApiResponse(
            shapes.FrameworksShape, examples=[OpenApiExample("Frameworks", examples.FRAMEWORKS)]
        ),
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer the live frameworks."""
        config = live_config()
        return answer(
            {
                "rating_scale": [{"rating": r, "word": rating_word(r)} for r in RATINGS],
                "dimensions": config.dimensions,
                "frameworks": [
                    {
                        "name": live.framework.name,
                        "icp": live.icp_key,
                        "model": {"key": live.key, "version": live.number},
                        "criteria": [
                            _criterion(live.framework, criterion)
                            for criterion in live.framework.criteria
                        ],
                    }
                    for live in config.everything
                ],
            }
        )


def _criterion(framework: Framework, criterion: Criterion) -> rows.Json:
    return {
        "dimension": criterion.dimension,
        "label": criterion.label,
        "guide": criterion.guide,
        "expires_days": criterion.expires_days,
        "questions": [
            {
                "key": question.key,
                "text": dict(question.text),
                "type": question.type,
                "mandatory": question.mandatory,
                "answers": [
                    {"key": a.key, "label": a.label, "rating": a.rating} for a in question.answers
                ],
            }
            for question in framework.asked
            if question.dimension == criterion.dimension
        ],
    }
