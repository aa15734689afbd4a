"""Reads a CSV of past leads into columns of text, whatever its encoding and delimiter."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.errors import Invalid
from scoring.learning.notices import Notice

DELIMITERS = (",", ";", "\t", "|")
MOST_BYTES = 1024 * 1024 * 1024
SAMPLE_RECORDS = 200
_DECLARED = re.compile("sep=([,;\t|])\r?\n", re.IGNORECASE)
LEAST_WHOLE = 0.5  # share of records that must have as many cells as the header


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


def read_sheet(raw: bytes) -> Sheet:
    """Parse a file's bytes; raise Invalid when it is no CSV with a header and rows."""
    if len(raw) > MOST_BYTES:
        raise _not_a_csv("has more than 1 GB")
    if not raw.strip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"):
        raise _not_a_csv("is empty")
    text = decode(raw).lstrip("\r\n")
    declared = _DECLARED.match(text)  # Excel's first line
    text = text[declared.end() :] if declared else text
    delimiter = declared[1] if declared else detect_delimiter(text)
    notices: list[Notice] = []
    try:
        records = _records(text, delimiter)
        header = _names(next(records, []), notices)
        rows = [record for record in records if any(cell.strip() for cell in record)]
    except csv.Error as error:
        raise _not_a_csv(f"could not be read: {error}") from None
    if len(header) < 2:
        raise _not_a_csv("has one column only, or a delimiter other than , ; | and tab")
    if not rows:
        raise Invalid.field("file", "no_rows", "has a header and no rows")
    whole = [row for row in rows if len(row) == len(header)]
    if len(whole) < LEAST_WHOLE * len(rows):
        raise _not_a_csv(f"has {len(rows) - len(whole)} of {len(rows)} rows unlike its header")
    if len(whole) < len(rows):
        left_out = len(rows) - len(whole)
        rows_have = "row has" if left_out == 1 else "rows have"
        text = f"{left_out} {rows_have} more or fewer cells than the header, and so left out."
        notices.append(Notice("ragged_rows", "", text))
    columns = [[cell.strip() for cell in column] for column in zip(*whole, strict=True)]
    return Sheet(header, columns, notices)


def decode(raw: bytes) -> str:
    """Return the text: UTF-16 and UTF-8 by their marks, UTF-16 without one by the zeros of Western
    letters, else UTF-8, else Windows' Latin-1.
    """
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return raw.decode("utf-16")
        except UnicodeDecodeError as error:
            raise _not_a_csv(f"is marked as UTF-16 and is not: {error.reason}") from None
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, letters = raw[start:4096:2], raw[1 - start : 4096 : 2]
        if len(zeros) > 1 and zeros.count(0) > LEAST_WHOLE * len(zeros) and 0 not in letters:
            return raw.decode(encoding, errors="replace")
    if b"\0" in raw[:4096]:
        raise _not_a_csv("is a binary file")
    raw = raw.replace(b"\0", b"")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def detect_delimiter(text: str) -> str:
    """Return the delimiter that splits the first records most evenly into most cells."""

    def merit(delimiter: str) -> tuple[float, int]:
        widths = []
        try:
            for record in _records(text, delimiter):
                widths.append(len(record))
                if len(widths) == SAMPLE_RECORDS:
                    break
        except csv.Error:
            return 0.0, 0
        width = widths[0] if widths else 0
        even = sum(w == width for w in widths) / max(1, len(widths))
        return (even if width > 1 else 0.0), width

    return max(DELIMITERS, key=merit)


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _names(cells: Sequence[str], notices: list[Notice]) -> list[str]:
    """Return the header with empty and repeated names made different."""
    names: list[str] = []
    for position, cell in enumerate(cells, start=1):
        wanted = " ".join(cell.split()) or f"Column {position}"
        name, count = wanted, 1
        while name in names:
            count += 1
            name = f"{wanted} ({count})"
        if name != cell.strip():
            text = f"Column {position} is called {name!r} here: its name is empty or stands twice."
            notices.append(Notice("renamed_column", name, text))
        names.append(name)
    return names


def _not_a_csv(message: str) -> Invalid:
    return Invalid.field("file", "not_a_csv", message)
