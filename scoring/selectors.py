"""Whole reads of scoring: why a lead scores what it does, and which evidence stands behind it."""

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from django.db.models import Count, Max

from core.clock import now
from core.errors import NotFound
from leads.models import Lead
from scoring import facts as fact_store
from scoring.assess import Assessment, assess
from scoring.branching import ANSWER, LEAD_FIELDS, Known, is_asked
from scoring.definitions import GROUPS, Answer, Attribute, Framework
from scoring.facts import Rows
from scoring.features import Facts, bands, signal_matrix
from scoring.live import LiveConfig, LiveModel, live_at, live_config
from scoring.models import Evidence
from scoring.questions import is_settled, reason, worth_asking
from scoring.ranking import p_interval
from scoring.scorecard import UNTRACKED, Line, ledger
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

    @property
    def says_all(self) -> bool:
        """True when the label holds the detail, as in "Product: A"."""
        return self.label.casefold().endswith(self.detail.casefold())


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
    p_interval: tuple[float, float] | None
    p_from: int | None
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
    return explain_rows(rows, config, moment)


def explain_rows(rows: Rows, config: LiveConfig, moment: dt.datetime) -> dict[int, Explanation]:
    """Explain facts that were read or are supposed, as of `moment`, by lead id; no query."""
    result = assess(rows, config)
    found: dict[int, Explanation] = {}
    for index, live in enumerate(config.everything):
        mine = np.flatnonzero(result.model == index)
        if len(mine):
            page = _Page(live, config, rows.take(mine).facts, moment)
            for row, at in enumerate(mine.tolist()):
                found[int(page.facts.lead_ids[row])] = page.explain(row, result, at)
    return found


class _Page:
    """Leads of one model, scored in one pass; each is then put into words."""

    def __init__(
        self, live: LiveModel, config: LiveConfig, facts: Facts, moment: dt.datetime
    ) -> None:
        self.facts = facts
        self._live, self._config, self._moment = live, config, moment
        x = signal_matrix(live.model, live.icp, facts, config.types)
        self._scores = live.card.score(x, facts.tracked)
        self._gates_met = live.card.gates_met(facts)
        self._bands = {a.key: bands(a, facts, config.types) for a in live.icp.attributes}
        card = live.card
        keys = [signal.key for signal in live.model.signals]
        spans = zip(card.worst.tolist(), card.best.tolist(), strict=True)
        self._bounds: dict[str, tuple[float, float]] = dict(zip(keys, spans, strict=True))
        self._bounds[UNTRACKED] = (0.0, card.untracked_best)

    def explain(self, row: int, result: Assessment, at: int) -> Explanation:
        """Explain the lead in `row` of this page, which stands at `at` in `result`."""
        live = self._live
        lines = [self._line(line, row) for line in ledger(live.card, self._scores, row)]
        runner = int(result.runner_up[at])
        return Explanation(
            lead_id=int(self.facts.lead_ids[row]),
            score=int(result.score[at]),
            low=int(result.low[at]),
            high=int(result.high[at]),
            tier=NAMES[int(result.tier[at])],
            tier_reason=result.reason[at],
            groups=dict(zip(GROUPS, map(int, result.shares[at]), strict=True)),
            lines=lines,
            icp=live.icp.name,
            runner_up=self._config.models[runner].icp.name if runner >= 0 else "",
            model_key=live.key,
            model_number=live.number,
            p=float(result.p[at]),
            p_label=live.model.p_label,
            p_interval=p_interval(live.model, float(result.p[at])),
            p_from=live.model.learned.n if live.model.learned else None,
            reasons=_reasons(lines),
            gates_met=bool(self._gates_met[row]),
            scored_at=self._moment,
        )

    def _line(self, line: Line, row: int) -> LedgerLine:
        low, high = self._bounds.get(line.key, (0.0, 0.0))
        return LedgerLine(
            signal=line.key,
            label=line.label,
            group=line.group,
            tenths=line.tenths,
            max=line.max,
            known=line.known,
            detail=self._detail(line, row),
            evidence_id=self._evidence_id(line, row),
            as_of=self._as_of(line, row),
            low=low,
            high=high,
        )

    def _evidence_id(self, line: Line, row: int) -> int | None:
        if line.signal is None or line.signal.dimension is None or not line.known:
            return None
        return int(self.facts.evidence_ids[line.signal.dimension][row]) or None

    def _as_of(self, line: Line, row: int) -> dt.datetime | None:
        """When the fact behind a line was observed: an answer, or the last event of its kind."""
        if line.signal is None or not line.known:
            return None
        if line.signal.dimension is not None:
            return _moment(float(self.facts.observed_at[line.signal.dimension][row]))
        last = self.facts.last_at.get(line.signal.activity or "")
        return None if last is None else _moment(float(last[row]))

    def _detail(self, line: Line, row: int) -> str:
        """Say in words which value, answer or event counts."""
        signal = line.signal
        if signal is None:
            return ""
        if not line.known:
            return "unknown"
        if signal.dimension is not None:
            return rating_word(float(self.facts.ratings[signal.dimension][row]))
        if signal.attribute is not None:
            attribute = self._live.icp.attribute(signal.attribute)
            return _band_label(attribute, int(self._bands[signal.attribute][row]))
        last = self.facts.last_at.get(signal.activity or "")
        if last is None or last[row] != last[row]:
            return "not yet"
        return ago(self.facts.as_of - float(last[row]))


