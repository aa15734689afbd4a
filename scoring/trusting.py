"""What gives the outcome away, and counts since a person says that it is known in time.

A line of a model or a field of leads that gives the outcome away is left out of learning. One row
says who kept it and why; ending the row leaves it out again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from accounts.models import User
from core.clock import DatabaseNow
from core.errors import Conflict, Invalid
from core.versioning import lock_configuration
from scoring.models import Proposal, Suggestion, Trusted
from scoring.policies import can_change_models

LEAKS = ("leaky", "leak")  # codes of notices about what was left out
KEPT = ("leaky_kept", "leak_kept")  # and about what was kept
MOST_REASON = 300


@dataclass(frozen=True)
class Leak:
    """Something that gives the outcome away: its `text` in the evidence, "" where it is not named
    there any more, whether it was `kept` when that was found, and who keeps it now.
    """

    subject: str
    label: str
    text: str
    kept: bool
    trusted: Trusted | None

    @property
    def changed(self) -> bool:
        """Whether what a person said takes effect with the next learning only."""
        return self.kept != (self.trusted is not None)


def trusted_of(key: str, kind: str) -> dict[str, Trusted]:
    """Return what is kept for the score model `key`, by line or field; one query."""
    rows = Trusted.objects.filter(key=key, kind=kind, ended_at__isnull=True)
    return {row.subject: row for row in rows.select_related("by").order_by("pk")}


def leaks_of(
    warnings: list[dict[str, str]], subject_of: Mapping[str, str], trusted: Mapping[str, Trusted]
) -> tuple[list[Leak], list[dict[str, str]]]:
    """Return what gives the outcome away by the `warnings` of an evidence or is kept now, and the
    other warnings. `subject_of` has the line or field of a label.
    """
    found, others = [], []
    for warning in warnings:
        subject = subject_of.get(warning["field"])
        if warning["code"] not in (*LEAKS, *KEPT) or subject is None:
            others.append(warning)
            continue
        kept = warning["code"] in KEPT
        found.append(Leak(subject, warning["field"], warning["text"], kept, trusted.get(subject)))
    named = {leak.subject for leak in found}
    found += [Leak(s, t.label, "", True, t) for s, t in trusted.items() if s not in named]
    return found, others


def trust_line(proposal: Proposal, line: str, reason: str, *, by: User) -> Trusted:
    """Let a line of a model be learned though it gives the outcome away.

    Raises Forbidden, Invalid, or Conflict when it is kept already.
    """
    can_change_models(by).require()
    labels = {s["key"]: s["label"] for s in proposal.live.definition["signals"]}
    return _trust(proposal.key, Trusted.Kind.LINE, labels, line, reason, by)


def distrust_line(proposal: Proposal, line: str, *, by: User) -> None:
    """Leave a line out of learning again. Raises Forbidden."""
    _distrust(proposal.key, Trusted.Kind.LINE, line, by)


def trust_field(suggestion: Suggestion, field: str, reason: str, *, by: User) -> Trusted:
    """Let signals be suggested from a field though it gives the outcome away.

    Raises Forbidden, Invalid, or Conflict when it is kept already.
    """
    can_change_models(by).require()
    names: dict[str, Any] = suggestion.result.get("name_of", {})
    labels = {name: label for label, name in names.items()}
    return _trust(suggestion.key, Trusted.Kind.FIELD, labels, field, reason, by)


def distrust_field(suggestion: Suggestion, field: str, *, by: User) -> None:
    """Leave a field out of suggested signals again. Raises Forbidden."""
    _distrust(suggestion.key, Trusted.Kind.FIELD, field, by)


@transaction.atomic
def _trust(
    key: str, kind: str, labels: Mapping[str, str], subject: str, reason: str, by: User
) -> Trusted:
    lock_configuration()
    if subject not in labels:
        raise Invalid.field(kind, "not_a_choice", f"{subject or 'nothing'} is no {kind} here")
    reason = " ".join(reason.split())
    if not reason:
        raise Invalid.field("reason", "required", "say how it can be known before the outcome")
    if len(reason) > MOST_REASON:
        raise Invalid.field("reason", "too_long", f"has at most {MOST_REASON} characters")
    there = trusted_of(key, kind).get(subject)
    if there is not None:
        raise Conflict(f"{there.said} Nothing was changed.")
    return Trusted.objects.create(
        key=key, kind=kind, subject=subject, label=labels[subject], reason=reason, by=by
    )


@transaction.atomic
def _distrust(key: str, kind: str, subject: str, by: User) -> None:
    can_change_models(by).require()
    Trusted.objects.filter(key=key, kind=kind, subject=subject, ended_at__isnull=True).update(
        ended_at=DatabaseNow(), ended_by=by
    )
