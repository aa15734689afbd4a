"""Booked calls: a time agreed with a lead, moved, called off, or missed."""

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request

from accounts.authentication import asker
from calls import services as calls
from core.api import Endpoint
from core.cursors import PARAMETERS, Order, read_page, take
from core.wire import answer, answer_page
from desk import services
from desk.api import examples, rows, shapes
from desk.api.bodies import BookCallBody, ChangeBookingBody
from desk.api.leads import visible_lead
from followups import services as followups
from followups.models import Followup
from followups.selectors import get_booked_call
from followups.services import Booking

LATEST = {"-id": Order(("id",), descending=True)}


class BookingList(Endpoint):
    """The booked calls of one lead."""

    parameters = PARAMETERS
    orders = tuple(LATEST)

    @extend_schema(
        operation_id="list_bookings",
        summary="List the booked calls of a lead",
        responses=OpenApiResponse(
            shapes.page_of(shapes.BookingShape),
            examples=[OpenApiExample("A page", examples.page(examples.BOOKING))],
        ),
    )
    def get(self, request: Request, lead_id: int) -> HttpResponse:
        """Answer one page, the last booked first; also those that are over."""
        lead = visible_lead(asker(request), lead_id)
        booked = Followup.objects.filter(lead=lead, agreed=True).select_related("assignee")
        bound = ("bookings", str(lead_id), str(asker(request).pk))
        page = read_page(request.query_params, LATEST, bound_to=bound)
        found, cursor = take(booked, page)
        return answer_page(request, [rows.booking(item) for item in found], cursor)

    @extend_schema(
        operation_id="book_call",
        summary="Book a call with a lead",
        description="422 with code `overlaps` when the owner has another booked call then.",
        request=BookCallBody,
        responses={
            201: OpenApiResponse(
                shapes.BookingShape, examples=[OpenApiExample("Booked", examples.BOOKING)]
            )
        },
        examples=[OpenApiExample("A call", examples.NEW_BOOKING, request_only=True)],
    )
    def post(self, request: Request, lead_id: int) -> HttpResponse:
        """Book it."""
        lead = visible_lead(asker(request), lead_id)
        body = BookCallBody.read(request)
        booking = Booking(body["title"], body["at"], body["minutes"])
        booked = services.book_call(lead, booking, by=asker(request), anyway=body["anyway"])
        return answer(rows.booking(booked), 201)


class BookingDetail(Endpoint):
    """One booked call."""

    @extend_schema(
        operation_id="read_booking",
        summary="Read a booked call",
        responses=OpenApiResponse(
            shapes.BookingShape, examples=[OpenApiExample("A booking", examples.BOOKING)]
        ),
    )
    def get(self, request: Request, booking_id: int) -> HttpResponse:
        """Answer it."""
        return answer(rows.booking(get_booked_call(asker(request), booking_id)))

    @extend_schema(
        operation_id="change_booking",
        summary="Move a booked call, call it off, or say that the lead did not come",
        request=ChangeBookingBody,
        responses=OpenApiResponse(
            shapes.BookingShape, examples=[OpenApiExample("Moved", examples.BOOKING)]
        ),
        examples=[OpenApiExample("Moved", {"at": "2026-11-27T09:00:00Z"}, request_only=True)],
    )
    def patch(self, request: Request, booking_id: int) -> HttpResponse:
        """Change it."""
        by = asker(request)
        booked = get_booked_call(by, booking_id)
        body = ChangeBookingBody.read(request)
        if body.get("state") == "cancelled":
            followups.cancel_call(booked, by=by, reason=body.get("reason", ""))
        elif body.get("state") == "no_show":
            calls.mark_no_show(booked, by=by)
        else:
            followups.reschedule_call(
                booked, by=by, at=body["at"], minutes=body.get("minutes"), anyway=body["anyway"]
            )
        return answer(rows.booking(get_booked_call(by, booking_id)))