def _moment(seconds: float) -> dt.datetime | None:
    return None if seconds != seconds else dt.datetime.fromtimestamp(seconds, dt.UTC)


def rating_word(rating: float) -> str:
    """Name a rating on the scale 0 ruled out, 33 weak, 67 moderate, 100 strong."""
    words = ((17, "ruled out"), (50, "weak"), (84, "moderate"), (101, "strong"))
    return next(word for limit, word in words if rating < limit)


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
    return [v.label if v.says_all else f"{v.label}: {v.detail}" for v in strong[:MOST_REASONS]]


def evidence_of(lead_id: int) -> list[Evidence]:
    """Return all evidence of a lead, the newest first, with its authors; one query."""
    return list(
        Evidence.objects.filter(lead_id=lead_id)
        .select_related("author")
        .order_by("-observed_at", "-recorded_at", "-id")
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
    """What to ask a lead next, the most worthwhile first; `settled` when asking may stop.

    `ratings` are the present ratings by dimension; `tier` is the score's, before any override.
    """

    questions: list[NextQuestion]
    settled: bool
    ratings: dict[str, int]
    tier: str


def next_questions(lead: Lead, said: Mapping[str, str] | None = None) -> Asking:
    """Return the open questions of a lead's framework by what their answers may change.

    The caller has checked who asks. `said` are answers by question that count besides those on
    record. Three queries; the memory of how leads answer is kept.
    """
    config, as_of = live_at()
    rows = fact_store.read([lead.pk], config, as_of)
    if not rows.facts.n:
        raise NotFound()
    return asking_of(rows, assess(rows, config), config, lead, said or {})


def asking_of(
    rows: Rows, result: Assessment, config: LiveConfig, lead: Lead, said: Mapping[str, str]
) -> Asking:
    """Return what to ask the one lead in `rows`, worded for its kind, from what was read of it.

    How likely an answer is comes from the answers that leads of the same model gave before, one
    of each added, so that without any all are equally likely.
    """
    live = config.everything[result.model[0]]
    step = int(result.step_tier[0])
    x = signal_matrix(live.model, live.icp, rows.facts, config.types)
    scores = live.card.score(x, rows.facts.tracked)
    ratings = {
        dimension: int(column[0])
        for dimension, column in rows.facts.ratings.items()
        if column[0] == column[0]
    }
    known = known_of(live.framework, lead, ratings, said)
    asked = [question for question in live.framework.questions if is_asked(question, known)]
    found = worth_asking(live.card, rows.facts, step, asked, config.types, _priors(live))
    tier = NAMES[int(live.card.tiers(scores.score, np.array([step]))[0])]
    return Asking(
        questions=[
            NextQuestion(
                key=worth.question.key,
                dimension=worth.question.dimension,
                text=worth.question.text[lead.kind],
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
        ratings=ratings,
        tier=tier,
    )


def known_of(
    framework: Framework, lead: Lead, ratings: Mapping[str, float], said: Mapping[str, str]
) -> Known:
    """Return what the conditions of a framework may read of a lead.

    Answers on record are read only where a condition depends on an answer, facts likewise.
    """
    answers, facts = dict(said), {}
    names = framework.fields()
    if any(name.startswith(ANSWER) for name in names):
        on_record = Evidence.objects.filter(lead_id=lead.pk, current=True).exclude(answer="")
        answers = {**dict(on_record.values_list("question", "answer")), **answers}
    if names & LEAD_FIELDS.keys():
        facts = _facts_of(lead)
    return Known(ratings, answers, facts)


def _facts_of(lead: Lead) -> dict[str, str | float | None]:
    """Return the facts of a lead that conditions may read; its company must be loaded."""
    company = lead.company
    return {
        "kind": lead.kind,
        "title": lead.title,
        "seniority": lead.seniority,
        "age": lead.age,
        "country": lead.country or (company.country if company else ""),
        "industry": company.industry if company else "",
        "employees": company.employees if company else None,
    }


PRIOR_ROWS = 20_000  # the newest evidence is enough to know how people answer
PRIOR_SECONDS = 300  # and a few minutes old is new enough


def _priors(live: LiveModel) -> Mapping[str, Sequence[float]]:
    """Return weights of each question's rated answers, from the answers that leads have given."""
    return _counted_priors(live, int(time.monotonic() // PRIOR_SECONDS))


@lru_cache(maxsize=16)
def _counted_priors(live: LiveModel, _period: int) -> Mapping[str, Sequence[float]]:
    keys = [question.key for question in live.framework.questions]
    newest = Evidence.objects.aggregate(newest=Max("pk"))["newest"] or 0
    recent = Evidence.objects.filter(
        pk__gt=newest - PRIOR_ROWS, question__in=keys, lead__standing__model_version=live.id
    )
    counted = {
        (question, answer): float(count)
        for question, answer, count in recent.values_list("question", "answer").annotate(
            n=Count("*")
        )
    }
    return {
        question.key: [
            1.0 + counted.get((question.key, answer.key), 0.0)
            for answer in question.answers
            if answer.rating is not None
        ]
        for question in live.framework.questions
    }
