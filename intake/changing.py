"""Brings what a chunk adds to leads that exist. What does not differ is not written.

Each step first asks, without a lock, which leads differ; then it locks those in the order of
their ids and writes under the same condition, which by then may have become untrue.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
from django.db import connection

from intake.chunks import ROWS, Chunk, Matched, Overtaken, answers
from intake.mapping import FileMapping
from leads.activities import Kind
from leads.models import Activity
from leads.stages import CLOSED
from scoring.rescoring import lock

Changes = dict[int, dict[str, Any]]  # lead → name → [old, new]

_SOURCE = f"""
    FROM import_match m
    JOIN {ROWS} c ON c.imported_id = %(import)s AND c.row_no = m.row_no
"""
_CLOSED = ", ".join(f"'{stage}'" for stage in sorted(CLOSED))
_TEXTS = ("first_name", "last_name", "email", "phone", "title", "country", "time_zone")


def change(chunk: Chunk, matched: Matched) -> Changes:
    """Change the leads that rows matched; return what changed, or in a dry run would."""
    changes: Changes = defaultdict(dict)
    for turn in range(1, matched.turns + 1):
        _change_facts(chunk, turn, changes)
        _change_identities(chunk, turn, changes)
        _change_outcomes(chunk, turn, changes)
        _change_answers(chunk, turn, changes)
    return changes


def note(chunk: Chunk, matched: Matched, changes: Changes) -> None:
    """Say on the timeline of each changed lead what the import changed, old and new."""
    Activity.objects.bulk_create(
        (
            Activity(
                lead_id=lead_id,
                kind=Kind.CHANGED,
                actor_id=chunk.by,
                data={
                    "import": chunk.imported.pk,
                    "row": matched.row_of[lead_id],
                    "changes": {name: list(map(_plain, pair)) for name, pair in pairs.items()},
                },
            )
            for lead_id, pairs in changes.items()
        ),
        batch_size=1_000,
    )


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, dt.datetime | Decimal) else value


# --- facts --------------------------------------------------------------------------------------
def _change_facts(chunk: Chunk, turn: int, changes: Changes) -> None:
    new = _new_values(chunk.mapping)
    if not new:
        return
    own = ", ".join(f"l.{name}" for name in new)
    chosen = f"NOT m.is_new AND m.turn = {int(turn)}"
    differs = f"ROW({own}) IS DISTINCT FROM ROW({', '.join(new.values())})"
    ids = [
        row[0]
        for row in chunk.query(
            f"SELECT l.id {_SOURCE} JOIN leads_lead l ON l.id = m.lead_id "
            f"WHERE {chosen} AND {differs}"
        )
    ]
    if not ids or chunk.dry_run:
        for lead_id in ids:
            changes[lead_id]["facts"] = []
        return
    before = {
        row[0]: row[1:]
        for row in chunk.query(
            f"SELECT l.id, {own} FROM leads_lead l WHERE l.id = ANY(%(ids)s) "
            "ORDER BY l.id FOR NO KEY UPDATE",
            ids=ids,
        )
    }
    sets = ", ".join(f"{name} = {sql}" for name, sql in new.items())
    after = chunk.query(
        f"UPDATE leads_lead l SET {sets}, version = l.version + 1 {_SOURCE} "
        f"WHERE l.id = m.lead_id AND l.id = ANY(%(ids)s) AND {chosen} AND {differs} "
        f"RETURNING l.id, {own}",
        ids=list(before),
    )
    for lead_id, *values in after:
        for name, old, value in zip(new, before[lead_id], values, strict=True):
            if old != value:
                pair = [old, value]
                if name == "custom":  # a cursor of its own gives JSON as text
                    pair = [orjson.loads(text) for text in pair]
                changes[lead_id][name.removesuffix("_id")] = pair


def _new_values(mapping: FileMapping) -> dict[str, str]:
    """SQL of the value that each mapped column of a lead gets (aliases l, c, m)."""
    out: dict[str, str] = {}
    for name in _TEXTS:
        if mapping.mode(name) != "keep":
            out[name] = _text_value(mapping.mode(name), name)
    if "email" in out:
        out["email_kind"] = _along("email", out["email"], "email_kind")
    if mapping.mode("seniority") != "keep":
        out["seniority"] = _text_value(mapping.mode("seniority"), "seniority")
    elif "title" in out:
        out["seniority"] = _along("title", out["title"], "seniority")
    for name, field in (("age", "age"), ("value_minor", "value")):
        if mapping.mode(field) != "keep":
            out[name] = _other_value(mapping.mode(field), f"l.{name}", f"c.{name}")
    if "value_minor" in out:
        out["currency"] = (
            f"CASE WHEN {out['value_minor']} IS DISTINCT FROM l.value_minor "
            "THEN coalesce(nullif(c.currency, ''), l.currency) ELSE l.currency END"
        )
    modes = {mapping.mode("company"), mapping.mode("company_domain")} - {"keep"}
    if modes:
        mode = "overwrite" if "overwrite" in modes else "fill"
        out["company_id"] = _other_value(mode, "l.company_id", "m.company_id")
    custom = _custom_value(mapping)
    if custom:
        out["custom"] = custom
    return out


def _text_value(mode: str, name: str) -> str:
    test = f"l.{name} = ''" if mode == "fill" else f"c.{name} <> ''"
    return f"CASE WHEN {test} THEN c.{name} ELSE l.{name} END"


def _along(name: str, value: str, derived: str) -> str:
    """SQL of a column that follows another one when that changes."""
    return f"CASE WHEN {value} <> l.{name} THEN c.{derived} ELSE l.{derived} END"


def _other_value(mode: str, own: str, new: str) -> str:
    return f"coalesce({own}, {new})" if mode == "fill" else f"coalesce({new}, {own})"


def _custom_value(mapping: FileMapping) -> str:
    """SQL of the custom fields: those that fill below what is there, those that overwrite above."""
    keys: dict[str, list[str]] = defaultdict(list)
    for column in mapping.custom:
        keys[column.if_exists].append(column.key)
    if not keys["fill"] and not keys["overwrite"]:
        return ""

    def only(mode: str) -> str:
        others = [key for other in keys if other != mode for key in keys[other]]
        listed = ", ".join(f"'{key}'" for key in others)
        return f"(c.custom - ARRAY[{listed}]::text[])" if others else "c.custom"

    value = f"({only('fill')} || l.custom)" if keys["fill"] else "l.custom"
    return f"({value} || {only('overwrite')})" if keys["overwrite"] else value


# --- identities ---------------------------------------------------------------------------------
def _change_identities(chunk: Chunk, turn: int, changes: Changes) -> None:
    """Keep identities in step: new ids of other systems, and e-mail and phone as changed."""
    mapping, wanted = chunk.mapping, []
    if mapping.external is not None:
        wanted.append("(%(external)s, c.external_id)")
    for name in ("email", "phone"):
        if mapping.mode(name) != "keep":
            wanted.append(f"('{name}', CASE WHEN l.{name} = c.{name} THEN c.{name} END)")
    if not wanted:
        return
    external = mapping.external.identity if mapping.external else ""
    missing = f"""
        SELECT l.id AS lead_id, k.kind, k.normal
        {_SOURCE} JOIN leads_lead l ON l.id = m.lead_id,
        LATERAL (VALUES {", ".join(wanted)}) AS k(kind, normal)
        WHERE NOT m.is_new AND m.turn = {int(turn)} AND k.normal <> '' AND NOT EXISTS (
            SELECT FROM leads_identity i
            WHERE i.lead_id = l.id AND i.kind = k.kind AND i.normal = k.normal)
    """
    found = chunk.query(missing, external=external)
    if found and not chunk.dry_run:
        written = chunk.query(
            f"INSERT INTO leads_identity (lead_id, kind, normal) "
            f"SELECT * FROM ({missing}) w ORDER BY kind, normal "
            "ON CONFLICT DO NOTHING RETURNING 1",
            external=external,
        )
        if len(written) < len(found):
            raise Overtaken
        chunk.query(
            "DELETE FROM leads_identity i USING leads_lead l "
            "WHERE l.id = ANY(%(ids)s) AND i.lead_id = l.id "
            "AND i.normal <> CASE i.kind WHEN 'email' THEN l.email WHEN 'phone' THEN l.phone END",
            ids=[lead_id for lead_id, kind, _ in found if kind in ("email", "phone")],
        )
    for lead_id, kind, normal in found:
        changes[lead_id].setdefault(kind, [None, normal])


# --- outcomes -----------------------------------------------------------------------------------
def _change_outcomes(chunk: Chunk, turn: int, changes: Changes) -> None:
    """Close open leads of which the file knows the end. An end that is there stays."""
    outcome = chunk.mapping.outcome
    if outcome is None or outcome.if_exists == "keep":
        return
    ended = chunk.query(
        f"""
        SELECT l.id, l.stage, c.outcome {_SOURCE} JOIN leads_lead l ON l.id = m.lead_id
        WHERE NOT m.is_new AND m.turn = %(turn)s AND c.outcome <> ''
          AND l.stage NOT IN ({_CLOSED}) AND NOT EXISTS (
              SELECT FROM leads_outcome o WHERE o.lead_id = l.id AND o.round = l.round)
        ORDER BY l.id {"" if chunk.dry_run else "FOR NO KEY UPDATE OF l"}
        """,
        turn=turn,
    )
    if ended and not chunk.dry_run:
        leads = [lead_id for lead_id, _, _ in ended]
        chunk.query(
            f"""
            INSERT INTO leads_outcome (
                lead_id, round, result, reason, value_minor, currency, at, recorded_by_id, imported)
            SELECT l.id, l.round, c.outcome, c.outcome_reason, l.value_minor, l.currency,
                   coalesce(c.outcome_at, leadqual_now()), %(by)s, true
            {_SOURCE} JOIN leads_lead l ON l.id = m.lead_id
            WHERE m.turn = %(turn)s AND l.id = ANY(%(leads)s) AND c.outcome <> ''
            ORDER BY l.id
            """,
            turn=turn,
            leads=leads,
        )
        chunk.query(
            "UPDATE leads_lead l SET stage = o.result, version = version + 1 "
            "FROM unnest(%(leads)s::bigint[], %(results)s::text[]) AS o(lead_id, result) "
            "WHERE l.id = o.lead_id",
            leads=leads,
            results=[result for _, _, result in ended],
        )
    for lead_id, stage, result in ended:
        changes[lead_id]["stage"] = [stage, result]


# --- answers ------------------------------------------------------------------------------------
def _change_answers(chunk: Chunk, turn: int, changes: Changes) -> None:
    """Add answers about what nothing is known, or where the mapping says so in place of others."""
    if all(column.if_exists == "keep" for column in chunk.mapping.evidence):
        return
    # An answer that has expired was given all the same: the same file adds nothing.
    wanted = f"""
        SELECT a.*, e.rating AS old
        FROM ({answers(chunk, f"NOT m.is_new AND m.turn = {int(turn)}")}) a
        LEFT JOIN scoring_evidence e
          ON e.lead_id = a.lead_id AND e.dimension = a.dimension AND e.current
        WHERE a.rating IS NOT NULL AND CASE a.if_exists
            WHEN 'overwrite' THEN e.rating IS DISTINCT FROM a.rating
            WHEN 'fill' THEN NOT EXISTS (
                SELECT FROM scoring_evidence other
                WHERE other.lead_id = a.lead_id AND other.dimension = a.dimension)
            ELSE false END
    """
    found: list[Mapping[str, Any]] = _rows(chunk, wanted)
    if found and not chunk.dry_run:
        lock(sorted({row["lead_id"] for row in found}))
        found = _rows(chunk, wanted)
        _add_answers(chunk, found)
    for row in found:
        changes[row["lead_id"]][f"evidence.{row['dimension']}"] = [row["old"], row["rating"]]


def _rows(chunk: Chunk, sql: str) -> list[Mapping[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"import": chunk.imported.pk})
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _add_answers(chunk: Chunk, rows: list[Mapping[str, Any]]) -> None:
    """Make answers the current ones, unless a newer one is."""
    arrays = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    if not arrays:
        return
    given = """
        unnest(%(lead_id)s::bigint[], %(dimension)s::text[], %(rating)s::smallint[],
               %(quote)s::text[], %(days)s::int[], %(observed_at)s::timestamptz[])
            AS n(lead_id, dimension, rating, quote, days, at)
    """
    chunk.query(
        f"""
        UPDATE scoring_evidence e SET current = false FROM {given}
        WHERE e.lead_id = n.lead_id AND e.dimension = n.dimension AND e.current
          AND (e.observed_at <= n.at OR e.expires_at <= leadqual_now())
        """,
        **arrays,
    )
    chunk.query(
        f"""
        INSERT INTO scoring_evidence (
            lead_id, dimension, rating, quote, question, answer, source, author_id,
            observed_at, recorded_at, expires_at, current)
        SELECT n.lead_id, n.dimension, n.rating, n.quote, '', '', 'import', %(by)s, n.at,
               leadqual_now(), n.at + make_interval(days => n.days), NOT EXISTS (
                   SELECT FROM scoring_evidence e
                   WHERE e.lead_id = n.lead_id AND e.dimension = n.dimension AND e.current)
        FROM {given} ORDER BY n.lead_id
        """,
        **arrays,
    )
