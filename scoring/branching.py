"""Which questions of a script are asked: by what is known of the lead so far. Pure.

A question's `ask_if` is a condition tree (core.conditions) on

- `rating.<dimension>`: what is known about a criterion, 0 to 100;
- `answer.<question>`: the key of the answer that an earlier question was given;
- facts of the lead (`LEAD_FIELDS`).

The question is asked when the condition is true. One that is not known to hold yet does not ask.
Conditions look back only, at questions that stand earlier in the script, so that they cannot go in
circles, and each can be met by some course of the call.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from core import conditions
from core.conditions import FieldType, Node
from core.errors import FieldProblem
from scoring.fields import BUILT_IN

RATING, ANSWER = "rating.", "answer."
# Facts of a lead that its own row and its company's tell.
LEAD_FIELDS: dict[str, FieldType] = {
    found.name: found.type
    for found in BUILT_IN
    if found.name in ("kind", "title", "seniority", "age", "country", "industry", "employees")
}
MOST_COURSES = 20_000  # of a call, looked at to find one that meets a condition
_ROWS = 4_096  # of ratings and facts, looked at together


class Branching(Protocol):
    """What branching reads of a question (scoring.definitions.Question)."""

    @property
    def key(self) -> str: ...
    @property
    def dimension(self) -> str: ...
    @property
    def keys(self) -> Sequence[str]: ...
    @property
    def ask_if(self) -> Node | None: ...
    @property
    def archived(self) -> bool: ...


@dataclass(frozen=True)
class Known:
    """What is known of one lead: ratings by dimension, answers by question, facts by field.

    It is one row of columns (core.conditions.Columns); what is left out is not known.
    """

    ratings: Mapping[str, float] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str | float | None] = field(default_factory=dict)
    n: int = 1

    def numbers(self, field: str) -> npt.NDArray[np.float64]:
        """Return a rating or a number of the lead."""
        value = (
            self.ratings.get(field.removeprefix(RATING))
            if field.startswith(RATING)
            else self.facts.get(field)
        )
        return np.array([np.nan if value is None else float(value)])

    def texts(self, field: str) -> tuple[npt.NDArray[np.int64], list[str]]:
        """Return an answer's key or a text of the lead."""
        value = (
            self.answers.get(field.removeprefix(ANSWER))
            if field.startswith(ANSWER)
            else self.facts.get(field)
        )
        return (np.array([0]), [str(value)]) if value else (np.array([-1]), [])


def type_of(field: str) -> FieldType:
    """Return the type of a field that a condition reads; KeyError for an unknown one."""
    if field.startswith(RATING):
        return "number"
    if field.startswith(ANSWER):
        return "text"
    return LEAD_FIELDS[field]


def is_asked(question: Branching, known: Known) -> bool:
    """Say whether a question is to be asked, given what is known."""
    return not question.archived and (not question.ask_if or _holds(question.ask_if, known))


def _holds(rule: Node, columns: conditions.Columns) -> bool:
    types = {name: type_of(name) for name in conditions.fields_of(rule)}
    return bool((conditions.evaluate(rule, columns, types) == conditions.TRUE).any())


def fields_before(questions: Sequence[Branching], at: int) -> dict[str, FieldType]:
    """Return what the condition of question `at` may read: the lead, and what stands before it."""
    earlier = [question for question in questions[:at] if not question.archived]
    return {
        **LEAD_FIELDS,
        **{f"{RATING}{question.dimension}": "number" for question in earlier},
        **{f"{ANSWER}{question.key}": "text" for question in earlier},
    }


def problems(questions: Sequence[Branching], dimensions: Sequence[str]) -> Iterator[FieldProblem]:
    """Yield conditions that are malformed, that look ahead, or that nothing can meet."""
    anything: dict[str, FieldType] = {
        **LEAD_FIELDS,
        **{f"{RATING}{dimension}": "number" for dimension in dimensions},
        **{f"{ANSWER}{question.key}": "text" for question in questions},
    }
    sound = True
    for at, question in enumerate(questions):
        if question.ask_if is None or question.archived:
            continue
        path = f"questions[{at}].ask_if"
        found = list(conditions.problems(question.ask_if, anything, path))
        found = found or list(_looks_ahead(questions, at, path))
        yield from found
        sound = sound and not found
    if sound:
        yield from _never_asked(questions)


def _looks_ahead(questions: Sequence[Branching], at: int, path: str) -> Iterator[FieldProblem]:
    before = fields_before(questions, at)
    rule = questions[at].ask_if
    assert rule is not None
    for leaf in conditions.leaves(rule, path):
        if leaf.field not in before and leaf.op != "missing":
            yield FieldProblem(
                f"{leaf.path}.field",
                "looks_ahead",
                f"{leaf.field} is not told by any question that stands before this one",
            )
        if leaf.field.startswith(ANSWER) and leaf.op in ("eq", "in"):
            yield from _unknown_answers(questions, leaf)


