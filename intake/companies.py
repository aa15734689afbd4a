"""Makes and completes the companies of an import before its leads are written.

They come first and by themselves, since all chunks share them: two chunks that made one company
would wait for each other's commit. A company is known by its domain, else by its folded name.
"""

from typing import Any

from django.db import connection

from intake.mapping import FileMapping
from intake.models import CheckedRow, Import

PART = 100_000  # rows whose companies are made in one transaction
_LOCK = 7_001_001  # advisory: names are not unique in the database, so importers take turns

# Column of CheckedRow, column of the company, its type, its blank, and the field of the mapping.
_FACTS = (
    ("industry", "industry", "text", "''", "industry"),
    ("company_country", "country", "text", "''", "company_country"),
    ("employees", "employees", "int", "NULL", "employees"),
    ("revenue_minor", "revenue_minor", "bigint", "NULL", "revenue"),
)


def find_company(domain: str, name: str) -> str:
    """SQL that finds a company by the SQL of its domain and name ('' for none), else NULL.

    By domain; else by name, where one without a domain comes before others.
    """
    return f"""
        CASE WHEN {domain} <> '' THEN (SELECT f.id FROM leads_company f WHERE f.domain = {domain})
             WHEN {name} <> '' THEN (
                 SELECT f.id FROM leads_company f WHERE lower(f.name) = lower({name})
                 ORDER BY f.domain IS NOT NULL, f.id LIMIT 1)
        END
    """


def write_companies(imported: Import, mapping: FileMapping, part: int, parts: int) -> int:
    """Make and complete the companies whose key falls into `part`; return how many were written.

    Existing companies get what they lack, and other values only where the mapping overwrites. The
    present transaction holds the turn of all importers until it ends.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute("DROP TABLE IF EXISTS pg_temp.import_company")
        cursor.execute(_collect(mapping), {"id": imported.pk, "part": part, "parts": parts})
        # A company that was known by name only takes the domain that the file gives it.
        cursor.execute(
            """
            UPDATE leads_company k SET domain = n.domain
            FROM (
                SELECT DISTINCT ON (k.id) k.id, n.domain
                FROM import_company n JOIN leads_company k ON lower(k.name) = lower(n.name)
                WHERE n.domain IS NOT NULL AND n.name <> '' AND k.domain IS NULL
                  AND NOT EXISTS (SELECT FROM leads_company d WHERE d.domain = n.domain)
                ORDER BY k.id, n.domain
            ) n WHERE k.id = n.id
            """
        )
        written = cursor.rowcount
        cursor.execute(_INSERT)
        written += cursor.rowcount
        update = _update(mapping)
        if update:
            cursor.execute(update)
            written += cursor.rowcount
    return written


def _collect(mapping: FileMapping) -> str:
    """SQL for a temporary table of the file's companies with the first value of each fact."""
    facts = []
    for column, name, kind, blank, field in _FACTS:
        value = f"{blank}::{kind}"
        if mapping.has(field):
            order = "DESC" if mapping.mode(field) == "overwrite" else "ASC"
            given = f"{column} IS DISTINCT FROM {blank}"
            value = f"(array_agg({column} ORDER BY row_no {order}) FILTER (WHERE {given}))[1]"
            value = f"coalesce({value}, {blank})"
        facts.append(f"{value} AS {name}")
    return f"""
        CREATE TEMP TABLE import_company ON COMMIT DROP AS
        SELECT nullif(company_domain, '') AS domain,
               coalesce((array_agg(company ORDER BY row_no) FILTER (WHERE company <> ''))[1],
                        company_domain) AS name,
               {", ".join(facts)}
        FROM {CheckedRow._meta.db_table}
        WHERE imported_id = %(id)s AND merged_into IS NULL
          AND (company <> '' OR company_domain <> '')
          AND abs(hashtext(coalesce(nullif(company_domain, ''), lower(company))) %% %(parts)s)
              = %(part)s
        GROUP BY company_domain, CASE WHEN company_domain = '' THEN lower(company) END
    """


_INSERT = """
    INSERT INTO leads_company
        (name, domain, industry, country, employees, revenue_minor, is_demo)
    SELECT n.name, n.domain, n.industry, n.country, n.employees, n.revenue_minor, false
    FROM import_company n
    WHERE NOT EXISTS (SELECT FROM leads_company k WHERE k.domain = n.domain)
      AND (n.domain IS NOT NULL
           OR NOT EXISTS (SELECT FROM leads_company k WHERE lower(k.name) = lower(n.name)))
    ORDER BY n.domain, n.name
    ON CONFLICT (domain) DO NOTHING
"""


def _update(mapping: FileMapping) -> str:
    """SQL that completes companies; empty when no fact of companies is mapped."""
    changes: dict[str, str] = {}
    for _, name, _, blank, field in _FACTS:
        mode = mapping.mode(field)
        if mode != "keep":
            first, second = (f"k.{name}", f"n.{name}")[:: 1 if mode == "fill" else -1]
            given = f"{first} IS DISTINCT FROM {blank}"
            changes[name] = f"CASE WHEN {given} THEN {first} ELSE {second} END"
    if not changes:
        return ""
    sets = ", ".join(f"{name} = {sql}" for name, sql in changes.items())
    own = ", ".join(f"k.{name}" for name in changes)
    return f"""
        UPDATE leads_company k SET {sets} FROM import_company n
        WHERE k.id = {find_company("coalesce(n.domain, '')", "n.name")}
          AND ({own}) IS DISTINCT FROM ({", ".join(changes.values())})
    """


def parts_of(imported: Import, rows: int, mapping: FileMapping) -> list[dict[str, Any]]:
    """Return the chunks of the companies' job, none when the file names no companies."""
    if not mapping.has("company", "company_domain"):
        return []
    parts = max(1, -(-rows // PART))
    return [{"import": imported.pk, "part": part, "parts": parts} for part in range(parts)]
