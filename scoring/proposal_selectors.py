"""Whole reads of the pages about proposals: what was kept as evidence, made ready to show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from accounts.models import User
from core.charts import Chart
from core.decisions import Decision
from core.errors import Invalid, NotFound
from core.models import Job
from leads.models import Lead
from scoring.appraising import gain_words
from scoring.describing import GROUP_LABELS, Difference, differences_beside_points
from scoring.feedback import SignalFeedback, feedback_by_signal
from scoring.fields import all_fields, field_types
from scoring.hand_made import APPRAISE, RESCALED
from scoring.learning.evaluate import CalibrationBin
from scoring.live import live_ids, load_model
from scoring.models import ModelVersion, Proposal, ProposalEvent, Trusted
from scoring.outcome_charts import calibration_chart, gain_chart
from scoring.policies import can_approve, can_change_models
from scoring.previewing import JOB as PREVIEW
from scoring.previewing import TeamLoad, workload
from scoring.proposing import JOB as LEARN
from scoring.reviewing import slice_name, was_changed
from scoring.suggestions import FIND, TAKE
from scoring.tasks import RESCORE_ALL
from scoring.trusting import Leak, leaks_of, trusted_of

SHOWN = 50
ROUNDED = 0.051  # points
TIERS = ("hot", "warm", "cold", "")
TIER_WORDS = {"hot": "Hot", "warm": "Warm", "cold": "Cold", "": "No tier"}
_METRICS = (
    ("auc", "Ranks a won lead above a lost one (AUC)", "auc", 3, True),
    ("lift_top10", "Wins among the best tenth, against the average", "lift", 2, True),
    ("brier", "Squared error of p(win) (Brier), less is better", "brier", 4, False),
    ("log_loss", "Log loss of p(win), less is better", "log_loss", 4, False),
    ("ece", "Calibration error (ECE), less is better", None, 3, False),
)


@dataclass(frozen=True)
class MetricRow:
    """One measure of both models, with the difference and its 95 % interval as words."""

    label: str
    live: str
    ours: str
    difference: str
    better: bool | None


@dataclass(frozen=True)
class Matrix:
    """Leads by tier now (rows) and as proposed (columns); `scaled` says that a sample stands for
    all.
    """

    rows: list[tuple[str, list[tuple[int, bool]], int]]
    totals: list[int]
    n: int
    of: int
    moved: int

    @property
    def scaled(self) -> bool:
        """Whether not all open leads were looked at."""
        return self.n < self.of


@dataclass(frozen=True)
class Mover:
    """A lead whose score would move; `name` is empty when the viewer may not see it."""

    lead_id: int
    name: str
    before: int
    after: int
    before_tier: str
    after_tier: str

    @property
    def change(self) -> int:
        """Points up or down."""
        return self.after - self.before


ProposedLine = tuple[dict[str, Any], SignalFeedback | None]


@dataclass(frozen=True)
class ProposalPage:
    """All that the review page shows. `same` are the lines whose points stay, `changes` what else
    differs from the version that it was measured against, None where that cannot be read any more;
    `anew` is the version while it can be tried on the open leads of now, `compare` where the viewer
    may see a single lead by it. `overtaken` says that another model went live since it was
    measured.
    """

    proposal: Proposal
    evidence: Mapping[str, Any]
    lines: list[tuple[str, list[ProposedLine]]]
    same: list[tuple[str, list[ProposedLine]]]
    changes: list[Difference] | None
    metrics: list[MetricRow]
    charts: list[Chart]
    matrix: Matrix | None
    load: list[TeamLoad]
    movers: list[Mover]
    slices: list[tuple[str, dict[str, Any]]]
    leaks: list[Leak]
    warnings: list[dict[str, str]]
    events: list[ProposalEvent]
    job: Job | None
    may_change: Decision
    may_trust: bool
    may_approve: Decision
    anew: ModelVersion | None
    compare: ModelVersion | None
    outdated: bool
    overtaken: bool
    changed: bool


def list_proposals() -> list[Proposal]:
    """Return the proposals to be decided, and then the latest of the others and the notes."""
    found = Proposal.objects.select_related("version", "live", "author").order_by("-pk")
    under_way = Q(state__in=Proposal.UNDER_WAY)
    return [*found.filter(under_way), *found.exclude(under_way)[:SHOWN]]


def latest_learning() -> Job | None:
    """Return the job that learns or learned last."""
    return Job.objects.filter(kind__in=(LEARN, APPRAISE, TAKE)).order_by("-pk").first()


def get_proposal(proposal_id: int) -> Proposal:
    """Return a proposal; raise NotFound otherwise."""
    found = (
        Proposal.objects.select_related("version", "live", "author", "job")
        .filter(pk=proposal_id)
        .first()
    )
    if found is None:
        raise NotFound
    return found


def get_job(job_id: int) -> Job:
    """Return a job of these pages; raise NotFound otherwise."""
    found = Job.objects.filter(
        pk=job_id, kind__in=(LEARN, APPRAISE, RESCORE_ALL, PREVIEW, FIND, TAKE)
    ).first()
    if found is None:
        raise NotFound
    return found


def read_proposal(proposal: Proposal, viewer: User) -> ProposalPage:
    """Return all that the review page shows; a fixed number of queries."""
    evidence: Mapping[str, Any] = proposal.evidence
    backtest = evidence.get("backtest")
    flow = evidence.get("flow")
    feedback = _feedback(proposal)
    moved: dict[str, list[ProposedLine]] = {}
    same: dict[str, list[ProposedLine]] = {}
    for line in evidence.get("lines", []):
        kept = _same(line.get("old_scaled", line["old"]), line["new"])
        group = GROUP_LABELS.get(line["group"], "")
        (same if kept else moved).setdefault(group, []).append((line, feedback.get(line["key"])))
    live = list(live_ids())
    may_change = can_change_models(viewer)
    leaks, warnings = leaks_of(
        evidence.get("warnings", []),
        {signal["label"]: signal["key"] for signal in proposal.live.definition["signals"]},
        trusted_of(proposal.key, Trusted.Kind.LINE),
    )
    anew = proposal.version if proposal.state in Proposal.UNDER_WAY else None
    undecided = proposal.state in (*Proposal.UNDER_WAY, Proposal.State.NOTED)
    if not undecided or proposal.origin != Proposal.Origin.LEARNED:
        leaks = [leak for leak in leaks if leak.text]
    return ProposalPage(
        proposal=proposal,
        evidence=evidence,
        lines=list(moved.items()),
        same=list(same.items()),
        changes=_changes(proposal),
        metrics=_metrics(backtest) if backtest else [],
        charts=_charts(backtest) if backtest else [],
        matrix=matrix_of(flow) if flow else None,
        load=workload(flow) if flow else [],
        movers=movers_of(flow["movers"], viewer) if flow else [],
        slices=[(slice_name(s), s) for s in backtest["slices"]] if backtest else [],
        leaks=leaks,
        warnings=warnings,
        events=list(proposal.events.select_related("actor")),
        job=proposal.job if proposal.job and proposal.job.kind == RESCORE_ALL else None,
        may_change=may_change,
        may_trust=bool(may_change) and undecided,
        may_approve=can_approve(viewer, proposal),
        anew=anew,
        compare=anew if may_change else None,
        outdated=proposal.live.state != "live",
        overtaken=evidence.get("beside", live) != live,
        changed=was_changed(proposal),
    )


def _feedback(proposal: Proposal) -> Mapping[str, SignalFeedback]:
    """Return what people say of the lines, of a decided proposal what they said until then."""
    kept = proposal.evidence.get("feedback")
    if kept is None or proposal.state in Proposal.UNDER_WAY:
        return feedback_by_signal(proposal.live)
    return {one["signal"]: SignalFeedback(**one) for one in kept}


def _same(old: float | None, new: float | None) -> bool:
    """Return whether points are the same but for what rounding and a change of scale do to them."""
    if old is None or new is None:
        return False
    return abs(old - new) <= max(ROUNDED, RESCALED * abs(new) / 2)


def _changes(proposal: Proposal) -> list[Difference] | None:
    """Return what differs beside the points of lines; None without a version that can be read."""
    if proposal.version is None:
        return None
    fields = all_fields()
    both = ModelVersion.objects.select_related("icp", "framework").in_bulk(
        [proposal.live_id, proposal.version.pk]
    )
    try:
        old, new = (
            load_model(both[pk], field_types(fields))
            for pk in (proposal.live_id, proposal.version.pk)
        )
    except Invalid:
        return None
    return differences_beside_points(old, new, {name: f.label for name, f in fields.items()})


def _charts(backtest: Mapping[str, Any]) -> list[Chart]:
    curves = {"Proposed": backtest["gain"]["ours"], "Live": backtest["gain"]["live"]}
    calibrations = {"Proposed": backtest["calibration"]}
    if "calibration_live" in backtest:
        calibrations["Live"] = backtest["calibration_live"]
    bins = {name: [CalibrationBin(**b) for b in found] for name, found in calibrations.items()}
    return [gain_chart(curves), calibration_chart(bins)]


def _metrics(backtest: Mapping[str, Any]) -> list[MetricRow]:
    rows = []
    for name, label, interval, digits, more in _METRICS:
        live, ours = (backtest["metrics"][side][name] for side in ("live", "ours"))
        words, better = "", None
        if interval is not None:
            gain = middle, low, high = backtest["differences"][interval]
            words = gain_words(gain, digits) if any(gain) else "the same"
            told = round(middle, digits) != 0
            if told and (low > 0 or high < 0):
                better = (low > 0) == more
        rows.append(MetricRow(label, _number(live, digits), _number(ours, digits), words, better))
    return rows


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def matrix_of(flow: Mapping[str, Any]) -> Matrix:
    """Return the tier flow as a table, every tier in it."""
    tiers = flow["tiers"]
    shown = [t for t in TIERS if t or tiers.get("") or any(row.get("") for row in tiers.values())]
    rows = []
    for before in shown:
        cells = [(tiers.get(before, {}).get(after, 0), before == after) for after in shown]
        rows.append((before, cells, sum(count for count, _ in cells)))
    totals = [sum(row[1][i][0] for row in rows) for i in range(len(shown))]
    return Matrix(rows, totals, flow["n"], flow.get("of", flow["n"]), flow["moved"])


def movers_of(movers: list[dict[str, Any]], viewer: User) -> list[Mover]:
    """Return the leads that move most, with the names that the viewer may see; one query."""
    ids = [mover["lead"] for mover in movers]
    names = {lead.pk: str(lead) for lead in Lead.objects.visible_to(viewer).filter(pk__in=ids)}
    return [
        Mover(
            m["lead"],
            names.get(m["lead"], ""),
            m["from"],
            m["to"],
            m["from_tier"],
            m["to_tier"],
        )
        for m in movers
    ]
