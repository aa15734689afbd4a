"""URLs of the desk's pages. Reads are GET, writes POST; every POST also works without scripts."""

from django.urls import path

from desk.views import calendar, feedback, followups, lead, queue, what_if, work

app_name = "desk"

urlpatterns = [
    path("", queue.queue, name="queue"),
    path("work/", work.work, name="work"),
    path("work/start/", work.start_work, name="start_work"),
    path("work/next/", work.next_lead, name="next_lead"),
    path("work/stay/", work.stay_on_lead, name="stay_on_lead"),
    path("work/stop/", work.stop_work, name="stop_work"),
    path("leads/<int:lead_id>/", lead.view_lead, name="view_lead"),
    path("leads/<int:lead_id>/what-if/", what_if.what_if, name="what_if"),
    path("leads/<int:lead_id>/change/", lead.change_lead, name="change_lead"),
    path("leads/<int:lead_id>/note/", lead.add_note, name="add_note"),
    path("leads/<int:lead_id>/move/", lead.move_lead, name="move_lead"),
    path("leads/<int:lead_id>/outcome/", lead.record_outcome, name="record_outcome"),
    path("leads/<int:lead_id>/owner/", lead.assign_lead, name="assign_lead"),
    path("leads/<int:lead_id>/consents/", lead.record_consent, name="record_consent"),
    path("leads/<int:lead_id>/evidence/", lead.add_evidence, name="add_evidence"),
    path("leads/<int:lead_id>/tier/", lead.override_tier, name="override_tier"),
    path("leads/<int:lead_id>/feedback/", feedback.give_feedback, name="give_feedback"),
    path("feedback/<int:feedback_id>/seen/", feedback.mark_seen, name="mark_seen"),
    path("leads/<int:lead_id>/followups/", followups.add_followup, name="add_followup"),
    path("leads/<int:lead_id>/bookings/", calendar.book_call, name="book_call"),
    path("calendar/", calendar.show_calendar, name="calendar"),
    path("bookings/<int:booking_id>/move/", calendar.reschedule_call, name="reschedule_call"),
    path("bookings/<int:booking_id>/cancel/", calendar.cancel_call, name="cancel_call"),
    path("bookings/<int:booking_id>/no-show/", calendar.mark_no_show, name="mark_no_show"),
    path(
        "bookings/<int:booking_id>/invitation.ics",
        calendar.download_invitation,
        name="download_invitation",
    ),
    path("today/", followups.today, name="today"),
    path(
        "followups/<int:followup_id>/complete/",
        followups.complete_followup,
        name="complete_followup",
    ),
    path("followups/<int:followup_id>/skip/", followups.skip_followup, name="skip_followup"),
    path("followups/<int:followup_id>/snooze/", followups.snooze_followup, name="snooze_followup"),
    path("followups/<int:followup_id>/reopen/", followups.reopen_followup, name="reopen_followup"),
]
