"""URLs of the pages about how leads are scored."""

from django.urls import path

from scoring.views import models, proposals, scripts, suggestions

app_name = "scoring"

urlpatterns = [
    path("scoring/", models.list_models, name="list_models"),
    path("scoring/versions/<int:version_id>/", models.view_version, name="view_version"),
    path("scoring/versions/<int:version_id>/draft/", models.make_draft, name="make_draft"),
    path("scoring/versions/<int:version_id>/edit/", models.edit_draft, name="edit_draft"),
    path("scoring/versions/<int:version_id>/delete/", models.delete_draft, name="delete_draft"),
    path("scoring/versions/<int:version_id>/propose/", models.propose_draft, name="propose_draft"),
    path("scoring/versions/<int:version_id>/roll-back/", models.roll_back, name="roll_back"),
    path("scoring/versions/<int:version_id>/preview/", models.show_preview, name="show_preview"),
    path(
        "scoring/versions/<int:version_id>/preview/all/", models.start_preview, name="start_preview"
    ),
    path("scoring/proposals/", proposals.list_proposals, name="list_proposals"),
    path("scoring/learn/", proposals.start_learning, name="start_learning"),
    path("scoring/proposals/<int:proposal_id>/", proposals.view_proposal, name="view_proposal"),
    path(
        "scoring/proposals/<int:proposal_id>/approve/",
        proposals.approve_proposal,
        name="approve_proposal",
    ),
    path(
        "scoring/proposals/<int:proposal_id>/shadow/",
        proposals.shadow_proposal,
        name="shadow_proposal",
    ),
    path(
        "scoring/proposals/<int:proposal_id>/changes/",
        proposals.request_changes,
        name="request_changes",
    ),
    path(
        "scoring/proposals/<int:proposal_id>/dismiss/",
        proposals.dismiss_proposal,
        name="dismiss_proposal",
    ),
    path("scoring/proposals/<int:proposal_id>/trust/", proposals.trust_line, name="trust_line"),
    path(
        "scoring/proposals/<int:proposal_id>/distrust/",
        proposals.distrust_line,
        name="distrust_line",
    ),
    path("scoring/suggestions/", suggestions.start_suggesting, name="start_suggesting"),
    path(
        "scoring/suggestions/<int:suggestion_id>/",
        suggestions.view_suggestion,
        name="view_suggestion",
    ),
    path(
        "scoring/suggestions/<int:suggestion_id>/take/",
        suggestions.take_signals,
        name="take_signals",
    ),
    path(
        "scoring/suggestions/<int:suggestion_id>/trust/",
        suggestions.trust_field,
        name="trust_field",
    ),
    path(
        "scoring/suggestions/<int:suggestion_id>/distrust/",
        suggestions.distrust_field,
        name="distrust_field",
    ),
    path(
        "scoring/proposals/<int:proposal_id>/shadow/scores/",
        proposals.show_shadow,
        name="show_shadow",
    ),
    path("scoring/jobs/<int:job_id>/", proposals.show_job, name="show_job"),
    path("scoring/scripts/", scripts.list_frameworks, name="list_frameworks"),
    path("scoring/scripts/new/", scripts.start_framework, name="start_framework"),
    path("scoring/scripts/<int:framework_id>/", scripts.view_framework, name="view_framework"),
    path(
        "scoring/scripts/<int:framework_id>/preview/",
        scripts.preview_framework,
        name="preview_framework",
    ),
    path("scoring/scripts/<int:framework_id>/draft/", scripts.open_draft, name="open_draft"),
    path(
        "scoring/scripts/<int:framework_id>/question/", scripts.edit_question, name="edit_question"
    ),
    path(
        "scoring/scripts/<int:framework_id>/criterion/",
        scripts.edit_criterion,
        name="edit_criterion",
    ),
    path(
        "scoring/scripts/<int:framework_id>/arrange/",
        scripts.arrange_framework,
        name="arrange_framework",
    ),
    path(
        "scoring/scripts/<int:framework_id>/publish/",
        scripts.publish_framework,
        name="publish_framework",
    ),
    path(
        "scoring/scripts/<int:framework_id>/discard/",
        scripts.discard_framework,
        name="discard_framework",
    ),
    path(
        "scoring/scripts/<int:framework_id>/switch/",
        scripts.switch_framework,
        name="switch_framework",
    ),
]
