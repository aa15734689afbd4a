"""A profile changes its framework: what carries over by shared dimensions, and the draft of it.

Answers belong to dimensions, so those of shared ones stay, and nothing is asked twice. The draft is
a score model on the other framework; it goes live as any other does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count

from accounts.models import User
from core.errors import Conflict
from core.versioning import lock_configuration, version_with
from core.versions import Version
from scoring.definitions import Framework, parse_framework, parse_icp, parse_model
from scoring.fields import all_fields, field_types
from scoring.models import Evidence, FrameworkVersion, ModelVersion
from scoring.policies import can_change_models

_STATE = Version.State


@dataclass(frozen=True)
class Carried:
    """One dimension before and after; `before` and `after` are its labels, "" where it is not.

    `points` are those it gives now and will give; `known` counts open leads with an answer on it.
    """

    dimension: str
    before: str
    after: str
    points_before: float
    points_after: float
    known: int

    @property
    def fate(self) -> str:
        """What becomes of it, in words."""
        if not self.before:
            return "Unknown until it is asked"
        return "Carries over" if self.after else "Not asked or scored any more; answers stay"


def models_elsewhere(version: FrameworkVersion) -> list[ModelVersion]:
    """Return the live models on another framework, by key."""
    return list(
        ModelVersion.objects.filter(state=_STATE.LIVE)
        .exclude(framework__key=version.key)
        .select_related("icp", "framework")
        .order_by("key")
    )


def carried(model: ModelVersion, version: FrameworkVersion) -> list[Carried]:
    """Return each dimension of the old and the new framework with what becomes of it."""
    old, new, points = _read(model, version)
    after = _points(_switched(model.definition, new))
    counts = dict(
        Evidence.objects.filter(
            current=True, lead__standing__is_open=True, lead__standing__model_version=model
        )
        .order_by()
        .values_list("dimension")
        .annotate(Count("pk"))
    )
    labels = [{c.dimension: c.label for c in framework.criteria} for framework in (old, new)]
    return [
        Carried(
            dimension,
            labels[0].get(dimension, ""),
            labels[1].get(dimension, ""),
            points.get(dimension, 0.0),
            after.get(dimension, 0.0),
            counts.get(dimension, 0),
        )
        for dimension in dict.fromkeys((*labels[1], *labels[0]))
    ]


@transaction.atomic
def switch(model: ModelVersion, version: FrameworkVersion, *, by: User) -> ModelVersion:
    """Make the draft of a live model on this framework. Raises Conflict for a retired version."""
    can_change_models(by).require()
    lock_configuration()
    if version.state == _STATE.RETIRED:
        raise Conflict(f"{version.key} v{version.number} is retired. Choose the live one.")
    _, new, _ = _read(model, version)
    draft, _made = version_with(
        ModelVersion,
        model.key,
        _switched(model.definition, new),
        by=by,
        pins={"icp": model.icp, "framework": version},
    )
    types = field_types(all_fields())
    parse_model(draft.definition, parse_icp(model.icp.definition, types), new, types)
    return draft


def _read(
    model: ModelVersion, version: FrameworkVersion
) -> tuple[Framework, Framework, dict[str, float]]:
    types = field_types(all_fields())
    old = parse_framework(model.framework.definition, types)
    new = parse_framework(version.definition, types)
    return old, new, _points(model.definition)


def _points(definition: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for signal in definition["signals"]:
        if dimension := signal.get("dimension"):
            found[dimension] = found.get(dimension, 0.0) + signal["points"]
    return found


def _switched(definition: Mapping[str, Any], new: Framework) -> dict[str, Any]:
    """Return a model's definition for the other framework.

    Lines of shared dimensions keep their points under the new label; the points of those that end
    are shared by the new ones, so that an answered script weighs as much as before.
    """
    labels = {criterion.dimension: criterion.label for criterion in new.criteria}
    signals, freed = [], 0.0
    for signal in definition["signals"]:
        dimension = signal.get("dimension")
        if dimension is None:
            signals.append(signal)
        elif dimension in labels:
            signals.append({**signal, "label": labels[dimension]})
        else:
            freed += max(signal["points"], 0.0)
    scored = {signal.get("dimension") for signal in signals}
    fresh = [dimension for dimension in labels if dimension not in scored]
    taken = {signal["key"] for signal in signals}
    for dimension in fresh:
        key = dimension if dimension not in taken else f"criterion_{dimension}"
        points = round(freed / len(fresh), 1)
        signals.append(
            {"key": key, "label": labels[dimension], "points": points, "dimension": dimension}
        )
    gates = [gate for gate in definition.get("gates", []) if gate["dimension"] in labels]
    return {**definition, "signals": signals, "gates": gates}
