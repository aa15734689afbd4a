"""What each column of a file becomes: parsed and checked, immutable. Pure.

The JSON form is described in docs/domain/import.md.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from core.errors import FieldProblem, Invalid
from intake.countries import CODES
from intake.fields import FIELDS, Reading
from leads.consent import Channel
from leads.identity import clean_text

IfExists = Literal["fill", "overwrite", "keep"]
IF_EXISTS: tuple[IfExists, ...] = ("fill", "overwrite", "keep")
CUSTOM_TYPES = ("text", "number", "bool", "date", "choice")
KNOWN_WHEN = ("arrival", "contact", "outcome")
RESULTS = ("won", "lost", "disqualified")
SAID = ("granted", "withdrawn")
_WHO = {"name", "first_name", "last_name", "email", "phone", "country", "consent_at"}
MOST_ANSWERS = 200  # different answers of one column
MOST_CHOICES = 500  # of a custom field
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
# Cells that a merged row cannot take from another row on their own.
_PAIRS = {"name": ("first_name", "last_name")}


@dataclass(frozen=True)
class CustomColumn:
    """A custom field; `is_new` when it does not exist yet. `choices` are all that it will have."""

    header: str
    index: int
    key: str
    type: str
    label: str
    known_when: str
    choices: tuple[str, ...]
    is_new: bool
    if_exists: IfExists


@dataclass(frozen=True)
class FieldColumn:
    """A field of the lead or its company (intake.fields)."""

    header: str
    index: int
    field: str
    if_exists: IfExists


@dataclass(frozen=True)
class EvidenceColumn:
    """Answers about a dimension. `ratings` has folded answer → rating, None for "not known", and
    `labels` folded answer → answer. With `scale` the cells are numbers from 0 to it instead.
    """

    header: str
    index: int
    dimension: str
    ratings: Mapping[str, int | None]
    labels: Mapping[str, str]
    scale: float | None
    if_exists: IfExists

    @property
    def answers(self) -> list[str]:
        """Folded answers, in the order of their codes."""
        return list(self.ratings)


@dataclass(frozen=True)
class OutcomeColumn:
    """How the lead ended: folded cell → won, lost, disqualified or '' for not yet."""

    header: str
    index: int
    results: Mapping[str, str]
    if_exists: IfExists


@dataclass(frozen=True)
class ConsentColumn:
    """What the lead said about being contacted by a channel: folded cell → granted, withdrawn or ''
    for nothing.
    """

    header: str
    index: int
    channel: str
    states: Mapping[str, str]


@dataclass(frozen=True)
class IdColumn:
    """The id that another system gave to the lead."""

    header: str
    index: int
    source: str

    @property
    def identity(self) -> str:
        """The kind of the identity (leads.models.Identity)."""
        return f"external:{self.source}"


@dataclass(frozen=True)
class FileMapping:
    """All columns of a file that are taken."""

    kind: str
    dates: Literal["dmy", "mdy", "iso"]
    decimal: Literal[",", "."]
    country: str
    fields: tuple[FieldColumn, ...] = ()
    custom: tuple[CustomColumn, ...] = ()
    evidence: tuple[EvidenceColumn, ...] = ()
    outcome: OutcomeColumn | None = None
    consents: tuple[ConsentColumn, ...] = ()
    external: IdColumn | None = None
    ignored: tuple[str, ...] = field(default=())

    @property
    def is_list_of_refusals(self) -> bool:
        """True for a file that says nothing but who refuses to be contacted."""
        said = {column.field for column in self.fields}
        more = self.custom or self.evidence or self.outcome or said - _WHO
        return any("withdrawn" in c.states.values() for c in self.consents) and not more

    def reading(self, country: str, time_zone: str) -> Reading:
        """Return how cells are read, with the workspace's country and zone where none is given."""
        return Reading(self.dates, self.decimal, self.country or country, time_zone)

    def mode(self, name: str) -> IfExists:
        """Return what a value of the field does to one that exists; "keep" when it is not mapped.

        A full name decides for both of its parts.
        """
        for column in self.fields:
            if name in (column.field, *_PAIRS.get(column.field, ())):
                return column.if_exists
        return "keep"

    def has(self, *names: str) -> bool:
        """True when any of the fields is mapped."""
        return any(self.mode(name) != "keep" for name in names) or any(
            column.field in names for column in self.fields
        )


