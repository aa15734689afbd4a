"""What belongs to one lead: evidence, outcomes, activities, and why it scores what it does."""

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request

from accounts.authentication import asker
from accounts.models import User
from core.api import Endpoint
from core.clock import now
from core.cursors import PARAMETERS, Order, read_page, take
from core.decisions import ALLOWED
from core.errors import Invalid, NotFound
from core.filters import Choices, FilterSet, Moment, YesNo
from core.wire import answer, answer_page
from desk import services
from desk.api import examples, rows, shapes
from desk.api.bodies import (
    AddEvidenceBody,
    RecordActivityBody,
    RecordConsentBody,
    RecordOutcomeBody,
)
from desk.api.leads import visible_lead
from leads.activities import Kind
from leads.consent import Channel
from leads.models import Activity, Consent, Outcome
from leads.querysets import visibility
from leads.selectors import refused_contact
from leads.services import ConsentInput
from scoring.live import live_config
from scoring.models import Evidence, Standing
from scoring.selectors import explain

NEWEST_BY_ID = {"-id": Order(("id",), descending=True)}
NEWEST_ANSWER = {"-observed_at": Order(("observed_at", "id"), descending=True)}
NEWEST_ACTIVITY = {"-at": Order(("at", "id"), descending=True)}


class EvidenceFilters(FilterSet):
    """What answers can be filtered by."""

    noun = "evidence"
    current = YesNo(label="Current")

    class Meta:
        model = Evidence
        fields: list[str] = []


class ActivityFilters(FilterSet):
    """What activities can be filtered by."""

    noun = "activities"
    kind = Choices(Kind.choices, label="Kind")
    at__gte = Moment(field_name="at", lookup_expr="gte")
    at__lt = Moment(field_name="at", lookup_expr="lt")

    class Meta:
        model = Activity
        fields: list[str] = []


class EvidenceList(Endpoint):
    """The answers of one lead."""

    parameters = None
    filterset_class = EvidenceFilters
    orders = tuple(NEWEST_ANSWER)

    @extend_schema(
        operation_id="list_evidence",
        summary="List the evidence of a lead",
        responses=OpenApiResponse(
            shapes.page_of(shapes.EvidenceShape),
            examples=[OpenApiExample("A page", examples.page(examples.EVIDENCE))],
        ),
    )
    def get(self, request: Request, lead_id: int) -> HttpResponse:
        """Answer one page, the newest first."""
        lead = visible_lead(asker(request), lead_id)
        all_of_it = Evidence.objects.filter(lead=lead).select_related("author")
        filters = EvidenceFilters(
            request.query_params, all_of_it, viewer=asker(request), also=PARAMETERS
        )
        queryset = filters.qs
        bound = ("evidence", str(lead_id), str(asker(request).pk), filters.given())
        page = read_page(request.query_params, NEWEST_ANSWER, bound_to=bound)
        found, cursor = take(queryset, page)
        return answer_page(request, [rows.evidence(item) for item in found], cursor)

    @extend_schema(
        operation_id="add_evidence",
        summary="Add evidence and rescore the lead",
        request=AddEvidenceBody,
        responses={
            201: OpenApiResponse(
                shapes.AddedEvidenceShape,
                examples=[OpenApiExample("Added", examples.ADDED_EVIDENCE)],
            )
        },
        examples=[OpenApiExample("An answer", examples.NEW_EVIDENCE, request_only=True)],
    )
    def post(self, request: Request, lead_id: int) -> HttpResponse:
        """Add an answer."""
        lead = visible_lead(asker(request), lead_id)
        body = AddEvidenceBody.read(request)
        if "rating" not in body:
            body["rating"] = _rating_of(body.get("question", ""), body.get("answer", ""))
        added = services.add_evidence(lead, by=asker(request), **body)
        shown = rows.evidence(added) if added else _asked(body, asker(request))
        standing = Standing.objects.get(pk=lead_id)
        return answer({**shown, "standing": rows.score(standing)}, 201)


