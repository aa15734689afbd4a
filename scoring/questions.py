"""Which question to ask next: the one whose answer would move the lead most. Pure.

Asking is worth what the answer may change: the expected movement of rank, plus the chance that the
tier changes, over the ratings that the answer is likely to give. Questions about a gate come first,
since without it nothing can be won. All questions and answers are scored in one call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.conditions import FieldType
from scoring.definitions import Question
from scoring.features import Facts, Floats, Ints, signal_matrix
from scoring.scorecard import Scorecard, Scores
from scoring.tiers import HOT, NAMES, WARM

TIER_WORTH = 1.0  # a change of tier counts as much as a doubling or halving of p × value


@dataclass(frozen=True)
class Worth:
    """What asking one question is worth.

    `movement` is the expected change of log2(p), `tier_chance` the probability that the tier
    changes, `best` and `worst` the shown scores that single answers lead to, `reach` the tier that
    differs most from today's ('' when none does). `gate` marks a required criterion not yet known.
    """

    question: Question
    movement: float
    tier_chance: float
    worst: int
    best: int
    reach: str
    gate: bool

    @property
    def value(self) -> float:
        """Expected movement and tier change together, the order of asking."""
        return self.movement + TIER_WORTH * self.tier_chance


def worth_asking(
    card: Scorecard,
    facts: Facts,
    step_tier: int,
    questions: Sequence[Question],
    fields: Mapping[str, FieldType],
    priors: Mapping[str, Sequence[float]],
) -> list[Worth]:
    """Return what each open question of one lead is worth, the most worthwhile first.

    `facts` holds one lead and `step_tier` its tier's hysteresis memory (code). A question is open
    while its dimension is unknown. `priors[key]` are weights of its rated answers from past answers
    (need not sum to 1); without them all are as likely. Questions without rated answers are left
    out: nobody can say beforehand what they do to a score.
    """
    open_questions = [q for q in questions if _is_open(q, facts)]
    if not open_questions:
        return []
    owner, ratings, chances = _answers(open_questions, priors)
    # Row 0 is the lead as it is, then one row for each answer to each question.
    many = facts.take(np.zeros(len(owner) + 1, dtype=np.int64))
    changed = dict(many.ratings)
    for index, question in enumerate(open_questions):
        column = changed[question.dimension].copy()
        mine = np.flatnonzero(owner == index) + 1
        column[mine] = ratings[mine - 1]
        changed[question.dimension] = column
    for dimension, column in changed.items():
        many = many.with_rating(dimension, column)
    scores, tiers, log_p = _outcomes(card, many, step_tier, fields)
    found = [
        _worth(question, np.flatnonzero(owner == index) + 1, chances, scores, tiers, log_p, card)
        for index, question in enumerate(open_questions)
    ]
    order = {q.key: place for place, q in enumerate(questions)}
    found.sort(key=lambda w: (not w.gate, -round(w.value, 12), order[w.question.key]))
    return found


def _is_open(question: Question, facts: Facts) -> bool:
    rating = facts.ratings.get(question.dimension)
    rated = any(answer.rating is not None for answer in question.answers)
    return rated and rating is not None and bool(np.isnan(rating[0]))


def _answers(
    questions: Sequence[Question], priors: Mapping[str, Sequence[float]]
) -> tuple[Ints, Floats, Floats]:
    """Return for every rated answer: its question's index, its rating, its probability."""
    owner: list[int] = []
    ratings: list[float] = []
    chances: list[float] = []
    for index, question in enumerate(questions):
        rated = [answer.rating for answer in question.answers if answer.rating is not None]
        weights = list(priors.get(question.key, ())) or [1.0] * len(rated)
        total = sum(weights) or 1.0
        owner += [index] * len(rated)
        ratings += [float(rating) for rating in rated]
        chances += [weight / total for weight in weights]
    return np.array(owner), np.array(ratings), np.array([0.0, *chances])


def _outcomes(
    card: Scorecard, many: Facts, step_tier: int, fields: Mapping[str, FieldType]
) -> tuple[Scores, Ints, Floats]:
    x = signal_matrix(card.model, card.icp, many, fields)
    scores = card.score(x, many.tracked)
    tiers = card.tiers(scores.score, np.full(many.n, step_tier))
    held = (card.gate_failed(many) >= 0) & (tiers == HOT)
    tiers = np.where(held, WARM, tiers)
    return scores, tiers, np.log2(card.probability(scores))


def _worth(
    question: Question,
    rows: Ints,
    chances: Floats,
    scores: Scores,
    tiers: Ints,
    log_p: Floats,
    card: Scorecard,
) -> Worth:
    today = int(tiers[0])
    moved = tiers[rows] != today
    furthest = int(tiers[rows][np.abs(tiers[rows] - today).argmax()])
    return Worth(
        question=question,
        movement=float(chances[rows] @ np.abs(log_p[rows] - log_p[0])),
        tier_chance=float(chances[rows] @ moved),
        worst=int(scores.score[rows].min()),
        best=int(scores.score[rows].max()),
        reach=NAMES[furthest] if furthest != today else "",
        gate=any(gate.dimension == question.dimension for gate in card.model.gates),
    )


def is_settled(card: Scorecard, scores: Scores, facts: Facts, step_tier: int) -> bool:
    """Say whether no answer can change the tier of one lead any more, so that asking may stop.

    True when the lowest and the highest score still possible are one tier, and no gate is open
    that could hold a hot lead back.
    """
    ends = card.tiers(np.array([scores.low[0], scores.high[0]]), np.full(2, step_tier))
    if ends[0] != ends[1]:
        return False
    if ends[0] < HOT:
        return True
    return bool(card.gate_failed(facts)[0] >= 0 or card.gates_met(facts)[0])


def reason(worth: Worth, tier: str) -> str:
    """Say in words why a question is the next."""
    if worth.gate and worth.reach:
        return f"Required, not known yet, and could move this lead {tier} → {worth.reach}"
    if worth.gate:
        return "Required, and not known yet"
    if worth.reach:
        return f"Could move this lead {tier} → {worth.reach}"
    if worth.worst == worth.best:
        return f"No answer moves the score, which is {worth.best}"
    return f"Could move the score to {worth.worst}–{worth.best}"
