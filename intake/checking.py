"""Turns rows of a file into checked rows, column by column. Pure.

Every cell is parsed once per distinct value of its column and stretch. A cell that cannot be taken
costs only itself; the row goes in without it.
"""

import datetime as dt
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from intake import cells
from intake.cells import Refused, clean
from intake.fields import FIELDS, PAST, TOUCH, Reading, custom_parser
from intake.mapping import CustomColumn, EvidenceColumn, FieldColumn, FileMapping, fold
from intake.reading import MOST_SHOWN
from leads.identity import email_kind, normal_email, normal_name, normal_phone
from leads.titles import seniority_of

MOST_ID = 254  # characters of an identity

# Columns of CheckedRow in the order of the lines that `check` returns.
TEXTS = (
    "external_id",
    "email",
    "phone",
    "name_key",
    "row_hash",
    "kind",
    "first_name",
    "last_name",
    "email_kind",
    "title",
    "seniority",
    "country",
    "time_zone",
    "currency",
    "stage",
    "source",
    "outcome",
    "outcome_reason",
    "consent_call",
    "consent_email",
    "company",
    "company_domain",
    "industry",
    "company_country",
)
NULLABLE = (
    "age",
    "value_minor",
    "owner_id",
    "created_at",
    "answered_at",
    "outcome_at",
    "consent_at",
    "employees",
    "revenue_minor",
)
COLUMNS = ("imported_id", "row_no", *TEXTS, *NULLABLE, "touch", "custom", "answers", "occurrence")
# Fields whose column of CheckedRow has another name.
_COLUMN_OF = {"value": "value_minor", "revenue": "revenue_minor", "owner": "owner_id"}


@dataclass(frozen=True)
class Context:
    """What checking a file needs beside its rows."""

    import_id: int
    mapping: FileMapping
    reading: Reading
    owners: Mapping[str, int]  # e-mail → id of those who may own leads
    now: dt.datetime


@dataclass(frozen=True)
class Rejection:
    """Why a row, or one field of it, is not taken."""

    row_no: int
    field: str
    code: str
    reason: str
    value: str
    whole_row: bool


@dataclass
class Checked:
    """Lines for COPY (COLUMNS), rejections, the seconds that it took, and how many of them went
    into the normal forms of phones and e-mails.
    """

    lines: list[str] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    seconds: float = 0.0
    normalising: float = 0.0


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def check(rows: Sequence[tuple[int, str]], context: Context) -> Checked:
    """Check rows of a file: (row_no, cells joined by U+001F)."""
    started = time.perf_counter()
    checked = _Check(rows, context).run() if rows else Checked()
    checked.seconds = time.perf_counter() - started
    return checked


