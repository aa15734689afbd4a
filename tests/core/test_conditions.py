"""The condition tree: what is refused, what is true, and what stays unknown."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import conditions
from core.conditions import FALSE, TRUE, UNKNOWN

FIELDS: Mapping[str, conditions.FieldType] = {"size": "number", "city": "text", "member": "bool"}


class Table:
    """Three leads: all known, other values, nothing known."""

    n = 3

    def numbers(self, field: str) -> np.ndarray:
        return {
            "size": np.array([50.0, 900.0, np.nan]),
            "member": np.array([1.0, 0.0, np.nan]),
        }[field]

    def texts(self, field: str) -> tuple[np.ndarray, list[str]]:
        return np.array([0, 1, -1]), ["Köln", "Graz"]


def truth(node: Any) -> list[int]:
    assert list(conditions.problems(node, FIELDS)) == []
    return conditions.evaluate(node, Table(), FIELDS).tolist()


def leaf(field: str, op: str, *value: Any) -> dict[str, Any]:
    return {"field": field, "op": op} | ({"value": value[0]} if value else {})


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (leaf("size", "between", [20, 500]), [TRUE, FALSE, UNKNOWN]),
        (leaf("size", "in", [50, 60]), [TRUE, FALSE, UNKNOWN]),
        (leaf("size", "not_in", [50]), [FALSE, TRUE, UNKNOWN]),
        (leaf("city", "eq", "KÖLN"), [TRUE, FALSE, UNKNOWN]),
        (leaf("city", "contains", "ra"), [FALSE, TRUE, UNKNOWN]),
        (leaf("city", "starts_with", "kö"), [TRUE, FALSE, UNKNOWN]),
        (leaf("city", "ne", "graz"), [TRUE, FALSE, UNKNOWN]),
        (leaf("member", "eq", True), [TRUE, FALSE, UNKNOWN]),
        (leaf("size", "missing"), [FALSE, FALSE, TRUE]),
        (leaf("city", "present"), [TRUE, TRUE, FALSE]),
        ({"not": leaf("size", "gt", 100)}, [TRUE, FALSE, UNKNOWN]),
    ],
)
def test_a_comparison_with_a_missing_value_is_unknown(node: Any, expected: list[int]) -> None:
    assert truth(node) == expected


def test_unknown_passes_through_and_and_or_as_kleene_says() -> None:
    known_true, known_false = leaf("city", "missing"), leaf("city", "present")
    unknown = leaf("size", "gt", 1)
    assert truth({"all": [known_true, unknown]})[2] == UNKNOWN
    assert truth({"all": [known_false, unknown]})[2] == FALSE
    assert truth({"any": [known_true, unknown]})[2] == TRUE
    assert truth({"any": [known_false, unknown]})[2] == UNKNOWN


@pytest.mark.parametrize(
    ("node", "field", "code"),
    [
        (None, "rule", "not_an_object"),
        ({}, "rule", "unknown_shape"),
        ({"all": []}, "rule.all", "empty"),
        ({"all": {}}, "rule.all", "empty"),
        (
            {"any": [{"field": "sise", "op": "gt", "value": 1}]},
            "rule.any[0].field",
            "unknown_field",
        ),
        (leaf("size", "contains", "x"), "rule.op", "unknown_op"),
        (leaf("city", "matches", ".*"), "rule.op", "unknown_op"),
        (leaf("size", "gt", "many"), "rule.value", "wrong_type"),
        (leaf("size", "gt", float("nan")), "rule.value", "wrong_type"),
        (leaf("size", "gt", float("inf")), "rule.value", "wrong_type"),
        (leaf("size", "gt", True), "rule.value", "wrong_type"),
        (leaf("size", "gt"), "rule.value", "wrong_type"),
        (leaf("member", "eq", 1), "rule.value", "wrong_type"),
        (leaf("city", "in", []), "rule.value", "wrong_type"),
        (leaf("city", "in", ["a", 3]), "rule.value", "wrong_type"),
        (leaf("size", "between", [9, 2]), "rule.value", "contradiction"),
        (leaf("size", "missing", 3), "rule.value", "not_wanted"),
        ({"all": [leaf("size", "gt", 9), leaf("size", "lt", 2)]}, "rule.all", "contradiction"),
        ({"all": [leaf("city", "eq", "a"), leaf("city", "eq", "b")]}, "rule.all", "contradiction"),
        ({"all": [leaf("city", "missing"), leaf("city", "eq", "b")]}, "rule.all", "contradiction"),
        ({"all": [leaf("size", "eq", 5), leaf("size", "gt", 9)]}, "rule.all", "contradiction"),
        (
            {"not": {"all": [leaf("size", "gt", 9), leaf("size", "lt", 2)]}},
            "rule.not.all",
            "contradiction",
        ),
    ],
)
def test_a_wrong_rule_is_refused_with_its_place(node: Any, field: str, code: str) -> None:
    found = [(p.field, p.code) for p in conditions.problems(node, FIELDS)]
    assert (field, code) in found


def test_a_rule_nested_too_deep_is_refused() -> None:
    node: Any = leaf("size", "gt", 1)
    for _ in range(50):
        node = {"not": node}
    assert [p.code for p in conditions.problems(node, FIELDS)] == ["too_deep"]


nodes = st.recursive(
    st.one_of(
        st.builds(
            leaf, st.just("size"), st.sampled_from(["lt", "gte", "eq"]), st.integers(0, 1000)
        ),
        st.builds(leaf, st.just("city"), st.sampled_from(["eq", "contains"]), st.just("köln")),
        st.builds(leaf, st.just("member"), st.just("missing")),
    ),
    lambda child: st.one_of(
        st.builds(lambda c: {"not": c}, child),
        st.builds(lambda cs: {"all": cs}, st.lists(child, min_size=1, max_size=3)),
        st.builds(lambda cs: {"any": cs}, st.lists(child, min_size=1, max_size=3)),
    ),
    max_leaves=8,
)


@given(nodes)
def test_de_morgan_holds_in_three_values(node: Any) -> None:
    twice = conditions.evaluate({"not": {"not": node}}, Table(), FIELDS)
    assert twice.tolist() == conditions.evaluate(node, Table(), FIELDS).tolist()
    nots = {"any": [{"not": node}, {"not": node}]}
    whole = {"not": {"all": [node, node]}}
    assert (
        conditions.evaluate(nots, Table(), FIELDS).tolist()
        == conditions.evaluate(whole, Table(), FIELDS).tolist()
    )