def _asked(body: rows.Json, by: User) -> rows.Json:
    """Return the answer to "asked, not known", which is on the timeline and is no evidence."""
    moment = now()
    return {
        "id": None,
        "dimension": body["dimension"],
        "rating": None,
        "quote": body.get("quote", ""),
        "question": body.get("question"),
        "answer": body.get("answer"),
        "source": body["source"],
        "author": rows.person(by),
        "observed_at": body.get("observed_at", moment),
        "recorded_at": moment,
        "expires_at": None,
        "current": False,
    }


def _rating_of(question: str, answer_key: str) -> int | None:
    """Return the rating that a live framework gives this answer."""
    if not (question and answer_key):
        raise Invalid.field("rating", "required", "give a rating, or a question and its answer")
    for live in live_config().everything:
        for known in live.framework.asked:
            if known.key == question:
                for choice in known.answers:
                    if choice.key == answer_key:
                        return choice.rating
                keys = ", ".join(choice.key for choice in known.answers)
                raise Invalid.field("answer", "not_a_choice", f"must be one of {keys}")
    raise Invalid.field("question", "unknown_question", "is not a question of a live framework")


class OutcomeList(Endpoint):
    """How the rounds of one lead ended."""

    parameters = PARAMETERS
    orders = tuple(NEWEST_BY_ID)

    @extend_schema(
        operation_id="list_outcomes",
        summary="List the outcomes of a lead",
        responses=OpenApiResponse(
            shapes.page_of(shapes.OutcomeShape),
            examples=[OpenApiExample("A page", examples.page(examples.OUTCOME))],
        ),
    )
    def get(self, request: Request, lead_id: int) -> HttpResponse:
        """Answer one page, the newest first."""
        lead = visible_lead(asker(request), lead_id)
        queryset = Outcome.objects.filter(lead=lead).select_related("recorded_by")
        bound = ("outcomes", str(lead_id), str(asker(request).pk))
        page = read_page(request.query_params, NEWEST_BY_ID, bound_to=bound)
        found, cursor = take(queryset, page)
        return answer_page(request, [rows.outcome(item) for item in found], cursor)

    @extend_schema(
        operation_id="record_outcome",
        summary="Close the round of a lead",
        request=RecordOutcomeBody,
        responses={
            201: OpenApiResponse(
                shapes.OutcomeShape, examples=[OpenApiExample("Won", examples.OUTCOME)]
            )
        },
        examples=[OpenApiExample("Won", examples.NEW_OUTCOME, request_only=True)],
    )
    def post(self, request: Request, lead_id: int) -> HttpResponse:
        """Record an outcome."""
        lead = visible_lead(asker(request), lead_id)
        body = RecordOutcomeBody.read(request)
        value = body.pop("value", None)
        if value is not None:
            body |= {"value_minor": value["amount_minor"], "currency": value["currency"]}
        outcome = services.record_outcome(lead, by=asker(request), **body)
        return answer(rows.outcome(outcome), 201)


class ConsentList(Endpoint):
    """What one lead said about being contacted."""

    parameters = PARAMETERS
    orders = tuple(NEWEST_ACTIVITY)

    @extend_schema(
        operation_id="list_consents",
        summary="List what a lead said about being contacted",
        description="`may_contact` is what follows from it now, and the check before dialling.",
        responses=OpenApiResponse(
            shapes.page_of(shapes.ConsentShape, may_contact=shapes.MayContactShape()),
            examples=[
                OpenApiExample(
                    "A page",
                    {**examples.page(examples.CONSENT), "may_contact": examples.MAY_CONTACT},
                )
            ],
        ),
    )
    def get(self, request: Request, lead_id: int) -> HttpResponse:
        """Answer one page, the newest first."""
        lead = visible_lead(asker(request), lead_id)
        queryset = Consent.objects.filter(lead=lead).select_related("actor")
        bound = ("consents", str(lead_id), str(asker(request).pk))
        page = read_page(request.query_params, NEWEST_ACTIVITY, bound_to=bound)
        found, cursor = take(queryset, page)
        refused = refused_contact([lead_id]).get(lead_id, {})
        may = {channel: rows.decision(refused.get(channel, ALLOWED)) for channel in Channel.values}
        return answer_page(request, [rows.consent(item) for item in found], cursor, may_contact=may)

    @extend_schema(
        operation_id="record_consent",
        summary="Record that a lead agreed to be contacted, or refused",
        description="Follow-ups obey at once: what the lead refused is not shown as due.",
        request=RecordConsentBody,
        responses={
            201: OpenApiResponse(
                shapes.ConsentShape, examples=[OpenApiExample("Agreed", examples.CONSENT)]
            )
        },
        examples=[OpenApiExample("Agreed", examples.NEW_CONSENT, request_only=True)],
    )
    def post(self, request: Request, lead_id: int) -> HttpResponse:
        """Record it."""
        lead = visible_lead(asker(request), lead_id)
        said = ConsentInput(**RecordConsentBody.read(request))
        return answer(rows.consent(services.record_consent(lead, said, by=asker(request))), 201)


