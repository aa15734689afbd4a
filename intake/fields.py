"""What a column of a file can become: the fields of a lead, and how their cells are read. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from intake import cells
from intake.cells import Refused
from leads.identity import normal_domain
from leads.stages import OPEN
from leads.titles import SENIORITIES

Parse = Callable[[str], Any]

MOST_AGE = 130  # years


@dataclass(frozen=True)
class Reading:
    """How the cells of one file are to be read."""

    dates: cells.DateOrder
    decimal: cells.DecimalMark
    country: str
    time_zone: str


@dataclass(frozen=True)
class Field:
    """A field that a column can fill. `parser` makes its parser; fields without one are read
    together with others (names, e-mail, phone, owner) in intake.checking.
    """

    name: str
    label: str
    parser: Callable[[Reading], Parse] | None
    company: bool = False  # a fact of the company, which needs a name or a domain


def _text(most: int) -> Callable[[Reading], Parse]:
    return lambda reading: partial(cells.text, most)


def _plain(parse: Parse) -> Callable[[Reading], Parse]:
    return lambda reading: parse


def _moment(reading: Reading) -> Parse:
    return lambda cell: cells.moment(cell, reading.dates, reading.time_zone)


def _one_of(choices: Mapping[str, str], what: str) -> Callable[[Reading], Parse]:
    def parse(cell: str) -> str:
        value = choices.get(" ".join(cell.casefold().replace("_", " ").replace("-", " ").split()))
        if value is None:
            raise Refused("not_a_choice", f"is not one of {what}")
        return value

    return _plain(parse)


def _domain(cell: str) -> str:
    domain = normal_domain(cell)
    if domain is None:
        raise Refused("not_a_domain", "is not a domain or web address")
    return domain


_SENIORITIES = {name.replace("_", " "): name for name in SENIORITIES}
_KINDS = {"b2b": "b2b", "business": "b2b", "b2c": "b2c", "consumer": "b2c", "private": "b2c"}
_STAGES = {stage.value: stage.value for stage in OPEN} | {
    "neu": "new", "marketing qualified": "mql", "sales qualified": "sql", "sal": "accepted",
    "akzeptiert": "accepted", "deal": "opportunity", "nurture": "recycled",
}  # fmt: skip

_TOUCH = (
    ("campaign", "Campaign"),
    ("utm_source", "UTM source"),
    ("utm_medium", "UTM medium"),
    ("utm_campaign", "UTM campaign"),
    ("utm_term", "UTM term"),
    ("utm_content", "UTM content"),
    ("referrer", "Referrer"),
    ("landing_page", "Landing page"),
)
# Kept together as the first and last touch of a lead.
TOUCH = tuple(name for name, _ in _TOUCH)

FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        Field("name", "Full name (split)", None),
        Field("first_name", "First name", _text(100)),
        Field("last_name", "Last name", _text(100)),
        Field("email", "E-mail", None),
        Field("phone", "Phone", None),
        Field("title", "Job title", _text(150)),
        Field("seniority", "Seniority", _one_of(_SENIORITIES, ", ".join(_SENIORITIES))),
        Field("age", "Age (years)", _plain(partial(cells.whole, 0, MOST_AGE))),
        Field("country", "Country", _plain(cells.country)),
        Field("time_zone", "Time zone", _plain(cells.time_zone)),
        Field("kind", "Kind of lead (B2B or B2C)", _one_of(_KINDS, "b2b, b2c")),
        Field("value", "Deal value", _plain(cells.money)),
        Field("currency", "Currency", _plain(cells.currency)),
        Field("stage", "Stage", _one_of(_STAGES, ", ".join(stage.value for stage in OPEN))),
        Field("source", "Source", _text(100)),
        Field("owner", "Owner (e-mail of a user)", None),
        Field("created_at", "Created on", _moment),
        Field("answered_at", "Answers given on", _moment),
        Field("outcome_at", "Outcome on", _moment),
        Field("consent_at", "Consent given or refused on", _moment),
        Field("outcome_reason", "Reason of the outcome", _text(200)),
        Field("company", "Company", _text(200)),
        Field("company_domain", "Company website or domain", _plain(_domain)),
        Field("industry", "Industry", _text(100), company=True),
        Field("company_country", "Company country", _plain(cells.country), company=True),
        Field("employees", "Employees", _plain(cells.head_count), company=True),
        Field("revenue", "Revenue", _plain(cells.money), company=True),
        *(Field(name, label, _text(200)) for name, label in _TOUCH),
    )
}

# Moments of what has happened; nothing happens tomorrow.
PAST = frozenset(("created_at", "answered_at", "outcome_at", "consent_at"))


def custom_parser(kind: str, reading: Reading, choices: frozenset[str] | None) -> Parse:
    """Return the parser of a custom field of a type; its values are stored as JSON.

    `choices` limits a choice to its known values, None takes any.
    """
    if kind == "number":
        return lambda cell: _json_number(cells.number(cell, reading.decimal))
    if kind == "bool":
        return cells.truth
    if kind == "date":
        return lambda cell: cells.date(cell, reading.dates)
    if kind == "choice" and choices is not None:
        return partial(_choice, choices)
    return partial(cells.text, 200 if kind == "choice" else 1_000)


def _json_number(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _choice(choices: frozenset[str], cell: str) -> str:
    if cell not in choices:
        raise Refused("not_a_choice", "is not one of the field's choices")
    return cell
