"""Which questions are asked, and that every one of them can come to be."""

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import conditions
from core.errors import Invalid
from scoring.branching import Known, is_asked, type_of
from scoring.definitions import Framework, parse_framework

DIMENSIONS = ("budget", "need")


def leaf(field: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "op": op} | ({} if value is None else {"value": value})


def question(key: str, ask_if: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "key": key,
        "dimension": "budget",
        "text": {"b2b": f"{key}?"},
        "type": "choice",
        "answers": [
            {"key": "yes", "label": "Yes", "rating": 100},
            {"key": "no", "label": "No", "rating": 0},
            {"key": "unknown", "label": "Does not know", "rating": None},
        ],
        "ask_if": ask_if,
        **more,
    }


def framework(*questions: dict[str, Any]) -> Framework:
    criteria = [{"dimension": d, "label": d.title()} for d in DIMENSIONS]
    return parse_framework({"name": "F", "criteria": criteria, "questions": list(questions)}, {})


def problems(*questions: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as error:
        framework(*questions)
    return [(problem.field, problem.code) for problem in error.value.problems]


def asked(script: Framework, known: Known) -> list[str]:
    return [q.key for q in script.questions if is_asked(q, known)]


def test_a_question_follows_an_answer_a_rating_or_a_fact_once_they_are_known() -> None:
    script = framework(
        question("funds"),
        question("route", leaf("answer.funds", "eq", "yes")),
        question("worth", leaf("rating.budget", "lt", 50)),
        question("works_council", leaf("employees", "gte", 200), dimension="need"),
        question("old", archived=True),
    )
    assert asked(script, Known()) == ["funds"]
    assert asked(script, Known({"budget": 100}, {"funds": "yes"})) == ["funds", "route"]
    assert asked(script, Known({"budget": 0}, {"funds": "no"})) == ["funds", "worth"]
    facts = Known(facts={"employees": 250, "country": ""})
    assert asked(script, facts) == ["funds", "works_council"]
    assert [q.key for q in script.asked] == ["funds", "route", "worth", "works_council"]


@pytest.mark.parametrize(
    ("questions", "expected"),
    [
        # Ahead, at itself, at what is not asked any more, at nothing.
        ([question("a", leaf("answer.b", "eq", "yes")), question("b")],
         [("questions[0].ask_if.field", "looks_ahead")]),
        ([question("a", leaf("answer.a", "eq", "yes"))],
         [("questions[0].ask_if.field", "looks_ahead")]),
        ([question("a", leaf("rating.need", "gt", 10))],
         [("questions[0].ask_if.field", "looks_ahead")]),
        ([question("a", archived=True), question("b", leaf("answer.a", "eq", "yes"))],
         [("questions[1].ask_if.field", "looks_ahead")]),
        ([question("a", leaf("answer.c", "eq", "yes"))],
         [("questions[0].ask_if.field", "unknown_field")]),
        ([question("a", leaf("custom.color", "eq", "red"))],
         [("questions[0].ask_if.field", "unknown_field")]),
        ([question("a"), question("b", leaf("answer.a", "eq", "perhaps"))],
         [("questions[1].ask_if.value", "unknown_answer")]),
        # Nothing can meet it: by itself, by the scale, by way of another question.
        ([question("a"), question("b", {"all": [leaf("rating.budget", "lt", 20),
                                                leaf("rating.budget", "gt", 50)]})],
         [("questions[1].ask_if.all", "contradiction")]),
        ([question("a"), question("b", leaf("rating.budget", "gt", 100))],
         [("questions[1].ask_if", "contradiction")]),
        ([question("a"), question("b", {"not": {"any": [leaf("rating.budget", "lt", 60),
                                                        leaf("rating.budget", "gte", 60)]}})],
         [("questions[1].ask_if", "contradiction")]),
        ([question("a"), question("b", leaf("answer.a", "eq", "yes")),
          question("c", {"all": [leaf("answer.a", "eq", "no"), leaf("answer.b", "eq", "yes")]})],
         [("questions[2].ask_if", "contradiction")]),
    ],
)  # fmt: skip
def test_a_condition_that_cannot_work_is_refused_by_its_field(
    questions: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    assert problems(*questions) == expected


def test_what_is_missing_may_be_asked_for_first() -> None:
    assert asked(framework(question("a", leaf("rating.need", "missing"))), Known()) == ["a"]


NUMBERS = st.builds(
    leaf,
    st.sampled_from(["rating.budget", "rating.need", "employees"]),
    st.sampled_from(["lt", "gte", "eq", "ne"]),
    st.sampled_from([0, 33, 100]),
)
ANSWERS = st.builds(
    leaf,
    st.sampled_from([f"answer.q{at}" for at in range(5)]),
    st.sampled_from(["eq", "ne"]),
    st.sampled_from(["yes", "no"]),
)
RULES = st.recursive(
    st.one_of(NUMBERS, ANSWERS),
    lambda inner: st.one_of(
        st.builds(lambda rules: {"all": rules}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda rules: {"any": rules}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda rule: {"not": rule}, inner),
    ),
    max_leaves=5,
)
SCRIPTS = st.lists(
    st.tuples(st.sampled_from(DIMENSIONS), st.one_of(st.none(), RULES)), min_size=1, max_size=5
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(SCRIPTS, st.integers(0, 1_000_000))
def test_every_question_of_an_accepted_script_is_reached_and_none_waits_for_a_later_one(
    drawn: list[tuple[str, Any]], seed: int
) -> None:
    random = Random(seed)
    rows = [
        question(f"q{at}", rule, dimension=dimension, mandatory=True)
        for at, (dimension, rule) in enumerate(drawn)
    ]
    try:
        script = framework(*rows)
    except Invalid:
        return
    for at, one in enumerate(script.questions):
        for name in conditions.fields_of(one.ask_if) if one.ask_if else ():
            kind, _, key = name.partition(".")
            if kind == "answer":
                assert int(key.removeprefix("q")) < at  # so there is no circle
    # Calls at random, in the script's order, meet every question in the end.
    met: set[str] = set()
    for _ in range(3_000):
        if len(met) == len(script.questions):
            return
        met |= call(script, random)
    assert met == {q.key for q in script.questions}


def call(script: Framework, random: Random) -> set[str]:
    """Go through a script with answers, ratings and facts at random; return what was asked."""
    answers: dict[str, str] = {}
    met = set()
    levels = [0, 1, 32, 33, 34, 99, 100]
    for one in script.questions:
        known = Known(
            {d: random.choice(levels) for d in DIMENSIONS if random.random() < 0.8},
            answers,
            {"employees": random.choice([None, -1, 0, 1, 32, 33, 34, 99, 100, 101])},
        )
        if is_asked(one, known):
            met.add(one.key)
            if random.random() < 0.7:
                answers[one.key] = random.choice(one.keys)
    return met


def test_types_are_those_of_the_fields() -> None:
    assert [type_of(name) for name in ("rating.x", "answer.y", "employees", "kind")] == [
        "number", "text", "number", "text",
    ]  # fmt: skip
