"""Looks at all checked rows of a file at once: repeats, occurrences, and chunks of work."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection

from core.copying import read_columns
from intake.checking import NULLABLE, TEXTS
from intake.mapping import FileMapping
from intake.models import CheckedRow, Import, RejectedRow
from intake.staging import write_rejections

CHUNK = 1_500  # rows written in one transaction, below a second
_TABLE = CheckedRow._meta.db_table
Ints = npt.NDArray[np.int64]


@dataclass
class Repeats:
    """Rows that another row of the file makes special."""

    merged: dict[int, int] = field(default_factory=dict)  # row → the earlier row of the same lead
    ambiguous: dict[int, tuple[int, int]] = field(default_factory=dict)  # row → two earlier rows


def plan(imported: Import, mapping: FileMapping) -> dict[str, Any]:
    """Merge rows of the same lead, number the repeats of the others, and cut the rest in chunks.

    Returns {"rows": to write, "merged": n, "ambiguous": n, "new": expected new leads,
    "chunks": [[first row, last row + 1, rows, new leads before it]]}.
    """
    keys = _keys(imported.pk)
    repeats = _repeats(imported.pk, keys)
    if repeats.ambiguous:
        _reject_ambiguous(imported.pk, repeats.ambiguous)
    if repeats.merged:
        _merge(imported.pk, mapping, repeats.merged)
    gone = np.array([*repeats.merged, *repeats.ambiguous], dtype=np.int64)
    left = ~np.isin(keys["row"], gone)
    _number_occurrences(imported.pk, keys["row"][left], keys["hash"][left])
    rows = keys["row"][left]
    known = _known_rows(imported.pk, mapping, identity_of_rows(imported))
    return {
        "rows": len(rows),
        "merged": len(repeats.merged),
        "ambiguous": len(repeats.ambiguous),
        "new": int((~np.isin(rows, known)).sum()),
        "chunks": _chunks(rows, np.isin(rows, known)),
    }


def identity_of_rows(imported: Import) -> str:
    """Return the kind of identity of rows that carry no id and no e-mail."""
    assert imported.source is not None
    return f"row:{imported.source.name}"


def _keys(import_id: int) -> dict[str, Ints]:
    """Return, for all rows in order, 64-bit hashes of what identifies them, 0 for nothing."""

    def hashed(sql: str, condition: str) -> str:
        return f"CASE WHEN {condition} THEN hashtextextended({sql}, 0) ELSE 0 END"

    columns = {
        "row": "row_no::bigint",
        "external": hashed("external_id", "external_id <> ''"),
        "email": hashed("email", "email <> ''"),
        "person": hashed("phone || ' ' || name_key", "phone <> '' AND name_key <> ''"),
        "hash": hashed("row_hash", "row_hash <> ''"),
    }
    return read_columns(
        f"SELECT {', '.join(columns.values())} FROM {_TABLE} "
        f"WHERE imported_id = {int(import_id)} ORDER BY row_no",
        [(name, "i8") for name in columns],
    )


def _repeated(values: Ints) -> npt.NDArray[np.bool_]:
    """Return which values occur more than once; 0 is none."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    repeated: npt.NDArray[np.bool_] = (counts[inverse] > 1) & (values != 0)
    return repeated


def _repeats(import_id: int, keys: dict[str, Ints]) -> Repeats:
    """Find rows of the same lead: by id or e-mail, or by phone and name where they carry neither.

    They are taken in the order of the file, as if they had been written one after the other. A
    row whose id and e-mail lead to two different earlier rows is ambiguous.
    """
    out = Repeats()
    by_person = _repeated(keys["person"])
    bare = (keys["external"] == 0) & (keys["email"] == 0)
    # A phone shared by rows that all have an e-mail says nothing.
    by_person &= np.isin(keys["person"], keys["person"][bare])
    some = _repeated(keys["external"]) | _repeated(keys["email"]) | by_person
    external: dict[str, int] = {}
    email: dict[str, int] = {}
    person: dict[str, int] = {}
    for row_no, its_id, its_email, its_person in _rows_with_keys(import_id, keys["row"][some]):
        found = {external.get(its_id), email.get(its_email)} - {None}
        if not found and not its_id and not its_email:
            found = {person.get(its_person)} - {None}
        if len(found) == 2:
            first, second = sorted(row for row in found if row)
            out.ambiguous[row_no] = (first, second)
            continue
        leader = found.pop() if found else row_no
        assert leader is not None
        if leader != row_no:
            out.merged[row_no] = leader
        for known, key in ((external, its_id), (email, its_email), (person, its_person)):
            if key:
                known.setdefault(key, leader)
    return out


