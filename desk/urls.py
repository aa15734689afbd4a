"""URLs of the desk's pages. Reads are GET, writes POST; every POST also works without scripts."""

from django.urls import path

from desk import views

app_name = "desk"

urlpatterns = [
    path("", views.queue, name="queue"),
    path("leads/<int:lead_id>/", views.view_lead, name="view_lead"),
    path("leads/<int:lead_id>/change/", views.change_lead, name="change_lead"),
    path("leads/<int:lead_id>/note/", views.add_note, name="add_note"),
    path("leads/<int:lead_id>/move/", views.move_lead, name="move_lead"),
    path("leads/<int:lead_id>/outcome/", views.record_outcome, name="record_outcome"),
    path("leads/<int:lead_id>/owner/", views.assign_lead, name="assign_lead"),
    path("leads/<int:lead_id>/evidence/", views.add_evidence, name="add_evidence"),
    path("leads/<int:lead_id>/tier/", views.override_tier, name="override_tier"),
    path("today/", views.queue, name="today"),
]
