"""URLs of the manager's pages."""

from django.urls import path

from pipeline.views import criteria, feedback, pipeline, thresholds

app_name = "pipeline"

urlpatterns = [
    path("pipeline/", pipeline.show_pipeline, name="show_pipeline"),
    path("scoring/criteria/", criteria.show_criteria, name="show_criteria"),
    path("scoring/alerts/<int:alert_id>/dismiss/", criteria.dismiss_alert, name="dismiss_alert"),
    path("scoring/control/", criteria.set_control, name="set_control"),
    path("scoring/thresholds/", thresholds.show_thresholds, name="show_thresholds"),
    path("scoring/thresholds/draft/", thresholds.draft_marks, name="draft_marks"),
    path("scoring/feedback/", feedback.list_feedback, name="list_feedback"),
    path(
        "scoring/feedback/<int:feedback_id>/answer/",
        feedback.answer_feedback,
        name="answer_feedback",
    ),
]