def _unknown_answers(
    questions: Sequence[Branching], leaf: conditions.Leaf
) -> Iterator[FieldProblem]:
    asked = next(q for q in questions if q.key == leaf.field.removeprefix(ANSWER))
    values = leaf.value if isinstance(leaf.value, list) else [leaf.value]
    for value in values:
        if value not in asked.keys:
            yield FieldProblem(
                f"{leaf.path}.value", "unknown_answer", f"{value!r} is no answer of {asked.key}"
            )


def _never_asked(questions: Sequence[Branching]) -> Iterator[FieldProblem]:
    """Yield questions that no course of a call leads to."""
    for at, question in enumerate(questions):
        if question.ask_if is None or question.archived:
            continue
        try:
            met = _can_be_asked(questions, at)
        except _TooMany:
            yield FieldProblem(
                f"questions[{at}].ask_if", "too_large", "depends on too many answers at once"
            )
            continue
        if not met:
            yield FieldProblem(
                f"questions[{at}].ask_if",
                "contradiction",
                "can never be true, so this question would never be asked",
            )


class _TooMany(Exception):
    """More courses than are looked at."""


def _can_be_asked(questions: Sequence[Branching], at: int) -> bool:
    """Say whether some answers to the questions before `at` lead to it.

    Only answers that its condition depends on, also by way of other questions, are tried. Ratings
    and facts are free: other questions, forms and imports tell them too.
    """
    places = {question.key: place for place, question in enumerate(questions)}
    needed: set[int] = set()
    ahead = [at]
    while ahead:
        rule = questions[ahead.pop()].ask_if
        for name in conditions.fields_of(rule) if rule else ():
            place = places.get(name.removeprefix(ANSWER)) if name.startswith(ANSWER) else None
            if place is not None and place not in needed:
                needed.add(place)
                ahead.append(place)
    courses: list[dict[str, str]] = [{}]
    for place in sorted(needed):
        question = questions[place]
        longer = [
            {**course, question.key: key}
            for course in courses
            if not question.ask_if or _can_hold(question.ask_if, course)
            for key in question.keys
        ]
        courses += longer  # each question may also be left out
        if len(courses) > MOST_COURSES:
            raise _TooMany
    rule = questions[at].ask_if
    assert rule is not None
    return any(_can_hold(rule, course) for course in courses)


@dataclass(frozen=True)
class _Table:
    """Rows of possible values, as columns."""

    columns: Mapping[str, Sequence[Any]]
    n: int

    def numbers(self, field: str) -> npt.NDArray[np.float64]:
        return np.array(self.columns[field], dtype=np.float64)

    def texts(self, field: str) -> tuple[npt.NDArray[np.int64], list[str]]:
        values = sorted({value for value in self.columns[field] if value is not None})
        codes = {value: code for code, value in enumerate(values)}
        return np.array([codes.get(value, -1) for value in self.columns[field]]), values


def _can_hold(rule: Node, answers: Mapping[str, str]) -> bool:
    """Say whether a rule is true for these answers and some ratings and facts."""
    found: dict[str, list[conditions.Leaf]] = {}
    for leaf in conditions.leaves(rule):
        found.setdefault(leaf.field, []).append(leaf)
    choices = {
        name: [answers.get(name.removeprefix(ANSWER))]
        if name.startswith(ANSWER)
        else _values(name, tests)
        for name, tests in found.items()
    }
    size = 1
    for values in choices.values():
        size *= len(values)
    if size > _ROWS:
        raise _TooMany
    rows = list(product(*choices.values()))
    columns = dict(zip(choices, zip(*rows, strict=True), strict=True))
    return _holds(rule, _Table(columns, len(rows)))


def _values(name: str, tests: Sequence[conditions.Leaf]) -> list[Any]:
    """Return values of a field that between them decide every test on it; None is missing."""
    said = [
        value
        for leaf in tests
        if leaf.value is not None
        for value in (leaf.value if isinstance(leaf.value, list) else [leaf.value])
    ]
    if type_of(name) == "number":
        near = {float(value) + step for value in said for step in (-1, -0.5, 0, 0.5, 1)}
        if name.startswith(RATING):
            near = {value for value in near | {0.0, 100.0} if 0 <= value <= 100}
            near = {value for value in near if value == int(value)}
        return [None, *sorted(near)]
    inside = " ".join(leaf.value for leaf in tests if leaf.op == "contains")
    starts = [leaf.value for leaf in tests if leaf.op == "starts_with"]
    mixed = [f"{start} {inside}".strip() for start in (*starts, "")] if inside or starts else []
    return [None, *dict.fromkeys((*said, *mixed, "\N{BULLET}"))]
