"""What people say of the points on a lead's ledger."""

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request

from accounts.authentication import asker
from core.api import Endpoint
from core.cursors import PARAMETERS, Order, read_page, take
from core.wire import answer, answer_page
from desk.api import examples, rows, shapes
from desk.api.bodies import GiveFeedbackBody
from desk.api.leads import visible_lead
from scoring import feedback

NEWEST = {"-id": Order(("id",), descending=True)}


class FeedbackList(Endpoint):
    """Feedback on one lead."""

    parameters = PARAMETERS
    orders = tuple(NEWEST)

    @extend_schema(
        operation_id="list_feedback",
        summary="List feedback on the score of a lead",
        responses=OpenApiResponse(
            shapes.page_of(shapes.FeedbackShape),
            examples=[OpenApiExample("A page", examples.page(examples.FEEDBACK))],
        ),
    )
    def get(self, request: Request, lead_id: int) -> HttpResponse:
        """Answer one page, the newest first."""
        lead = visible_lead(asker(request), lead_id)
        bound = ("feedback", str(lead_id), str(asker(request).pk))
        page = read_page(request.query_params, NEWEST, bound_to=bound)
        found, cursor = take(feedback.list_feedback().filter(lead=lead), page)
        return answer_page(request, [rows.feedback(item) for item in found], cursor)

    @extend_schema(
        operation_id="give_feedback",
        summary="Say whether a line of the ledger gives the right points",
        description="One verdict of each person is open for each lead and signal; another one "
        "takes its place. It moves no score: it is counted where weights are reviewed.",
        request=GiveFeedbackBody,
        responses={
            201: OpenApiResponse(
                shapes.FeedbackShape, examples=[OpenApiExample("Given", examples.FEEDBACK)]
            )
        },
        examples=[OpenApiExample("Too high", examples.NEW_FEEDBACK, request_only=True)],
    )
    def post(self, request: Request, lead_id: int) -> HttpResponse:
        """Keep a verdict."""
        lead = visible_lead(asker(request), lead_id)
        body = GiveFeedbackBody.read(request)
        given = feedback.give_feedback(lead, by=asker(request), **body)
        return answer(rows.feedback(feedback.list_feedback().get(pk=given.pk)), 201)
