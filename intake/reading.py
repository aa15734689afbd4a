"""Reads delimited text in whatever form it comes, a stretch at a time. Pure.

Memory does not grow with the file: bytes are decoded block by block, and neither a line nor a
record may be longer than `MOST_RECORD`. A quote that is never closed costs its own line only: the
reading goes back to the line after it.
"""

import codecs
import csv
import hashlib
import io
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO

from core.errors import Invalid
from leads.identity import clean_text

MOST_RECORD = 1_000_000  # characters of one record, line ends included
MOST_COLUMNS = 200
MOST_HEADER = 100  # characters
MOST_SHOWN = 300  # characters of a refused row or cell that are kept for the report
DELIMITERS = ",;\t|"
_BLOCK = 1 << 20
_HEAD = 1 << 16

_BOMS = (  # the longer first: the UTF-32 mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OTHER_FORMATS = (
    (b"PK\x03\x04", "an Excel workbook or another ZIP archive"),
    (b"%PDF", "a PDF document"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"SQLite format 3", "a database"),
    (b"PAR1", "a Parquet file"),
)

_DAMAGED = "\udcff"  # a lone surrogate: no file holds it, and PostgreSQL would refuse it


def _mark_damage(error: UnicodeError) -> tuple[str, int]:
    """Put one mark where bytes are no text, whatever the codec."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _DAMAGED, error.end


codecs.register_error("leadqual.damaged", _mark_damage)


@dataclass(frozen=True)
class Format:
    """How the bytes of a file are to be read; `skip` is the size of its byte order mark."""

    digest: str
    encoding: str
    skip: int
    delimiter: str
    declared: bool  # the first line is Excel's "sep=;"
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be taken. `value` is its beginning."""

    row_no: int
    code: str
    reason: str
    value: str


@dataclass
class Batch:
    """Some rows in the order of the file: good ones with as many cells as there are headers."""

    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)


def detect(file: BinaryIO) -> Format:
    """Read the whole of a seekable file once and say how to decode it.

    Raises Invalid when it is empty or no text.
    """
    file.seek(0)
    head = file.read(_HEAD)
    _refuse_other_formats(head)
    skip, encoding = _marked_encoding(head)
    guessed = encoding is None
    digest, census = hashlib.sha256(head), _Utf8Census()
    census.feed(head)
    while block := file.read(_BLOCK):
        digest.update(block)
        if guessed:
            census.feed(block)
    warnings: list[str] = []
    if encoding is None:
        encoding = census.verdict()
        if encoding == "cp1252":
            warnings.append(
                "The file is not in UTF-8; it was read as Windows-1252. Check letters with accents."
            )
    delimiter, declared = _delimiter(_sample(head[skip:], encoding))
    return Format(digest.hexdigest(), encoding, skip, delimiter, declared, tuple(warnings))


def _refuse_other_formats(head: bytes) -> None:
    if not head.strip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"):
        raise Invalid.field("file", "empty", "is empty")
    for magic, what in _OTHER_FORMATS:
        if head.startswith(magic):
            raise Invalid.field("file", "not_csv", f"is {what}, not CSV text; save it as CSV first")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<table")):
        raise Invalid.field("file", "not_csv", "is a web page or XML, not CSV text")
    if start.startswith((b"[{", b'{"')):
        raise Invalid.field("file", "not_csv", "is JSON, not CSV text")


def _marked_encoding(head: bytes) -> tuple[int, str | None]:
    """Return the size of the byte order mark and the encoding, None where no mark tells."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return len(mark), name
    # Western text in UTF-16 or UTF-32 has zeros at fixed places.
    size = len(head) // 4 * 4
    if size:
        zeros = [head[place:size:4].count(0) / (size / 4) for place in range(4)]
        if zeros[1] > 0.3 and zeros[3] > 0.3 and zeros[0] < 0.1:
            return 0, "utf-32-le" if zeros[2] > 0.3 else "utf-16-le"
        if zeros[0] > 0.3 and zeros[2] > 0.3 and zeros[3] < 0.1:
            return 0, "utf-32-be" if zeros[1] > 0.3 else "utf-16-be"
    if sum(head.count(byte) for byte in _BINARY) > max(16, len(head) / 20):
        raise Invalid.field("file", "not_csv", "is not a text file")
    return 0, None


_BINARY = [bytes([code]) for code in range(32) if code not in (9, 10, 11, 12, 13, 27, 31)]


class _Utf8Census:
    """Counts what of a file is UTF-8 beyond ASCII and what is not UTF-8 at all."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._letters = self._broken = 0

    def feed(self, block: bytes) -> None:
        """Count one more block."""
        text = self._decoder.decode(block)
        if text.isascii():
            return
        broken = len(text) - len(text.encode("utf-8", "ignore").decode("utf-8"))
        self._broken += broken
        self._letters += len(text) - len(text.encode("ascii", "ignore")) - broken

    def verdict(self) -> str:
        """UTF-8 also for a file with some damage: as Windows-1252 all its other letters would be
        spoilt, while so only the damaged rows are refused.
        """
        self.feed(b"")
        return "utf-8" if self._letters >= self._broken else "cp1252"


