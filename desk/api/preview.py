"""What a lead would score if its facts were others. Nothing is stored."""

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request

from accounts.authentication import asker
from accounts.models import User
from accounts.policies import can_change_configuration
from core.api import Endpoint
from core.errors import Invalid
from core.wire import answer
from desk.api import examples, rows, shapes
from desk.api.bodies import PreviewScoreBody
from leads.models import Lead
from scoring.models import ModelVersion
from scoring.tiers import State
from scoring.whatif import Supposition, what_if


class ScorePreview(Endpoint):
    """A score that nobody has."""

    @extend_schema(
        operation_id="preview_score",
        summary="Score a lead as supposed, without storing anything",
        description="Of an existing lead, of one made up of the given facts, or of both: what is "
        "not given stays as it is. The points of the ledger sum to the score. `would_lift` are the "
        "smallest sets of facts that would make the lead hot (or warm, when nothing makes it hot), "
        "`would_drop` is what would cost it its tier.",
        request=PreviewScoreBody,
        responses=OpenApiResponse(
            shapes.PreviewShape, examples=[OpenApiExample("A preview", examples.PREVIEW)]
        ),
        examples=[OpenApiExample("With a budget", examples.NEW_PREVIEW, request_only=True)],
    )
    def post(self, request: Request) -> HttpResponse:
        """Answer the standing as supposed."""
        viewer = asker(request)
        body = PreviewScoreBody.read(request)
        lead_id = body.get("lead")
        if lead_id is not None and not Lead.objects.visible_to(viewer).filter(pk=lead_id).exists():
            raise Invalid.field("lead", "unknown_lead", "is not there, or not yours to see")
        supposed = Supposition(
            fields=body.get("fields", {}),
            ratings=body.get("ratings", {}),
            events=body.get("engagement", {}),
            days=body.get("days", 0),
        )
        version = _version(viewer, body["model"]) if "model" in body else None
        found = what_if(lead_id, supposed, version=version)
        state = State.DISQUALIFIED if found.disqualified else State.SCORED
        return answer(rows.preview(state, found))


def _version(viewer: User, named: rows.Json) -> ModelVersion:
    version = (
        ModelVersion.objects.filter(key=named["key"], number=named["version"])
        .select_related("icp", "framework")
        .first()
    )
    if version is None:
        raise Invalid.field("model", "unknown_version", "is not a version of a score model")
    if version.state != ModelVersion.State.LIVE:
        can_change_configuration(viewer).require()
    return version