def _rows_with_keys(import_id: int, rows: Ints) -> Iterable[tuple[int, str, str, str]]:
    for start in range(0, len(rows), 50_000):
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                SELECT row_no, external_id, email,
                       CASE WHEN phone <> '' AND name_key <> '' THEN phone || ' ' || name_key
                            ELSE '' END
                FROM {_TABLE} WHERE imported_id = %s AND row_no = ANY(%s) ORDER BY row_no
                """,
                [import_id, rows[start : start + 50_000].tolist()],
            )
            yield from cursor.fetchall()


def _reject_ambiguous(import_id: int, ambiguous: dict[int, tuple[int, int]]) -> None:
    write_rejections(
        import_id,
        RejectedRow.Step.CHECK,
        (
            (row, "", "ambiguous", f"has the id of row {a} and the e-mail of row {b}", "", True)
            for row, (a, b) in ambiguous.items()
        ),
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {_TABLE} WHERE imported_id = %s AND row_no = ANY(%s)",
            [import_id, list(ambiguous)],
        )


def _merge(import_id: int, mapping: FileMapping, merged: dict[int, int]) -> None:
    """Give each first row what the later rows of its lead add, and mark those as merged.

    A value that is there stays, as in a lead that exists; where the mapping says "overwrite" the
    last one holds.
    """

    def order(name: str) -> str:
        return "DESC" if mapping.mode(name) == "overwrite" else "ASC"

    sets = []
    for column in TEXTS:
        if column.startswith("consent_"):  # of two words the refusal
            sets.append((column, f"max({column})"))
        elif column != "row_hash":
            name = _FIELD_OF.get(column, column)
            sets.append((column, f"coalesce({_first(column, order(name), blank=chr(39) * 2)}, '')"))
    for column in NULLABLE:
        sets.append((column, _first(column, order(_FIELD_OF.get(column, column)))))
    sets += [
        ("touch", _first_keys("touch", [])),
        ("custom", _first_keys("custom", _overwritten_keys(mapping))),
        ("answers", _first_answers(_overwritten_answers(mapping))),
    ]
    names = ", ".join(column for column, _ in sets)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH pairs AS (
                SELECT * FROM unnest(%s::int[], %s::int[]) AS p(row_no, leader)
            ), members AS (
                SELECT row_no, leader FROM pairs UNION SELECT leader, leader FROM pairs
            ), whole AS (
                SELECT m.leader, {", ".join(f"{sql} AS {column}" for column, sql in sets)}
                FROM members m JOIN {_TABLE} c ON c.imported_id = %s AND c.row_no = m.row_no
                GROUP BY m.leader
            ), marked AS (
                UPDATE {_TABLE} c SET merged_into = p.leader FROM pairs p
                WHERE c.imported_id = %s AND c.row_no = p.row_no
            )
            UPDATE {_TABLE} c SET ({names}) =
                ({", ".join(f"w.{column}" for column, _ in sets)})
            FROM whole w WHERE c.imported_id = %s AND c.row_no = w.leader
            """,
            [list(merged), list(merged.values()), import_id, import_id, import_id],
        )


_FIELD_OF = {"value_minor": "value", "revenue_minor": "revenue", "email_kind": "email"}


def _first(column: str, order: str, blank: str = "NULL") -> str:
    condition = f"{column} IS NOT NULL" if blank == "NULL" else f"{column} <> {blank}"
    return f"(array_agg({column} ORDER BY c.row_no {order}) FILTER (WHERE {condition}))[1]"


