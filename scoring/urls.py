"""URLs of the pages about how leads are scored."""

from django.urls import path

from scoring.views import models

app_name = "scoring"

urlpatterns = [
    path("scoring/", models.list_models, name="list_models"),
    path("scoring/versions/<int:version_id>/", models.view_version, name="view_version"),
]
