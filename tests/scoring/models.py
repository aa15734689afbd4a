"""A small ICP, framework and score model for pure tests, and facts to feed them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from core.conditions import FieldType
from scoring.definitions import (
    Framework,
    Icp,
    Model,
    parse_framework,
    parse_icp,
    parse_model,
)
from scoring.features import Facts
from scoring.scorecard import Scorecard

FIELDS: Mapping[str, FieldType] = {
    "employees": "number",
    "industry": "text",
    "email_kind": "text",
    "kind": "text",
}
NOW = 1_800_000_000.0
DAY = 86_400.0

ICP: dict[str, Any] = {
    "name": "Test",
    "position": 1,
    "typical_value_minor": 1_000_000,
    "attributes": [
        {
            "key": "size",
            "label": "Size",
            "bands": [
                {
                    "key": "core",
                    "label": "20–500",
                    "rule": {"field": "employees", "op": "between", "value": [20, 500]},
                    "x": 1,
                },
                {
                    "key": "big",
                    "label": "over 500",
                    "rule": {"field": "employees", "op": "gt", "value": 500},
                    "x": 0.5,
                },
            ],
        },
        {
            "key": "email",
            "label": "E-mail",
            "bands": [
                {
                    "key": "own",
                    "label": "own domain",
                    "rule": {"field": "email_kind", "op": "eq", "value": "own"},
                    "x": 1,
                },
                {
                    "key": "free",
                    "label": "free mail",
                    "rule": {"field": "email_kind", "op": "eq", "value": "free"},
                    "x": 0,
                },
            ],
        },
    ],
}
FRAMEWORK: dict[str, Any] = {
    "name": "Two",
    "criteria": [
        {"dimension": "budget", "label": "Budget", "guide": "", "expires_days": 90},
        {"dimension": "authority", "label": "Authority", "guide": "", "expires_days": 180},
    ],
    "questions": [],
}
MODEL: dict[str, Any] = {
    "name": "Test",
    "base": 0,
    "groups": {"fit": {"cap": 35}, "engagement": {"cap": 30}, "qualification": {"cap": 35}},
    "signals": [
        {"key": "size", "label": "Size", "attribute": "size", "points": 25},
        {"key": "own", "label": "Own domain", "attribute": "email", "points": 10},
        {
            "key": "free",
            "label": "Free mail",
            "attribute": "email",
            "points": -10,
            "values": {"own": 0, "free": 1},
        },
        {
            "key": "demo",
            "label": "Asked for a demo",
            "activity": "hand_raised",
            "points": 30,
            "window_days": 90,
        },
        {
            "key": "page",
            "label": "Page views",
            "activity": "page_viewed",
            "points": 12,
            "cap": 4,
            "half_life_days": 30,
        },
        {"key": "budget", "label": "Budget", "dimension": "budget", "points": 20},
        {"key": "authority", "label": "Authority", "dimension": "authority", "points": 15},
    ],
    "gates": [{"dimension": "authority", "minimum": 33}],
    "disqualifiers": [],
}


def icp(**changes: Any) -> Icp:
    """The test ICP with top-level changes."""
    return parse_icp({**ICP, **changes}, FIELDS)


def framework() -> Framework:
    """The test framework."""
    return parse_framework(FRAMEWORK, FIELDS)


def model(**changes: Any) -> Model:
    """The test score model with top-level changes."""
    return parse_model({**MODEL, **changes}, icp(), framework(), FIELDS)


def card(**changes: Any) -> Scorecard:
    """The test scorecard with top-level changes of its model."""
    return Scorecard(model(**changes), icp())


def facts(n: int = 1, **columns: Any) -> Facts:
    """Facts of n leads about whom nothing is known, except for the given columns.

    `employees`, `email_kind`; `budget`, `authority` (ratings); `pages`, `pages_at`, `demo_at`
    (seconds before NOW); `tracked`; `budget_expires` (seconds from NOW).
    """

    def column(name: str, default: float = np.nan) -> np.ndarray:
        return np.broadcast_to(np.asarray(columns.get(name, default), dtype=float), (n,)).copy()

    values = ["own", "free"]
    kinds = np.broadcast_to(np.asarray(columns.get("email_kind", ""), dtype=object), (n,))
    codes = np.array([values.index(kind) if kind else -1 for kind in kinds], dtype=np.int64)
    tracked = np.broadcast_to(np.asarray(columns.get("tracked", False), dtype=bool), (n,)).copy()
    return Facts(
        lead_ids=np.arange(1, n + 1),
        as_of=NOW,
        number_columns={"employees": column("employees")},
        text_columns={
            "email_kind": (codes, values),
            "industry": (np.full(n, -1), []),
            "kind": (np.full(n, -1), []),
        },
        ratings={"budget": column("budget"), "authority": column("authority")},
        observed_at={"budget": column("none"), "authority": column("none")},
        expires_at={"budget": NOW + column("budget_expires"), "authority": column("none")},
        counts={("page_viewed", 30): column("pages", 0.0), ("hand_raised", 0): column("demo", 0.0)},
        last_at={
            "page_viewed": NOW - column("pages_at"),
            "hand_raised": NOW - column("demo_at"),
        },
        tracked=tracked,
    )
