"""Condition trees in words, for people who read what a rule asks. Pure."""

from collections.abc import Mapping
from typing import Any

from core.conditions import Node

_OPS = {
    "eq": "is",
    "ne": "is not",
    "lt": "is below",
    "lte": "is at most",
    "gt": "is above",
    "gte": "is at least",
    "in": "is one of",
    "not_in": "is none of",
    "contains": "contains",
    "starts_with": "starts with",
    "missing": "is not filled in",
    "present": "is filled in",
}
MOST_LISTED = 6


def words(node: Node, labels: Mapping[str, str]) -> str:
    """Return a valid tree as a phrase: "Employees is at least 20 and Country is one of DE, AT".

    `labels` are names of fields for people; a field without one is told by its own name.
    """
    for key, joint in (("all", " and "), ("any", " or ")):
        if key in node:
            parts = [words(child, labels) for child in node[key]]
            nested = len(parts) > 1
            shown = [
                f"({part})" if nested and ("all" in child or "any" in child) else part
                for part, child in zip(parts, node[key], strict=True)
            ]
            return joint.join(shown)
    if "not" in node:
        return f"not ({words(node['not'], labels)})"
    field = labels.get(node["field"], node["field"])
    value: Any = node.get("value")
    if node["op"] == "between":
        return f"{field} is {_value(value[0])} to {_value(value[1])}"
    if node["op"] in ("missing", "present"):
        return f"{field} {_OPS[node['op']]}"
    return f"{field} {_OPS[node['op']]} {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        shown = ", ".join(_value(v) for v in value[:MOST_LISTED])
        more = len(value) - MOST_LISTED
        return f"{shown} or {more} others" if more > 0 else shown
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.10g}"
    return str(value)