@dataclass(frozen=True)
class Known:
    """What a mapping may refer to: custom fields (key → type and choices), dimensions, and the
    values of the file's columns where they are few (header → all values).
    """

    custom: Mapping[str, tuple[str, tuple[str, ...]]]
    dimensions: Sequence[str]
    values: Mapping[str, Sequence[str] | None] = field(default_factory=dict)


def fold(text: str) -> str:
    """Return the form in which answers and results are compared."""
    return " ".join(clean_text(text).casefold().split())


def parse_mapping(data: Any, headers: Sequence[str], known: Known) -> FileMapping:
    """Parse a mapping for a file with these headers; raise Invalid naming column and key.

    Columns that the mapping does not name are ignored.
    """
    return _Parser(headers, known).parse(data)


class _Parser:
    def __init__(self, headers: Sequence[str], known: Known) -> None:
        self.headers = headers
        self.known = known
        self.problems: list[FieldProblem] = []
        self._exact = {header: index for index, header in enumerate(headers)}
        self._folded = {fold(header): index for index, header in enumerate(headers)}

    def bad(self, path: str, code: str, message: str) -> None:
        self.problems.append(FieldProblem(path, code, message))

    def parse(self, data: Any) -> FileMapping:
        if not isinstance(data, Mapping):
            raise Invalid.field("mapping", "not_an_object", "must be a JSON object")
        self._only(data, "mapping", {"kind", "columns", "dates", "decimal", "country"})
        kind = self._choice(data, "mapping", "kind", ("b2b", "b2c"), "b2b")
        dates = self._choice(data, "mapping", "dates", ("dmy", "mdy", "iso"), "dmy")
        decimal = self._choice(data, "mapping", "decimal", (",", "."), ".")
        country = data.get("country") or ""
        if not isinstance(country, str) or (country and country.upper() not in CODES):
            self.bad("country", "not_a_country", "must be a country code such as DE")
            country = ""
        columns = self._columns(data.get("columns"))
        if self.problems:
            raise Invalid(self.problems)
        mapping = FileMapping(
            kind=kind,
            dates=dates,  # type: ignore[arg-type]
            decimal=decimal,  # type: ignore[arg-type]
            country=country.upper(),
            fields=tuple(c for c in columns if isinstance(c, FieldColumn)),
            custom=tuple(c for c in columns if isinstance(c, CustomColumn)),
            evidence=tuple(c for c in columns if isinstance(c, EvidenceColumn)),
            outcome=next((c for c in columns if isinstance(c, OutcomeColumn)), None),
            consents=tuple(c for c in columns if isinstance(c, ConsentColumn)),
            external=next((c for c in columns if isinstance(c, IdColumn)), None),
            ignored=tuple(h for h in self.headers if h not in {c.header for c in columns}),
        )
        if not columns:
            raise Invalid.field("columns", "empty", "no column is to be imported")
        self._refuse_lonely(mapping)
        if self.problems:
            raise Invalid(self.problems)
        return mapping

    def _columns(self, given: Any) -> list[Any]:
        if not isinstance(given, Mapping):
            self.bad("columns", "not_an_object", "must be an object of headers")
            return []
        columns: list[Any] = []
        used: dict[str, str] = {}
        for header, spec in given.items():
            path = f"columns.{header}"
            index = self._exact.get(header, self._folded.get(fold(str(header))))
            if index is None:
                self.bad(path, "unknown_column", "is not a column of the file")
                continue
            column = self._column(path, self.headers[index], index, spec)
            if column is None:
                continue
            for target in _targets(column):
                if target in used:
                    message = f"goes to {target}, as “{used[target]}” does already"
                    self.bad(f"{path}.to", "used_twice", message)
                used[target] = self.headers[index]
            columns.append(column)
        return columns

    def _column(self, path: str, header: str, index: int, spec: Any) -> Any:
        if not isinstance(spec, Mapping):
            self.bad(path, "not_an_object", 'must be an object such as {"to": "ignore"}')
            return None
        to = spec.get("to")
        makers = {
            "ignore": self._ignore,
            "field": self._field,
            "custom": self._custom,
            "evidence": self._evidence,
            "outcome": self._outcome,
            "consent": self._consent,
            "external_id": self._external_id,
        }
        if not isinstance(to, str) or to not in makers:
            self.bad(f"{path}.to", "not_a_choice", f"must be one of {', '.join(makers)}")
            return None
        return makers[to](path, header, index, spec)

    def _ignore(self, path: str, header: str, index: int, spec: Mapping[str, Any]) -> None:
        self._only(spec, path, {"to"})

    def _field(self, path: str, header: str, index: int, spec: Mapping[str, Any]) -> Any:
        self._only(spec, path, {"to", "field", "if_exists"})
        name = spec.get("field")
        if not isinstance(name, str) or name not in FIELDS:
            self.bad(f"{path}.field", "not_a_choice", f"must be one of {', '.join(FIELDS)}")
            return None
        return FieldColumn(header, index, name, self._if_exists(spec, path))

    def _custom(self, path: str, header: str, index: int, spec: Mapping[str, Any]) -> Any:
        self._only(spec, path, {"to", "key", "type", "label", "known_when", "choices", "if_exists"})
        key = spec.get("key")
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            message = "must be up to 60 small letters, digits, - and _"
            self.bad(f"{path}.key", "not_a_key", message)
            return None
        there = self.known.custom.get(key)
        kind = self._choice(spec, path, "type", CUSTOM_TYPES, there[0] if there else "text")
        if there and kind != there[0]:
            self.bad(f"{path}.type", "other_type", f"the field {key} exists and is a {there[0]}")
        known_when = self._choice(spec, path, "known_when", KNOWN_WHEN, "arrival")
        label = spec.get("label", header)
        if not isinstance(label, str) or not 0 < len(clean_text(label)) <= 100:
            self.bad(f"{path}.label", "wrong_type", "must be a text of up to 100 characters")
            label = header
        choices = list(there[1]) if there else []
        choices += [text for text in self._texts(spec, path, "choices") if text not in choices]
        if kind == "choice" and not there and not choices:
            found = self.known.values.get(header)
            if found is None:
                message = "has too many different values for a choice; make it a text"
                self.bad(f"{path}.type", "too_many_values", message)
            choices = list(found or ())
        if len(choices) > MOST_CHOICES:
            self.bad(f"{path}.choices", "too_large", f"has more than {MOST_CHOICES} choices")
        return CustomColumn(
            header,
            index,
            key,
            kind,
            clean_text(label),
            known_when,
            tuple(choices) if kind == "choice" else (),
            there is None,
            self._if_exists(spec, path),
        )

    def _evidence(self, path: str, header: str, index: int, spec: Mapping[str, Any]) -> Any:
        self._only(spec, path, {"to", "dimension", "ratings", "scale", "if_exists"})
        dimension = spec.get("dimension")
        if dimension not in self.known.dimensions:
            choices = ", ".join(self.known.dimensions)
            self.bad(f"{path}.dimension", "unknown_dimension", f"must be one of {choices}")
        scale = spec.get("scale")
        if scale is not None:
            if "ratings" in spec:
                self.bad(f"{path}.scale", "not_wanted", "give either ratings or a scale")
            if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale < 1e9:
                self.bad(f"{path}.scale", "out_of_range", "must be the number that means 100")
                scale = 100
            return EvidenceColumn(
                header, index, str(dimension), {}, {}, float(scale), self._if_exists(spec, path)
            )
        given = spec.get("ratings")
        if not isinstance(given, Mapping) or not 0 < len(given) <= MOST_ANSWERS:
            message = f"must be an object of 1 to {MOST_ANSWERS} answers and their ratings"
            self.bad(f"{path}.ratings", "wrong_type", message)
            return None
        ratings: dict[str, int | None] = {}
        labels: dict[str, str] = {}
        for answer, rating in given.items():
            whole = isinstance(rating, int) and not isinstance(rating, bool)
            if rating is not None and not (whole and 0 <= rating <= 100):
                message = "must be a whole number from 0 to 100, or null for “not known”"
                self.bad(f"{path}.ratings.{answer}", "out_of_range", message)
                continue
            ratings[fold(str(answer))] = rating
            labels[fold(str(answer))] = clean_text(str(answer))
        return EvidenceColumn(
            header, index, str(dimension), ratings, labels, None, self._if_exists(spec, path)
        )

    def _outcome(self, path: str, header: str, index: int, spec: Mapping[str, Any]) -> Any:
        self._only(spec, path, {"to", *RESULTS, "open", "if_exists"})
        results = self._listed(spec, path, (*RESULTS, "open"))
        if not any(results.values()):
            self.bad(path, "empty", "names no cell that means won, lost or disqualified")
        return OutcomeColumn(header, index, results, self._if_exists(spec, path))

    def _consent(self, path: str, header: str, index: int, spec: Mapping[str, Any]) -> Any:
        self._only(spec, path, {"to", "channel", *SAID, "open"})
        channel = self._choice(spec, path, "channel", Channel.values, "")
        states = self._listed(spec, path, (*SAID, "open"))
        if not any(states.values()):
            self.bad(path, "empty", "names no cell that means granted or withdrawn")
        return ConsentColumn(header, index, channel, states)

    def _listed(self, spec: Mapping[str, Any], path: str, lists: Sequence[str]) -> dict[str, str]:
        """Return what each cell of the lists means, folded; '' for those of "open"."""
        meanings: dict[str, str] = {}
        for meaning in lists:
            for cell in self._texts(spec, path, meaning):
                folded = fold(cell)
                if folded in meanings:
                    self.bad(f"{path}.{meaning}", "used_twice", f"“{cell}” stands in two lists")
                meanings[folded] = "" if meaning == "open" else meaning
        return meanings

    def _external_id(self, path: str, header: str, index: int, spec: Mapping[str, Any]) -> Any:
        self._only(spec, path, {"to", "source"})
        source = spec.get("source", "import")
        if not isinstance(source, str) or not 0 < len(clean_text(source)) <= 100:
            self.bad(f"{path}.source", "wrong_type", "must name the system that gave the id")
            source = "import"
        return IdColumn(header, index, clean_text(source))

    def _if_exists(self, spec: Mapping[str, Any], path: str) -> IfExists:
        return self._choice(spec, path, "if_exists", IF_EXISTS, "fill")  # type: ignore[return-value]

    def _refuse_lonely(self, mapping: FileMapping) -> None:
        """Refuse fields that mean nothing without another one."""
        names = {column.field for column in mapping.fields}
        for column in mapping.fields:
            path = f"columns.{column.header}.field"
            if FIELDS[column.field].company and not names & {"company", "company_domain"}:
                self.bad(path, "alone", f"{column.field} needs a column for company or its domain")
            if column.field in ("outcome_at", "outcome_reason") and mapping.outcome is None:
                self.bad(path, "alone", f"{column.field} needs a column for the outcome")
            if column.field == "consent_at" and not mapping.consents:
                self.bad(path, "alone", "consent_at needs a column of consents")
            if column.field == "answered_at" and not mapping.evidence:
                self.bad(path, "alone", "answered_at needs a column of answers")
            if column.field == "currency" and "value" not in names:
                self.bad(path, "alone", "currency needs a column for the value")

    def _only(self, spec: Mapping[str, Any], path: str, allowed: Iterable[str]) -> None:
        for key in spec:
            if key not in set(allowed):
                at = f"{path}.{key}" if path != "mapping" else str(key)
                self.bad(at, "unknown_key", f"is not a key; known are {', '.join(sorted(allowed))}")

    def _choice(
        self, spec: Mapping[str, Any], path: str, key: str, choices: Sequence[str], default: str
    ) -> str:
        value = spec.get(key, default)
        if not isinstance(value, str) or value not in choices:
            at = f"{path}.{key}" if path != "mapping" else key
            self.bad(at, "not_a_choice", f"must be one of {', '.join(choices)}")
            return default
        return value

    def _texts(self, spec: Mapping[str, Any], path: str, key: str) -> list[str]:
        given = spec.get(key, [])
        if not isinstance(given, list) or not all(isinstance(v, str | int | bool) for v in given):
            self.bad(f"{path}.{key}", "wrong_type", "must be a list of texts")
            return []
        return [clean_text(str(value)) for value in given]


def _targets(column: Any) -> tuple[str, ...]:
    """Return what a column fills, so that two columns cannot fill the same."""
    if isinstance(column, FieldColumn):
        return _PAIRS.get(column.field, (column.field,))
    if isinstance(column, CustomColumn):
        return (f"custom.{column.key}",)
    if isinstance(column, EvidenceColumn):
        return (f"evidence.{column.dimension}",)
    if isinstance(column, ConsentColumn):
        return (f"consent.{column.channel}",)
    return ("outcome",) if isinstance(column, OutcomeColumn) else ("external_id",)
