"""Reads a file into staged rows, and learns on the way what its columns hold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from django.db import transaction

from core.copying import copy_line, copy_rows
from core.errors import Invalid
from intake.cells import clean
from intake.models import Import, RejectedRow, StagedRow
from intake.reading import MOST_COLUMNS, MOST_SHOWN, BadRow, Batch, Format, Reader, detect

BATCH = 5_000  # rows in memory at once
MOST_DISTINCT = 1_000  # values of a column that its profile looks at
MOST_LISTED = 100  # values up to which a column is listed in full
MOST_LISTED_LENGTH = 80  # characters
SAMPLES = 3
SEPARATOR = "\x1f"

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass
class Profile:
    """What one column holds. `values` are the first distinct ones, cleaned, blank ones left out;
    `complete` says that they are all.
    """

    header: str
    values: dict[str, None] = field(default_factory=dict)
    filled: int = 0
    complete: bool = True

    def add(self, column: Sequence[str]) -> None:
        """Take in the next cells of the column."""
        self.filled += len(column) - column.count("")
        if not self.complete:
            return
        for cell in dict.fromkeys(column):
            value = clean(cell)[:200]
            if not value:
                continue
            if len(self.values) == MOST_DISTINCT and value not in self.values:
                self.complete = False
                return
            self.values[value] = None

    @property
    def listed(self) -> list[str] | None:
        """All values where they are few and short, else None."""
        few = self.complete and len(self.values) <= MOST_LISTED
        short = all(len(value) <= MOST_LISTED_LENGTH for value in self.values)
        return list(self.values) if few and short else None

    def as_json(self) -> dict[str, Any]:
        """Return what the mapping page shows and what new choice fields are made from."""
        return {
            "header": self.header,
            "filled": self.filled,
            "samples": list(self.values)[:SAMPLES],
            "values": self.listed,
        }


@dataclass(frozen=True)
class Staged:
    """What was read of a file, ready for a mapping."""

    form: Format
    headers: list[str]
    profiles: list[Profile]
    row_count: int
    warnings: list[str]


@transaction.atomic
def stage(
    file: BinaryIO,
    imported: Import,
    *,
    most_rows: int | None = None,
    most_columns: int = MOST_COLUMNS,
) -> Staged:
    """Read a seekable binary file into staged rows of `imported`, streaming, in one transaction.

    Raises Invalid when it is no CSV, or has no row, more than `most_rows` or `most_columns`.
    """
    form = detect(file)
    reader = Reader(file, form, most_columns=most_columns)
    profiles = [Profile(header) for header in reader.headers]
    good = 0
    for batch in reader.batches(BATCH):
        _keep(batch, imported, profiles)
        good += len(batch.rows)
        if most_rows is not None and reader.row_no > most_rows:
            raise Invalid.field("file", "too_many_rows", f"has more than {most_rows:,} rows")
    if not reader.row_no - reader.blank:
        raise Invalid.field("file", "no_rows", "has a header line and no rows")
    warnings = [*form.warnings, *reader.renamed.values()]
    if reader.blank:
        were = "row was" if reader.blank == 1 else "rows were"
        warnings.append(f"{reader.blank:,} blank {were} left out.")
    if _looks_like_data(reader.headers):
        warnings.append("The first line was taken as headers, but it looks like a row of data.")
    return Staged(form, reader.headers, profiles, reader.row_no - reader.blank, warnings)


def _keep(batch: Batch, imported: Import, profiles: Sequence[Profile]) -> None:
    rejected = list(batch.bad)
    lines: list[str] = []
    taken: list[list[str]] = []
    for row_no, cells in batch.rows:
        joined = SEPARATOR.join(cells)
        if joined.count(SEPARATOR) >= len(cells):
            cells = [cell.replace(SEPARATOR, " ") for cell in cells]
            joined = SEPARATOR.join(cells)
        problem = damage(joined)
        if problem:
            rejected.append(BadRow(row_no, *problem, " ".join(cells)))
        else:
            taken.append(cells)
            lines.append(f"{imported.pk}\t{row_no}\t{joined.translate(_ESCAPES)}\n")
    copy_rows(StagedRow._meta.db_table, ["imported_id", "row_no", "cells"], lines)
    for profile, column in zip(profiles, zip(*taken, strict=True), strict=False):
        profile.add(column)
    write_rejections(
        imported.pk,
        RejectedRow.Step.READ,
        ((b.row_no, "", b.code, b.reason, b.value, True) for b in rejected),
    )


def damage(text: str) -> tuple[str, str] | None:
    """Return code and reason for text that no database stores, None for good text."""
    if "\x00" in text:
        return "nul", "contains a NUL character; the file may be damaged"
    if text.isascii():
        return None
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "bad_encoding", "has bytes that are no text in the file's encoding"
    return None


def write_rejections(
    import_id: int, step: str, rejected: Iterable[tuple[int, str, str, str, str, bool]]
) -> None:
    """COPY rejections: (row_no, field, code, reason, value, whole_row)."""
    lines = (
        copy_line(
            (import_id, step, row_no, name[:120], code, reason[:300], _shown(value), whole_row)
        )
        for row_no, name, code, reason, value, whole_row in rejected
    )
    columns = ["imported_id", "step", "row_no", "field", "code", "reason", "value", "whole_row"]
    copy_rows(RejectedRow._meta.db_table, columns, lines)


def _shown(value: str) -> str:
    """Return the beginning of a cell or row with signs for what no database stores."""
    text = value[:MOST_SHOWN].encode("utf-8", "replace").decode("utf-8")
    return text.replace("\x00", "␀")


def _looks_like_data(headers: Sequence[str]) -> bool:
    return any("@" in header and "." in header for header in headers) or all(
        header.replace(".", "").replace(",", "").isdigit() for header in headers
    )