def _sample(head: bytes, encoding: str) -> str:
    decoder = codecs.getincrementaldecoder(encoding)("leadqual.damaged")
    return decoder.decode(head)


def _delimiter(sample: str) -> tuple[str, bool]:
    """Choose the delimiter under which the first rows have the same number of cells.

    The second value says that the file declares it in a first line of its own.
    """
    first = sample.lstrip().split("\n", 1)[0].strip()
    if first.lower().startswith("sep=") and len(first) == 5:
        return first[4], True
    whole = sample if len(sample) < _HEAD // 4 else sample.rpartition("\n")[0] or sample
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        try:
            rows = list(islice(csv.reader(io.StringIO(whole, newline=""), delimiter=delimiter), 50))
        except csv.Error:
            continue
        widths = [len(row) for row in rows if row]
        if not widths or widths[0] < 2:
            continue
        alike = sum(1 for width in widths if width == widths[0]) / len(widths)
        best, best_score = max(
            ((best, best_score), (delimiter, (alike, widths[0]))), key=lambda item: item[1]
        )
    return best, False


class _TooLong(Exception):
    """The record being read passes the limit."""


class _LongLine(Exception):
    """A single line passes the limit; the rest of it has been skipped."""


class _Start(str):
    """The beginning of a line whose rest was skipped."""


