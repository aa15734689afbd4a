"""A file of past leads as columns of text, read as an import reads it."""

from collections.abc import Sequence
from typing import BinaryIO

from core.errors import Invalid
from intake.reading import BadRow, Reader, detect
from intake.staging import BATCH, damage
from scoring.learning.notices import Notice
from scoring.learning.table import Sheet

MOST_COLUMNS = 10_000
MOST_BYTES = 1 << 30
LEAST_READ = 0.5  # share of the rows that must be readable
MOST_NAMED = 3  # rows left out that are named


def read_sheet(file: BinaryIO) -> Sheet:
    """Return the readable rows of a seekable binary file; the others are named in its notices.

    Raises Invalid when it is no CSV with a header of two columns or more, and rows.
    """
    if file.seek(0, 2) > MOST_BYTES:
        raise Invalid.field("file", "too_large", "has more than 1 GB")
    form = detect(file)
    reader = Reader(file, form, most_columns=MOST_COLUMNS)
    require_two(reader.headers)
    columns: list[list[str]] = [[] for _ in reader.headers]
    seen: list[dict[str, str]] = [{} for _ in columns]  # equal cells share their memory
    bad: list[BadRow] = []
    for batch in reader.batches(BATCH):
        bad += batch.bad
        good = []
        for row_no, cells in batch.rows:
            problem = damage("".join(cells))
            if problem is None:
                good.append(cells)
            else:
                bad.append(BadRow(row_no, *problem, ""))
        for column, once, part in zip(columns, seen, zip(*good, strict=True), strict=False):
            column.extend(once.setdefault(cell, cell) for cell in map(str.strip, part))
    bad.sort(key=lambda row: row.row_no)
    read = len(columns[0])
    if not read and not bad:
        raise Invalid.field("file", "no_rows", "has a header line and no rows")
    reasons = [(row.row_no, row.reason) for row in bad]
    require_most(read + len(bad), reasons, len(bad))
    notices = [Notice("encoding", "", text) for text in form.warnings]
    notices += [Notice("renamed_column", name, text) for name, text in reader.renamed.items()]
    return Sheet(reader.headers, columns, notices + left_out(reasons, len(bad)))


def require_two(headers: Sequence[str]) -> None:
    """Raise Invalid when a file has no column beside the outcome."""
    if len(headers) < 2:
        text = "has one column only, or a delimiter other than , ; | and tab"
        raise Invalid.field("file", "not_csv", text)


def require_most(rows: int, bad: Sequence[tuple[int, str]], count: int) -> None:
    """Raise Invalid when too many of the rows cannot be read; `bad` are the first of `count`."""
    if count > (1 - LEAST_READ) * rows:
        text = f"has {count:,} of {rows:,} rows that cannot be read: {_named(bad, count)}"
        raise Invalid.field("file", "not_csv", text)


def left_out(bad: Sequence[tuple[int, str]], count: int) -> list[Notice]:
    """Return what to say of rows that cannot be read; `bad` has the first of `count`."""
    if not count:
        return []
    are = "1 row is" if count == 1 else f"{count:,} rows are"
    return [Notice("rows_left_out", "", f"{are} left out: {_named(bad, count)}.")]


def _named(bad: Sequence[tuple[int, str]], count: int) -> str:
    named = "; ".join(f"row {row_no} {reason}" for row_no, reason in bad[:MOST_NAMED])
    return named + (f"; and {count - MOST_NAMED:,} more" if count > MOST_NAMED else "")
