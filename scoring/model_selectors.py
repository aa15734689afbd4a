"""Whole reads of the pages about score models: which there are, and one version in words."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count

from accounts.models import User
from core.errors import Invalid, NotFound
from core.models import Job
from core.versions import Version
from scoring.describing import Difference, ModelWords, describe, differences
from scoring.fields import all_fields, field_types
from scoring.live import LiveModel, load_model
from scoring.models import ModelVersion, Preview, Proposal, Standing
from scoring.previewing import TeamLoad, candidate_config, flow_of, workload
from scoring.proposal_selectors import Matrix, Mover, matrix_of, movers_of
from scoring.tasks import RESCORE_ALL

_STATE = Version.State


@dataclass(frozen=True)
class ListedModel:
    """A score model by key: its live version, those under way, and the number of retired ones.

    `leads` counts the open leads that the live version scores.
    """

    key: str
    live: ModelVersion | None
    open: tuple[ModelVersion, ...]
    retired: tuple[ModelVersion, ...]
    leads: int

    @property
    def name(self) -> str:
        """The name in the newest version that counts."""
        newest = self.live or (self.open or self.retired)[0]
        return str(newest.definition.get("name") or self.key)


@dataclass(frozen=True)
class VersionPage:
    """One version in words; `broken` says why it cannot be read any more (a field is gone).

    `live` is the live version of the same key, `changes` what differs from it to this one, None
    when there is none or this is it. `proposal` is the last in which it was up for review, `job`
    what rescores leads after the live version was published, `again` the earlier version whose
    content it has: it was rolled back to.
    """

    version: ModelVersion
    words: ModelWords | None
    broken: str
    live: ModelVersion | None
    changes: list[Difference] | None
    proposal: Proposal | None
    job: Job | None
    again: ModelVersion | None


def list_models() -> list[ListedModel]:
    """Return all score models by key; two queries."""
    by_key: dict[str, list[ModelVersion]] = {}
    versions = ModelVersion.objects.select_related(
        "icp", "framework", "created_by", "published_by"
    ).order_by("key", "-number")
    for version in versions:
        by_key.setdefault(version.key, []).append(version)
    counts = dict(
        Standing.objects.filter(is_open=True)
        .order_by()
        .values_list("model_version")
        .annotate(Count("pk"))
    )
    found = []
    for key, own in by_key.items():
        live = next((v for v in own if v.state == _STATE.LIVE), None)
        found.append(
            ListedModel(
                key=key,
                live=live,
                open=tuple(v for v in own if v.state in (_STATE.DRAFT, _STATE.PROPOSED)),
                retired=tuple(v for v in own if v.state == _STATE.RETIRED),
                leads=counts.get(live.pk, 0) if live else 0,
            )
        )
    return found


def get_version(version_id: int) -> ModelVersion:
    """Return a score model version with what it pins; raise NotFound otherwise."""
    found = (
        ModelVersion.objects.select_related("icp", "framework", "created_by", "published_by")
        .filter(pk=version_id)
        .first()
    )
    if found is None:
        raise NotFound
    return found


def live_of(key: str) -> ModelVersion | None:
    """Return the live version of a score model, with what it pins."""
    return (
        ModelVersion.objects.select_related("icp", "framework")
        .filter(key=key, state=_STATE.LIVE)
        .first()
    )


def read_version(version: ModelVersion) -> VersionPage:
    """Return a version in words, beside the live one of its key."""
    fields = all_fields()
    labels = {name: field.label for name, field in fields.items()}
    live = live_of(version.key)
    proposal = version.proposals.order_by("-pk").first()
    job = rescoring_now() if version.state == _STATE.LIVE else None
    try:
        parsed = load_model(version, field_types(fields))
    except Invalid as error:
        words = _problem_words(error)
        return VersionPage(version, None, words, live, None, proposal, job, None)
    changes = None
    if live is not None and live.pk != version.pk:
        changes = differences(load_model(live, field_types(fields)), parsed, labels)
    again = _of_same_content(version)
    return VersionPage(version, describe(parsed, labels), "", live, changes, proposal, job, again)


def _of_same_content(version: ModelVersion) -> ModelVersion | None:
    """Return the first earlier version with the same content, what it pins included."""
    return (
        ModelVersion.objects.filter(
            key=version.key,
            number__lt=version.number,
            definition=version.definition,
            icp__definition=version.icp.definition,
            framework__definition=version.framework.definition,
        )
        .order_by("number")
        .first()
    )


def rescoring_now() -> Job | None:
    """Return the newest job that rescores every open lead, if it has not ended."""
    job = Job.objects.filter(kind=RESCORE_ALL).order_by("-pk").first()
    return None if job is None or job.ended else job


def parse_versions(versions: Sequence[ModelVersion]) -> list[LiveModel]:
    """Parse versions with what they pin; raise Invalid naming each wrong field."""
    types = field_types(all_fields())
    return [load_model(version, types) for version in versions]


def _problem_words(error: Invalid) -> str:
    return "; ".join(f"{p.field} {p.message}" for p in error.problems) or error.message


@dataclass(frozen=True)
class PreviewPage:
    """What a version would do to open leads; `whole` says that none was left out."""

    matrix: Matrix
    load: list[TeamLoad]
    movers: list[Mover]
    models: dict[str, int]
    whole: bool
    job: Job | None
    seconds: float


def read_preview(version: ModelVersion, viewer: User) -> PreviewPage:
    """Return the last preview of a version on all open leads, else one of a sample of them."""
    config = candidate_config(version)
    kept = Preview.objects.filter(version=version).select_related("job").first()
    began = time.perf_counter()
    if kept is not None and kept.result:
        flow = {"of": kept.result["n"], **kept.result}
    else:
        flow = flow_of(config)
    return PreviewPage(
        matrix=matrix_of(flow),
        load=workload(flow),
        movers=movers_of(flow["movers"], viewer),
        models=flow["models"],
        whole=flow["n"] >= flow["of"],
        job=kept.job if kept is not None else None,
        seconds=time.perf_counter() - began,
    )
