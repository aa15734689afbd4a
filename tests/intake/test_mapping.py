"""Mappings are refused with the column and the key named."""

from typing import Any

import pytest

from core.errors import Invalid
from intake.mapping import FileMapping, Known, parse_mapping

KNOWN = Known(
    {"plan": ("choice", ("Basic", "Pro")), "seats": ("number", ())},
    ["authority", "budget"],
    {"Plan": ["Basic", "Pro", "Max"], "Note": None},
)
HEADERS = ["Mail", "Budget", "Status", "Plan", "Note", "Id", "Industry"]


def parse(columns: Any, **rest: Any) -> FileMapping:
    return parse_mapping({"columns": columns, **rest}, HEADERS, KNOWN)


def problems(columns: Any, **rest: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as refusal:
        parse(columns, **rest)
    return {problem.field: problem.code for problem in refusal.value.problems}


MAIL = {"to": "field", "field": "email"}


@pytest.mark.parametrize(
    ("columns", "path", "code"),
    [
        ({"Nope": MAIL}, "columns.Nope", "unknown_column"),
        ({"Mail": {"to": "fild"}}, "columns.Mail.to", "not_a_choice"),
        ({"Mail": "email"}, "columns.Mail", "not_an_object"),
        ({"Mail": {"to": "field", "field": "mail"}}, "columns.Mail.field", "not_a_choice"),
        ({"Mail": {**MAIL, "if_exist": "fill"}}, "columns.Mail.if_exist", "unknown_key"),
        ({"Mail": {**MAIL, "if_exists": "add"}}, "columns.Mail.if_exists", "not_a_choice"),
        ({"Mail": MAIL, "Note": MAIL}, "columns.Note.to", "used_twice"),
        ({"Plan": {"to": "custom", "key": "Plan A"}}, "columns.Plan.key", "not_a_key"),
        (
            {"Plan": {"to": "custom", "key": "seats", "type": "text"}},
            "columns.Plan.type",
            "other_type",
        ),
        (
            {"Note": {"to": "custom", "key": "note", "type": "choice"}},
            "columns.Note.type",
            "too_many_values",
        ),
        (
            {"Plan": {"to": "custom", "key": "x", "known_when": "later"}},
            "columns.Plan.known_when",
            "not_a_choice",
        ),
        (
            {"Budget": {"to": "evidence", "dimension": "money", "ratings": {"a": 1}}},
            "columns.Budget.dimension",
            "unknown_dimension",
        ),
        (
            {"Budget": {"to": "evidence", "dimension": "budget", "ratings": {"a": 101}}},
            "columns.Budget.ratings.a",
            "out_of_range",
        ),
        (
            {"Budget": {"to": "evidence", "dimension": "budget", "ratings": {"a": True}}},
            "columns.Budget.ratings.a",
            "out_of_range",
        ),
        (
            {"Budget": {"to": "evidence", "dimension": "budget"}},
            "columns.Budget.ratings",
            "wrong_type",
        ),
        (
            {"Budget": {"to": "evidence", "dimension": "budget", "scale": 0}},
            "columns.Budget.scale",
            "out_of_range",
        ),
        ({"Status": {"to": "outcome"}}, "columns.Status", "empty"),
        ({"Status": {"to": "outcome", "won": "Won"}}, "columns.Status.won", "wrong_type"),
        (
            {"Status": {"to": "outcome", "won": ["x"], "lost": [" X "]}},
            "columns.Status.lost",
            "used_twice",
        ),
        ({"Industry": {"to": "field", "field": "industry"}}, "columns.Industry.field", "alone"),
        ({"Mail": {"to": "ignore"}}, "columns", "empty"),
        ({}, "columns", "empty"),
        ([], "columns", "not_an_object"),
    ],
)
def test_a_wrong_mapping_names_column_and_key(columns: Any, path: str, code: str) -> None:
    assert problems(columns).get(path) == code


@pytest.mark.parametrize(
    ("rest", "path"),
    [
        ({"kind": "b2g"}, "kind"),
        ({"dates": "ymd"}, "dates"),
        ({"decimal": ";"}, "decimal"),
        ({"country": "Germany"}, "country"),
        ({"columms": {}}, "columms"),
    ],
)
def test_wrong_settings_are_named(rest: dict[str, Any], path: str) -> None:
    assert path in problems({"Mail": MAIL}, **rest)


@pytest.mark.parametrize("data", [None, [], "x", 1])
def test_a_mapping_that_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(Invalid):
        parse_mapping(data, HEADERS, KNOWN)


def test_headers_are_found_whatever_their_case_and_spaces() -> None:
    assert parse({" mail ": MAIL}).fields[0].header == "Mail"


def test_columns_that_are_not_named_are_listed_as_ignored() -> None:
    assert parse({"Mail": MAIL, "Id": {"to": "ignore"}}).ignored == (
        "Budget",
        "Status",
        "Plan",
        "Note",
        "Id",
        "Industry",
    )


def test_a_choice_field_has_the_choices_of_before_and_of_the_mapping() -> None:
    (column,) = parse({"Plan": {"to": "custom", "key": "plan", "choices": ["Max"]}}).custom
    assert column.choices == ("Basic", "Pro", "Max")
    assert not column.is_new


def test_a_new_choice_field_takes_the_values_of_the_file() -> None:
    (column,) = parse({"Plan": {"to": "custom", "key": "tariff", "type": "choice"}}).custom
    assert column.choices == ("Basic", "Pro", "Max")
    assert column.is_new
