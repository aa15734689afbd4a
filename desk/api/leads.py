"""Leads: list, read, create, change."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiRequest,
    OpenApiResponse,
    extend_schema,
)
from rest_framework import serializers
from rest_framework.request import Request

from accounts.authentication import asker
from accounts.models import User
from core.api import Endpoint, read_version
from core.cursors import PARAMETERS, read_page
from core.errors import BadParameter, FieldProblem, NotFound
from core.wire import MergePatchParser, Parser, answer, answer_page
from desk import services
from desk.api import examples, rows, shapes
from desk.api.bodies import ChangeLeadBody, CreateLeadBody, lead_input
from desk.filters import LeadFilters
from desk.listing import ORDERS, LeadRow, count_leads, read_lead, read_leads
from leads.models import Identity, Lead
from scoring.models import Standing

INCLUDE = OpenApiParameter(
    "include", {"type": "string", "enum": ["count"]}, description="Also count, up to 10,000."
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string"},
    location=OpenApiParameter.HEADER,
    description="The ETag of the lead as it was read; its part before the dot is compared.",
)
ETAG = OpenApiParameter(
    "ETag",
    {"type": "string"},
    location=OpenApiParameter.HEADER,
    response=[200, 201],
    description='"<version of the lead>.<its scored_at in milliseconds>"',
)


class LeadList(Endpoint):
    """All leads that the token's owner may see."""

    parameters = None  # the filters check them
    filterset_class = LeadFilters
    orders = tuple(ORDERS)

    @extend_schema(
        operation_id="list_leads",
        summary="List leads",
        description="By rank unless told otherwise: the order in which they are worth working.",
        parameters=[INCLUDE],
        responses=OpenApiResponse(
            shapes.page_of(
                shapes.LeadShape,
                count=serializers.IntegerField(required=False, help_text="With include=count."),
                count_is_exact=serializers.BooleanField(required=False),
            ),
            examples=[OpenApiExample("A page", examples.page(examples.LEAD))],
        ),
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer one page; the work of this read is in desk.listing."""
        viewer = asker(request)
        filters = LeadFilters(
            request.query_params,
            Standing.objects.all(),
            viewer=viewer,
            also=(*PARAMETERS, "include"),
        )
        condition = filters.condition()
        page = read_page(
            request.query_params, ORDERS, bound_to=("leads", str(viewer.pk), filters.given())
        )
        found = read_leads(viewer, page, condition)
        more: dict[str, Any] = {}
        if _wants_count(request):
            more["count"], more["count_is_exact"] = count_leads(viewer, condition)
        return answer_page(
            request, [rows.lead(row) for row in found.items], found.next_cursor, **more
        )

    @extend_schema(
        operation_id="create_lead",
        summary="Create a lead",
        description="It belongs to the token's owner and is scored at once.",
        parameters=[ETAG],
        request=CreateLeadBody,
        responses={201: OpenApiResponse(shapes.LeadDetailShape, examples=examples.detail())},
        examples=[OpenApiExample("A lead", examples.NEW_LEAD, request_only=True)],
    )
    def post(self, request: Request) -> HttpResponse:
        """Create a lead."""
        data = lead_input(CreateLeadBody.read(request))
        created = services.create_lead(data, by=asker(request))
        return lead_answer(asker(request), created.pk, status=201)


class LeadDetail(Endpoint):
    """One lead."""

    parser_classes = [Parser, MergePatchParser]

    @extend_schema(
        operation_id="read_lead",
        summary="Read a lead",
        parameters=[ETAG],
        responses=OpenApiResponse(shapes.LeadDetailShape, examples=examples.detail()),
    )
    def get(self, request: Request, lead_id: int) -> HttpResponse:
        """Answer one lead."""
        return lead_answer(asker(request), lead_id)

    @extend_schema(
        operation_id="change_lead",
        summary="Change facts of a lead",
        description="A JSON merge patch: null removes a value, what is absent stays.",
        parameters=[IF_MATCH, ETAG],
        request=OpenApiRequest(
            ChangeLeadBody, examples=[OpenApiExample("A new title", examples.CHANGE)]
        ),
        responses=OpenApiResponse(shapes.LeadDetailShape, examples=examples.detail()),
    )
    def patch(self, request: Request, lead_id: int) -> HttpResponse:
        """Change a lead."""
        lead = visible_lead(asker(request), lead_id)
        version = read_version(request.META.get("HTTP_IF_MATCH"))
        data = lead_input(ChangeLeadBody.read(request))
        services.change_lead(lead, data, by=asker(request), version=version)
        return lead_answer(asker(request), lead_id)


def visible_lead(viewer: User, lead_id: int) -> Lead:
    """Return the lead; raise NotFound when it is missing or not `viewer`'s to see."""
    lead: Lead | None = Lead.objects.visible_to(viewer).filter(pk=lead_id).first()
    if lead is None:
        raise NotFound
    return lead


def lead_answer(viewer: User, lead_id: int, status: int = 200) -> HttpResponse:
    """Answer one lead with its tag, in three queries."""
    row = read_lead(viewer, lead_id)
    lead = Lead.objects.select_related("company", "first_source", "last_source").get(pk=lead_id)
    identities = Identity.objects.filter(lead_id=lead_id, kind__startswith="external:")
    headers = {"ETag": _tag(row)}
    if status == 201:
        headers["Location"] = f"/api/v1/leads/{lead_id}"
    return answer(_detail(row, lead, list(identities.order_by("kind", "pk"))), status, headers)


def _tag(row: LeadRow) -> str:
    scored = int(row.scored_at.timestamp() * 1000) if row.scored_at else 0
    return f'"{row.version}.{scored}"'


def _detail(row: LeadRow, lead: Lead, identities: list[Identity]) -> rows.Json:
    company = lead.company
    return {
        **rows.lead(row),
        "company": company
        and {
            "id": company.pk,
            "name": company.name,
            "domain": company.domain,
            "industry": company.industry,
            "country": company.country,
            "employees": company.employees,
            "revenue_minor": company.revenue_minor,
        },
        "age": lead.age,
        "time_zone": lead.time_zone,
        "round": lead.round,
        "custom": lead.custom,
        "external_ids": [
            {"source": item.kind.removeprefix("external:"), "id": item.normal}
            for item in identities
        ],
        "first_touch": {
            "source": lead.first_source and lead.first_source.name,
            "at": lead.first_touch_at,
            "details": lead.first_touch,
        },
        "last_touch": {
            "source": lead.last_source and lead.last_source.name,
            "at": lead.last_touch_at,
            "details": lead.last_touch,
        },
    }


def _wants_count(request: Request) -> bool:
    include = request.query_params.get("include")
    if include not in (None, "", "count"):
        message = "include is count"
        raise BadParameter(message, [FieldProblem("include", "not_a_choice", message)])
    return include == "count"
