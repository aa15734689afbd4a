"""Writes of frameworks: open a draft, change it, publish it, discard it, begin a new one.

A draft is valid at any moment, since each change is checked as a whole before it is kept.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max

from accounts.models import User
from core.errors import Conflict, FieldProblem, Invalid, NotFound, StaleVersion
from core.versioning import lock_configuration, make_live
from core.versions import Version
from scoring.definitions import parse_framework
from scoring.drafting import content_tag
from scoring.fields import all_fields, field_types
from scoring.models import FrameworkVersion, ModelVersion
from scoring.policies import can_change_models
from scoring.publishing import follow, publish_models

_STATE = Version.State
Definition = dict[str, Any]


@transaction.atomic
def open_draft(version: FrameworkVersion, *, by: User) -> FrameworkVersion:
    """Return the open draft of this framework, made from `version` when there is none."""
    can_change_models(by).require()
    lock_configuration()
    return _draft_of(version.key) or _new(version.key, version.definition, by)


def _draft_of(key: str) -> FrameworkVersion | None:
    return FrameworkVersion.objects.filter(key=key, state=_STATE.DRAFT).order_by("-number").first()


def _new(key: str, definition: Mapping[str, Any], by: User) -> FrameworkVersion:
    last = FrameworkVersion.objects.filter(key=key).aggregate(last=Max("number"))["last"] or 0
    return FrameworkVersion.objects.create(
        key=key, number=last + 1, definition=dict(definition), created_by=by
    )


@transaction.atomic
def start_framework(key: str, definition: Mapping[str, Any], *, by: User) -> FrameworkVersion:
    """Begin a new framework as a draft. Raises Invalid naming each wrong field."""
    can_change_models(by).require()
    lock_configuration()
    if FrameworkVersion.objects.filter(key=key).exists():
        raise Invalid.field("key", "duplicate", "is the key of another framework")
    _check(definition)
    return _new(key, definition, by)


@transaction.atomic
def change_draft(
    version_id: int,
    change: Callable[[Definition], Definition],
    *,
    by: User,
    seen: str | None = None,
) -> FrameworkVersion:
    """Keep what `change` makes of a draft's definition.

    `seen` is the `content_tag` of what the author began from. Raises Conflict for a version
    that is no draft, StaleVersion when somebody changed it meanwhile, Invalid naming each field.
    """
    can_change_models(by).require()
    lock_configuration()
    draft = get_draft(version_id)
    if seen is not None and seen != content_tag(draft):
        raise StaleVersion("Somebody changed this draft meanwhile. Open it again to see how.")
    try:
        definition = change(draft.definition)
    except KeyError as missing:
        raise NotFound(f"{missing.args[0]} is not in this draft any more.") from None
    _check(definition)
    draft.definition = definition
    draft.save(update_fields=["definition"])
    return draft


def get_draft(version_id: int) -> FrameworkVersion:
    """Return a framework version that can be changed; raise Conflict for another."""
    draft = FrameworkVersion.objects.filter(pk=version_id).first()
    if draft is None:
        raise NotFound
    if draft.state != _STATE.DRAFT:
        raise Conflict(f"{draft.key} v{draft.number} is {draft.state}. Edit it to make a draft.")
    return draft


def _check(definition: Mapping[str, Any]) -> None:
    parse_framework(definition, field_types(all_fields()))


def was_published(key: str) -> bool:
    """Say whether a question was ever in a script that was live, so that it may have answers."""
    return (
        FrameworkVersion.objects.filter(state__in=(_STATE.LIVE, _STATE.RETIRED))
        .filter(definition__questions__contains=[{"key": key}])
        .exists()
    )


@transaction.atomic
def publish_framework(version_id: int, *, by: User) -> FrameworkVersion:
    """Make a draft live; the live models on this framework follow it.

    Raises Invalid when one of them cannot, naming what of it does not go with the new version.
    """
    can_change_models(by).require()
    lock_configuration()
    draft = get_draft(version_id)
    _check(draft.definition)
    followers = follow(icps={}, frameworks={draft.key: draft}, but_not=(), by=by)
    if followers:
        publish_models([version for version, _ in followers], by=by)
    else:
        make_live(draft, by=by)
    draft.refresh_from_db()
    return draft


@transaction.atomic
def discard_draft(version_id: int, *, by: User) -> None:
    """Delete a draft; what was published stays for ever."""
    can_change_models(by).require()
    lock_configuration()
    draft = get_draft(version_id)
    pinned = ModelVersion.objects.filter(framework=draft).first()
    if pinned is not None:
        raise Conflict(
            f"The score model {pinned.key} v{pinned.number} is made for this draft.",
            [FieldProblem("draft", "in_use", f"is used by {pinned.key} v{pinned.number}")],
        )
    draft.delete()