class _Check:
    def __init__(self, rows: Sequence[tuple[int, str]], context: Context) -> None:
        self.context = context
        self.mapping = context.mapping
        self.numbers = [number for number, _ in rows]
        self.columns = list(zip(*(text.split("\x1f") for _, text in rows), strict=True))
        self.n = len(rows)
        self.out = Checked()
        self.values: dict[str, list[Any]] = {}  # column of CheckedRow → values
        self.refused_rows: set[int] = set()  # positions
        self.facts: dict[str, list[Any]] = {}  # target of the mapping → values

    def run(self) -> Checked:
        """Check all columns and write the lines."""
        mapping = self.mapping
        started = time.perf_counter()
        self._email()
        self.out.normalising += time.perf_counter() - started
        for column in mapping.fields:
            if FIELDS[column.field].parser is not None:
                self._field(column)
        self._names()
        self._owner()
        started = time.perf_counter()
        self._phone()
        self.out.normalising += time.perf_counter() - started
        self._outcome()
        self._consents()
        self._external_id()
        self._derived()
        custom = self._joined(
            {c.key: self._custom(c) for c in mapping.custom}, "{", "}", skip_blank=True
        )
        answers = self._joined(
            {c.dimension: self._answers(c) for c in mapping.evidence}, "{", "}", skip_blank=False
        )
        touch = self._touch()
        self._row_hashes()
        self._write(touch, custom, answers)
        self.out.rejections.sort(key=lambda r: r.row_no)
        return self.out

    # --- one column ---------------------------------------------------------------------------
    def _parse(self, index: int, name: str, parse: Callable[[str], Any]) -> list[Any]:
        """Return the value of each row, None where the cell is blank or refused."""
        column = self.columns[index]
        known: dict[str, Any] = {}
        refused: dict[str, Refused] = {}
        for cell in set(column):
            cleaned = clean(cell)
            if not cleaned:
                known[cell] = None
                continue
            try:
                known[cell] = parse(cleaned)
            except Refused as error:
                known[cell] = None
                refused[cell] = error
        if refused:
            for position, cell in enumerate(column):
                if cell in refused:
                    self._refuse(position, name, refused[cell], cell)
        return [known[cell] for cell in column]

    def _refuse(
        self, position: int, name: str, error: Refused, cell: str, whole_row: bool = False
    ) -> None:
        if whole_row:
            self.refused_rows.add(position)
        self.out.rejections.append(
            Rejection(
                self.numbers[position],
                name,
                error.code,
                error.reason,
                clean(cell)[:MOST_SHOWN],
                whole_row,
            )
        )

    def _keep(self, target: str, column: str, values: list[Any]) -> None:
        """Keep the values of a column of CheckedRow and what they say of a row's identity."""
        self.values[column] = self.facts[target] = values

    # --- fields -------------------------------------------------------------------------------
    def _field(self, column: FieldColumn) -> None:
        spec = FIELDS[column.field]
        assert spec.parser is not None
        values = self._parse(column.index, column.field, spec.parser(self.context.reading))
        if column.field in PAST:
            values = self._past(column, values)
        self._keep(column.field, _COLUMN_OF.get(column.field, column.field), values)

    def _past(self, column: FieldColumn, values: list[Any]) -> list[Any]:
        """Refuse moments that lie ahead, a day's tolerance for zones."""
        limit = self.context.now + dt.timedelta(days=1)
        error = Refused("in_future", "has not happened yet")
        for position, value in enumerate(values):
            if value is not None and value > limit:
                self._refuse(position, column.field, error, self.columns[column.index][position])
                values[position] = None
        return values

    def _mapped(self, name: str) -> FieldColumn | None:
        return next((c for c in self.mapping.fields if c.field == name), None)

    def _email(self) -> None:
        column = self._mapped("email")
        if column is not None:
            self._keep("email", "email", self._parse(column.index, "email", _email))
            self.values["email_kind"] = [email_kind(v) for v in self.values["email"]]

    def _phone(self) -> None:
        """Normalise phones; a national form is read as of the row's own country if it has one."""
        column = self._mapped("phone")
        if column is None:
            return
        default = self.context.reading.country
        countries = self.values.get("country") or [None] * self.n
        phones: list[str | None] = []
        known: dict[tuple[str, str], str | None] = {}
        error = Refused("not_a_phone", "is not a phone number")
        for position, cell in enumerate(self.columns[column.index]):
            key = (cell, countries[position] or default)
            if key not in known:
                cleaned = clean(cell)
                known[key] = normal_phone(cleaned, key[1]) if cleaned else ""
            phone = known[key]
            if phone is None:
                self._refuse(position, "phone", error, cell)
            phones.append(phone or None)
        self._keep("phone", "phone", phones)

    def _names(self) -> None:
        column = self._mapped("name")
        if column is None:
            return
        pairs = self._parse(column.index, "name", _name)
        for place, name in enumerate(("first_name", "last_name")):
            self._keep(name, name, [pair[place] or None if pair else None for pair in pairs])

    def _owner(self) -> None:
        column = self._mapped("owner")
        if column is not None:
            self._keep("owner", "owner_id", self._parse(column.index, "owner", self._find_owner))

    def _find_owner(self, cell: str) -> int:
        owner = self.context.owners.get(cell.casefold())
        if owner is None:
            raise Refused("not_an_owner", "is not the e-mail address of somebody who owns leads")
        return owner

    def _outcome(self) -> None:
        column = self.mapping.outcome
        if column is None:
            return
        results = self._parse(column.index, "outcome", _lookup(column.results, "outcomes"))
        self._keep("outcome", "outcome", [result or None for result in results])

    def _consents(self) -> None:
        for column in self.mapping.consents:
            name = f"consent.{column.channel}"
            states = self._parse(column.index, name, _lookup(column.states, "answers"))
            values = [state or None for state in states]
            self._keep(name, f"consent_{column.channel}", values)

    def _external_id(self) -> None:
        column = self.mapping.external
        if column is None:
            return
        values: list[str | None] = []
        for position, cell in enumerate(self.columns[column.index]):
            value = clean(cell)
            if len(value) > MOST_ID:
                error = Refused("too_long", f"has more than {MOST_ID} characters")
                self._refuse(position, "external_id", error, cell, whole_row=True)
            values.append(value or None)
        self._keep("external_id", "external_id", values)

    def _derived(self) -> None:
        """Fill what follows from other columns: seniority, and the key by which names agree."""
        values = self.values
        if "title" in values:
            known = {title: seniority_of(title or "") for title in set(values["title"])}
            given = values.get("seniority") or [None] * self.n
            values["seniority"] = [
                own or known[title] for own, title in zip(given, values["title"], strict=True)
            ]
        if "phone" in values:
            none = [None] * self.n
            names = zip(
                values["phone"],
                values.get("first_name", none),
                values.get("last_name", none),
                strict=True,
            )
            values["name_key"] = [
                normal_name(first or "", last or "") if phone and (first or last) else None
                for phone, first, last in names
            ]

    # --- custom fields, answers, touch --------------------------------------------------------
    def _custom(self, column: CustomColumn) -> list[str]:
        """Return JSON pairs of a custom field, '' where it is blank, escaped for COPY."""
        choices = frozenset(column.choices) or None
        parse = custom_parser(column.type, self.context.reading, choices)
        name = f"custom.{column.key}"
        values = self._parse(column.index, name, parse)
        self.facts[name] = values
        pairs = {
            value: _escaped(f'"{column.key}":{orjson.dumps(value).decode()}')
            for value in set(values)
            if value is not None
        }
        pairs[None] = ""
        return [pairs[value] for value in values]

    def _answers(self, column: EvidenceColumn) -> list[str]:
        """Return the codes of answers: the place in the list of ratings, or the rating itself."""
        name = f"evidence.{column.dimension}"
        if column.scale is not None:
            values = self._parse(column.index, name, self._scaled(column.scale))
        else:
            codes = {answer: code for code, answer in enumerate(column.answers)}
            values = self._parse(column.index, name, _lookup(codes, "answers"))
        self.facts[name] = values
        return ["NULL" if value is None else str(value) for value in values]

    def _scaled(self, scale: float) -> Callable[[str], int]:
        def parse(cell: str) -> int:
            value = cells.number(cell, self.context.reading.decimal)
            if not 0 <= value <= scale:
                raise Refused("out_of_range", f"is not between 0 and {scale:g}")
            return round(100 * value / scale)

        return parse

    def _touch(self) -> list[str] | None:
        names = [name for name in TOUCH if name in self.values]
        if not names:
            return None
        rows = zip(*(self.values[name] for name in names), strict=True)
        return [
            _escaped(orjson.dumps({n: v for n, v in zip(names, row, strict=True) if v}).decode())
            for row in rows
        ]

    def _joined(
        self, columns: Mapping[str, list[str]], start: str, end: str, *, skip_blank: bool
    ) -> list[str] | None:
        if not columns:
            return None
        rows = zip(*columns.values(), strict=True)
        if skip_blank:
            return [start + ",".join(filter(None, row)) + end for row in rows]
        return [start + ",".join(row) + end for row in rows]

    # --- rows ---------------------------------------------------------------------------------
    def _row_hashes(self) -> None:
        """Hash the rows that carry neither id nor e-mail; refuse those that say nothing at all."""
        none = [None] * self.n
        ids = self.values.get("external_id", none)
        emails = self.values.get("email", none)
        targets = sorted(self.facts)
        hashes: list[str | None] = [None] * self.n
        empty = Refused("empty", "says nothing in the columns that are imported")
        for position in range(self.n):
            if ids[position] or emails[position]:
                continue
            values = [(target, self.facts[target][position]) for target in targets]
            row = "\x1f".join(f"{target}={value}" for target, value in values if value is not None)
            if not row and position not in self.refused_rows:
                self._refuse(position, "", empty, "", whole_row=True)
            hashes[position] = hashlib.sha256(row.encode("utf-8")).hexdigest()
        self.values["row_hash"] = hashes

    def _write(
        self, touch: list[str] | None, custom: list[str] | None, answers: list[str] | None
    ) -> None:
        prefix = f"{self.context.import_id}\t"
        columns: list[Sequence[str]] = [[f"{prefix}{number}" for number in self.numbers]]
        blank = [""] * self.n
        null = ["\\N"] * self.n
        for name in TEXTS:
            columns.append(_texts(self.values[name]) if name in self.values else blank)
        for name in NULLABLE:
            columns.append(_nullables(self.values[name]) if name in self.values else null)
        empty = ["{}"] * self.n
        columns += [touch or empty, custom or empty, answers or empty, ["1"] * self.n]
        refused = self.refused_rows
        self.out.lines = [
            "\t".join(row) + "\n"
            for position, row in enumerate(zip(*columns, strict=True))
            if position not in refused
        ]


def _escaped(text: str) -> str:
    """Return text as COPY wants it; most needs nothing."""
    return text if text.isprintable() and "\\" not in text else text.translate(_ESCAPES)


def _texts(values: list[Any]) -> list[str]:
    known = {value: _escaped(value) if value else "" for value in set(values)}
    return [known[value] for value in values]


def _nullables(values: list[Any]) -> list[str]:
    known = {value: "\\N" if value is None else str(value) for value in set(values)}
    return [known[value] for value in values]


def _email(cell: str) -> str:
    email = normal_email(cell)
    if email is None:
        raise Refused("not_an_email", "is not an e-mail address")
    return email


def _name(cell: str) -> tuple[str, str]:
    first, last = cells.split_name(cell)
    cells.text(100, first)
    cells.text(100, last)
    return first, last


def _lookup(known: Mapping[str, Any], what: str) -> Callable[[str], Any]:
    def parse(cell: str) -> Any:
        folded = fold(cell)
        if folded not in known:
            raise Refused("not_a_choice", f"is not one of the {what} in the mapping")
        return known[folded]

    return parse