def _first_keys(column: str, overwritten: list[str]) -> str:
    """SQL that merges JSON objects key by key, the first row's value holding."""
    keys = ", ".join(f"'{key}'" for key in overwritten) or "NULL"
    return f"""
        coalesce((
            SELECT jsonb_object_agg(pair.key, pair.value ORDER BY
                       CASE WHEN pair.key IN ({keys}) THEN rows.n ELSE -rows.n END)
            FROM unnest(array_agg(c.{column} ORDER BY c.row_no)) WITH ORDINALITY rows(o, n),
                 jsonb_each(rows.o) pair
        ), '{{}}'::jsonb)
    """


def _first_answers(overwritten: list[int]) -> str:
    """SQL that merges arrays of answers place by place, the first row's answer holding."""
    places = ", ".join(map(str, overwritten)) or "NULL"
    return f"""
        coalesce((
            SELECT array_agg(place.code ORDER BY place.p) FROM (
                SELECT answer.p, (array_agg(answer.code ORDER BY
                           CASE WHEN answer.p IN ({places}) THEN -rows.n ELSE rows.n END)
                       FILTER (WHERE answer.code IS NOT NULL))[1] AS code
                FROM unnest(array_agg(c.answers::text ORDER BY c.row_no))
                         WITH ORDINALITY rows(a, n),
                     unnest(rows.a::smallint[]) WITH ORDINALITY answer(code, p)
                GROUP BY answer.p
            ) place
        ), '{{}}'::smallint[])
    """


def _overwritten_keys(mapping: FileMapping) -> list[str]:
    return [column.key for column in mapping.custom if column.if_exists == "overwrite"]


def _overwritten_answers(mapping: FileMapping) -> list[int]:
    return [
        place
        for place, column in enumerate(mapping.evidence, start=1)
        if column.if_exists == "overwrite"
    ]


def _number_occurrences(import_id: int, rows: Ints, hashes: Ints) -> None:
    """Number rows that are alike in all that is imported, so that each stays a lead of its own."""
    if not len(rows):
        return
    order = np.argsort(hashes, kind="stable")  # rows of one hash stay in the order of the file
    ordered = hashes[order]
    starts = np.r_[True, ordered[1:] != ordered[:-1]]
    first = np.maximum.accumulate(np.where(starts, np.arange(len(ordered)), 0))
    number = np.arange(len(ordered)) - first + 1
    repeated = (number > 1) & (ordered != 0)
    if not repeated.any():
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE {_TABLE} c SET occurrence = o.number
            FROM unnest(%s::int[], %s::int[]) AS o(row_no, number)
            WHERE c.imported_id = %s AND c.row_no = o.row_no
            """,
            [rows[order][repeated].tolist(), number[repeated].tolist(), import_id],
        )


def _known_rows(import_id: int, mapping: FileMapping, row_kind: str) -> Ints:
    """Return the rows that match a lead by an identity that belongs to one lead only."""
    kinds = [("email", "c.email", "c.email <> ''")] if mapping.has("email") else []
    if mapping.external is not None:
        kinds.append((mapping.external.identity, "c.external_id", "c.external_id <> ''"))
    kinds.append((row_kind, "c.row_hash || ':' || c.occurrence", "c.row_hash <> ''"))
    with connection.cursor() as cursor:
        query = " UNION ALL ".join(
            cursor.mogrify(
                f"SELECT c.row_no::bigint FROM {_TABLE} c JOIN leads_identity i ON i.kind = %s "
                f"AND i.normal = {sql} WHERE c.imported_id = %s AND c.merged_into IS NULL "
                f"AND {condition}",
                [kind, import_id],
            ).decode()
            for kind, sql, condition in kinds
        )
    return np.unique(read_columns(query, [("row", "i8")])["row"])


def _chunks(rows: Ints, known: npt.NDArray[np.bool_]) -> list[list[int]]:
    before = np.r_[0, np.cumsum(~known)]
    chunks = []
    for start in range(0, len(rows), CHUNK):
        stop = min(start + CHUNK, len(rows))
        chunks.append([int(rows[start]), int(rows[stop - 1]) + 1, stop - start, int(before[start])])
    return chunks
