"""URLs of the pages of calls. Reads are GET, writes POST; every POST also works without scripts."""

from django.urls import path

from calls import rating_views, views

app_name = "calls"

urlpatterns = [
    path("calls/", views.list_all_calls, name="list_all_calls"),
    path("leads/<int:lead_id>/calls/", views.list_calls, name="list_calls"),
    path("leads/<int:lead_id>/call/", views.start_call, name="start_call"),
    path("calls/<int:call_id>/", views.run_call, name="run_call"),
    path("calls/<int:call_id>/progress/", views.show_progress, name="show_progress"),
    path("calls/<int:call_id>/presence/", views.be_present, name="be_present"),
    path("calls/<int:call_id>/answers/", views.save_answer, name="save_answer"),
    path("calls/<int:call_id>/captures/", views.capture, name="capture"),
    path("calls/<int:call_id>/notes/", views.save_notes, name="save_notes"),
    path("calls/<int:call_id>/recording/", views.note_recording, name="note_recording"),
    path("calls/<int:call_id>/finish/", views.finish_call, name="finish_call"),
    path("calls/agreement/", rating_views.show_agreement, name="show_agreement"),
    path("calls/<int:call_id>/rating/", rating_views.rate_call, name="rate_call"),
    path("calls/<int:call_id>/rating/ask/", rating_views.ask_for_rating, name="ask_for_rating"),
]
