"""URLs of the manager's pages."""

from django.urls import path

from pipeline import views

app_name = "pipeline"

urlpatterns = [
    path("pipeline/", views.show_pipeline, name="show_pipeline"),
]
