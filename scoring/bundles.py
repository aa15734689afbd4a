"""The lists `frameworks`, `icps` and `models` of bundles."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from accounts.models import User
from accounts.policies import can_change_configuration
from core.bundles import Change, Items, Section, register_section
from core.conditions import FieldType
from core.errors import FieldProblem, Invalid
from core.versioning import live_versions, make_live, version_with
from core.versions import Version
from scoring.definitions import Framework, Icp, parse_framework, parse_icp, parse_model
from scoring.fields import all_fields, field_types
from scoring.models import FrameworkVersion, IcpVersion, ModelVersion
from scoring.publishing import follow, publish_models


class ScoringSection(Section):
    """What to ask, who fits, and all numbers. One section, since a model pins the other two.

    A model of the bundle goes with the bundle's ICP and framework of the named keys, or with the
    live ones. Live models that the bundle leaves out follow a changed ICP or framework.
    """

    fields = {
        "frameworks": ("key", "definition"),
        "icps": ("key", "definition"),
        "models": ("key", "icp", "framework", "definition"),
    }

    def check(self, items: Items) -> Iterable[FieldProblem]:
        """Yield what is wrong with each definition, and pins that lead nowhere."""
        types = field_types(all_fields())
        check = _Check(types)
        for index, item in enumerate(items["frameworks"]):
            check.framework(item, f"frameworks[{index}]")
        for index, item in enumerate(items["icps"]):
            check.icp(item, f"icps[{index}]")
        for index, item in enumerate(items["models"]):
            check.model(item, f"models[{index}]")
        check.followers(items)
        return check.found

    def load(self, items: Items, *, by: User | None, publish: bool) -> Iterator[Change]:
        """Make the versions that differ; publish the models with what they pin, then the rest."""
        if by is not None:
            can_change_configuration(by).require()
        made: list[tuple[str, Version, bool]] = []
        frameworks: dict[str, FrameworkVersion] = {}
        icps: dict[str, IcpVersion] = {}
        for item in items["frameworks"]:
            framework, new = version_with(
                FrameworkVersion, item["key"], item["definition"], by=by
            )
            frameworks[framework.key] = framework
            made.append(("frameworks", framework, new))
        for item in items["icps"]:
            icp, new = version_with(IcpVersion, item["key"], item["definition"], by=by)
            icps[icp.key] = icp
            made.append(("icps", icp, new))
        all_icps = {**live_versions(IcpVersion), **icps}
        all_frameworks = {**live_versions(FrameworkVersion), **frameworks}
        models = []
        for item in items["models"]:
            pins = {"icp": all_icps[item["icp"]], "framework": all_frameworks[item["framework"]]}
            model, new = version_with(
                ModelVersion, item["key"], item["definition"], by=by, pins=pins
            )
            models.append(model)
            made.append(("models", model, new))
        for model in follow(
            icps=icps, frameworks=frameworks, but_not={m.key for m in models}, by=by
        ):
            models.append(model)
            made.append(("models", model, True))
        waiting = {id(v) for _, v, _ in made if v.state != Version.State.LIVE}
        if publish:
            publish_models(models, by=by)
            for version in (*icps.values(), *frameworks.values()):
                make_live(version, by=by)  # those that no model pins yet
        for name, version, new in made:
            if publish and id(version) in waiting:
                yield Change(name, version.key, "published", version.number)
            else:
                yield Change(name, version.key, "draft" if new else "unchanged", version.number)

    def export(self) -> Items:
        """Return the live versions."""
        models = ModelVersion.objects.filter(state=Version.State.LIVE)
        return {
            "frameworks": _plain(live_versions(FrameworkVersion)),
            "icps": _plain(live_versions(IcpVersion)),
            "models": [
                {
                    "key": model.key,
                    "icp": model.icp.key,
                    "framework": model.framework.key,
                    "definition": model.definition,
                }
                for model in models.select_related("icp", "framework").order_by("key")
            ],
        }


def _plain(versions: Mapping[str, Version]) -> list[dict[str, Any]]:
    return [{"key": key, "definition": version.definition} for key, version in versions.items()]
