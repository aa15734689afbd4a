"""Finds the lead of each row of a chunk (decisions of identity: docs/domain/import.md)."""

from collections import Counter, defaultdict
from typing import Any

from accounts.models import User
from accounts.roles import Role
from intake.chunks import ROWS, Chunk, Matched
from intake.companies import find_company
from intake.planning import identity_of_rows
from leads.identity import normal_name
from leads.models import Lead

Row = tuple[int, int, bool, bool]  # row_no, lead_id, is_new, ambiguous


def match(chunk: Chunk) -> Matched:
    """Match the rows of a chunk in a temporary table, with ids for the leads that are new.

    By id of another system and e-mail; else as the very row that was imported before; else by
    phone and name. Rows that lead nowhere certain, or to a lead that the importer may not change,
    are rejected.
    """
    _match(chunk)
    rows: list[Any] = chunk.query(
        "SELECT row_no, lead_id, is_new, ambiguous FROM import_match ORDER BY row_no"
    )
    refused = _refused(chunk, rows)
    if refused:
        chunk.reject(refused)
        chunk.query("DELETE FROM import_match WHERE row_no = ANY(%(rows)s)", rows=list(refused))
        rows = [row for row in rows if row[0] not in refused]
    out = Matched(rows=len(rows), rejected=len(refused))
    out.new = [lead_id for _, lead_id, is_new, _ in rows if is_new]
    _take_turns(chunk, rows, out)
    return out


def _match(chunk: Chunk) -> None:
    mapping = chunk.mapping
    kinds = []
    if mapping.external is not None:
        kinds.append(("x", mapping.external.identity, "c.external_id", "c.external_id <> ''"))
    if mapping.has("email"):
        kinds.append(("e", "email", "c.email", "c.email <> ''"))
    ambiguous = "x.lead_id <> e.lead_id" if len(kinds) == 2 else "false"
    row_kind = identity_of_rows(chunk.imported)
    kinds.append(("r", row_kind, "c.row_hash || ':' || c.occurrence", "c.row_hash <> ''"))
    params: dict[str, Any] = {"first": chunk.first, "last": chunk.last}
    joins, found = [], []
    for alias, kind, normal, condition in kinds:
        joins.append(
            f"LEFT JOIN leads_identity {alias} ON {alias}.kind = %({alias})s "
            f"AND {alias}.normal = {normal} AND {condition}"
        )
        found.append(f"{alias}.lead_id")
        params[alias] = kind
    if mapping.has("phone"):
        joins.append(
            "LEFT JOIN unnest(%(rows)s::int[], %(leads)s::bigint[]) AS p(row_no, lead_id) "
            "ON p.row_no = c.row_no"
        )
        found.append("p.lead_id")
        params["rows"], params["leads"] = _match_phones(chunk)
    company = "NULL::bigint"
    if mapping.has("company", "company_domain"):
        company = find_company("c.company_domain", "c.company")
    next_id = "0" if chunk.dry_run else "nextval('leads_lead_id_seq')"
    # One transaction may write several parts (intake.writing), so the table may be there.
    chunk.query("DROP TABLE IF EXISTS pg_temp.import_match")
    chunk.query(
        f"""
        CREATE TEMP TABLE import_match ON COMMIT DROP AS
        SELECT row_no, coalesce(found, {next_id}) AS lead_id, found IS NULL AS is_new,
               ambiguous, company_id, 1 AS turn
        FROM (
            SELECT c.row_no, coalesce({", ".join(found)}) AS found,
                   coalesce({ambiguous}, false) AS ambiguous, {company} AS company_id
            FROM {ROWS} c {" ".join(joins)}
            WHERE c.imported_id = %(import)s AND c.row_no >= %(first)s AND c.row_no < %(last)s
              AND c.merged_into IS NULL
            ORDER BY c.row_no
        ) rows
        """,
        **params,
    )
    chunk.query("ANALYZE import_match")


def _match_phones(chunk: Chunk) -> tuple[list[int], list[int]]:
    """Return rows that carry neither id nor e-mail, and the one lead that has their phone and
    their name; 0 where several have.
    """
    candidates: dict[int, set[int]] = defaultdict(set)
    for row_no, name_key, lead_id, first, last in chunk.query(
        f"""
        SELECT c.row_no, c.name_key, i.lead_id, l.first_name, l.last_name
        FROM {ROWS} c
        JOIN leads_identity i ON i.kind = 'phone' AND i.normal = c.phone
        JOIN leads_lead l ON l.id = i.lead_id
        WHERE c.imported_id = %(import)s AND c.row_no >= %(first)s AND c.row_no < %(last)s
          AND c.merged_into IS NULL AND c.email = '' AND c.external_id = ''
          AND c.phone <> '' AND c.name_key <> ''
        """,
        first=chunk.first,
        last=chunk.last,
    ):
        if normal_name(first, last) == name_key:
            candidates[row_no].add(lead_id)
    rows = list(candidates)
    return rows, [leads.pop() if len(leads) == 1 else 0 for leads in candidates.values()]


def _refused(chunk: Chunk, rows: list[Row]) -> dict[int, tuple[str, str]]:
    out: dict[int, tuple[str, str]] = {}
    by = chunk.imported.created_by
    if by is not None and by.role != Role.ADMIN:
        out = _not_writable(by, rows)
    for row_no, lead_id, is_new, ambiguous in rows:
        if ambiguous:
            reason = "has an id and an e-mail that belong to two different leads"
            out[row_no] = ("ambiguous", reason)
        elif not is_new and not lead_id:
            out[row_no] = ("ambiguous", "has the name and phone of several leads")
    return out


def _not_writable(by: User, rows: list[Row]) -> dict[int, tuple[str, str]]:
    """Return the rows whose lead the importer may not change; one elsewhere is not named."""
    ids = [lead_id for _, lead_id, is_new, _ in rows if not is_new]
    if not ids:
        return {}
    leads = Lead.objects.filter(pk__in=ids)
    writable = set(leads.writable_by(by).values_list("pk", flat=True))
    visible = set(leads.visible_to(by).values_list("pk", flat=True))
    out = {}
    for row_no, lead_id, is_new, _ in rows:
        if is_new or lead_id in writable:
            continue
        if lead_id in visible:
            reason = f"belongs to lead {lead_id}, which is not yours to change"
            out[row_no] = ("not_yours", reason)
        else:
            out[row_no] = ("duplicate_elsewhere", "belongs to a lead that you cannot see")
    return out


def _take_turns(chunk: Chunk, rows: list[Row], out: Matched) -> None:
    """Rows that lead to one lead over different identities are applied one after the other."""
    seen: Counter[int] = Counter()
    later: list[tuple[int, int]] = []
    for row_no, lead_id, is_new, _ in rows:
        if is_new:
            continue
        seen[lead_id] += 1
        out.row_of.setdefault(lead_id, row_no)
        if seen[lead_id] > 1:
            later.append((row_no, seen[lead_id]))
    out.turns = max(seen.values(), default=0)
    if later:
        chunk.query(
            "UPDATE import_match m SET turn = t.turn "
            "FROM unnest(%(rows)s::int[], %(turns)s::int[]) AS t(row_no, turn) "
            "WHERE m.row_no = t.row_no",
            rows=[row_no for row_no, _ in later],
            turns=[turn for _, turn in later],
        )
