"""The timeline in words."""

import datetime as dt
from typing import Any

import pytest

from desk.timeline import FILTERS, Happening, Move, Names, entries
from leads.activities import Kind

AT = dt.datetime(2026, 11, 24, 9, 0, tzinfo=dt.UTC)
NAMES = Names({1: "Anna", 2: "Ben"}, {"new": "New", "mql": "MQL"}, {"budget": "Money"})


def _happening(kind: str, recorded: int = 0, **data: Any) -> Happening:
    at = AT + dt.timedelta(minutes=recorded)
    return Happening(recorded, kind, at, at, "Anna", data)


@pytest.mark.parametrize(
    ("kind", "data", "title"),
    [
        (Kind.CREATED, {"source": "Website"}, "Lead created from Website"),
        (Kind.ASSIGNED, {"from": None, "to": 1}, "Owner: nobody → Anna"),
        (Kind.ASSIGNED, {"from": 2, "to": 99}, "Owner: Ben → somebody"),
        (Kind.STAGE_MOVED, {"from": "new", "to": "mql"}, "Stage: New → MQL"),
        (Kind.EVIDENCE_ADDED, {"dimension": "budget", "rating": 67}, "Money: moderate"),
        (Kind.ASKED_UNKNOWN, {"dimension": "budget"}, "Money: asked, not known"),
        (Kind.OUTCOME_RECORDED, {"result": "lost", "reason": "price"}, "Outcome: lost"),
        (
            Kind.TIER_CHANGED,
            {"from": "warm", "to": "hot", "from_score": 58, "to_score": 63},
            "Tier: warm → hot (score 58 → 63)",
        ),
        (
            Kind.TIER_OVERRIDDEN,
            {"tier": "hot", "until": "2026-12-01T22:59:00+00:00"},
            "Tier set to hot until 2026-12-01",
        ),
        (Kind.TIER_OVERRIDDEN, {"tier": ""}, "Tier no longer set by hand"),
        (Kind.FOLLOWUP_SKIPPED, {"title": "First call"}, "First call: skipped"),
        (Kind.PRICING_VIEWED, {"page": "/pricing"}, "Pricing page viewed: /pricing"),
        (Kind.WEBINAR_ATTENDED, {}, "Webinar attended"),
    ],
)
def test_each_kind_is_told_in_words(kind: str, data: dict[str, Any], title: str) -> None:
    (entry,) = entries([_happening(kind, **data)], [], NAMES)
    assert entry.title == title


def test_changed_facts_name_field_and_both_values() -> None:
    changes = {
        "title": ["", "CTO"],
        "company.revenue_minor": [None, 5],
        "custom": [{"seats": 3}, {"seats": 4, "plan": "M"}],
    }
    (entry,) = entries([_happening(Kind.CHANGED, changes=changes)], [], NAMES)
    assert entry.details == (
        "Title: nothing → CTO",
        "Company revenue: nothing → 5",
        "Seats: 3 → 4",
        "Plan: nothing → M",
    )


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"changes": "?"},
        {"changes": {"title": "CTO"}},
        {"from": [1], "to": {}},
        {"text": None, "rating": "high", "dimension": 7, "until": 5},
    ],
)
def test_odd_data_of_an_activity_breaks_nothing(data: dict[str, Any]) -> None:
    for kind in Kind:
        assert entries([_happening(kind, **data)], [], NAMES)


def test_a_move_of_the_score_stands_at_what_was_recorded_with_it() -> None:
    happenings = [_happening(Kind.EVIDENCE_ADDED, 5), _happening(Kind.NOTE, 1)]
    move = Move(happenings[0].recorded_at, 50, 58, "warm", "warm", "facts")
    first, second = entries(happenings, [move], NAMES)
    assert first.move == move
    assert first.move is not None
    assert first.move.delta == 8
    assert second.move is None


def test_a_move_by_itself_is_an_entry_of_its_own() -> None:
    move = Move(AT + dt.timedelta(days=1), 62, 58, "hot", "hot", "time")
    first, second = entries([_happening(Kind.NOTE)], [move], NAMES)
    assert first.title == "Score moved as time passed"
    assert second.title == "Note"


def test_a_tier_change_tells_its_own_move_once() -> None:
    happening = _happening(Kind.TIER_CHANGED, 0, **{"from": "hot", "to": "warm"})
    move = Move(happening.recorded_at, 61, 55, "hot", "warm", "time")
    assert len(entries([happening], [move], NAMES)) == 1


def test_every_kind_but_none_twice_stands_under_one_filter() -> None:
    named = [kind for choice in FILTERS for kind in choice.kinds]
    assert sorted(named) == sorted(Kind.values)
