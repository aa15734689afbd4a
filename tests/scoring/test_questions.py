"""The next best question, against brute force."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import ranking
from scoring.definitions import Answer, Question
from scoring.features import Facts, signal_matrix
from scoring.questions import is_settled, reason, worth_asking
from scoring.scorecard import Scorecard
from scoring.tiers import COLD, HOT, NONE, WARM
from tests.scoring.models import FIELDS, card, facts, icp


def question(key: str, dimension: str, ratings: list[int]) -> Question:
    answers = tuple(Answer(f"a{i}", f"Answer {i}", rating) for i, rating in enumerate(ratings))
    unknown = Answer("unknown", "Don't know", None)
    return Question(
        key, dimension, {"b2b": key, "b2c": key}, "choice", "", (), False, 30,
        (*answers, unknown), None,
    )  # fmt: skip


BUDGET = question("budget_set", "budget", [0, 33, 67, 100])
AUTHORITY = question("who_signs", "authority", [0, 50, 100])


def one_by_one(
    a: Scorecard, lead: Facts, asked: Question, weights: list[float], step: int
) -> tuple[float, float]:
    """Score each answer alone and add up, the slow way."""

    def assess(some: Facts) -> tuple[float, int]:
        scores = a.score(signal_matrix(a.model, icp(), some, FIELDS), some.tracked)
        tier = int(a.tiers(scores.score, np.array([step]))[0])
        if tier == HOT and a.gate_failed(some)[0] >= 0:
            tier = WARM
        return float(np.log2(ranking.probability(a.model, scores.total)[0])), tier

    base_p, base_tier = assess(lead)
    movement = chance = 0.0
    rated = [answer.rating for answer in asked.answers if answer.rating is not None]
    for rating, weight in zip(rated, weights, strict=True):
        p, tier = assess(lead.with_rating(asked.dimension, np.array([float(rating)])))
        movement += weight / sum(weights) * abs(p - base_p)
        chance += weight / sum(weights) * (tier != base_tier)
    return movement, chance


@given(
    employees=st.one_of(st.just(float("nan")), st.floats(0, 2000)),
    pages=st.floats(0, 6),
    tracked=st.booleans(),
    step=st.sampled_from([NONE, COLD, WARM, HOT]),
    budget=st.lists(st.floats(0.01, 10), min_size=4, max_size=4),
    authority=st.lists(st.floats(0.01, 10), min_size=3, max_size=3),
    gates=st.sampled_from([[], ["authority"], ["budget"], ["authority", "budget"]]),
    demo=st.booleans(),
)
def test_it_agrees_with_scoring_every_answer_alone(
    employees: float,
    pages: float,
    tracked: bool,
    step: int,
    budget: list[float],
    authority: list[float],
    gates: list[str],
    demo: bool,
) -> None:
    a = card(gates=[{"dimension": dimension, "minimum": 50} for dimension in gates])
    lead = facts(
        employees=employees,
        pages=pages,
        pages_at=0.0,
        tracked=tracked,
        demo_at=0.0 if demo else float("nan"),
    )
    found = worth_asking(
        a, lead, step, [BUDGET, AUTHORITY], FIELDS, {"budget_set": budget, "who_signs": authority}
    )
    expected = {
        q.key: one_by_one(a, lead, q, weights, step)
        for q, weights in ((BUDGET, budget), (AUTHORITY, authority))
    }
    for worth in found:
        assert (worth.movement, worth.tier_chance) == pytest.approx(expected[worth.question.key])
    assert [worth.gate for worth in found] == [worth.question.dimension in gates for worth in found]
    order = [(not worth.gate, -worth.value) for worth in found]
    assert order == sorted(order) or found[0].value == pytest.approx(found[1].value)


def test_a_gate_that_is_not_known_comes_first() -> None:
    found = worth_asking(card(), facts(), NONE, [BUDGET, AUTHORITY], FIELDS, {})
    assert [worth.question.key for worth in found] == ["who_signs", "budget_set"]
    told = "Required, not known yet, and could move this lead cold → warm"
    assert reason(found[0], "cold") == told
    assert reason(replace(found[0], reach=""), "cold") == "Required, and not known yet"


def test_a_question_that_moves_nothing_is_not_said_to_move_the_score() -> None:
    found = worth_asking(card(), facts(), NONE, [BUDGET], FIELDS, {})
    unmoved = replace(found[0], gate=False, reach="", worst=20, best=45)
    assert reason(unmoved, "cold") == "Could move the score to 20–45"
    unmoved = replace(unmoved, worst=0, best=0)
    assert reason(unmoved, "cold") == "No answer moves the score, which is 0"


def test_what_is_known_is_not_asked_again() -> None:
    found = worth_asking(card(), facts(authority=100.0), NONE, [BUDGET, AUTHORITY], FIELDS, {})
    assert [worth.question.key for worth in found] == ["budget_set"]
    assert worth_asking(card(), facts(authority=1.0, budget=1.0), NONE, [BUDGET], FIELDS, {}) == []


def test_asking_may_stop_when_the_tier_can_no_longer_change() -> None:
    a = card()

    def settled(**columns: Any) -> bool:
        lead = facts(**columns)
        scores = a.score(signal_matrix(a.model, icp(), lead, FIELDS), lead.tracked)
        return is_settled(a, scores, lead, NONE)

    assert not settled()
    assert settled(employees=1.0, email_kind="free", tracked=True)  # at most 35: cold for good
    strong: dict[str, Any] = {
        "employees": 100.0,
        "email_kind": "own",
        "demo_at": 60.0,
        "tracked": True,
    }
    assert not settled(**strong)  # hot whatever is answered, but its gate is still open
    assert settled(**strong, authority=100.0)
    assert settled(**strong, authority=0.0)


def test_no_combination_of_answers_escapes_a_settled_tier() -> None:
    a = card()
    rng = np.random.default_rng(3)
    for _ in range(60):
        lead = facts(
            employees=rng.choice([np.nan, 1.0, 100.0, 900.0]),
            email_kind=rng.choice(["own", "free"]),
            demo_at=rng.choice([np.nan, 60.0]),
            tracked=True,
        )
        scores = a.score(signal_matrix(a.model, icp(), lead, FIELDS), lead.tracked)
        if not is_settled(a, scores, lead, NONE):
            continue
        tiers = set()
        for budget in (0.0, 33.0, 67.0, 100.0):
            for authority in (0.0, 50.0, 100.0):
                one = lead.with_rating("budget", np.array([budget])).with_rating(
                    "authority", np.array([authority])
                )
                result = a.score(signal_matrix(a.model, icp(), one, FIELDS), one.tracked)
                sized = result.low[0] <= result.score[0] <= result.high[0]
                assert sized
                tiers.add(int(a.tiers(result.score, np.array([NONE]))[0]))
        assert len(tiers) == 1
