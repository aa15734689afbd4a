"""Publishing score models: each goes live together with the ICP and framework that it pins."""

from collections.abc import Mapping, Sequence

from django.db import transaction

from accounts.models import User
from accounts.policies import can_change_configuration
from core.conditions import FieldType
from core.errors import Conflict, FieldProblem, Invalid
from core.models import Job
from core.versioning import live_versions, lock_configuration, make_live, version_with
from core.versions import Version
from scoring.counters import keep_counters
from scoring.fields import all_fields, field_types
from scoring.live import LiveModel, load_model
from scoring.models import FrameworkVersion, IcpVersion, ModelVersion
from scoring.tasks import start_rescore_all

_LIVE = Version.State.LIVE


def publish_model(version: ModelVersion, *, by: User | None) -> Job | None:
    """Publish one score model version; see `publish_models`."""
    return publish_models([version], by=by)


@transaction.atomic
def publish_models(versions: Sequence[ModelVersion], *, by: User | None) -> Job | None:
    """Make score model versions live, each with the ICP and framework versions that it pins.

    The versions that were live retire in the same transaction. Other live models that pin
    another version of the same framework follow in a new version with their own content, since
    only one version of it is live. Counters for new kinds of engagement are built, and a job that
    rescores every open lead starts; it is returned, None when all of them were live already.
    `by` None is set-up. Raises Forbidden, Conflict, or Invalid naming the field.
    """
    if by is not None:
        can_change_configuration(by).require()
    lock_configuration()
    fresh = _with_pins([version.pk for version in versions])
    fresh += _followers(fresh, by)
    waiting = [v for v in fresh if _LIVE not in (v.state,) or not _pins_are_live(v)]
    if not waiting:
        return None
    for version in waiting:
        _refuse_retired(version)
    keep_counters(_counters(_next_live(waiting)))
    for version in waiting:
        for part in (version.icp, version.framework, version):
            part.refresh_from_db()  # the pins of two models may be one row
            make_live(part, by=by)
    for version in versions:
        version.refresh_from_db()
    return start_rescore_all(by)
