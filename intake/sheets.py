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
    if len(reader.headers) < 2:
        text = "has one column only, or a delimiter other than , ; | and tab"
        raise Invalid.field("file", "not_csv", text)
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
    if read < LEAST_READ * (read + len(bad)):
        text = f"has {len(bad):,} of {read + len(bad):,} rows that cannot be read: {_first(bad)}"
        raise Invalid.field("file", "not_csv", text)
    notices = [Notice("encoding", "", text) for text in form.warnings]
    notices += [Notice("renamed_column", name, text) for name, text in reader.renamed.items()]
    return Sheet(reader.headers, columns, notices + left_out([(b.row_no, b.reason) for b in bad]))


def left_out(bad: Sequence[tuple[int, str]], count: int | None = None) -> list[Notice]:
    """Return what to say of rows that cannot be read, by number and reason; they are the first of
    `count`, None for all.
    """
    if not bad:
        return []
    n = len(bad) if count is None else count
    are = "1 row is" if n == 1 else f"{n:,} rows are"
    named = "; ".join(f"row {row_no} {reason}" for row_no, reason in bad[:MOST_NAMED])
    more = f"; and {n - MOST_NAMED:,} more" if n > MOST_NAMED else ""
    return [Notice("rows_left_out", "", f"{are} left out: {named}{more}.")]


def _first(bad: Sequence[BadRow]) -> str:
    return "; ".join(f"row {row.row_no} {row.reason}" for row in bad[:MOST_NAMED])
