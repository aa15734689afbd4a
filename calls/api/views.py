"""Calls over REST: an outside dialer starts one, posts answers one by one, and finishes it."""

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request

from accounts.authentication import asker, token_of
from calls import services
from calls.api import rows, shapes
from calls.api.bodies import ChangeCallBody, FinishCallBody, GiveAnswerBody, StartCallBody
from calls.filters import CallFilters
from calls.models import Call, CallOutcome
from calls.selectors import NEWEST, calls_seen_by, get_call, get_lead_to_call, read_progress
from calls.services import AnswerInput, FinishInput
from core import idempotency
from core.api import Endpoint
from core.cursors import PARAMETERS, read_page, take
from core.errors import BadParameter, FieldProblem, Invalid, NotFound
from core.wire import answer, answer_page
from scoring.live import live_config
from scoring.models import ModelVersion
from scoring.selectors import next_questions


def _required_key(request: Request) -> str:
    key = idempotency.read_key(request.META.get("HTTP_IDEMPOTENCY_KEY"))
    if key is None:
        message = "Send an Idempotency-Key, so that a repeated request has its effect once."
        raise BadParameter(message, [FieldProblem("Idempotency-Key", "required", message)])
    return key


class CallList(Endpoint):
    """The calls with leads that the token's owner may see."""

    parameters = None
    filterset_class = CallFilters
    orders = tuple(NEWEST)

    @extend_schema(
        operation_id="list_calls",
        summary="List calls",
        responses=OpenApiResponse(
            shapes.CallPage, examples=[OpenApiExample("A page", shapes.PAGE)]
        ),
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer one page, the newest first."""
        viewer = asker(request)
        seen = calls_seen_by(viewer).select_related("rep")
        filters = CallFilters(request.query_params, seen, viewer=viewer, also=PARAMETERS)
        bound = ("calls", str(viewer.pk), filters.given())
        found, cursor = take(filters.qs, read_page(request.query_params, NEWEST, bound_to=bound))
        return answer_page(request, [rows.call(item) for item in found], cursor)

    @extend_schema(
        operation_id="start_call",
        summary="Start a call",
        description="Needs an Idempotency-Key. 200 instead of 201 when the `external_key` is known "
        "or the lead's call is open: it is that call then.",
        request=StartCallBody,
        responses={
            status: OpenApiResponse(
                shapes.CallDetailShape, examples=[OpenApiExample("A call", shapes.DETAIL)]
            )
            for status in (200, 201)
        },
        examples=[OpenApiExample("Start", shapes.START, request_only=True)],
    )
    def post(self, request: Request) -> HttpResponse:
        """Start a call."""
        _required_key(request)
        body = StartCallBody.read(request)
        try:
            lead = get_lead_to_call(asker(request), body.pop("lead"))
        except NotFound as error:
            raise Invalid.field("lead", "not_found", error.message) from None
        call, new = services.start_call(lead, by=asker(request), **body)
        return _detail(get_call(asker(request), call.pk), 201 if new else 200)


class CallDetail(Endpoint):
    """One call."""

    @extend_schema(
        operation_id="read_call",
        summary="Read a call with its answers",
        responses=OpenApiResponse(
            shapes.CallDetailShape, examples=[OpenApiExample("A call", shapes.DETAIL)]
        ),
    )
    def get(self, request: Request, call_id: int) -> HttpResponse:
        """Answer the call."""
        return _detail(get_call(asker(request), call_id), 200)

    @extend_schema(
        operation_id="change_call",
        summary="Save the notes of a call",
        description="412 when somebody else saved other notes since `notes_version`.",
        request=ChangeCallBody,
        responses=OpenApiResponse(
            shapes.CallDetailShape, examples=[OpenApiExample("A call", shapes.DETAIL)]
        ),
        examples=[OpenApiExample("Notes", shapes.NOTES, request_only=True)],
    )
    def patch(self, request: Request, call_id: int) -> HttpResponse:
        """Save the notes."""
        body, by = ChangeCallBody.read(request), asker(request)
        call = services.save_notes(call_id, body["notes"], version=body["notes_version"], by=by)
        return _detail(call, 200)


class CallAnswers(Endpoint):
    """The answers of one call; GET /calls/{id} lists them."""

    @extend_schema(
        operation_id="answer_call",
        summary="Add an answer to a call and rescore the lead",
        description="Needs an Idempotency-Key, which is the answer's name for good: the same key "
        "is the same answer, also after seven days.",
        request=GiveAnswerBody,
        responses={
            201: OpenApiResponse(
                shapes.CallAnswerShape, examples=[OpenApiExample("An answer", shapes.ANSWER)]
            )
        },
        examples=[OpenApiExample("An answer", shapes.GIVE, request_only=True)],
    )
    def post(self, request: Request, call_id: int) -> HttpResponse:
        """Add an answer."""
        key = f"api {token_of(request).pk} {_required_key(request)}"[: services.MOST_KEY]
        body = GiveAnswerBody.read(request)
        kind = body.pop("kind", None)
        if kind is not None:
            quote = body.pop("quote", "")
            if body:
                name = next(iter(body))
                raise Invalid.field(name, "contradiction", f"does not go with a {kind}")
            kept = services.capture(call_id, kind, quote, by=asker(request), client_key=key)
        elif "question" not in body:
            raise Invalid.field("question", "required", "name a question, or a kind")
        else:
            kept = services.save_answer(
                call_id, AnswerInput(client_key=key, **body), by=asker(request)
            )
        return answer(rows.answer(kept.answer), 201)


class CallFinish(Endpoint):
    """The end of one call."""

    @extend_schema(
        operation_id="finish_call",
        summary="Finish a call",
        description="Timeline, stage, score and follow-up at once, by the outcome. 409 when the "
        "call is finished already. `open_required` names the required questions that are still "
        "open; they do not keep a call from ending.",
        request=FinishCallBody,
        responses=OpenApiResponse(
            shapes.CallFinishedShape, examples=[OpenApiExample("A call", shapes.FINISHED)]
        ),
        examples=[OpenApiExample("Finish", shapes.FINISH, request_only=True)],
    )
    def post(self, request: Request, call_id: int) -> HttpResponse:
        """Finish the call."""
        data = FinishInput(**FinishCallBody.read(request))
        call = services.finish_call(call_id, data, by=asker(request))
        missing = [rows.required(line) for line in read_progress(call).missing]
        return answer({**_body(call), "open_required": missing})


class NextQuestions(Endpoint):
    """What to ask one lead next."""

    @extend_schema(
        operation_id="list_next_questions",
        summary="What to ask a lead next",
        description="The open questions of the lead's framework, the most worthwhile first.",
        responses=OpenApiResponse(
            shapes.NextQuestionsShape, examples=[OpenApiExample("Questions", shapes.NEXT)]
        ),
    )
    def get(self, request: Request, lead_id: int) -> HttpResponse:
        """Answer the questions."""
        asking = next_questions(get_lead_to_call(asker(request), lead_id))
        questions = [rows.next_question(item) for item in asking.questions]
        return answer({"settled": asking.settled, "questions": questions})


class Scripts(Endpoint):
    """What is asked in calls, and how they may end."""

    @extend_schema(
        operation_id="list_scripts",
        summary="Questions of calls, and the outcomes of calls",
        responses=OpenApiResponse(
            shapes.ScriptsShape, examples=[OpenApiExample("Scripts", shapes.SCRIPTS)]
        ),
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer the live scripts."""
        config = live_config()
        versions = dict(
            ModelVersion.objects.filter(pk__in=[live.id for live in config.everything]).values_list(
                "pk", "framework_id"
            )
        )
        return answer(
            {
                "scripts": [
                    {
                        "framework_version": versions[live.id],
                        "name": live.framework.name,
                        "icp": live.icp_key,
                        "questions": [rows.question(item) for item in live.framework.asked],
                    }
                    for live in config.everything
                ],
                "outcomes": [rows.outcome(item) for item in CallOutcome.objects.all()],
            }
        )


def _detail(call: Call, status: int) -> HttpResponse:
    headers = {"Location": f"/api/v1/calls/{call.pk}"} if status == 201 else {}
    return answer(_body(call), status, headers)


def _body(call: Call) -> rows.Json:
    return {**rows.call(call), "answers": [rows.answer(item) for item in call.given]}