class _Lines:
    """Feeds physical lines to csv.reader and remembers those of the record being read."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._readline = text.readline
        self._again: deque[str] = deque()
        self.record: list[str] = []
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._again:
            line = self._again.popleft()
        else:
            line = self._readline(MOST_RECORD)
            if not line:
                raise StopIteration
            if len(line) >= MOST_RECORD and line[-1] not in "\r\n":
                line = _Start(line[:MOST_SHOWN])
                self._skip_line()
        self.record.append(line)
        if isinstance(line, _Start):
            raise _LongLine
        self._size += len(line)
        if self._size > MOST_RECORD:
            raise _TooLong
        return line

    def _skip_line(self) -> None:
        while True:
            piece = self._readline(MOST_RECORD)
            if not piece or piece[-1] in "\r\n":
                return

    def end_record(self) -> None:
        """Forget the lines of the record that has been read."""
        self.record.clear()
        self._size = 0

    def go_back(self) -> None:
        """Give up the first line of the present record and read the following ones anew."""
        self._again.extendleft(reversed(self.record[1:]))
        self.end_record()


class Reader:
    """The rows of one file; `headers` are unique and never empty.

    Raises Invalid from the constructor when there is no usable header.
    """

    def __init__(self, file: BinaryIO, form: Format, *, most_columns: int = MOST_COLUMNS) -> None:
        file.seek(form.skip)
        self._lines = _Lines(
            io.TextIOWrapper(
                io.BufferedReader(_Unclosed(file), _HEAD),
                encoding=form.encoding,
                errors="leadqual.damaged",
                newline="",
            )
        )
        self._delimiter = form.delimiter
        self._reader = csv.reader(self._lines, delimiter=form.delimiter, strict=True)
        self._most_columns = most_columns
        self.renamed: dict[str, str] = {}  # what is to be said of a header that was made up
        self.row_no = 0  # of the last row read; the header is 0
        self.blank = 0
        if form.declared:
            next(self._reader)
            self._lines.end_record()
        self.headers = self._read_headers()
        self._width = len(self.headers)

    def _read_headers(self) -> list[str]:
        """Return unique headers. Excel likes to end lines with a delimiter, so the last may be
        blank; rows may leave out the cells below those.
        """
        cells: list[str] = []
        try:
            while not any(cell.strip() for cell in cells):
                self._lines.end_record()
                cells = next(self._reader)
        except StopIteration:
            raise Invalid.field("file", "empty", "has no header line") from None
        except (_LongLine, _TooLong):
            reason = f"has a header line of more than {MOST_RECORD:,} characters"
            raise Invalid.field("file", "bad_header", reason) from None
        except csv.Error as error:
            reason = f"has a header line that {_explain(error)[1]}"
            raise Invalid.field("file", "bad_header", reason) from None
        self._lines.end_record()
        self._named = len(cells)  # without headers that are missing at the end
        while self._named > 1 and not cells[self._named - 1].strip():
            self._named -= 1
        if len(cells) > self._most_columns:
            reason = f"has {len(cells):,} columns; at most {self._most_columns:,} can be read"
            raise Invalid.field("file", "too_many_columns", reason)
        return self._unique(cells)

    def _unique(self, cells: Sequence[str]) -> list[str]:
        headers: list[str] = []
        taken: set[str] = set()
        for number, cell in enumerate(cells, start=1):
            name = " ".join(clean_text(cell).split())[:MOST_HEADER]
            said = ""
            if not name:
                name = f"Column {number}"
                said = f"Column {number} has no header; it is called “{name}”."
            wanted, repeat = name, 1
            while name.casefold() in taken:
                repeat += 1
                name = f"{wanted} ({repeat})"
            if repeat > 1:
                said = f"Column {number} repeats the header “{wanted}”; it is called “{name}”."
            if said:
                self.renamed[name] = said
            taken.add(name.casefold())
            headers.append(name)
        return headers

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield batches of up to `size` rows, good and bad, until the end of the file.

        Rows are numbered from 1 as a spreadsheet shows them below the header; blank ones are
        counted and left out.
        """
        while True:
            batch = Batch()
            ended = self._fill(batch, size)
            if batch.rows or batch.bad:
                yield batch
            if ended:
                return

    def _fill(self, batch: Batch, size: int) -> bool:
        lines, width, rows = self._lines, self._width, batch.rows
        blank = [""] * width
        while True:
            try:
                for cells in self._reader:
                    if len(cells) == width and len(lines.record) == 1 and cells != blank:
                        self.row_no += 1
                        rows.append((self.row_no, cells))
                    else:
                        self._unusual(cells, batch)
                    lines.end_record()
                    if len(rows) + len(batch.bad) >= size:
                        return False
                return True
            except _LongLine:
                if len(lines.record) == 1:
                    self._refuse(batch, "too_long", f"is longer than {MOST_RECORD:,} characters")
                    lines.end_record()
                else:
                    self._refuse_unclosed(batch)
            except _TooLong:
                self._refuse_unclosed(batch)
            except csv.Error as error:
                self._refuse_broken(batch, error)
            if len(rows) + len(batch.bad) >= size:
                return False

    def _unusual(self, cells: list[str], batch: Batch) -> None:
        """Take a row over several lines, and one whose last cells are empty; refuse others."""
        width = self._width
        if not any(cells):
            self.row_no += 1
            self.blank += 1
            return
        while len(cells) > width and not cells[-1].strip():
            cells.pop()
        if self._named <= len(cells) < width:
            cells += [""] * (width - len(cells))
        if len(cells) == width:
            self.row_no += 1
            batch.rows.append((self.row_no, cells))
        elif len(self._lines.record) > 1 and self._starts_row(self._lines.record[1]):
            self._refuse_unclosed(batch)
        else:
            reason = f"has {len(cells)} cells where the header has {width}"
            self._refuse(batch, "wrong_column_count", reason)

    def _starts_row(self, line: str) -> bool:
        """True when a line by itself has the right number of cells: a quote swallowed it."""
        try:
            cells = next(csv.reader([line], delimiter=self._delimiter, strict=True), [])
        except csv.Error:
            return False
        return len(cells) == self._width

    def _refuse_broken(self, batch: Batch, error: csv.Error) -> None:
        if len(self._lines.record) > 1:
            self._refuse_unclosed(batch)
            return
        code, reason = _explain(error)
        self._refuse(batch, code, reason)
        self._lines.end_record()

    def _refuse_unclosed(self, batch: Batch) -> None:
        self._refuse(batch, "unclosed_quote", "has a quote that is never closed")
        self._lines.go_back()

    def _refuse(self, batch: Batch, code: str, reason: str) -> None:
        self.row_no += 1
        start = self._lines.record[0] if self._lines.record else ""
        batch.bad.append(BadRow(self.row_no, code, reason, start.rstrip("\r\n")[:MOST_SHOWN]))


def _explain(error: csv.Error) -> tuple[str, str]:
    """Return code and reason for what csv.reader says of one line."""
    text = str(error)
    if "unexpected end" in text:
        return "unclosed_quote", "has a quote that is never closed"
    if "field limit" in text:
        return "too_long", f"has a cell of more than {csv.field_size_limit():,} characters"
    return "bad_quotes", "has text after a closing quote"


class _Unclosed(io.RawIOBase):
    """A view of a file that leaves it open when the wrappers around it go."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        """See io."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See io."""
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
