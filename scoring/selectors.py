"""Whole reads of scoring: why a lead scores what it does, and which evidence stands behind it."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.clock import now
from core.errors import NotFound
from leads.activities import Kind
from leads.models import Activity, Lead
from scoring import facts as fact_store
from scoring.assess import Assessment, assess
from scoring.definitions import GROUPS, Answer, Attribute, Signal
from scoring.facts import Rows
from scoring.features import bands, signal_matrix
from scoring.live import LiveConfig, LiveModel, live_config
from scoring.models import Evidence
from scoring.questions import is_settled, reason, worth_asking
from scoring.scorecard import UNTRACKED, ledger
from scoring.tiers import NAMES, NONE

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


@dataclass(frozen=True)
class NextQuestion:
    """A question worth asking, worded for the lead's kind, and why."""

    key: str
    dimension: str
    text: str
    guide: str
    answers: tuple[Answer, ...]
    value: float
    tier_chance: float
    worst: int
    best: int
    gate: bool
    reason: str


@dataclass(frozen=True)
class Asking:
    """What to ask a lead next, the most worthwhile first; `settled` when asking may stop."""

    questions: list[NextQuestion]
    settled: bool


def next_questions(lead_id: int) -> Asking:
    """Return the open questions of a lead's framework by what their answers may change.

    Raises NotFound for a lead that does not exist; the caller has checked who asks. How likely an
    answer is comes from the answers that leads gave before, one of each added, so that without
    any all are equally likely. Four to five queries.
    """
    config = live_config()
    rows = fact_store.read([lead_id], config, now().timestamp())
    if not rows.facts.n:
        raise NotFound()
    live = config.everything[assess(rows, config).model[0]]
    step = int(rows.standing["step_tier"][0]) if rows.standing["model"][0] == live.id else NONE
    x = signal_matrix(live.model, live.icp, rows.facts, config.types)
    scores = live.card.score(x, rows.facts.tracked)
    found = worth_asking(
        live.card, rows.facts, step, live.framework.questions, config.types, _priors(live)
    )
    tier = NAMES[int(live.card.tiers(scores.score, np.array([step]))[0])]
    kind = Lead.objects.values_list("kind", flat=True).get(pk=lead_id)
    return Asking(
        questions=[
            NextQuestion(
                key=worth.question.key,
                dimension=worth.question.dimension,
                text=worth.question.text[kind],
                guide=worth.question.guide,
                answers=worth.question.answers,
                value=worth.value,
                tier_chance=worth.tier_chance,
                worst=worth.worst,
                best=worth.best,
                gate=worth.gate,
                reason=reason(worth, tier),
            )
            for worth in found
        ],
        settled=is_settled(live.card, scores, rows.facts, step),
    )


PRIOR_ROWS = 20_000  # the newest answers are enough to know how people answer


def _priors(live: LiveModel) -> dict[str, list[float]]:
    """Return weights of each question's rated answers, from the answers that leads have given."""
    keys = [question.key for question in live.framework.questions]
    recent = (
        Evidence.objects.filter(question__in=keys)
        .order_by("-id")
        .values_list("question", "answer")[:PRIOR_ROWS]
    )
    counted = Counter(recent)
    return {
        question.key: [
            1.0 + counted[question.key, answer.key]
            for answer in question.answers
            if answer.rating is not None
        ]
        for question in live.framework.questions
    }
