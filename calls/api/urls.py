"""URLs of calls below /api/v1/."""

from calls.api.views import (
    CallAnswers,
    CallDetail,
    CallFinish,
    CallList,
    NextQuestions,
    Scripts,
)
from core.api import endpoint

urlpatterns = [
    endpoint("calls", CallList.as_view(), "calls"),
    endpoint("calls/<int:call_id>", CallDetail.as_view(), "call"),
    endpoint("calls/<int:call_id>/answers", CallAnswers.as_view(), "call_answers"),
    endpoint("calls/<int:call_id>/finish", CallFinish.as_view(), "call_finish"),
    endpoint("leads/<int:lead_id>/next-questions", NextQuestions.as_view(), "next_questions"),
    endpoint("scripts", Scripts.as_view(), "scripts"),
]
