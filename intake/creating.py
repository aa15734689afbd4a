"""Makes the new leads of a chunk: each table in one statement, straight from checked rows.

Identities come first: their unique index is where two importers meet. Leads come last. Foreign
keys are checked at the end, and a fact of a lead that has no standing yet marks none as stale,
which would cost as much as writing the standing.
"""

from intake.chunks import ROWS, Chunk, Matched, Overtaken, answers, quoted
from intake.owners import schedule
from intake.planning import identity_of_rows
from leads.activities import Kind


def create(chunk: Chunk, matched: Matched) -> None:
    """Make the leads of the rows that matched none; raise Overtaken when one exists by now."""
    if not matched.new:
        return
    _insert_identities(chunk)
    if chunk.mapping.evidence:
        _insert_answers(chunk)
    if chunk.mapping.outcome is not None:
        _insert_outcomes(chunk)
    _insert_activities(chunk)
    _insert_leads(chunk, matched)


def _insert_identities(chunk: Chunk) -> None:
    mapping = chunk.mapping
    row_kind = identity_of_rows(chunk.imported)
    kinds = [(row_kind, "c.row_hash || ':' || c.occurrence", "c.row_hash <> ''")]
    if mapping.external is not None:
        kinds.append((mapping.external.identity, "c.external_id", "c.external_id <> ''"))
    if mapping.has("email"):
        kinds.append(("email", "c.email", "c.email <> ''"))
    if mapping.has("phone"):
        kinds.append(("phone", "c.phone", "c.phone <> ''"))
    values = ", ".join(
        f"({quoted('%s', [kind])}, CASE WHEN {condition} THEN {normal} END)"
        for kind, normal, condition in kinds
    )
    # In one order, so that two importers wait for each other and never in a ring.
    missing = chunk.query(
        f"""
        WITH wanted AS MATERIALIZED (
            SELECT m.lead_id, k.kind, k.normal
            FROM import_match m
            JOIN {ROWS} c ON c.imported_id = %(import)s AND c.row_no = m.row_no,
            LATERAL (VALUES {values}) AS k(kind, normal)
            WHERE m.is_new AND k.normal IS NOT NULL
        ), written AS (
            INSERT INTO leads_identity (lead_id, kind, normal)
            SELECT lead_id, kind, normal FROM wanted ORDER BY kind, normal
            ON CONFLICT DO NOTHING RETURNING 1
        )
        SELECT (SELECT count(*) FROM wanted) - (SELECT count(*) FROM written)
        """
    )[0][0]
    if missing:
        raise Overtaken


def _insert_answers(chunk: Chunk) -> None:
    chunk.query(
        f"""
        INSERT INTO scoring_evidence (
            lead_id, dimension, rating, quote, question, answer, source, author_id,
            observed_at, recorded_at, expires_at, current)
        SELECT a.lead_id, a.dimension, a.rating, a.quote, '', '', 'import', %(by)s,
               a.observed_at, leadqual_now(), a.observed_at + make_interval(days => a.days), true
        FROM ({answers(chunk, "m.is_new")}) a WHERE a.rating IS NOT NULL ORDER BY a.lead_id
        """
    )


def _insert_outcomes(chunk: Chunk) -> None:
    chunk.query(
        f"""
        INSERT INTO leads_outcome (
            lead_id, round, result, reason, value_minor, currency, at, recorded_by_id, imported)
        SELECT m.lead_id, 1, c.outcome, c.outcome_reason, c.value_minor,
               coalesce(nullif(c.currency, ''), %(currency)s),
               coalesce(c.outcome_at, leadqual_now()), %(by)s, true
        FROM import_match m
        JOIN {ROWS} c ON c.imported_id = %(import)s AND c.row_no = m.row_no
        WHERE m.is_new AND c.outcome <> '' ORDER BY m.lead_id
        """,
        currency=chunk.currency,
    )


def _insert_activities(chunk: Chunk) -> None:
    """Say on each timeline where the lead came from, and what was asked without an answer."""
    chunk.query(
        """
        INSERT INTO leads_activity (lead_id, kind, actor_id, data)
        SELECT m.lead_id, %(kind)s, %(by)s,
               jsonb_build_object('import', %(import)s, 'row', m.row_no, 'file', %(file)s::text)
        FROM import_match m WHERE m.is_new ORDER BY m.lead_id
        """,
        kind=Kind.IMPORTED,
        file=chunk.imported.file_name,
    )
    if any(None in column.ratings.values() for column in chunk.mapping.evidence):
        chunk.query(
            f"""
            INSERT INTO leads_activity (lead_id, kind, actor_id, data)
            SELECT a.lead_id, %(kind)s, %(by)s, jsonb_build_object(
                'import', %(import)s, 'dimension', a.dimension, 'question', '', 'text', a.quote)
            FROM ({answers(chunk, "m.is_new")}) a WHERE a.rating IS NULL ORDER BY a.lead_id
            """,
            kind=Kind.ASKED_UNKNOWN,
        )


def _insert_leads(chunk: Chunk, matched: Matched) -> None:
    owners, count = chunk.owners, len(matched.new)
    owner_ids: list[int | None] = [None] * count
    if owners.ids:
        given = schedule(owners.ids, owners.open_leads, chunk.offset, chunk.offset + count)
        owner_ids = [int(owner) for owner in given]
    owner, source, join_source = "o.owner_id", "%(source)s", ""
    if chunk.mapping.has("owner"):
        owner = "coalesce(c.owner_id, o.owner_id)"
    if chunk.mapping.has("source"):
        source = "coalesce(s.id, %(source)s)"
        join_source = "LEFT JOIN leads_source s ON s.name = c.source AND c.source <> ''"
    chunk.query(
        f"""
        INSERT INTO leads_lead (
            id, kind, first_name, last_name, email, phone, title, seniority, email_kind,
            company_id, age, country, time_zone, owner_id, team_id, stage, round, value_minor,
            currency, first_source_id, first_touch, first_touch_at, last_source_id, last_touch,
            last_touch_at, custom, version, is_demo, created_at)
        SELECT m.lead_id, coalesce(nullif(c.kind, ''), %(kind)s), c.first_name, c.last_name,
               c.email, c.phone, c.title, c.seniority, c.email_kind, m.company_id, c.age,
               c.country, c.time_zone, {owner}, coalesce(u.team_id, %(team)s),
               coalesce(nullif(c.outcome, ''), nullif(c.stage, ''), 'new'), 1, c.value_minor,
               coalesce(nullif(c.currency, ''), %(currency)s), {source}, c.touch, t.at,
               {source}, c.touch, t.at, c.custom, 1, false, t.at
        FROM import_match m
        JOIN {ROWS} c ON c.imported_id = %(import)s AND c.row_no = m.row_no
        JOIN unnest(%(leads)s::bigint[], %(owners)s::bigint[]) AS o(lead_id, owner_id)
          ON o.lead_id = m.lead_id
        LEFT JOIN accounts_user u ON u.id = {owner}
        {join_source},
        LATERAL (SELECT coalesce(c.created_at, leadqual_now()) AS at) t
        WHERE m.is_new ORDER BY m.lead_id
        """,
        kind=chunk.mapping.kind,
        team=owners.team,
        currency=chunk.currency,
        source=chunk.imported.source_id,
        leads=matched.new,
        owners=owner_ids,
    )
