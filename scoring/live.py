"""The live configuration, parsed and made ready, cached by the ids of the live versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from django.db import connection

from core.conditions import FieldType
from scoring.definitions import (
    Framework,
    Icp,
    Model,
    parse_framework,
    parse_icp,
    parse_model,
)
from scoring.fields import Field, all_fields, field_types
from scoring.models import ModelVersion
from scoring.scorecard import Scorecard


@dataclass(frozen=True, eq=False)  # the cached object itself is its identity
class LiveModel:
    """One live triple: score model, ICP and framework, with the scorecard ready."""

    id: int
    key: str
    number: int
    icp_key: str
    model: Model
    icp: Icp
    framework: Framework
    # Of all versions of its key: a lead that an earlier one scored has this profile already.
    ids: tuple[int, ...] = ()

    @cached_property
    def card(self) -> Scorecard:
        """The model as arrays."""
        return Scorecard(self.model, self.icp)


@dataclass(frozen=True)
class LiveConfig:
    """All live models: `models` in order of their ICPs' positions, and the fallback."""

    models: tuple[LiveModel, ...]
    fallback: LiveModel
    fields: Mapping[str, Field]

    @cached_property
    def types(self) -> dict[str, FieldType]:
        """Types of all known fields."""
        return field_types(self.fields)

    @cached_property
    def used_fields(self) -> list[Field]:
        """The fields that any live rule reads, which are all that scoring fetches."""
        names: set[str] = set()
        for live in self.everything:
            names |= live.icp.fields() | live.model.fields()
        return [self.fields[name] for name in sorted(names)]

    @cached_property
    def everything(self) -> tuple[LiveModel, ...]:
        """All live models, the fallback last."""
        return (*self.models, self.fallback)

    @cached_property
    def dimensions(self) -> list[str]:
        """Dimensions that any live model or framework knows."""
        found = {c.dimension for live in self.everything for c in live.framework.criteria}
        return sorted(found)

    @cached_property
    def counters(self) -> list[tuple[str, int]]:
        """Pairs of activity kind and half-life that any live model counts."""
        return sorted(
            {
                (signal.activity, signal.half_life_days)
                for live in self.everything
                for signal in live.model.signals
                if signal.activity
            }
        )

    def by_id(self, model_id: int | None) -> LiveModel | None:
        """Return the live model with this version id, None when it is not live (any more)."""
        return next((live for live in self.everything if live.id == model_id), None)


class NotConfigured(Exception):
    """No fallback model is live; `manage.py setup` loads the default configuration."""


def live_ids() -> tuple[int, ...]:
    """Return the ids of the live model versions; one query, the key of the cache."""
    return tuple(
        ModelVersion.objects.filter(state=ModelVersion.State.LIVE)
        .order_by("pk")
        .values_list("pk", flat=True)
    )


def live_config(ids: tuple[int, ...] | None = None) -> LiveConfig:
    """Return the live configuration; raise NotConfigured when there is no fallback model.

    Versions never change once live, so their ids are the whole key. Pass `ids` when they were
    read already.
    """
    return _load(live_ids() if ids is None else ids)


def live_at() -> tuple[LiveConfig, float]:
    """Return the live configuration and the present moment (seconds since the epoch); one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(id ORDER BY id), date_part('epoch', leadqual_now()) "
            "FROM scoring_modelversion WHERE state = 'live'"
        )
        ids, moment = cursor.fetchone()
    return _load(tuple(ids or ())), moment


@lru_cache(maxsize=8)
def _load(ids: tuple[int, ...]) -> LiveConfig:
    fields = all_fields()
    types = field_types(fields)
    models = []
    for version in ModelVersion.objects.filter(pk__in=ids).select_related("icp", "framework"):
        models.append(load_model(version, types))
    return assemble(models, fields)


def assemble(models: Sequence[LiveModel], fields: Mapping[str, Field]) -> LiveConfig:
    """Return the configuration of these models; raise NotConfigured without a fallback."""
    by_key: dict[str, list[int]] = {}
    for key, pk in ModelVersion.objects.values_list("key", "pk"):
        by_key.setdefault(key, []).append(pk)
    models = [replace(live, ids=tuple(by_key[live.key])) for live in models]
    models.sort(key=lambda live: (live.icp.position, live.icp_key))
    fallback = next((live for live in models if live.icp.fallback), None)
    if fallback is None:
        raise NotConfigured("No fallback score model is live; run `manage.py setup`.")
    return LiveConfig(tuple(m for m in models if m is not fallback), fallback, fields)


def load_model(version: ModelVersion, types: Mapping[str, FieldType]) -> LiveModel:
    """Parse a model version with the ICP and framework versions that it pins."""
    icp = parse_icp(version.icp.definition, types)
    framework = parse_framework(version.framework.definition, types)
    return LiveModel(
        id=version.pk,
        key=version.key,
        number=version.number,
        icp_key=version.icp.key,
        model=parse_model(version.definition, icp, framework, types),
        icp=icp,
        framework=framework,
    )
