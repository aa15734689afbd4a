"""Drafts of score models: made from what is live, edited, thrown away. Publishing is elsewhere."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max

from accounts.models import User
from core.errors import Conflict, StaleVersion
from core.versioning import lock_configuration
from core.versions import Version
from scoring.definitions import parse_framework, parse_icp, parse_model
from scoring.fields import all_fields, field_types
from scoring.models import FrameworkVersion, IcpVersion, ModelVersion, Preview, Proposal
from scoring.policies import can_change_models

BY_HAND = ", then changed by hand"


@transaction.atomic
def make_draft(version: ModelVersion, *, by: User) -> ModelVersion:
    """Return a new draft with the content of `version`, on the same ICP and framework versions, or
    on the live ones where these are retired.

    Raises Forbidden, Conflict when nothing of theirs is live, and Invalid naming each field that
    does not go with them.
    """
    can_change_models(by).require()
    lock_configuration()
    version = ModelVersion.objects.select_related("icp", "framework").get(pk=version.pk)
    icp, framework = _fitting_pins(version)
    last = ModelVersion.objects.filter(key=version.key).aggregate(last=Max("number"))["last"]
    return ModelVersion.objects.create(
        key=version.key,
        number=last + 1,
        definition=version.definition,
        icp=icp,
        framework=framework,
        created_by=by,
    )


def bring_up(version: ModelVersion) -> ModelVersion:
    """Put a version that never was live on the live ICP and framework, where those that it pins are
    retired since; return it. Call it under the lock of the configuration.

    Raises Conflict when nothing of theirs is live, and Invalid naming each field that does not go
    with them.
    """
    version = ModelVersion.objects.select_related("icp", "framework").get(pk=version.pk)
    icp, framework = _fitting_pins(version)
    if (icp, framework) != (version.icp, version.framework):
        Preview.objects.filter(version=version).delete()  # it was by the old ones
        version.icp, version.framework = icp, framework
        version.save(update_fields=["icp", "framework"])
    return version


def _fitting_pins(version: ModelVersion) -> tuple[IcpVersion, FrameworkVersion]:
    """Return the same as `_live_pins`; raise Invalid when the content does not go with new ones."""
    icp, framework = _live_pins(version)
    if (icp, framework) != (version.icp, version.framework):
        _parse(version.definition, icp, framework)
    return icp, framework


def _live_pins(version: ModelVersion) -> tuple[IcpVersion, FrameworkVersion]:
    """Return what a version pins, in the place of what is retired the live one of its key."""
    icp, framework = version.icp, version.framework
    if icp.state == Version.State.RETIRED:
        icp = IcpVersion.objects.filter(key=icp.key, state=Version.State.LIVE).first() or icp
    if framework.state == Version.State.RETIRED:
        live = FrameworkVersion.objects.filter(key=framework.key, state=Version.State.LIVE)
        framework = live.first() or framework
    for part in (icp, framework):
        if part.state == Version.State.RETIRED:
            raise Conflict(
                f"{part.key} v{part.number}, which it uses, is retired. Draft from what is live."
            )
    return icp, framework


def _parse(
    definition: Mapping[str, Any], icp_version: IcpVersion, framework_version: FrameworkVersion
) -> None:
    """Raise Invalid naming each field that is wrong or does not go with its ICP and framework."""
    types = field_types(all_fields())
    icp = parse_icp(icp_version.definition, types)
    parse_model(definition, icp, parse_framework(framework_version.definition, types), types)


@transaction.atomic
def save_draft(
    version: ModelVersion, definition: Mapping[str, Any], *, by: User, read: str
) -> ModelVersion:
    """Keep another content of a draft; `read` is the `content_tag` of what was edited.

    Raises Forbidden, Conflict when it is no draft any more, StaleVersion when somebody else
    changed it meanwhile, and Invalid naming each wrong field.
    """
    can_change_models(by).require()
    lock_configuration()
    version = ModelVersion.objects.select_related("icp", "framework").get(pk=version.pk)
    _require_draft(version)
    if content_tag(version) != read:
        raise StaleVersion("Somebody else changed this draft since you opened it. Look at it anew.")
    version.icp, version.framework = _live_pins(version)
    definition = _told(version.definition, definition)
    _parse(definition, version.icp, version.framework)
    Preview.objects.filter(version=version).delete()  # it was of the old content
    version.definition = definition
    version.created_by = by  # whoever changed it last is its author
    version.save(update_fields=["definition", "created_by", "icp", "framework"])
    return version


def _told(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return `after`; where points that were learned were changed, its p says so and has no
    interval any more: outcomes never spoke for these points.
    """
    p = after.get("p", {})
    counted = ("base", "groups", "signals")
    same = all(before.get(name) == after.get(name) for name in counted)
    if p.get("of") != "points" or p != before.get("p") or same:
        return dict(after)
    label = p.get("label", "Learned from outcomes").removesuffix(BY_HAND)
    kept = {name: value for name, value in p.items() if name != "learned"}
    return {**after, "p": {**kept, "label": f"{label}{BY_HAND}"}}


@transaction.atomic
def delete_draft(version: ModelVersion, *, by: User) -> None:
    """Throw a draft away. Raises Conflict when it was proposed: what was decided about stays."""
    can_change_models(by).require()
    lock_configuration()
    version = ModelVersion.objects.get(pk=version.pk)
    _require_draft(version)
    if Proposal.objects.filter(version=version).exists():
        raise Conflict("It was proposed before, so it stays with its history.")
    version.delete()


def content_tag(version: Version) -> str:
    """Return a short name of a version's content."""
    text = json.dumps(version.definition, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _require_draft(version: ModelVersion) -> None:
    if version.state != Version.State.DRAFT:
        raise Conflict(
            f"{version.key} v{version.number} is {version.state}, and only drafts change."
        )
