"""Drafts of a score model that differ from the live version in their marks alone."""

from django.db import transaction

from accounts.models import User
from core.errors import Invalid, NotFound
from core.versioning import lock_configuration, version_with
from scoring.fields import all_fields, field_types
from scoring.live import load_model
from scoring.models import ModelVersion
from scoring.policies import can_change_models


@transaction.atomic
def draft_with_marks(key: str, hot: int, warm: int, *, by: User) -> tuple[ModelVersion, bool]:
    """Return a draft of a live model with other marks, and whether it was made just now.

    Raises Forbidden, NotFound, or Invalid when the marks contradict each other or are the live
    ones. Publishing it is another step.
    """
    can_change_models(by).require()
    lock_configuration()
    live = (
        ModelVersion.objects.select_related("icp", "framework")
        .filter(key=key, state=ModelVersion.State.LIVE)
        .first()
    )
    if live is None:
        raise NotFound()
    definition = {**live.definition, "marks": {"hot": hot, "warm": warm}}
    if definition["marks"] == live.definition.get("marks", {"hot": 60, "warm": 40}):
        raise Invalid.field("hot", "unchanged", "is the live mark, and so is the warm one")
    pins = {"icp": live.icp, "framework": live.framework}
    load_model(
        ModelVersion(key=key, number=0, definition=definition, **pins), field_types(all_fields())
    )
    return version_with(ModelVersion, key, definition, by=by, pins=pins)
