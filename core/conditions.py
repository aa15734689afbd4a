"""One condition tree for ICP rules, disqualifiers, filters and saved views.

A tree is JSON. Inner nodes are ``{"all": [...]}``, ``{"any": [...]}`` and ``{"not": node}``; a leaf
is ``{"field": name, "op": op, "value": value}``. There is no regular-expression operator, since
one pattern can hold a worker for minutes.

Logic is Kleene's: a comparison with a missing value is *unknown*, and unknown passes through
``not``; only ``missing`` and ``present`` are always true or false. Truth is an int8: 0 false,
1 unknown, 2 true, so that and, or, not are minimum, maximum and ``2 - x``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from core.errors import FieldProblem

FALSE, UNKNOWN, TRUE = 0, 1, 2
Truth = npt.NDArray[np.int8]
FieldType = Literal["number", "text", "bool"]
Node = Mapping[str, Any]

MAX_DEPTH = 8
MAX_LEAVES = 200
MAX_VALUES = 1_000

_NUMBER_OPS: dict[str, Callable[[npt.NDArray[np.float64], Any], npt.NDArray[np.bool_]]] = {
    "eq": lambda x, v: x == v,
    "ne": lambda x, v: x != v,
    "lt": lambda x, v: x < v,
    "lte": lambda x, v: x <= v,
    "gt": lambda x, v: x > v,
    "gte": lambda x, v: x >= v,
    "between": lambda x, v: (x >= v[0]) & (x <= v[1]),
    "in": lambda x, v: np.isin(x, v),
    "not_in": lambda x, v: ~np.isin(x, v),
}
_TEXT_OPS: dict[str, Callable[[str, Any], bool]] = {
    "eq": lambda x, v: x == v,
    "ne": lambda x, v: x != v,
    "in": lambda x, v: x in v,
    "not_in": lambda x, v: x not in v,
    "contains": lambda x, v: v in x,
    "starts_with": lambda x, v: x.startswith(v),
}
OPS: dict[FieldType, tuple[str, ...]] = {
    "number": (*_NUMBER_OPS, "missing", "present"),
    "text": (*_TEXT_OPS, "missing", "present"),
    "bool": ("eq", "missing", "present"),
}


class Columns(Protocol):
    """What a tree is evaluated on: n rows, column by column."""

    @property
    def n(self) -> int:
        """The number of rows."""

    def numbers(self, field: str) -> npt.NDArray[np.float64]:
        """Return a number or bool (0.0/1.0) field, shape (n,), NaN where missing."""

    def texts(self, field: str) -> tuple[npt.NDArray[np.int64], list[str]]:
        """Return codes, shape (n,), −1 where missing, and the values that they index."""


@dataclass(frozen=True)
class Leaf:
    """A leaf with the path at which it stands, for messages."""

    path: str
    field: str
    op: str
    value: Any


def leaves(node: Node, path: str = "rule") -> Iterator[Leaf]:
    """Yield the leaves of a valid tree in reading order."""
    for key in ("all", "any"):
        if key in node:
            for index, child in enumerate(node[key]):
                yield from leaves(child, f"{path}.{key}[{index}]")
            return
    if "not" in node:
        yield from leaves(node["not"], f"{path}.not")
        return
    yield Leaf(path, node["field"], node["op"], node.get("value"))


def fields_of(node: Node) -> set[str]:
    """Return the names of the fields that a valid tree reads."""
    return {leaf.field for leaf in leaves(node)}


def problems(
    node: Any, fields: Mapping[str, FieldType], path: str = "rule"
) -> Iterator[FieldProblem]:
    """Yield everything wrong with a tree: its shape, fields, operators, value types, and
    conjunctions that no value can meet. Nothing is yielded for a tree that can be evaluated.
    """
    found = list(_shape_problems(node, fields, path, depth=1))
    yield from found
    if found:
        return
    if sum(1 for _ in leaves(node)) > MAX_LEAVES:
        yield FieldProblem(path, "too_large", f"has more than {MAX_LEAVES} conditions")
    yield from _contradictions(node, path)


def _shape_problems(
    node: Any, fields: Mapping[str, FieldType], path: str, depth: int
) -> Iterator[FieldProblem]:
    if depth > MAX_DEPTH:
        yield FieldProblem(path, "too_deep", f"is nested more than {MAX_DEPTH} deep")
        return
    if not isinstance(node, Mapping):
        yield FieldProblem(path, "not_an_object", "must be an object")
        return
    keys = set(node)
    for key in ("all", "any"):
        if keys == {key}:
            children = node[key]
            if not isinstance(children, list) or not children:
                yield FieldProblem(
                    f"{path}.{key}", "empty", "must be a list with a condition in it"
                )
                return
            for index, child in enumerate(children):
                yield from _shape_problems(child, fields, f"{path}.{key}[{index}]", depth + 1)
            return
    if keys == {"not"}:
        yield from _shape_problems(node["not"], fields, f"{path}.not", depth + 1)
        return
    if not {"field", "op"} <= keys or keys - {"field", "op", "value"}:
        yield FieldProblem(
            path, "unknown_shape", "must be all, any, not, or a field with op and value"
        )
        return
    yield from _leaf_problems(node, fields, path)


def _leaf_problems(
    node: Node, fields: Mapping[str, FieldType], path: str
) -> Iterator[FieldProblem]:
    field, op, value = node["field"], node["op"], node.get("value")
    if not isinstance(field, str) or field not in fields:
        yield FieldProblem(f"{path}.field", "unknown_field", f"{field!r} is not a known field")
        return
    kind = fields[field]
    if not isinstance(op, str) or op not in OPS[kind]:
        yield FieldProblem(
            f"{path}.op",
            "unknown_op",
            f"{op!r} does not go with {field} ({kind}): {', '.join(OPS[kind])}",
        )
        return
    at = f"{path}.value"
    if op in ("missing", "present"):
        if "value" in node:
            yield FieldProblem(at, "not_wanted", f"{op} takes no value")
    elif op in ("in", "not_in"):
        if not isinstance(value, list) or not 0 < len(value) <= MAX_VALUES:
            yield FieldProblem(at, "wrong_type", f"{op} takes a list of 1 to {MAX_VALUES} values")
        elif not all(_fits(v, kind) for v in value):
            yield FieldProblem(at, "wrong_type", f"{field} compares with {kind} values only")
    elif op == "between":
        if not isinstance(value, list) or len(value) != 2 or not all(_fits(v, kind) for v in value):
            yield FieldProblem(at, "wrong_type", "between takes two numbers")
        elif value[0] > value[1]:
            yield FieldProblem(
                at, "contradiction", f"no number is between {value[0]} and {value[1]}"
            )
    elif not _fits(value, kind):
        yield FieldProblem(at, "wrong_type", f"{field} compares with a {kind}, not {value!r}")


def _fits(value: Any, kind: FieldType) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "number":
        return (
            isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
        )  # NaN and infinity fail the comparison too
    return isinstance(value, str) and 0 < len(value) <= 200


def _contradictions(node: Node, path: str) -> Iterator[FieldProblem]:
    """Yield `all` nodes whose own leaves exclude each other on one field."""
    if "not" in node:
        yield from _contradictions(node["not"], f"{path}.not")
        return
    for key in ("all", "any"):
        for index, child in enumerate(node.get(key, ())):
            yield from _contradictions(child, f"{path}.{key}[{index}]")
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    allowed: dict[str, set[Any]] = {}
    presence: dict[str, set[str]] = {}
    for leaf in node.get("all", ()):
        if "field" not in leaf:
            continue
        field, op, value = leaf["field"], leaf["op"], leaf.get("value")
        presence.setdefault(field, set()).add("missing" if op == "missing" else "present")
        if op in ("gt", "gte"):
            low[field] = max(low.get(field, -np.inf), value)
        elif op in ("lt", "lte"):
            high[field] = min(high.get(field, np.inf), value)
        elif op == "between":
            low[field] = max(low.get(field, -np.inf), value[0])
            high[field] = min(high.get(field, np.inf), value[1])
        elif op in ("eq", "in"):
            values = {_folded(v) for v in (value if op == "in" else [value])}
            allowed[field] = allowed.get(field, values) & values
    for field in presence:
        numbers = [v for v in allowed.get(field, ()) if isinstance(v, int | float)]
        outside = numbers and not any(
            low.get(field, -np.inf) <= v <= high.get(field, np.inf) for v in numbers
        )
        if (
            len(presence[field]) == 2
            or low.get(field, -np.inf) > high.get(field, np.inf)
            or (field in allowed and not allowed[field])
            or outside
        ):
            yield FieldProblem(
                f"{path}.all", "contradiction", f"no value of {field} can meet all of these"
            )


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def evaluate(node: Node, columns: Columns, fields: Mapping[str, FieldType]) -> Truth:
    """Evaluate a valid tree on n rows; return Kleene truth, shape (n,), int8 0/1/2."""
    if "all" in node:
        return np.minimum.reduce([evaluate(child, columns, fields) for child in node["all"]])
    if "any" in node:
        return np.maximum.reduce([evaluate(child, columns, fields) for child in node["any"]])
    if "not" in node:
        truth: Truth = (TRUE - evaluate(node["not"], columns, fields)).astype(np.int8)
        return truth
    field, op, value = node["field"], node["op"], node.get("value")
    if fields[field] == "text":
        codes, values = columns.texts(field)
        known = codes >= 0
        if op not in ("missing", "present"):
            wanted = {_folded(v) for v in value} if isinstance(value, list) else _folded(value)
            test = _TEXT_OPS[op]
            # Once per distinct value, then one gather for all rows; the last cell is for −1.
            met = np.array([test(v.casefold(), wanted) for v in values] + [False], dtype=bool)
            hit = met[codes]
    else:
        numbers = columns.numbers(field)
        known = ~np.isnan(numbers)
        if op not in ("missing", "present"):
            hit = _NUMBER_OPS[op](numbers, value)
    if op == "missing":
        return np.where(known, FALSE, TRUE).astype(np.int8)
    if op == "present":
        return np.where(known, TRUE, FALSE).astype(np.int8)
    return np.where(known, np.where(hit, TRUE, FALSE), UNKNOWN).astype(np.int8)
