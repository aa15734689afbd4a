"""A model in words, and what differs."""

from core.condition_words import words
from scoring.describing import describe, differences, differences_beside_points
from scoring.live import LiveModel
from tests.scoring import models


def live(**changes: object) -> LiveModel:
    return LiveModel(
        1, "test", 1, "test", models.model(**changes), models.icp(), models.framework()
    )


def test_all_numbers_of_a_model_are_told() -> None:
    found = describe(live(), {})
    fit, engagement, _ = found.groups
    assert [(line.label, line.points) for line in fit.lines][:2] == [
        ("Size", 25),
        ("Own domain", 10),
    ]
    assert fit.lines[0].how == "20–500 100 %; over 500 50 %"
    assert engagement.lines[0].how == "for 90 days after the last one"
    assert engagement.lines[1].how == "full at 4, halved every 30 days"
    assert (fit.cap, fit.floor) == (35, 0)
    assert found.gates == ("Authority at least 33",)
    assert ("p(win)", "8.0 % at 40 points, 25.0 % at 60") in found.settings


def test_only_what_differs_is_told_with_before_and_after() -> None:
    signals = [dict(s) for s in models.MODEL["signals"]]
    signals[0]["points"] = 27.5
    dropped = signals.pop(1)
    changed = live(
        signals=signals,
        marks={"hot": 65, "warm": 40},
        gates=[],
        disqualifiers=[
            {
                "key": "tiny",
                "reason": "Too small",
                "rule": {
                    "all": [
                        {"field": "employees", "op": "lt", "value": 5},
                        {"not": {"field": "industry", "op": "in", "value": ["it", "law"]}},
                    ]
                },
            }
        ],
    )
    found = {
        d.what: (d.before, d.after) for d in differences(live(), changed, {"employees": "Size"})
    }
    assert found == {
        "Size": (
            "+25 points, 20–500 100 %; over 500 50 %",
            "+27.5 points, 20–500 100 %; over 500 50 %",
        ),
        dropped["label"]: ("+10 points, own domain 100 %", ""),
        "Hot from": ("60", "65"),
        "Gate": ("Authority at least 33", ""),
        "Disqualifier": (
            "",
            "Too small: Size is below 5 and not (industry is one of it, law)",
        ),
    }
    assert differences(live(), live(), {}) == []
    beside = differences_beside_points(live(), changed, {"employees": "Size"})
    assert {d.what for d in beside} == set(found) - {"Size", dropped["label"]}
    signals = [{**s, "half_life_days": 7} if "half_life_days" in s else s for s in signals]
    slower = {d.what: d.after for d in differences_beside_points(live(), live(signals=signals), {})}
    assert list(slower.values()) == ["full at 4, halved every 7 days"]


def test_rules_read_as_sentences() -> None:
    rule = {
        "any": [
            {"field": "country", "op": "missing"},
            {
                "all": [
                    {"field": "age", "op": "between", "value": [18, 1200]},
                    {"field": "kind", "op": "eq", "value": "b2c"},
                ]
            },
        ]
    }
    assert words(rule, {"country": "Country"}) == (
        "Country is not filled in or (age is 18 to 1,200 and kind is b2c)"
    )