class ActivityList(Endpoint):
    """What happened to one lead."""

    parameters = None
    filterset_class = ActivityFilters
    orders = tuple(NEWEST_ACTIVITY)

    @extend_schema(
        operation_id="list_activities",
        summary="List the activities of a lead",
        responses=OpenApiResponse(
            shapes.page_of(shapes.ActivityShape),
            examples=[OpenApiExample("A page", examples.page(examples.ACTIVITY))],
        ),
    )
    def get(self, request: Request, lead_id: int) -> HttpResponse:
        """Answer one page, the newest first."""
        lead = visible_lead(asker(request), lead_id)
        timeline = Activity.objects.filter(lead=lead).select_related("actor")
        filters = ActivityFilters(
            request.query_params, timeline, viewer=asker(request), also=PARAMETERS
        )
        queryset = filters.qs
        bound = ("activities", str(lead_id), str(asker(request).pk), filters.given())
        page = read_page(request.query_params, NEWEST_ACTIVITY, bound_to=bound)
        found, cursor = take(queryset, page)
        return answer_page(request, [rows.activity(item) for item in found], cursor)

    @extend_schema(
        operation_id="record_activity",
        summary="Record an activity and rescore the lead",
        description="200 instead of 201 when its `dedupe_key` is known: nothing is recorded again.",
        request=RecordActivityBody,
        responses={
            status: OpenApiResponse(
                shapes.ActivityShape, examples=[OpenApiExample("Recorded", examples.ACTIVITY)]
            )
            for status in (200, 201)
        },
        examples=[OpenApiExample("A page view", examples.NEW_ACTIVITY, request_only=True)],
    )
    def post(self, request: Request, lead_id: int) -> HttpResponse:
        """Record an activity."""
        lead = visible_lead(asker(request), lead_id)
        body = RecordActivityBody.read(request)
        key = body.get("dedupe_key")
        known = bool(key) and Activity.objects.filter(lead=lead, dedupe_key=key).exists()
        activity = services.record_activity(lead, by=asker(request), **body)
        return answer(rows.activity(activity), 200 if known else 201)


class StandingDetail(Endpoint):
    """Why one lead scores what it does."""

    @extend_schema(
        operation_id="read_standing",
        summary="Explain the score of a lead",
        description="The points of the ledger sum to the score.",
        responses=OpenApiResponse(
            shapes.StandingShape, examples=[OpenApiExample("A standing", examples.STANDING)]
        ),
    )
    def get(self, request: Request, lead_id: int) -> HttpResponse:
        """Answer the score with its ledger."""
        seen = Standing.objects.filter(visibility(asker(request)), pk=lead_id)
        standing = seen.values_list("state", "scored_at", "stale_at").first()
        if standing is None:
            raise NotFound
        state, scored_at, stale_at = standing
        if scored_at is None:
            return answer(rows.unscored())
        # As of when it was written, so that it says the same as every list. While a mark stands,
        # that moment's facts are gone, and the answer is of now.
        why = explain([lead_id], as_of=None if stale_at else scored_at)[lead_id]
        return answer(rows.standing(state, why))
