"""The smallest set that lifts a tier, against trying everything; and what would drop it."""

from itertools import combinations, product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.definitions import Framework, parse_framework
from scoring.features import signal_matrix
from scoring.levers import (
    MOST_LEVERS,
    LeadOnCard,
    fade,
    levers_of,
    put_on,
    smallest_sets,
    turns,
    with_event,
)
from scoring.tiers import COLD, HOT, WARM
from tests.scoring import models

DAY = models.DAY


def framework() -> Framework:
    """The test framework; authority is asked in a question with three answers."""
    answers = [{"key": f"a{r}", "label": str(r), "rating": r} for r in (20, 50, 90)]
    question = {
        "key": "who",
        "dimension": "authority",
        "text": {"b2b": "Who?"},
        "type": "choice",
        "answers": answers,
    }
    return parse_framework({**models.FRAMEWORK, "questions": [question]}, models.FIELDS)


def _lead(
    step: int = COLD, changes: dict[str, object] | None = None, **columns: object
) -> LeadOnCard:
    return put_on(models.card(**(changes or {})), models.facts(1, **columns), step, models.FIELDS)


RATING = st.sampled_from([np.nan, 0.0, 33.0, 67.0, 100.0])


@settings(max_examples=120, deadline=None)
@given(
    budget=RATING,
    authority=RATING,
    employees=st.sampled_from([np.nan, 5.0, 100.0, 900.0]),
    email=st.sampled_from(["", "own", "free"]),
    pages=st.sampled_from([0.0, 1.0, 3.5]),
    tracked=st.booleans(),
    target=st.sampled_from([WARM, HOT]),
    budget_points=st.sampled_from([20, -15, 5]),
    hot=st.sampled_from([55, 70, 85]),
)
def test_the_smallest_set_is_the_smallest_of_all(
    budget: float,
    authority: float,
    employees: float,
    email: str,
    pages: float,
    tracked: bool,
    target: int,
    budget_points: int,
    hot: int,
) -> None:
    signals = [
        {**s, "points": budget_points if s["key"] == "budget" else s["points"]}
        for s in models.MODEL["signals"]
    ]
    lead = _lead(
        changes={"signals": signals, "marks": {"hot": hot, "warm": 40}},
        budget=budget,
        authority=authority,
        employees=employees,
        email_kind=email,
        pages=pages,
        pages_at=DAY if pages else np.nan,
        tracked=tracked or pages > 0,
    )
    if lead.tier >= target:
        return
    levers = levers_of(lead, framework())
    found = smallest_sets(lead, levers, target)

    def reaches(pulls: tuple[tuple[int, int], ...]) -> bool:
        """Score the facts themselves: another road than the one under test."""
        facts, bands = lead.facts, {}
        for index, value in pulls:
            lever = levers[index]
            if lever.kind == "event":
                facts = with_event(facts, lever.key)
            elif lever.kind == "answer":
                facts = facts.with_rating(lever.key, np.array([lever.values[value]]))
            else:
                bands[lever.columns] = lever.x[value]
        x = signal_matrix(lead.card.model, lead.card.icp, facts, models.FIELDS)
        for columns, values in bands.items():
            x[0, list(columns)] = values
        return bool(lead.outcomes(x, facts)[1][0] >= target)

    def sizes() -> int | None:
        for size in range(1, MOST_LEVERS + 1):
            for names in combinations(range(len(levers)), size):
                values = product(*(range(len(levers[i].values)) for i in names))
                if any(reaches(tuple(zip(names, v, strict=True))) for v in values):
                    return size
        return None

    smallest = sizes()
    assert (len(found[0].pulls) if found else None) == smallest
    for lever_set in found:
        assert len(lever_set.pulls) == smallest
        pulls = tuple(
            (levers.index(p.lever), p.lever.values.index(p.value)) for p in lever_set.pulls
        )
        assert reaches(pulls)


def test_what_is_easiest_to_come_by_comes_first_at_its_least_value() -> None:
    # 35 of fit, 20 · .67 of budget; authority unknown counts 5.25: 53.65. Nothing tracked: +10.5.
    lead = _lead(WARM, budget=67, employees=100, email_kind="own", tracked=True)
    assert lead.tier == WARM
    sets = smallest_sets(lead, levers_of(lead, framework()), HOT)
    told = [[(p.lever.kind, p.lever.key, p.value) for p in s.pulls] for s in sets]
    assert told[0] == [("answer", "authority", 90.0)]
    assert next(s.score for s in sets) == 62
    assert [("event", "hand_raised", 1.0)] in told


def test_a_gate_that_is_known_to_fail_is_part_of_every_set() -> None:
    lead = _lead(
        WARM, budget=100, authority=20, employees=100, email_kind="own", demo_at=DAY, tracked=True
    )
    assert lead.tier == WARM  # 35 + 30 + 23, held by the gate
    sets = smallest_sets(lead, levers_of(lead, framework()), HOT)
    assert [[(p.lever.key, p.value) for p in s.pulls] for s in sets] == [[("authority", 50.0)]]


def test_an_impossible_tier_has_no_set() -> None:
    lead = _lead(changes={"marks": {"hot": 100, "warm": 40}}, employees=5, email_kind="free")
    assert smallest_sets(lead, levers_of(lead, framework()), HOT) == []


def test_the_mildest_turn_that_drops_the_tier_is_named() -> None:
    lead = _lead(
        HOT, budget=100, authority=90, employees=100, email_kind="own", tracked=True
    )  # 35 + 20 + 13.5: 69
    assert [(t.dimension, t.rating, t.tier) for t in turns(lead, framework())] == [
        ("authority", 20.0, WARM),
        ("budget", 33.0, WARM),
    ]
    assert turns(_lead(), framework()) == []


def test_time_drops_the_tier_on_the_day_on_which_the_clock_would() -> None:
    lead = _lead(
        HOT,
        budget=67,
        budget_expires=200 * DAY,
        employees=100,
        email_kind="own",
        demo_at=50 * DAY,
        tracked=True,
    )
    found = fade(lead)
    assert found is not None
    assert (found.days, found.tier) == (40, WARM)  # the window of 90 days ends
    assert found.lost == (("demo", 30.0),)
    expiring = _lead(
        HOT,
        budget=100,
        budget_expires=9.5 * DAY,
        employees=100,
        email_kind="own",
        authority=67,
        tracked=True,
    )
    found = fade(expiring)
    assert found is not None
    assert found.days == 10
    assert [key for key, _ in found.lost] == ["budget"]
    steady = _lead(HOT, budget=100, authority=90, employees=100, email_kind="own", tracked=True)
    assert fade(steady) is None
