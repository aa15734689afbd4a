"""Past leads as columns: texts as a file has them, and typed, as the condition trees of an ICP are
evaluated on them.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.conditions import FieldType
from scoring.features import Bools, Floats, Ints
from scoring.learning.notices import Notice

BLANKS = frozenset(
    "na n/a #n/a nan null none - -- ? nil <na> inf +inf -inf infinity -infinity "
    "#div/0! #ref! #value! #name? #num! #null!".split()
) | {""}
MOSTLY = 0.9  # share of the values that must be numbers or dates for the field to be one
LARGEST = 1e15  # what a condition may compare with
_DIGIT = re.compile(r"\d")
_PLAIN = re.compile(r"-?\d+(\.\d+)?")
_MARKED = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?", re.IGNORECASE)
LONGEST_NUMBER = 40  # characters
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
_SPACES = re.compile(r"[\s\u00a0\u2007\u2009\u202f]+")
_APOSTROPHE = re.compile(r"(?<=\d)['’](?=\d{3})")
_SIGNS = (
    r"(?:us\$|[€$£¥%]|eur|euros?|usd|gbp|chf|sfr\.?|fr\.|rs\.?|kr\.?|pln|zł|czk|kč|dkk|sek|nok)"
)
_UNIT = re.compile(rf"^{_SIGNS}|{_SIGNS}$", re.IGNORECASE)
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(\.\d{3})+")  # in the notation with decimal commas
_CODE = re.compile(r"0\d+")  # such a number is a code: of a place, a product or a telephone
_TELEPHONE = re.compile(r"[+0]\d{7,}")
LEAST_CODES = 0.01  # of the values, from which the field is one of codes
_MONTH = re.compile(r"(0?[1-9]|1[0-2])\.(19|20)\d{2}|(19|20)\d{2}\.(0[1-9]|1[0-2])")
LEAST_MONTHS = 3  # different ones
LEAST_GROUPED = 3  # different numbers that points between thousands must explain


@dataclass(frozen=True)
class Sheet:
    """A file as columns: `columns[i]` holds the stripped texts under `header[i]`, all n long."""

    header: list[str]
    columns: list[list[str]]
    notices: list[Notice]

    @property
    def n(self) -> int:
        """The number of rows below the header."""
        return len(self.columns[0])


@dataclass(frozen=True)
class Column:
    """One field of n leads.

    A text has `codes` (n,), −1 missing, which index `values`; a number or bool has `numbers` (n,),
    NaN missing. `stray` counts the values that are no number in a field of numbers.
    """

    name: str
    type: FieldType
    codes: Ints | None = None
    values: tuple[str, ...] = ()
    numbers: Floats | None = None
    stray: int = 0

    @property
    def missing(self) -> Bools:
        """Whether each lead lacks the field, shape (n,)."""
        if self.codes is not None:
            return self.codes < 0
        assert self.numbers is not None
        return np.isnan(self.numbers)

    def take(self, rows: Ints) -> "Column":
        """Return the column of some of the leads."""
        if self.codes is not None:
            return Column(self.name, self.type, codes=self.codes[rows], values=self.values)
        assert self.numbers is not None
        return Column(self.name, self.type, numbers=self.numbers[rows], stray=self.stray)


@dataclass(frozen=True)
class Table:
    """n past leads; `columns` in their order of appearance (core.conditions.Columns)."""

    n: int
    columns: Mapping[str, Column]

    def numbers(self, field: str) -> Floats:
        """Return a number or bool column."""
        numbers = self.columns[field].numbers
        assert numbers is not None
        return numbers

    def texts(self, field: str) -> tuple[Ints, list[str]]:
        """Return a text column."""
        codes = self.columns[field].codes
        assert codes is not None
        return codes, list(self.columns[field].values)

    @property
    def types(self) -> dict[str, FieldType]:
        """The type of each field."""
        return {name: column.type for name, column in self.columns.items()}

    def take(self, rows: Ints) -> "Table":
        """Return some of the leads."""
        return Table(len(rows), {name: c.take(rows) for name, c in self.columns.items()})

    def only(self, fields: Sequence[str]) -> "Table":
        """Return some of the fields."""
        return Table(self.n, {name: self.columns[name] for name in fields})


def table_of(columns: Mapping[str, Sequence[Any]], types: Mapping[str, FieldType]) -> Table:
    """Return n leads' facts by name, each a sequence of n values, as a table of the given types.

    None is missing, and so is a blank text. Text is text, number and bool whatever float takes.
    """
    found = {}
    for name, values in columns.items():
        if types[name] == "text":
            texts = ["" if value is None else str(value) for value in values]
            found[name] = _text_column(name, texts, [t for t in dict.fromkeys(texts) if t.strip()])
        else:
            numbers = [np.nan if value is None else float(value) for value in values]
            found[name] = Column(name, types[name], numbers=np.array(numbers, dtype=np.float64))
    return Table(len(next(iter(found.values())).missing) if found else 0, found)


def column_of_texts(name: str, texts: Sequence[str], kind: FieldType | None = None) -> Column:
    """Return a column, of numbers when nearly all of its values are numbers or `kind` says so.

    Texts that differ in case only are one value, as they are in conditions.
    """
    by_text: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        by_text.setdefault(text, []).append(row)
    present = [text for text in by_text if not is_blank(text)]
    parsed = parse_numbers(present)
    numeric = sum(len(by_text[text]) for text in parsed)
    total = sum(len(by_text[text]) for text in present)
    coded = sum(len(by_text[text]) for text in parsed if _CODE.fullmatch(text.strip()))
    if kind is None and numeric >= MOSTLY * total and numeric > 0 and coded < LEAST_CODES * total:
        kind = "number"
    if kind == "number":
        numbers = np.full(len(texts), np.nan)
        for text, value in parsed.items():
            numbers[by_text[text]] = value
        return Column(name, "number", numbers=numbers, stray=total - numeric)
    return _text_column(name, texts, present)


def _text_column(name: str, texts: Sequence[str], present: Sequence[str]) -> Column:
    """Return a column of texts, of which the different ones `present` say something."""
    code_of: dict[str, int] = {}
    values: list[str] = []
    for text in present:
        folded = text.casefold()
        if folded not in code_of:
            code_of[folded] = len(values)
            values.append(text)
    by_text = {text: code_of[text.casefold()] for text in present}
    codes = np.array([by_text.get(text, -1) for text in texts], dtype=np.int64)
    return Column(name, "text", codes=codes, values=tuple(values))


def is_blank(text: str) -> bool:
    """Return whether a cell says nothing. "Unknown" is an answer."""
    return text.strip().casefold() in BLANKS


def parse_numbers(texts: Sequence[str]) -> dict[str, float]:
    """Return the numbers among texts, with signs of currency and per cent, in either notation.

    A comma is a decimal one when no value uses it otherwise and some value can use it so only.
    Where all could be months of a year, as 03.2024, they are dates and no numbers.
    """
    bare = {text: value for text in texts if (value := _bare(text)) is not None}
    commas = [value for value in bare.values() if "," in value]
    certain = any(len(value.rpartition(",")[2]) != 3 or "." in value for value in commas)
    decimal = certain and all(_is_decimal_comma(value) for value in commas)
    points = decimal or (not commas and _point_groups(list(bare.values())))
    found = {}
    for text, value in bare.items():
        if points and _THOUSANDS.fullmatch(value.partition(",")[0]):
            value = value.replace(".", "")
        value = value.replace(",", ".") if decimal else re.sub(r",(?=\d{3}(\D|$))", "", value)
        if _NUMBER.fullmatch(value) and not _TELEPHONE.fullmatch(value):
            number = float(value)
            if math.isfinite(number) and abs(number) < LARGEST:
                found[text] = number
    if len(found) >= LEAST_MONTHS and all(_MONTH.fullmatch(text.strip()) for text in found):
        return {}
    return found


def _bare(text: str) -> str | None:
    """Return a number without spaces, signs of currency and marks between thousands, as −1234.5;
    None of what can be none, which says nothing about the notation of the others.
    """
    if _PLAIN.fullmatch(text):
        return text
    if len(text) > LONGEST_NUMBER or not _DIGIT.search(text):
        return None
    compact = _SPACES.sub("", text).replace("−", "-")
    if compact.startswith("(") and compact.endswith(")"):
        compact = f"-{compact[1:-1]}"
    minus = compact.startswith("-")
    compact = _UNIT.sub("", _UNIT.sub("", compact[minus:]))
    value = "-" * minus + _APOSTROPHE.sub("", compact.removeprefix("'"))
    return value if _MARKED.fullmatch(value) else None


def _point_groups(values: Sequence[str]) -> bool:
    """Return whether points stand between thousands: before three digits always, and only in
    numbers that are large enough. Three decimals would be written in small numbers, too.
    """
    pointed = {value for value in values if "." in value}
    if len(pointed) < LEAST_GROUPED or not all(_THOUSANDS.fullmatch(v) for v in pointed):
        return False
    plain = [value for value in values if value not in pointed and _NUMBER.fullmatch(value)]
    twice = any(value.count(".") > 1 for value in pointed)
    return twice or (bool(plain) and all(abs(float(value)) < 1000 for value in plain))


def _is_decimal_comma(value: str) -> bool:
    whole, _, fraction = value.rpartition(",")
    return "," not in whole and "." not in fraction
