"""What a person does with a proposal: approve, shadow, ask for changes, dismiss; and roll back.

Each act is one transaction that leaves who and when. Approving publishes in the ordinary way, so
every open lead is rescored by the ordinary job.
"""

import datetime as dt
from collections.abc import Collection

from django.db import transaction

from accounts.models import User
from core.clock import now
from core.errors import Conflict, Invalid
from core.models import Job
from core.versioning import lock_configuration, version_with
from core.versions import Version
from scoring.drafting import content_tag
from scoring.models import (
    FrameworkVersion,
    IcpVersion,
    ModelVersion,
    Proposal,
    ProposalEvent,
)
from scoring.policies import can_approve, can_change_models
from scoring.proposing import finish, supersede
from scoring.publishing import publish_model

MOST_NOTE = 500
SHADOW_DAYS = (1, 90)
_KIND = ProposalEvent.Kind
_STATE = Proposal.State


@transaction.atomic
def approve(proposal: Proposal, *, by: User, seen: Collection[str] = ()) -> Job | None:
    """Publish the proposed version; return the job that rescores every open lead.

    `seen` names the slices (`slice_name`) that the person has acknowledged: all that get worse are
    wanted. Raises Forbidden, Invalid, or Conflict when another version went live since.
    """
    proposal = _locked(proposal)
    can_approve(by, proposal).require()
    version = _under_way(proposal)
    live = ModelVersion.objects.filter(key=proposal.live.key, state=Version.State.LIVE).first()
    if live is None or live.pk != proposal.live_id:
        raise Conflict(
            f"{proposal.live.key} v{proposal.live.number} is not live any more, and the proposal "
            "was measured against it. Learn again, or propose the draft again."
        )
    _refuse_changed(proposal, version)
    unseen = [name for name in slice_names(proposal) if name not in seen]
    if unseen:
        which = "; ".join(unseen)
        raise Invalid.field(
            "seen", "required", f"say that you have seen where it gets worse: {which}"
        )
    job = publish_model(version, by=by)
    proposal.job = job
    finish(proposal, _STATE.APPROVED, _KIND.APPROVED, by)
    for other in Proposal.objects.filter(
        live__key=proposal.live.key, state__in=Proposal.UNDER_WAY
    ).exclude(pk=proposal.pk):
        supersede(other, f"v{version.number} went live.")
        _back_to_draft(other)
    return job


@transaction.atomic
def shadow(proposal: Proposal, *, by: User, days: int) -> None:
    """Let the version score open leads in the shadow for `days`; standings stay as they are."""
    proposal = _locked(proposal)
    can_change_models(by).require()
    version = _under_way(proposal)
    if not SHADOW_DAYS[0] <= days <= SHADOW_DAYS[1]:
        raise Invalid.field(
            "days", "out_of_range", f"must be between {SHADOW_DAYS[0]} and {SHADOW_DAYS[1]}"
        )
    _refuse_changed(proposal, version)
    ModelVersion.objects.filter(pk=version.pk, state=Version.State.DRAFT).update(
        state=Version.State.PROPOSED
    )
    proposal.shadow_until = now() + dt.timedelta(days=days)
    word = "day" if days == 1 else "days"
    finish(proposal, _STATE.SHADOW, _KIND.SHADOWED, by, f"For {days} {word}.")


@transaction.atomic
def request_changes(proposal: Proposal, *, by: User, note: str) -> None:
    """Hand the version back to its author as a draft, with what is to change."""
    proposal = _locked(proposal)
    can_change_models(by).require()
    _under_way(proposal)
    note = _note(note, required=True)
    finish(proposal, _STATE.CHANGES, _KIND.CHANGES, by, note)
    _back_to_draft(proposal)


@transaction.atomic
def dismiss(proposal: Proposal, *, by: User, note: str = "") -> None:
    """Lay a proposal aside; its version stays as a draft."""
    proposal = _locked(proposal)
    can_change_models(by).require()
    _under_way(proposal)
    finish(proposal, _STATE.DISMISSED, _KIND.DISMISSED, by, _note(note))
    _back_to_draft(proposal)


@transaction.atomic
def roll_back(version: ModelVersion, *, by: User) -> tuple[ModelVersion, Job | None]:
    """Put the content of a retired version live again, as a new version; return it and the job
    that rescores. The ICP and framework that it pinned come back with it.

    Raises Forbidden, or Conflict when there is nothing to roll back.
    """
    can_change_models(by).require()
    lock_configuration()
    version = ModelVersion.objects.select_related("icp", "framework").get(pk=version.pk)
    if version.state != Version.State.RETIRED:
        raise Conflict(f"{version.key} v{version.number} was never replaced.")
    pins: dict[str, Version] = {}
    pins["icp"], _ = version_with(
        IcpVersion, version.icp.key, version.icp.definition, by=by, or_draft=False
    )
    pins["framework"], _ = version_with(
        FrameworkVersion, version.framework.key, version.framework.definition, by=by, or_draft=False
    )
    again, _ = version_with(
        ModelVersion, version.key, version.definition, by=by, pins=pins, or_draft=False
    )
    if again.state == Version.State.LIVE:
        raise Conflict(f"{again.key} v{again.number}, live now, has the same content.")
    job = publish_model(again, by=by)
    again.refresh_from_db()
    return again, job


def slice_name(part: dict[str, object]) -> str:
    """Return what names a slice of the evidence."""
    return f"{part['field']}: {part['value']}"


def slice_names(proposal: Proposal) -> list[str]:
    """Return the names of the slices that get worse."""
    slices = proposal.evidence.get("backtest", {}).get("slices", [])
    return [slice_name(part) for part in slices]


def _locked(proposal: Proposal) -> Proposal:
    lock_configuration()
    return Proposal.objects.select_related("version", "live").get(pk=proposal.pk)


def _under_way(proposal: Proposal) -> ModelVersion:
    if proposal.state not in Proposal.UNDER_WAY or proposal.version is None:
        label = Proposal.State(proposal.state).label.lower()
        raise Conflict(f"This proposal is decided: {label}.")
    return proposal.version


def was_changed(proposal: Proposal) -> bool:
    """Return whether the version is not what was measured any more: an author changed the draft."""
    measured = proposal.evidence.get("content")
    return (
        measured is not None
        and proposal.version is not None
        and content_tag(proposal.version) != measured
    )


def _refuse_changed(proposal: Proposal, version: ModelVersion) -> None:
    if was_changed(proposal):
        raise Conflict(f"v{version.number} was changed since it was measured. Propose it again.")


def _back_to_draft(proposal: Proposal) -> None:
    ModelVersion.objects.filter(proposals=proposal, state=Version.State.PROPOSED).update(
        state=Version.State.DRAFT
    )


def _note(text: str, *, required: bool = False) -> str:
    text = " ".join(text.split())
    if required and not text:
        raise Invalid.field("note", "required", "say what is to change")
    if len(text) > MOST_NOTE:
        raise Invalid.field("note", "too_long", f"has at most {MOST_NOTE} characters")
    return text
