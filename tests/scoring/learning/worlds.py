"""Past leads made from a known truth, as tables and as files."""

from bench.past_leads import made, sheet_of
from scoring.features import Floats
from scoring.learning.table import Table, column_of_texts

__all__ = ["as_csv", "made", "sheet_of", "table_of"]


def table_of(columns: dict[str, list[str]]) -> Table:
    """Return columns of texts as a typed table."""
    n = len(next(iter(columns.values())))
    return Table(n, {name: column_of_texts(name, texts) for name, texts in columns.items()})


def as_csv(columns: dict[str, list[str]], y: Floats, delimiter: str = ",") -> bytes:
    """Return the bytes of a file with the outcome in its last column."""
    sheet = sheet_of(columns, y)
    lines = [delimiter.join(sheet.header)]
    lines += [delimiter.join(row) for row in zip(*sheet.columns, strict=True)]
    return ("\n".join(lines) + "\n").encode()
