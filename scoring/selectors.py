"""Whole reads of scoring: why a lead scores what it does, and which evidence stands behind it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.clock import now
from leads.activities import Kind
from leads.models import Activity
from scoring import facts as fact_store
from scoring.assess import Assessment, assess
from scoring.definitions import GROUPS, Attribute, Signal
from scoring.facts import Rows
from scoring.features import bands, signal_matrix
from scoring.live import LiveConfig, LiveModel, live_config
from scoring.models import Evidence
from scoring.scorecard import UNTRACKED, ledger
from scoring.tiers import NAMES

MOST_REASONS = 3


@dataclass(frozen=True)
class LedgerLine:
    """One line of a ledger for people: `tenths` of points sum to ten times the score.

    `max` is the most points the line can give (None for caps); `detail` says in words which value
    or answer counts; `low` and `high` (points) what an unknown one could still make of it.
    """

    signal: str
    label: str
    group: str
    tenths: int
    max: float | None
    known: bool
    detail: str
    evidence_id: int | None
    as_of: dt.datetime | None
    low: float
    high: float

    @property
    def points(self) -> float:
        """Points with one decimal."""
        return self.tenths / 10


@dataclass(frozen=True)
class Explanation:
    """Why a lead scores what it does, as of `scored_at`."""

    lead_id: int
    score: int
    low: int
    high: int
    tier: str
    tier_reason: str
    groups: dict[str, int]
    lines: list[LedgerLine]
    icp: str
    runner_up: str
    model_key: str
    model_number: int
    p: float
    p_label: str
    reasons: list[str]
    gates_met: bool
    scored_at: dt.datetime

    @property
    def unknowns(self) -> list[LedgerLine]:
        """Lines that are assumed, the ones that could move the score most first."""
        assumed = [line for line in self.lines if not line.known]
        return sorted(assumed, key=lambda line: line.low - line.high)


def explain(lead_ids: Sequence[int], *, as_of: dt.datetime | None = None) -> dict[int, Explanation]:
    """Explain the scores of `lead_ids` (at most a page of them), by lead id; four to six queries.

    Computed from the facts as of `as_of` (default now) by the very path that wrote the standings;
    leads that do not exist are left out.
    """
    if not lead_ids:
        return {}
    moment = as_of or now()
    config = live_config()
    rows = fact_store.read(sorted(set(lead_ids)), config, moment.timestamp())
    result = assess(rows, config)
    return {
        int(lead_id): _explain_one(rows, result, config, row, moment)
        for row, lead_id in enumerate(rows.facts.lead_ids)
    }


def _explain_one(
    rows: Rows, result: Assessment, config: LiveConfig, row: int, moment: dt.datetime
) -> Explanation:
    live = config.everything[result.model[row]]
    one = rows.take(np.array([row]))
    x = signal_matrix(live.model, live.icp, one.facts, config.types)
    scores = live.card.score(x, one.facts.tracked)
    lines = [
        LedgerLine(
            signal=line.key,
            label=line.label,
            group=line.group,
            tenths=line.tenths,
            max=line.max,
            known=line.known,
            detail=_detail(line.signal, line.known, one, live, config),
            evidence_id=_evidence_id(line.signal, line.known, one),
            as_of=_as_of(line.signal, line.known, one),
            low=_bound(live, line.signal, line.key, live.card.worst, 0.0),
            high=_bound(live, line.signal, line.key, live.card.best, live.card.untracked_best),
        )
        for line in ledger(live.card, scores, 0)
    ]
    runner = int(result.runner_up[row])
    return Explanation(
        lead_id=int(rows.facts.lead_ids[row]),
        score=int(result.score[row]),
        low=int(result.low[row]),
        high=int(result.high[row]),
        tier=NAMES[int(result.tier[row])],
        tier_reason=result.reason[row],
        groups=dict(zip(GROUPS, map(int, result.shares[row]), strict=True)),
        lines=lines,
        icp=live.icp.name,
        runner_up=config.models[runner].icp.name if runner >= 0 else "",
        model_key=live.key,
        model_number=live.number,
        p=float(result.p[row]),
        p_label=live.model.p_label,
        reasons=_reasons(lines),
        gates_met=bool(live.card.gates_met(one.facts)[0]),
        scored_at=moment,
    )


def _bound(
    live: LiveModel, signal: Signal | None, key: str, bounds: np.ndarray, untracked: float
) -> float:
    if signal is None:
        return untracked if key == UNTRACKED else 0.0
    return float(bounds[live.model.signals.index(signal)])


def _evidence_id(signal: Signal | None, known: bool, one: Rows) -> int | None:
    if signal is None or signal.dimension is None or not known:
        return None
    return int(one.facts.evidence_ids[signal.dimension][0]) or None


def _moment(seconds: float) -> dt.datetime | None:
    return None if seconds != seconds else dt.datetime.fromtimestamp(seconds, dt.UTC)


def _as_of(signal: Signal | None, known: bool, one: Rows) -> dt.datetime | None:
    """When the fact behind a line was observed: an answer, or the last event of its kind."""
    if signal is None or not known:
        return None
    if signal.dimension is not None:
        return _moment(float(one.facts.observed_at[signal.dimension][0]))
    if signal.activity is not None and signal.activity in one.facts.last_at:
        return _moment(float(one.facts.last_at[signal.activity][0]))
    return None


def rating_word(rating: float) -> str:
    """Name a rating on the scale 0 ruled out, 33 weak, 67 moderate, 100 strong."""
    words = ((17, "ruled out"), (50, "weak"), (84, "moderate"), (101, "strong"))
    return next(word for limit, word in words if rating < limit)


def _detail(
    signal: Signal | None, known: bool, one: Rows, live: LiveModel, config: LiveConfig
) -> str:
    """Say in words which value, answer or event counts."""
    if signal is None:
        return ""
    if not known:
        return "unknown"
    if signal.dimension is not None:
        return rating_word(float(one.facts.ratings[signal.dimension][0]))
    if signal.attribute is not None:
        attribute = live.icp.attribute(signal.attribute)
        return _band_label(attribute, int(bands(attribute, one.facts, config.types)[0]))
    last = one.facts.last_at.get(signal.activity or "")
    if last is None or last[0] != last[0]:
        return "not yet"
    return ago(one.facts.as_of - float(last[0]))


def _band_label(attribute: Attribute, index: int) -> str:
    return attribute.bands[index].label if index < len(attribute.bands) else "outside the profile"


def ago(seconds: float) -> str:
    """Say how long ago something was, in one unit."""
    for size, unit in ((86_400 * 60, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // (86_400 * 30 if unit == "month" else size))
            return f"{count} {unit}{'s' if count != 1 else ''} ago"
    return "just now"


def _reasons(lines: Sequence[LedgerLine]) -> list[str]:
    """Return up to three reasons in words, the strongest first; only known facts are reasons."""
    strong = sorted(
        (line for line in lines if line.known and line.tenths > 0 and line.max),
        key=lambda line: -line.tenths,
    )
    return [f"{line.label}: {line.detail}" for line in strong[:MOST_REASONS]]


def evidence_of(lead_id: int) -> list[Evidence]:
    """Return all evidence of a lead, the newest first, with its authors; one query."""
    return list(
        Evidence.objects.filter(lead_id=lead_id)
        .select_related("author")
        .order_by("-observed_at", "-recorded_at", "-id")
    )


def unanswered(lead_id: int) -> list[Activity]:
    """Return the questions that were asked of a lead and not known; one query."""
    return list(
        Activity.objects.filter(lead_id=lead_id, kind=Kind.ASKED_UNKNOWN).order_by("-at", "-id")
    )
