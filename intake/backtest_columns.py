"""Which field of leads each column of a backtest's file becomes when its model is taken.

What an import of the same file would make of a column is proposed; a person may choose another
field, a new one, or leave the column out with its lines.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from core import conditions
from core.errors import FieldProblem, Invalid
from intake import cells
from intake.cells import Refused
from intake.fields import FIELDS
from intake.mapping import parse_mapping
from intake.models import Backtest, Import
from intake.proposing import plain_key
from intake.services import known
from leads.models import CustomField
from scoring.definitions import parse_icp
from scoring.fields import BUILT_IN, CUSTOM
from scoring.learning.table import Table, column_of_texts

LEAVE_OUT, NEW = "leave-out", "new"
MOST_CHOICES = 100  # values up to which a new field is a choice
# Fields of leads that an import writes as the file has them, and those that it words anew.
AS_WRITTEN = ("title", "industry", "employees", "revenue", "value", "age", "source")
REWORDED = ("country", "seniority")
_BUILT_IN = {field.name: field for field in BUILT_IN}
STILL_TO_COME = (Import.State.STAGED, Import.State.CHECKED)
_KIND_WORDS = {"number": "numbers", "text": "texts"}
_TYPE_WORDS = {"number": "numbers", "text": "texts", "choice": "choices", "bool": "yes or no"}


@dataclass(frozen=True)
class Target:
    """What a column becomes: the field's name in rules, and its entry in an import's mapping."""

    field: str
    spec: Mapping[str, Any]

    @property
    def is_bool(self) -> bool:
        """True when leads have yes or no there, whatever words the file has."""
        return self.spec.get("type") == CustomField.Type.BOOL


@dataclass(frozen=True)
class Row:
    """A column on the page: `options` in groups, and what is wrong with the choice, if anything."""

    index: int
    header: str
    samples: Sequence[str]
    kind: str
    lines: int
    options: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    chosen: str
    note: str
    problem: str


class Columns:
    """The columns that the lines of a backtest read."""

    def __init__(self, test: Backtest) -> None:
        content = test.suggested["definitions"]
        self.imported = test.imported
        self.types: Mapping[str, Any] = content["types"]
        self._lines = [conditions.fields_of(line["rule"]) for line in test.suggested["lines"]]
        used = parse_icp(content["icp"], self.types).fields()
        self.headers = [header for header in self.imported.headers if header in used]
        self._profile = {column["header"]: column for column in self.imported.profile}
        self._mapping = self.imported.mapping.get("columns", {})

    @cached_property
    def _there(self) -> dict[str, CustomField]:
        return {field.key: field for field in CustomField.objects.order_by("label")}

    @property
    def to_come(self) -> bool:
        """True while the file can still be imported."""
        return self.imported.state in STILL_TO_COME and self.imported.cleared_at is None

    def spec(self, header: str) -> Mapping[str, Any]:
        """Return what an import of the file makes of a column."""
        spec: Mapping[str, Any] = self._mapping.get(header, {"to": "ignore"})
        return spec

    def chosen(self, posted: Mapping[str, str]) -> dict[str, str]:
        """Return what each column becomes by a posted form, the default where it says nothing."""
        places = {header: index for index, header in enumerate(self.imported.headers)}
        return {
            header: posted.get(f"to-{places[header]}") or self.default(header)
            for header in self.headers
        }

    def default(self, header: str) -> str:
        """Return what an import of the file would make of a column, else a new field; of a file
        that has been imported only what its leads have.
        """
        spec = self.spec(header)
        wanted = ""
        if spec["to"] == "field":
            wanted = f"field:{spec['field']}"
        elif spec["to"] == "custom":
            wanted = f"custom:{spec['key']}"
        elif spec["to"] == "evidence" and self.to_come:
            wanted = f"custom:{plain_key(header)}"  # made by a backtest before this one
        if any(wanted == value for _, options in self.options(header) for value, _ in options):
            return wanted
        return NEW if self.to_come else LEAVE_OUT

    def options(self, header: str) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return what a column may become, in groups for a select."""
        kind = self.types[header]
        built_in = [
            (f"field:{name}", _BUILT_IN[name].label)
            for name in (*AS_WRITTEN, *REWORDED)
            if _BUILT_IN[name].type == kind
        ]
        own = [
            (f"custom:{key}", field.label)
            for key, field in self._there.items()
            if self._suits(field.type, header)
        ]
        words = _TYPE_WORDS[self._new_type(header)]
        first = [(NEW, f"New field “{header}” ({words})"), (LEAVE_OUT, "Leave out, with its lines")]
        found = [("", first), ("Lead and company", built_in), ("Fields of your own", own)]
        return [(group, options) for group, options in found if options]

    def _suits(self, kind: str, header: str) -> bool:
        if kind == CustomField.Type.BOOL:
            return bool(_truths(self._values(header)))
        if kind == CustomField.Type.NUMBER:
            return bool(self.types[header] == "number")
        texts = (CustomField.Type.TEXT, CustomField.Type.CHOICE)
        return bool(self.types[header] == "text" and kind in texts)

    def _values(self, header: str) -> list[str]:
        return list(self._profile[header]["values"] or [])

    def _new_type(self, header: str) -> str:
        """Return the type of a new field: what an import would give it, where the lines fit."""
        spec = self.spec(header)
        if spec["to"] == "custom" and self._suits(spec["type"], header):
            return str(spec["type"])
        if self.types[header] == "number":
            return CustomField.Type.NUMBER
        few = 0 < len(self._values(header)) <= MOST_CHOICES
        return CustomField.Type.CHOICE if few else CustomField.Type.TEXT

    def rows(self, chosen: Mapping[str, str], problems: Collection[FieldProblem] = ()) -> list[Row]:
        """Return the columns for the page, each with its problem."""
        wrong = {problem.field: problem.message for problem in problems}
        return [
            Row(
                index=self.imported.headers.index(header),
                header=header,
                samples=self._profile[header]["samples"],
                kind=_KIND_WORDS.get(self.types[header], ""),
                lines=sum(header in fields for fields in self._lines),
                options=self.options(header),
                chosen=chosen[header],
                note=self._note(header),
                problem=wrong.get(f"columns.{header}", ""),
            )
            for header in self.headers
        ]

    def _note(self, header: str) -> str:
        spec = self.spec(header)
        if spec["to"] == "evidence" and self.to_come:
            return (
                f"An import would make it the answer “{spec['dimension']}”. As a field it is "
                "imported instead of that answer, so that lines can read it."
            )
        if spec["to"] == "evidence":
            return (
                f"It was imported as the answer “{spec['dimension']}”, which counts by itself; "
                "leads have no such field."
            )
        if not self.to_come and self.default(header) == LEAVE_OUT:
            return "The leads of this import do not have it: a line of it would count for none."
        return ""

    def targets(self, chosen: Mapping[str, str]) -> dict[str, Target]:
        """Return what each column that is not left out becomes.

        Raises Invalid, with `columns.HEADER` as field, for a choice that is none, and for two
        columns that would fill the same field.
        """
        found: dict[str, Target] = {}
        problems = []
        taken: dict[str, str] = {}
        for header in self.headers:
            choice = chosen.get(header, "")
            allowed = [value for _, options in self.options(header) for value, _ in options]
            if choice not in allowed:
                text = "choose what this column becomes; its values do not fit that field"
                problems.append(FieldProblem(f"columns.{header}", "not_a_choice", text))
                continue
            if choice == LEAVE_OUT:
                continue
            target = self._target(header, choice, taken)
            if target.field in taken:
                text = f"“{taken[target.field]}” becomes this field already"
                problems.append(FieldProblem(f"columns.{header}", "used_twice", text))
                continue
            taken[target.field] = header
            found[header] = target
        if not problems and self.to_come:
            problems = self._against_the_rest(found)
        if problems:
            raise Invalid(problems)
        return found

    def _target(self, header: str, choice: str, taken: Collection[str]) -> Target:
        old = self.spec(header)
        exists = {"if_exists": old["if_exists"]} if "if_exists" in old else {}
        to, _, name = choice.partition(":")
        if to == "field":
            return Target(name, {"to": "field", "field": name, **exists})
        known_when = {"known_when": old["known_when"]} if "known_when" in old else {}
        if to == "custom":
            own = self._there[name]
            spec: dict[str, Any] = {"to": "custom", "key": name, "type": own.type}
            if own.type == CustomField.Type.CHOICE:
                spec["choices"] = self._values(header)
            return Target(CUSTOM + name, {**spec, **known_when, **exists})
        kind = self._new_type(header)
        spec = {"to": "custom", "key": self._free_key(header, taken), "type": kind}
        spec |= {"label": header[:100], **known_when, **exists}
        if kind == CustomField.Type.CHOICE:
            spec["choices"] = self._values(header)
        return Target(CUSTOM + spec["key"], spec)

    def _free_key(self, header: str, taken: Collection[str]) -> str:
        spec = self.spec(header)
        base = spec["key"] if spec["to"] == "custom" else plain_key(header)
        others = {
            other["key"]
            for name, other in self._mapping.items()
            if other["to"] == "custom" and name != header
        }
        key, number = base, 1
        while key in self._there or CUSTOM + key in taken or key in others:
            number += 1
            key = f"{base}_{number}"
        return key

    def _against_the_rest(self, found: Mapping[str, Target]) -> list[FieldProblem]:
        """Return what keeps the file from being imported into these fields."""
        try:
            parse_mapping(self.mapping(found), self.imported.headers, known(self.imported))
        except Invalid as error:
            return [
                FieldProblem(f"columns.{header}", problem.code, problem.message)
                for problem in error.problems
                for header in found
                if f"{problem.field}.".startswith(f"columns.{header}.")
            ]
        return []

    def mapping(self, targets: Mapping[str, Target]) -> dict[str, Any]:
        """Return the mapping by which an import fills the fields that the lines read."""
        rest = {h: spec for h, spec in self._mapping.items() if h not in targets}
        specs = {header: dict(target.spec) for header, target in targets.items()}
        return {**self.imported.mapping, "columns": {**rest, **specs}}

    def leaf(self, targets: Mapping[str, Target]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        """Return how a condition on a column's words reads on what leads have in its field."""

        def said(leaf: Mapping[str, Any]) -> dict[str, Any]:
            header = leaf["field"]
            target = targets[header]
            if leaf["op"] in ("missing", "present"):
                return dict(leaf)
            if target.is_bool:
                return self._as_bool(leaf, header)
            if target.field in REWORDED:
                return _reworded(leaf, target.field)
            return dict(leaf)

        return said

    def _as_bool(self, leaf: Mapping[str, Any], header: str) -> dict[str, Any]:
        values = self._values(header)
        column = column_of_texts(header, values, self.types[header])
        truth = conditions.evaluate(leaf, Table(len(values), {header: column}), self.types)
        held = {cells.truth(values[row]) for row in np.flatnonzero(truth == conditions.TRUE)}
        if len(held) == 1:
            return {"field": header, "op": "eq", "value": held.pop()}
        if held:
            return {"field": header, "op": "present"}
        text = "its lines say nothing about yes and no"
        raise Invalid.field(f"columns.{header}", "not_a_choice", text)


def when_known(spec: Mapping[str, Any], late: bool) -> dict[str, Any]:
    """Return a column's entry in a mapping, as a field that is known with the outcome or before."""
    known_when = CustomField.KnownWhen
    present = spec.get("known_when", known_when.ARRIVAL)
    if spec.get("to") == "custom" and late and present == known_when.ARRIVAL:
        return {**spec, "known_when": str(known_when.OUTCOME)}
    if spec.get("to") == "custom" and not late and present == known_when.OUTCOME:
        return {**spec, "known_when": str(known_when.ARRIVAL)}
    return dict(spec)


def make_fields(targets: Collection[Target]) -> None:
    """Make the custom fields that are lacking."""
    for target in targets:
        spec = target.spec
        if spec["to"] != "custom" or "label" not in spec:
            continue
        CustomField.objects.create(
            key=spec["key"],
            label=spec["label"],
            type=spec["type"],
            choices=list(spec.get("choices", [])),
            known_when=spec.get("known_when", CustomField.KnownWhen.ARRIVAL),
        )


def _truths(values: Sequence[str]) -> set[bool]:
    """Return which of yes and no the values say; none when any of them is neither."""
    try:
        return {cells.truth(value) for value in values}
    except Refused:
        return set()


def _reworded(leaf: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Return a condition with the words that an import writes, instead of the file's."""
    parser = FIELDS[field].parser
    assert parser is not None
    parse = parser(None)  # type: ignore[arg-type]  # these do not depend on how a file is read
    words = []
    for value in leaf["value"] if isinstance(leaf["value"], list) else [leaf["value"]]:
        try:
            words.append(parse(value))
        except Refused:
            continue
    words = list(dict.fromkeys(words))
    if leaf["op"] == "not_in" and not words:
        return {"field": leaf["field"], "op": "present"}
    if not words:
        text = f"none of the values of its lines is a {field}, such as “{leaf['value'][0]}”"
        raise Invalid.field(f"columns.{leaf['field']}", "no_value", text)
    return {**leaf, "value": words}
