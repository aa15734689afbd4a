"""One piece of an import, and what its steps (matching, creating, changing) share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection

from intake.mapping import EvidenceColumn, FileMapping
from intake.models import CheckedRow, Import, RejectedRow
from intake.staging import write_rejections
from scoring.live import live_config
from scoring.services import expiry_days

ROWS = CheckedRow._meta.db_table


class Overtaken(Exception):
    """Another importer has just written one of our identities."""


@dataclass(frozen=True)
class Owners:
    """Who gets new leads: ids with their open leads at the start of the import."""

    ids: Sequence[int] = ()
    open_leads: Sequence[int] = ()
    team: int | None = None  # of leads whose owner has none, and of those that nobody gets


@dataclass(frozen=True)
class Chunk:
    """Rows `first` to `last` (exclusive) of an import, `offset` new leads before them."""

    imported: Import
    mapping: FileMapping
    owners: Owners
    first: int
    last: int
    offset: int
    currency: str  # of the workspace
    dry_run: bool = False

    def part(self, first: int, last: int, offset: int) -> "Chunk":
        """Return a part of this chunk."""
        return replace(self, first=first, last=last, offset=offset)

    @property
    def by(self) -> int | None:
        """The importer's id; None for the command line."""
        return self.imported.created_by_id

    def query(self, sql: str, **params: Any) -> list[tuple[Any, ...]]:
        """Run one statement with the import's id as %(import)s; return its rows, if it has any."""
        with connection.cursor() as cursor:
            cursor.execute(sql, {"import": self.imported.pk, "by": self.by, **params})
            return cursor.fetchall() if cursor.description else []

    def reject(self, rejected: Mapping[int, tuple[str, str]]) -> None:
        """Write why rows are not taken: row_no → code and reason."""
        write_rejections(
            self.imported.pk,
            RejectedRow.Step.WRITE,
            ((row_no, "", code, reason, "", True) for row_no, (code, reason) in rejected.items()),
        )


@dataclass
class Matched:
    """What matching found. The temporary table `import_match` holds the same, row by row:
    row_no, lead_id, is_new, company_id, turn.
    """

    new: list[int] = field(default_factory=list)  # ids for leads to be made, in order of rows
    row_of: dict[int, int] = field(default_factory=dict)  # lead that exists → its first row
    rows: int = 0
    rejected: int = 0
    turns: int = 0


def quoted(sql: str, params: Sequence[Any]) -> str:
    """Return SQL with its values in it, fit to be part of a statement that has parameters."""
    with connection.cursor() as cursor:
        text: str = cursor.mogrify(sql, params).decode()
    return text.replace("%", "%%")


def answers(chunk: Chunk, condition: str) -> str:
    """SQL of the answers of matched rows: row_no, lead_id, dimension, rating (NULL: asked and not
    known), quote, days that it lives, if_exists, observed_at.
    """
    config = live_config()
    values = ", ".join(
        quoted(
            "(%s, %s::smallint, %s, %s::smallint, %s, %s, %s)",
            [place, code, column.dimension, rating, quote, days, column.if_exists],
        )
        for place, column in enumerate(chunk.mapping.evidence, start=1)
        for days in (expiry_days(column.dimension, config),)
        for code, rating, quote in _codes(column)
    )
    return f"""
        SELECT m.row_no, m.lead_id, v.dimension, v.rating, v.quote, v.days, v.if_exists,
               coalesce(c.answered_at, leadqual_now()) AS observed_at
        FROM import_match m
        JOIN {ROWS} c ON c.imported_id = %(import)s AND c.row_no = m.row_no,
        LATERAL unnest(c.answers) WITH ORDINALITY AS given(code, place)
        JOIN (VALUES {values}) AS v(place, code, dimension, rating, quote, days, if_exists)
          ON v.place = given.place AND v.code = given.code
        WHERE {condition}
    """


def _codes(column: EvidenceColumn) -> list[tuple[int, int | None, str]]:
    """Return (code, rating, quote) of each possible answer."""
    if column.scale is not None:
        return [(rating, rating, f"{column.header}: {rating} %") for rating in range(101)]
    return [
        (code, rating, f"{column.header}: {column.labels[answer]}")
        for code, (answer, rating) in enumerate(column.ratings.items())
    ]
