"""URLs of the API's resources below /api/v1/."""

from core.api import endpoint
from desk.api.bookings import BookingDetail, BookingList
from desk.api.facts import ActivityList, ConsentList, EvidenceList, OutcomeList, StandingDetail
from desk.api.feedback import FeedbackList
from desk.api.leads import LeadDetail, LeadList
from desk.api.preview import ScorePreview
from desk.api.work import Frameworks, Me, Queue

urlpatterns = [
    endpoint("leads", LeadList.as_view(), "leads"),
    endpoint("leads/<int:lead_id>", LeadDetail.as_view(), "lead"),
    endpoint("leads/<int:lead_id>/evidence", EvidenceList.as_view(), "evidence"),
    endpoint("leads/<int:lead_id>/outcomes", OutcomeList.as_view(), "outcomes"),
    endpoint("leads/<int:lead_id>/activities", ActivityList.as_view(), "activities"),
    endpoint("leads/<int:lead_id>/consents", ConsentList.as_view(), "consents"),
    endpoint("leads/<int:lead_id>/standing", StandingDetail.as_view(), "standing"),
    endpoint("leads/<int:lead_id>/feedback", FeedbackList.as_view(), "feedback"),
    endpoint("leads/<int:lead_id>/bookings", BookingList.as_view(), "bookings"),
    endpoint("bookings/<int:booking_id>", BookingDetail.as_view(), "booking"),
    endpoint("queue", Queue.as_view(), "queue"),
    endpoint("score/preview", ScorePreview.as_view(), "score_preview"),
    endpoint("me", Me.as_view(), "me"),
    endpoint("frameworks", Frameworks.as_view(), "frameworks"),
]
