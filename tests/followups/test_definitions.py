"""A play is checked field by field, and its texts are filled in once."""

import pytest

from core.errors import Invalid
from followups.definitions import Step, Wait, Words, fill_in, parse_play


def play(**changes):
    return {
        "name": "Hot",
        "tier": "hot",
        "phase": "before_contact",
        "sla_minutes": 5,
        "steps": [
            {"kind": "call", "title": "Call {first_name}", "body": "Hello {first_name}"},
            {"kind": "email", "title": "Write", "body": "Hi {first_name}", "wait_days": 2},
            {"kind": "task", "title": "Look", "wait_hours": 1.5},
        ],
        "exits": ["reply", "opt_out"],
        **changes,
    }


def problems_of(definition):
    with pytest.raises(Invalid) as caught:
        parse_play(definition)
    return {problem.field: problem.code for problem in caught.value.problems}


def test_a_play_keeps_its_steps_in_order_with_their_waits():
    parsed = parse_play(play())
    assert parsed.target == ("hot", "before_contact")
    assert parsed.sla_minutes == 5
    assert [step.kind for step in parsed.steps] == ["call", "email", "task"]
    assert [step.wait for step in parsed.steps] == [Wait(), Wait(days=2), Wait(hours=1.5)]
    assert parsed.exits == {"reply", "opt_out"}


def test_a_clock_and_exits_may_be_left_out():
    definition = play(sla_minutes=None)
    del definition["exits"]
    parsed = parse_play(definition)
    assert parsed.sla_minutes is None
    assert parsed.exits == frozenset()


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"name": " "}, "name", "wrong_type"),
        ({"tier": "boiling"}, "tier", "not_a_choice"),
        ({"tier": ["hot"]}, "tier", "not_a_choice"),
        ({"phase": None}, "phase", "not_a_choice"),
        ({"sla_minutes": 0}, "sla_minutes", "out_of_range"),
        ({"sla_minutes": 2.5}, "sla_minutes", "wrong_type"),
        ({"sla_minutes": "5"}, "sla_minutes", "wrong_type"),
        ({"sla_minutes": float("nan")}, "sla_minutes", "wrong_type"),
        ({"sla_minutes": True}, "sla_minutes", "wrong_type"),
        ({"steps": []}, "steps", "empty"),
        ({"steps": "call"}, "steps", "wrong_type"),
        ({"steps": [{"kind": "task", "title": "x"}] * 51}, "steps", "too_many"),
        ({"exits": ["reply", "boredom"]}, "exits[1]", "not_a_choice"),
        ({"exits": [["reply"]]}, "exits[0]", "not_a_choice"),
        ({"colour": "red"}, "colour", "unknown_field"),
        ({"steps": [{"kind": "task", "title": "x"}]}, "sla_minutes", "no_call"),
    ],
)
def test_a_wrong_field_is_named(changes, field, code):
    assert problems_of(play(**changes)).get(field) == code


@pytest.mark.parametrize(
    ("step", "field", "code"),
    [
        ({"kind": "fax", "title": "x"}, "kind", "not_a_choice"),
        ({"kind": "call"}, "title", "wrong_type"),
        ({"kind": "call", "title": "x" * 121}, "title", "too_long"),
        ({"kind": "call", "title": "x", "body": "x" * 10_001}, "body", "too_long"),
        ({"kind": "call", "title": "x", "body": None}, "body", "wrong_type"),
        ({"kind": "call", "title": "x", "wait_days": -1}, "wait_days", "out_of_range"),
        ({"kind": "call", "title": "x", "wait_days": 1.5}, "wait_days", "wrong_type"),
        ({"kind": "call", "title": "x", "wait_hours": 1e9}, "wait_hours", "out_of_range"),
        (
            {"kind": "call", "title": "x", "wait_days": 1, "wait_hours": 1},
            "wait_days",
            "contradiction",
        ),
        ({"kind": "call", "title": "x", "wait": 1}, "wait", "unknown_field"),
        ({"kind": "call", "title": "Call {surname}"}, "title", "unknown_placeholder"),
        (
            {"kind": "call", "title": "x", "body": "{{ settings.SECRET_KEY }}"},
            "body",
            "unknown_placeholder",
        ),
        ("call", "", "wrong_type"),
    ],
)
def test_a_wrong_field_of_a_step_is_named_with_its_place(step, field, code):
    definition = play(steps=[{"kind": "call", "title": "ok"}, step])
    assert problems_of(definition).get(f"steps[1].{field}".rstrip(".")) == code


@pytest.mark.parametrize("definition", [None, [], "play", 3, {}])
def test_what_is_no_play_at_all_is_refused(definition):
    assert problems_of(definition)


def test_all_wrong_fields_are_named_at_once():
    found = problems_of(play(name="", tier="x", steps=[{"kind": "x", "title": ""}]))
    assert {"name", "tier", "steps[0].kind", "steps[0].title"} <= set(found)


WORDS = Words("Ada", "Acme", "Rita", "price; timing")


def test_placeholders_are_filled_in():
    text = "{first_name} at {company}: {concerns}. Yours, {owner_name} of {first_name}"
    assert fill_in(text, WORDS, "call") == "Ada at Acme: price; timing. Yours, Rita of Ada"


def test_a_name_that_looks_like_a_placeholder_stays_a_name():
    words = Words("{concerns}", "{first_name}", "", "secret")
    assert fill_in("Hi {first_name} of {company}", words, "call") == "Hi {concerns} of {first_name}"


def test_what_is_not_known_is_worded_for_the_reader():
    assert fill_in("Hi {first_name}", Words(), "email") == "Hi there"
    assert fill_in("Call {first_name}", Words(), "call") == "Call the lead"


def test_a_text_without_placeholders_is_itself():
    assert fill_in("50 % off }{", Words(), "task") == "50 % off }{"


def test_a_step_knows_whether_it_names_concerns():
    assert Step("call", "x", "About {concerns}", Wait()).names_concerns
    assert not Step("call", "concerns", "{company}", Wait()).names_concerns
