"""The lists `rates`, `frameworks`, `icps` and `models` of bundles."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from django.db import connection

from accounts.models import User, Workspace
from accounts.policies import can_change_configuration
from core.bundles import Change, Items, Section, register_section
from core.conditions import FieldType
from core.errors import FieldProblem, Invalid
from core.sweeps import nudge_on_commit
from core.versioning import live_versions, make_live, version_with
from core.versions import Version
from scoring.definitions import Framework, Icp, parse_framework, parse_icp, parse_model
from scoring.fields import all_fields, field_types
from scoring.models import FrameworkVersion, IcpVersion, ModelVersion
from scoring.publishing import follow, publish_models

LEAST_RATE, MOST_RATE = 1e-6, 1e6

T = TypeVar("T")


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
        check = _Check()
        check.frameworks_of(items)
        check.icps_of(items)
        check.models_of(items)
        check.followers_of(items)
        return check.found

    def load(self, items: Items, *, by: User | None, publish: bool) -> Iterator[Change]:
        """Make the versions that differ; publish the models with what they pin, then the rest."""
        if by is not None:
            can_change_configuration(by).require()
        made: list[tuple[str, Version, bool]] = []
        frameworks: dict[str, FrameworkVersion] = {}
        icps: dict[str, IcpVersion] = {}
        for item in items["frameworks"]:
            framework, new = version_with(FrameworkVersion, item["key"], item["definition"], by=by)
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
        for model, new in follow(
            icps=icps, frameworks=frameworks, but_not={m.key for m in models}, by=by
        ):
            models.append(model)
            made.append(("models", model, new))
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


class _Check:
    """Parses a bundle's definitions and keeps what it finds wrong, under paths in the bundle.

    ICPs and frameworks start with the live ones, which those of the bundle replace. One that
    cannot be parsed is None, and the models that name it are checked once it is repaired.
    """

    def __init__(self) -> None:
        self.found: list[FieldProblem] = []
        self.types = field_types(all_fields())
        self.icps: dict[str, Icp | None] = self._live(IcpVersion, parse_icp)
        self.frameworks: dict[str, Framework | None] = self._live(FrameworkVersion, parse_framework)

    def frameworks_of(self, items: Items) -> None:
        """Check the frameworks."""
        for index, item in enumerate(items["frameworks"]):
            self.frameworks[item["key"]] = self._parsed(
                parse_framework, item["definition"], f"frameworks[{index}].definition"
            )

    def icps_of(self, items: Items) -> None:
        """Check the ICPs, of which one at most is the fallback."""
        fallbacks = 0
        for index, item in enumerate(items["icps"]):
            path = f"icps[{index}].definition"
            icp = self._parsed(parse_icp, item["definition"], path)
            self.icps[item["key"]] = icp
            fallbacks += icp is not None and icp.fallback
            if icp is not None and icp.fallback and fallbacks > 1:
                self._bad(f"{path}.fallback", "duplicate", "only one ICP is the fallback")

    def models_of(self, items: Items) -> None:
        """Check the score models, each with the ICP and framework that it names."""
        scored: set[str] = set()
        for index, item in enumerate(items["models"]):
            path, icp, framework = f"models[{index}]", item["icp"], item["framework"]
            if not isinstance(icp, str) or icp not in self.icps:
                self._bad(f"{path}.icp", "unknown_key", "names no ICP of the bundle or live")
            elif icp in scored:
                self._bad(f"{path}.icp", "duplicate", f"another model scores {icp!r} already")
            if not isinstance(framework, str) or framework not in self.frameworks:
                self._bad(
                    f"{path}.framework", "unknown_key", "names no framework of the bundle or live"
                )
            scored.add(str(icp))
            self._model(item["definition"], icp, framework, f"{path}.definition")

    def followers_of(self, items: Items) -> None:
        """Check that live models which the bundle leaves out go with what it changes."""
        icps = {item["key"]: f"icps[{i}]" for i, item in enumerate(items["icps"])}
        frameworks = {item["key"]: f"frameworks[{i}]" for i, item in enumerate(items["frameworks"])}
        for live in (
            ModelVersion.objects.filter(state=Version.State.LIVE)
            .exclude(key__in=[item["key"] for item in items["models"]])
            .select_related("icp", "framework")
        ):
            path = icps.get(live.icp.key) or frameworks.get(live.framework.key)
            if path is None:
                continue
            before = len(self.found)
            self._model(live.definition, live.icp.key, live.framework.key, "")
            self.found[before:] = [
                FieldProblem(
                    f"{path}.definition",
                    "breaks_model",
                    f"the live model {live.key} does not go with it: {p.field} {p.message}",
                )
                for p in self.found[before:]
            ]

    def _live(
        self, model: type[Version], parse: Callable[[Any, Mapping[str, FieldType]], T]
    ) -> dict[str, T | None]:
        """Return the live versions, parsed; a field that one reads may be gone since."""
        parsed: dict[str, T | None] = {}
        for key, version in live_versions(model).items():
            try:
                parsed[key] = parse(version.definition, self.types)
            except Invalid:
                parsed[key] = None
        return parsed

    def _model(self, definition: Any, icp_key: Any, framework_key: Any, path: str) -> None:
        icp = self.icps.get(icp_key) if isinstance(icp_key, str) else None
        framework = self.frameworks.get(framework_key) if isinstance(framework_key, str) else None
        if icp is not None and framework is not None:
            self._parsed(
                lambda raw, types: parse_model(raw, icp, framework, types), definition, path
            )

    def _parsed(
        self, parse: Callable[[Any, Mapping[str, FieldType]], T], definition: Any, path: str
    ) -> T | None:
        """Return what `parse` makes of a definition; None, and notes, when it is wrong."""
        try:
            return parse(definition, self.types)
        except Invalid as error:
            for p in error.problems:
                # Parsers name the whole by "definition", which the path ends with already.
                field = "" if p.field == "definition" else p.field
                self._bad(f"{path}.{field}".strip("."), p.code, p.message)
            return None

    def _bad(self, path: str, code: str, message: str) -> None:
        self.found.append(FieldProblem(path, code, message))


class RateSection(Section):
    """What other currencies are worth in the workspace's. They have no versions."""

    fields = {"rates": ("key", "rate")}

    def check(self, items: Items) -> Iterable[FieldProblem]:
        """Yield keys that are no currency code and rates that are no positive number."""
        for index, item in enumerate(items["rates"]):
            rate = item["rate"]
            if not re.fullmatch("[a-z]{3}", item["key"]):
                yield FieldProblem(
                    f"rates[{index}].key",
                    "not_a_choice",
                    "must be an ISO 4217 code in small letters",
                )
            if type(rate) not in (int, float) or not LEAST_RATE <= rate <= MOST_RATE:
                yield FieldProblem(
                    f"rates[{index}].rate",
                    "wrong_type",
                    f"must be a number from {LEAST_RATE:g} to {MOST_RATE:g}",
                )

    def load(self, items: Items, *, by: User | None, publish: bool) -> Iterator[Change]:
        """Write the rates at once, and mark the open leads that are valued by one that changed."""
        if by is not None:
            can_change_configuration(by).require()
        workspace = Workspace.current()
        given = {item["key"].upper(): item["rate"] for item in items["rates"]}
        changed = {code for code, rate in given.items() if workspace.rates.get(code) != rate}
        if changed:
            workspace.rates |= given
            workspace.save(update_fields=["rates"])
            _mark_valued_in(sorted(changed))
        for code in given:
            yield Change("rates", code.lower(), "changed" if code in changed else "unchanged")

    def export(self) -> Items:
        """Return the rates by code."""
        rates = sorted(Workspace.current().rates.items())
        return {"rates": [{"key": code.lower(), "rate": rate} for code, rate in rates]}


def _mark_valued_in(currencies: list[str]) -> None:
    """Mark open leads with a value in these currencies stale, in the order of every locker."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE scoring_standing s SET stale_at = coalesce(s.stale_at, leadqual_now())
            FROM (
                SELECT o.lead_id FROM scoring_standing o JOIN leads_lead l ON l.id = o.lead_id
                WHERE o.is_open AND l.value_minor IS NOT NULL AND l.currency = ANY(%s)
                ORDER BY o.lead_id FOR NO KEY UPDATE OF o
            ) locked
            WHERE s.lead_id = locked.lead_id
            """,
            [currencies],
        )
    nudge_on_commit("scoring.rescore_stale")


register_section(RateSection())
register_section(ScoringSection())
