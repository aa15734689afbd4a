"""COPY in and out of PostgreSQL, column by column; nothing here knows a table."""

import io
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from django.db import connection

_HEADER, _TRAILER = 19, 2  # bytes around the rows of COPY … BINARY
_PIECE = 4 * 1024 * 1024  # bytes that are turned into columns at once
_LENGTHS = 8  # bytes of every value: fixed width is what makes one np.frombuffer possible

ColumnType = Literal["f8", "i8"]


def read_columns(
    query: str, columns: Sequence[tuple[str, ColumnType]]
) -> dict[str, npt.NDArray[Any]]:
    """Run `query` by COPY … BINARY and return its columns as arrays of n values.

    Each column must be NOT NULL and of SQL type float8 ("f8") or bigint ("i8"), in the order of
    `columns`. `query` is complete SQL text with its parameters already quoted.
    """
    found = _Columns(columns)
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT BINARY)", found)
    return found.arrays()


class _Columns:
    """A file that takes a binary COPY and keeps its columns, piece by piece: what is read is
    never in memory as a whole beside them.
    """

    def __init__(self, columns: Sequence[tuple[str, ColumnType]]) -> None:
        layout: list[tuple[str, str]] = [("fields", ">i2")]
        for name, kind in columns:
            layout += [(f"{name}.length", ">i4"), (name, f">{kind}")]
        self._row = np.dtype(layout)
        self._pieces: dict[str, list[npt.NDArray[Any]]] = {name: [] for name, _ in columns}
        self._kinds = dict(columns)
        self._bytes = bytearray()
        self._skip = _HEADER

    def write(self, data: bytes) -> int:
        """Take a row, or several."""
        self._bytes += data
        if len(self._bytes) >= _PIECE:
            self._take_rows()
        return len(data)

    def _take_rows(self) -> None:
        count = max(0, len(self._bytes) - self._skip) // self._row.itemsize
        rows = np.frombuffer(self._bytes, dtype=self._row, count=count, offset=self._skip)
        for name, pieces in self._pieces.items():
            if not (rows[f"{name}.length"] == _LENGTHS).all():
                raise ValueError("a column of a binary read was NULL or not eight bytes wide")
            pieces.append(rows[name].astype(f"={self._kinds[name]}"))
        end = self._skip + count * self._row.itemsize
        del rows  # or the bytes cannot go
        del self._bytes[:end]
        self._skip = 0

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return each column in one, after the last row."""
        self._take_rows()
        if len(self._bytes) != _TRAILER:
            raise ValueError("a binary read did not end where its rows did")
        return {name: np.concatenate(self._pieces.pop(name)) for name in list(self._pieces)}


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[str]) -> None:
    """COPY text rows (already escaped by `copy_line`) into `table`, streaming."""
    with connection.cursor() as cursor:
        cursor.copy_expert(
            f"COPY {table} ({', '.join(columns)}) FROM STDIN", _LineReader(iter(rows))
        )


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def copy_line(values: Iterable[Any]) -> str:
    """Return one line of COPY text format; None becomes NULL."""
    return (
        "\t".join("\\N" if value is None else str(value).translate(_ESCAPES) for value in values)
        + "\n"
    )


class _LineReader(io.RawIOBase):
    """A file over lines, read as asked, so that nothing is held whole in memory."""

    def __init__(self, lines: Any) -> None:
        self._lines = lines
        self._left = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts, have = [self._left], len(self._left)
        for line in self._lines:
            data = line.encode("utf-8")
            parts.append(data)
            have += len(data)
            if 0 <= size <= have:
                break
        whole = b"".join(parts)
        if size < 0:
            self._left = b""
            return whole
        self._left = whole[size:]
        return whole[:size]
