"""COPY in and out of PostgreSQL, column by column; nothing here knows a table."""

import io
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from django.db import connection

_HEADER, _TRAILER = 19, 2  # bytes around the rows of COPY … BINARY
_LENGTHS = 8  # bytes of every value: fixed width is what makes one np.frombuffer possible

ColumnType = Literal["f8", "i8"]


def read_columns(
    query: str, columns: Sequence[tuple[str, ColumnType]]
) -> dict[str, npt.NDArray[Any]]:
    """Run `query` by COPY … BINARY and return its columns as arrays of n values.

    Each column must be NOT NULL and of SQL type float8 ("f8") or bigint ("i8"), in the order of
    `columns`. `query` is complete SQL text with its parameters already quoted.
    """
    buffer = io.BytesIO()
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT BINARY)", buffer)
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in columns:
        layout += [(f"{name}.length", ">i4"), (name, f">{kind}")]
    dtype = np.dtype(layout)
    size = len(buffer.getbuffer()) - _HEADER - _TRAILER
    rows = np.frombuffer(
        buffer.getbuffer(), dtype=dtype, count=size // dtype.itemsize, offset=_HEADER
    )
    if len(rows) and not all((rows[f"{name}.length"] == _LENGTHS).all() for name, _ in columns):
        raise ValueError("a column of a binary read was NULL or not eight bytes wide")
    return {name: rows[name].astype(f"={kind}") for name, kind in columns}


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
