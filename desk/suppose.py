"""The controls of the what-if page, and what a query string of them supposes. Pure.

Every control stands at what is so, and what differs from that is supposed. A parameter that is
absent supposes nothing, so a link may carry only what it is about.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import QueryDict

from core.conditions import leaves
from core.errors import FieldProblem, Invalid
from core.filters import require_known
from scoring.fields import Field
from scoring.levers import AHEAD_DAYS, ratings_of
from scoring.live import LiveConfig, LiveModel
from scoring.selectors import rating_word
from scoring.whatif import Lift, Supposition, WhatIf, field_value, rating_value

RATING, FIELD, EVENT = "r.", "f.", "e."
UNKNOWN = "unknown"
_EVENTS = (
    ("", "as it is"),
    ("1", "once more, now"),
    ("3", "three times more, now"),
    ("0", "never"),
)
_YES_NO = (("", "unknown"), ("true", "yes"), ("false", "no"))


@dataclass(frozen=True)
class Control:
    """One control: its parameter, label, the `value` that it stands at, what is so, and choices.

    `kind` is select, number or text; `suggestions` are values that rules ask for.
    """

    name: str
    label: str
    kind: str
    value: str
    actual: str
    choices: tuple[tuple[str, str], ...] = ()
    suggestions: tuple[str, ...] = ()

    @property
    def supposed(self) -> bool:
        """True when it does not stand at what is so."""
        return self.value != self.actual


@dataclass(frozen=True)
class Controls:
    """All controls in their groups."""

    answers: tuple[Control, ...]
    facts: tuple[Control, ...]
    events: tuple[Control, ...]
    days: Control


def read_supposition(data: QueryDict, config: LiveConfig) -> Supposition:
    """Return what a query string supposes; raise BadParameter for an unknown parameter and
    Invalid for a value of the wrong type.
    """
    kinds = sorted({kind for kind, _ in config.counters})
    fields = {field.name: field for field in config.used_fields}
    known = [
        *(RATING + d for d in config.dimensions),
        *(FIELD + name for name in fields),
        *(EVENT + kind for kind in kinds),
    ]
    require_known(data, (*known, "days", "version"), "the what-if page")
    given = {name: str(text) for name, text in data.items()}
    problems: list[FieldProblem] = []

    def number(name: str, text: str) -> float | None:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not abs(value) < 1e15:
            problems.append(FieldProblem(name, "wrong_type", "must be a number"))
            return None
        return value

    ratings: dict[str, float | None] = {}
    supposed: dict[str, float | str | bool | None] = {}
    events: dict[str, int] = {}
    for name, text in given.items():
        if name.startswith(RATING):
            rating = None if text in (UNKNOWN, "") else number(name, text)
            ratings[name.removeprefix(RATING)] = rating
        elif name.startswith(FIELD):
            key = name.removeprefix(FIELD)
            kind = fields[key].type
            if kind == "bool":
                supposed[key] = {"true": True, "false": False}.get(text)
            else:
                text = text.strip()
                supposed[key] = (
                    None if not text else number(name, text) if kind == "number" else text
                )
        elif name.startswith(EVENT) and text:
            times = number(name, text)
            if times is not None:
                events[name.removeprefix(EVENT)] = int(times)
    days = number("days", given["days"]) if given.get("days") else 0
    if problems:
        raise Invalid(problems)
    return Supposition(supposed, ratings, events, int(days or 0))


def controls_of(found: WhatIf, config: LiveConfig) -> Controls:
    """Return the controls of a lead's page, each at what is supposed."""
    live = found.live
    return Controls(
        answers=tuple(_answers(found, live)),
        facts=tuple(_facts(found, live, config.fields)),
        events=tuple(_events(found, live)),
        days=Control("days", "Days without anything new", "number", str(found.supposed.days), "0"),
    )


def _answers(found: WhatIf, live: LiveModel) -> Iterator[Control]:
    scored = {s.dimension for s in live.model.signals} | {g.dimension for g in live.model.gates}
    for criterion in live.framework.criteria:
        if criterion.dimension not in scored:
            continue
        dimension = criterion.dimension
        actual = rating_value(found.facts, dimension)
        value = found.supposed.ratings.get(dimension, actual)
        ratings = {*ratings_of(live.framework, dimension)}
        ratings |= {rating for rating in (actual, value) if rating is not None}
        choices = [(UNKNOWN, "unknown")]
        choices += [(f"{r:g}", f"{rating_word(r)} ({r:g})") for r in sorted(ratings)]
        yield Control(
            RATING + dimension,
            criterion.label,
            "select",
            _shown(value) or UNKNOWN,
            _shown(actual) or UNKNOWN,
            tuple(choices),
        )


def _facts(found: WhatIf, live: LiveModel, fields: Mapping[str, Field]) -> Iterator[Control]:
    for name in sorted(live.icp.fields() | live.model.fields(), key=lambda n: fields[n].label):
        known = fields[name]
        actual = field_value(found.facts, name)
        value = found.supposed.fields.get(name, actual)
        if known.type == "bool":
            yes_no = {None: "", 1.0: "true", 0.0: "false"}
            shown, so = yes_no[value], yes_no[actual]  # type: ignore[index]
            yield Control(FIELD + name, known.label, "select", shown, so, _YES_NO)
        else:
            kind = "number" if known.type == "number" else "text"
            values = tuple(_asked_for(live, name)) if kind == "text" else ()
            label = known.label
            yield Control(
                FIELD + name, label, kind, _shown(value), _shown(actual), suggestions=values
            )


def _asked_for(live: LiveModel, name: str) -> list[str]:
    """Return the texts that rules compare a field with."""
    found: set[str] = set()
    rules = [band.rule for attribute in live.icp.attributes for band in attribute.bands]
    rules += [rule.rule for rule in live.model.disqualifiers]
    rules += [live.icp.segment] if live.icp.segment else []
    for rule in rules:
        for leaf in leaves(rule):
            if leaf.field == name and leaf.value is not None:
                values = leaf.value if isinstance(leaf.value, list) else [leaf.value]
                found |= {str(value) for value in values}
    return sorted(found)


def _events(found: WhatIf, live: LiveModel) -> Iterator[Control]:
    seen = set()
    for signal in live.model.signals:
        if signal.activity and signal.activity not in seen:
            seen.add(signal.activity)
            times = found.supposed.events.get(signal.activity)
            value = "" if times is None else str(times)
            choices = list(_EVENTS)
            if value not in dict(choices):
                choices.append((value, f"{value} times more, now"))
            name = EVENT + signal.activity
            yield Control(name, signal.label, "select", value, "", tuple(choices))


def _shown(value: float | str | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:.15g}"


def query_of(lift: Lift, given: QueryDict | None = None) -> str:
    """Return the query string that supposes the facts of a lift beside what is supposed already
    (`given`); "" when one of them names no single value, which is left to the person.
    """
    query = {name: str(text) for name, text in given.items()} if given else {}
    for fact in lift.facts:
        if fact.kind == "answer":
            query[RATING + fact.key] = f"{fact.number:g}"
        elif fact.kind == "event":
            times = query.get(EVENT + fact.key, "")
            if times == "0":  # never, and then once: no number of times says that
                return ""
            query[EVENT + fact.key] = str(int(float(times or 0)) + 1)
        else:
            return ""
    return urlencode(query)


MOST_DAYS = AHEAD_DAYS
