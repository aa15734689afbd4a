"""Publishing score models: each goes live together with the ICP and framework that it pins."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from accounts.policies import can_change_configuration
from core.errors import Conflict, FieldProblem, Invalid
from core.models import Job
from core.versioning import lock_configuration, make_live, version_with
from core.versions import Version
from scoring.counters import keep_counters
from scoring.fields import all_fields, field_types
from scoring.live import LiveModel, load_model
from scoring.models import FrameworkVersion, IcpVersion, ModelVersion
from scoring.tasks import start_rescore_all

_LIVE, _RETIRED = Version.State.LIVE, Version.State.RETIRED


def publish_model(version: ModelVersion, *, by: User | None) -> Job | None:
    """Publish one score model version; see `publish_models`."""
    return publish_models([version], by=by)


@transaction.atomic
def publish_models(versions: Sequence[ModelVersion], *, by: User | None) -> Job | None:
    """Make score model versions live, each with the ICP and framework versions that it pins.

    The versions that were live retire in the same transaction. Other live models on the same
    framework follow in a new version with their own content, since only one version of it is
    live. Counters for new kinds of engagement are built, and a job that rescores every open lead
    starts and is returned; None when all of them were live already. `by` None is set-up.
    Raises Forbidden, Conflict, or Invalid naming the field.
    """
    if by is not None:
        can_change_configuration(by).require()
    lock_configuration()
    fresh = list(_with_pins().filter(pk__in=[v.pk for v in versions]).order_by("key"))
    followers = follow(
        icps={},
        frameworks={v.framework.key: v.framework for v in fresh},
        but_not={v.key for v in fresh},
        by=by,
    )
    fresh += [version for version, _ in followers]
    waiting = [version for version in fresh if version.state != _LIVE]
    if not waiting:
        return None
    _refuse_retired(waiting)
    keep = _with_pins().filter(state=_LIVE).exclude(key__in=[v.key for v in waiting])
    models = _parsed([*keep, *waiting])
    _refuse_contradictions([*keep, *waiting], models)
    keep_counters(
        {(s.activity, s.half_life_days) for m in models for s in m.model.signals if s.activity}
    )
    for version in waiting:
        for part in (version.icp, version.framework, version):
            make_live(part, by=by)
    for version in versions:
        version.refresh_from_db()
    return start_rescore_all(by)


def follow(
    *,
    icps: Mapping[str, IcpVersion],
    frameworks: Mapping[str, FrameworkVersion],
    but_not: Iterable[str],
    by: User | None,
) -> list[tuple[ModelVersion, bool]]:
    """Return versions of the live models that pin another version of these ICPs or frameworks:
    the same content on the given ones, and whether the version was made just now. Models with
    keys in `but_not` are left out.
    """
    followers = []
    for live in _with_pins().filter(state=_LIVE).exclude(key__in=list(but_not)).order_by("key"):
        icp = icps.get(live.icp.key, live.icp)
        framework = frameworks.get(live.framework.key, live.framework)
        if (icp.pk, framework.pk) != (live.icp_id, live.framework_id):
            pins = {"icp": icp, "framework": framework}
            followers.append(
                version_with(ModelVersion, live.key, live.definition, by=by, pins=pins)
            )
    return followers


def _with_pins() -> QuerySet[ModelVersion]:
    return ModelVersion.objects.select_related("icp", "framework")


def _refuse_retired(waiting: Sequence[ModelVersion]) -> None:
    for version in waiting:
        for name, part in (("", version), ("ICP ", version.icp), ("framework ", version.framework)):
            if part.state == _RETIRED:
                what = f"{name}{part.key} v{part.number}"
                raise Conflict(
                    f"{what} is retired and cannot go live again. "
                    f"Make a new version of {version.key} with what it should hold."
                )


def _parsed(versions: Sequence[ModelVersion]) -> list[LiveModel]:
    """Parse model versions with their pins; raise Invalid naming each wrong field."""
    types = field_types(all_fields())
    parsed, found = [], []
    for version in versions:
        try:
            parsed.append(load_model(version, types))
        except Invalid as error:
            found += [
                FieldProblem(f"{version.key}.{p.field}", p.code, p.message) for p in error.problems
            ]
    if found:
        raise Invalid(found)
    return parsed


def _refuse_contradictions(versions: Sequence[ModelVersion], models: Sequence[LiveModel]) -> None:
    """Refuse a set of live models in which a lead could not be placed."""
    fallbacks = [model.icp_key for model in models if model.icp.fallback]
    if len(fallbacks) != 1:
        found = ", ".join(sorted(fallbacks)) or "none"
        raise Conflict(
            f"Exactly one live ICP is the fallback for leads that no other fits; there: {found}."
        )
    for icp, count in Counter(model.icp_key for model in models).items():
        if count > 1:
            names = " and ".join(sorted(m.key for m in models if m.icp_key == icp))
            raise Conflict(f"The ICP {icp} is scored by one model only, not by {names}.")
    pinned: dict[str, FrameworkVersion] = {}
    for version in versions:
        other = pinned.setdefault(version.framework.key, version.framework)
        if other.pk != version.framework_id:
            numbers = f"v{other.number} and v{version.framework.number}"
            raise Conflict(f"Framework {other.key} goes live in one version only, not {numbers}.")
