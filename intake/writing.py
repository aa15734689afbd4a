"""Writes one chunk of an import: matches, new leads, changed leads, scores; one transaction.

Every step is one statement over the whole chunk, from checked rows straight into the tables of
leads. Identities come first: their unique index is where two importers meet. Whoever comes second
waits there for the first one's commit, finds a row missing, and begins again with a new match.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import DataError, IntegrityError, connection, transaction

from accounts.models import User
from accounts.roles import Role
from core.clock import DatabaseNow
from intake.companies import find_company
from intake.mapping import EvidenceColumn, FileMapping, IfExists
from intake.models import CheckedRow, Import, RejectedRow
from intake.owners import schedule
from intake.planning import identity_of_rows
from intake.staging import write_rejections
from leads.activities import Kind
from leads.identity import normal_name
from leads.models import Activity, Lead
from leads.stages import CLOSED
from scoring.live import live_config
from scoring.rescoring import rescore
from scoring.services import expiry_days

_ROWS = CheckedRow._meta.db_table
_ATTEMPTS = 5  # at a match that another importer keeps overtaking
_CLOSED = ", ".join(f"'{stage}'" for stage in sorted(CLOSED))

# Codes of rejections.
AMBIGUOUS, ELSEWHERE, NOT_YOURS, REFUSED = (
    "ambiguous",
    "duplicate_elsewhere",
    "not_yours",
    "refused_by_database",
)


@dataclass(frozen=True)
class Owners:
    """Who gets new leads: ids with their open leads at the start, and the team of each."""

    ids: Sequence[int] = ()
    open_leads: Sequence[int] = ()
    teams: Mapping[int, int | None] = field(default_factory=dict)
    team: int | None = None  # of leads that nobody gets


@dataclass(frozen=True)
class Chunk:
    """One piece of an import: rows `first` to `last` (exclusive), `offset` new leads before it."""

    imported: Import
    mapping: FileMapping
    owners: Owners
    first: int
    last: int
    offset: int
    currency: str  # of the workspace
    dry_run: bool = False


class _Overtaken(Exception):
    """Another importer has just written one of our identities."""


def write_chunk(chunk: Chunk) -> Counter[str]:
    """Write the rows of a chunk and score their leads; return counts.

    A dry run does everything up to the writing. A row that the database refuses is found by
    halving the chunk, and rejected alone.
    """
    try:
        with transaction.atomic():
            return _attempt(chunk)
    except (DataError, IntegrityError) as error:
        if chunk.last - chunk.first == 1:
            reason = str(error).splitlines()[0][:200]
            _reject(chunk, [(chunk.first, REFUSED, f"was refused by the database: {reason}")])
            return Counter(rejected=1, done=1)
        middle = (chunk.first + chunk.last) // 2
        first = write_chunk(_part(chunk, chunk.first, middle, chunk.offset))
        offset = chunk.offset + first["created"]
        return first + write_chunk(_part(chunk, middle, chunk.last, offset))


def _part(chunk: Chunk, first: int, last: int, offset: int) -> Chunk:
    values = {name: getattr(chunk, name) for name in chunk.__dataclass_fields__}
    return Chunk(**{**values, "first": first, "last": last, "offset": offset})


def _attempt(chunk: Chunk) -> Counter[str]:
    for _ in range(_ATTEMPTS):
        try:
            with transaction.atomic():
                return _Writer(chunk).write()
        except _Overtaken:
            continue
    raise _Overtaken("other importers keep writing the same leads")


def _reject(chunk: Chunk, rejected: Sequence[tuple[int, str, str]]) -> None:
    write_rejections(
        chunk.imported.pk,
        RejectedRow.Step.WRITE,
        ((row_no, "", code, reason, "", True) for row_no, code, reason in rejected),
    )


class _Writer:
    """One attempt at one chunk. Temporary tables live until the transaction or savepoint ends."""

    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self.mapping = chunk.mapping
        self.import_id = chunk.imported.pk
        self.by = chunk.imported.created_by
        self.counts: Counter[str] = Counter()
        self.new: list[int] = []  # lead ids
        self.row_of: dict[int, int] = {}  # matched lead → its first row
        self.changes: dict[int, dict[str, Any]] = defaultdict(dict)

    def write(self) -> Counter[str]:
        started = time.perf_counter()
        self._match()
        matched = time.perf_counter()
        if self.new and not self.chunk.dry_run:
            self._insert_identities()
            self._insert_leads()
            self._insert_answers("m.is_new")
            self._insert_outcomes("m.is_new")
            self._insert_activities()
        for turn in range(1, self.turns + 1):
            self._change(turn)
        changed = [lead for lead in self.changes if self.changes[lead]]
        written = time.perf_counter()
        if not self.chunk.dry_run:
            self._note_changes(changed)
            self.counts["scored"] = rescore([*self.new, *changed])
            self._count_tiers()
            with connection.cursor() as cursor:
                # Now, while no row of the job is locked: others wait for that one.
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        self.counts["updated"] = len(changed)
        self.counts["created"] = len(self.new)
        rows = self.counts["matched"]
        self.counts["unchanged"] = rows - len(self.new) - len(changed)
        self.counts["done"] = rows + self.counts["rejected"]
        del self.counts["matched"]
        self.counts["ms_match"] = round(1000 * (matched - started))
        self.counts["ms_write"] = round(1000 * (written - matched))
        self.counts["ms_score"] = round(1000 * (time.perf_counter() - written))
        return self.counts

    def _execute(self, sql: str, **params: Any) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql, {"import": self.import_id, **params})
            return cursor.fetchall() if cursor.description else []

    # --- matching -----------------------------------------------------------------------------
    def _match(self) -> None:
        """Find the lead of each row, and an id for each row that has none yet."""
        mapping = self.mapping
        joins, found = [], []
        kinds = []
        if mapping.external is not None:
            kinds.append(("x", mapping.external.identity, "c.external_id", "c.external_id <> ''"))
        if mapping.has("email"):
            kinds.append(("e", "email", "c.email", "c.email <> ''"))
        row_kind = identity_of_rows(self.chunk.imported)
        kinds.append(("r", row_kind, "c.row_hash || ':' || c.occurrence", "c.row_hash <> ''"))
        params: dict[str, Any] = {"first": self.chunk.first, "last": self.chunk.last}
        for alias, kind, normal, condition in kinds:
            joins.append(
                f"LEFT JOIN leads_identity {alias} ON {alias}.kind = %({alias})s "
                f"AND {alias}.normal = {normal} AND {condition}"
            )
            found.append(f"{alias}.lead_id")
            params[alias] = kind
        ambiguous = "x.lead_id <> e.lead_id" if len(kinds) == 3 else "false"
        if mapping.has("phone"):
            joins.append(
                "LEFT JOIN unnest(%(rows)s::int[], %(leads)s::bigint[]) AS p(row_no, lead_id) "
                "ON p.row_no = c.row_no"
            )
            found.append("p.lead_id")
            params["rows"], params["leads"] = self._match_phones()
        company = "NULL::bigint"
        if mapping.has("company", "company_domain"):
            company = find_company("c.company_domain", "c.company")
        next_id = "0" if self.chunk.dry_run else "nextval('leads_lead_id_seq')"
        self._execute(
            f"""
            CREATE TEMP TABLE import_match ON COMMIT DROP AS
            SELECT row_no, coalesce(found, {next_id}) AS lead_id, found IS NULL AS is_new,
                   ambiguous, company_id, 1 AS turn
            FROM (
                SELECT c.row_no, coalesce({", ".join(found)}) AS found,
                       coalesce({ambiguous}, false) AS ambiguous, {company} AS company_id
                FROM {_ROWS} c {" ".join(joins)}
                WHERE c.imported_id = %(import)s AND c.row_no >= %(first)s AND c.row_no < %(last)s
                  AND c.merged_into IS NULL
                ORDER BY c.row_no
            ) rows
            """,
            **params,
        )
        rows = self._execute(
            "SELECT row_no, lead_id, is_new, ambiguous FROM import_match ORDER BY row_no"
        )
        rows = self._refuse(rows)
        self.counts["matched"] = len(rows)
        self.new = [lead_id for _, lead_id, is_new, _ in rows if is_new]
        self._take_turns([(row_no, lead_id) for row_no, lead_id, is_new, _ in rows if not is_new])

    def _match_phones(self) -> tuple[list[int], list[int]]:
        """Return rows that carry neither id nor e-mail, and the one lead that has their phone and
        their name; 0 where several have.
        """
        candidates: dict[int, set[int]] = defaultdict(set)
        for row_no, name_key, lead_id, first, last in self._execute(
            f"""
            SELECT c.row_no, c.name_key, i.lead_id, l.first_name, l.last_name
            FROM {_ROWS} c
            JOIN leads_identity i ON i.kind = 'phone' AND i.normal = c.phone
            JOIN leads_lead l ON l.id = i.lead_id
            WHERE c.imported_id = %(import)s AND c.row_no >= %(first)s AND c.row_no < %(last)s
              AND c.merged_into IS NULL AND c.email = '' AND c.external_id = ''
              AND c.phone <> '' AND c.name_key <> ''
            """,
            first=self.chunk.first,
            last=self.chunk.last,
        ):
            if normal_name(first, last) == name_key:
                candidates[row_no].add(lead_id)
        rows = list(candidates)
        return rows, [leads.pop() if len(leads) == 1 else 0 for leads in candidates.values()]

    def _refuse(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Reject rows that match two leads, or one that the importer may not change."""
        refused = {
            row_no: (AMBIGUOUS, "has an id and an e-mail that belong to two different leads")
            for row_no, _, _, ambiguous in rows
            if ambiguous
        }
        for row_no, lead_id, is_new, _ in rows:
            if not is_new and not lead_id:
                refused[row_no] = (AMBIGUOUS, "has the name and phone of several leads")
        if self.by is not None and self.by.role != Role.ADMIN:
            refused |= self._not_writable(self.by, rows)
        if not refused:
            return rows
        _reject(self.chunk, [(row_no, *why) for row_no, why in refused.items()])
        self._execute("DELETE FROM import_match WHERE row_no = ANY(%(rows)s)", rows=list(refused))
        self.counts["rejected"] += len(refused)
        return [row for row in rows if row[0] not in refused]

    def _not_writable(self, by: User, rows: list[tuple[Any, ...]]) -> dict[int, tuple[str, str]]:
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
                out[row_no] = (
                    NOT_YOURS,
                    f"belongs to lead {lead_id}, which is not yours to change",
                )
            else:
                out[row_no] = (ELSEWHERE, "belongs to a lead that you cannot see")
        return out

    def _take_turns(self, matched: list[tuple[int, int]]) -> None:
        """Rows that lead to one lead over different identities are applied one after the other."""
        seen: Counter[int] = Counter()
        later: list[tuple[int, int]] = []
        for row_no, lead_id in matched:
            seen[lead_id] += 1
            self.row_of.setdefault(lead_id, row_no)
            if seen[lead_id] > 1:
                later.append((row_no, seen[lead_id]))
        self.turns = max(seen.values(), default=0)
        if later:
            self._execute(
                "UPDATE import_match m SET turn = t.turn "
                "FROM unnest(%(rows)s::int[], %(turns)s::int[]) AS t(row_no, turn) "
                "WHERE m.row_no = t.row_no",
                rows=[row_no for row_no, _ in later],
                turns=[turn for _, turn in later],
            )

    # --- new leads ----------------------------------------------------------------------------
    def _insert_identities(self) -> None:
        """Write the identities of new leads; raise _Overtaken when one is there by now."""
        mapping = self.mapping
        row_kind = identity_of_rows(self.chunk.imported)
        kinds: list[tuple[str, str, str]] = [
            (row_kind, "c.row_hash || ':' || c.occurrence", "c.row_hash <> ''")
        ]
        if mapping.external is not None:
            kinds.append((mapping.external.identity, "c.external_id", "c.external_id <> ''"))
        if mapping.has("email"):
            kinds.append(("email", "c.email", "c.email <> ''"))
        if mapping.has("phone"):
            kinds.append(("phone", "c.phone", "c.phone <> ''"))
        with connection.cursor() as cursor:
            values = ", ".join(
                _quoted(cursor, "(%s, ", [kind]) + f"CASE WHEN {condition} THEN {sql} END)"
                for kind, sql, condition in kinds
            )
            # In one order, so that two importers wait for each other and never in a ring.
            cursor.execute(
                f"""
                WITH wanted AS MATERIALIZED (
                    SELECT m.lead_id, k.kind, k.normal
                    FROM import_match m
                    JOIN {_ROWS} c ON c.imported_id = %(import)s AND c.row_no = m.row_no,
                    LATERAL (VALUES {values}) AS k(kind, normal)
                    WHERE m.is_new AND k.normal IS NOT NULL
                ), written AS (
                    INSERT INTO leads_identity (lead_id, kind, normal)
                    SELECT lead_id, kind, normal FROM wanted ORDER BY kind, normal
                    ON CONFLICT DO NOTHING RETURNING 1
                )
                SELECT (SELECT count(*) FROM wanted) - (SELECT count(*) FROM written)
                """,
                {"import": self.import_id},
            )
            if cursor.fetchone()[0]:
                raise _Overtaken

    def _insert_leads(self) -> None:
        chunk, owners = self.chunk, self.chunk.owners
        count = len(self.new)
        if owners.ids:
            given = schedule(owners.ids, owners.open_leads, chunk.offset, chunk.offset + count)
            owner_ids: list[int | None] = [int(owner) for owner in given]
        else:
            owner_ids = [None] * count
        own = "coalesce(c.owner_id, o.owner_id)" if self.mapping.has("owner") else "o.owner_id"
        source = "%(source)s"
        join_source = ""
        if self.mapping.has("source"):
            source = "coalesce(s.id, %(source)s)"
            join_source = "LEFT JOIN leads_source s ON s.name = c.source AND c.source <> ''"
        assert chunk.imported.source_id is not None
        self._execute(
            f"""
            INSERT INTO leads_lead (
                id, kind, first_name, last_name, email, phone, title, seniority, email_kind,
                company_id, age, country, time_zone, owner_id, team_id, stage, round, value_minor,
                currency, first_source_id, first_touch, first_touch_at, last_source_id, last_touch,
                last_touch_at, custom, version, is_demo, created_at)
            SELECT m.lead_id, coalesce(nullif(c.kind, ''), %(kind)s), c.first_name, c.last_name,
                   c.email, c.phone, c.title, c.seniority, c.email_kind, m.company_id, c.age,
                   c.country, c.time_zone, {own}, coalesce(u.team_id, %(team)s),
                   coalesce(nullif(c.outcome, ''), nullif(c.stage, ''), 'new'), 1, c.value_minor,
                   coalesce(nullif(c.currency, ''), %(currency)s), {source}, c.touch, t.at,
                   {source}, c.touch, t.at, c.custom, 1, false, t.at
            FROM import_match m
            JOIN {_ROWS} c ON c.imported_id = %(import)s AND c.row_no = m.row_no
            JOIN unnest(%(leads)s::bigint[], %(owners)s::bigint[]) AS o(lead_id, owner_id)
              ON o.lead_id = m.lead_id
            LEFT JOIN accounts_user u ON u.id = {own}
            {join_source},
            LATERAL (SELECT coalesce(c.created_at, leadqual_now()) AS at) t
            WHERE m.is_new ORDER BY m.lead_id
            """,
            kind=self.mapping.kind,
            team=owners.team,
            currency=chunk.currency,
            source=chunk.imported.source_id,
            leads=self.new,
            owners=owner_ids,
        )

    def _insert_activities(self) -> None:
        """Say on the timeline of each new lead where it came from, and what was asked in vain."""
        self._execute(
            """
            INSERT INTO leads_activity (lead_id, kind, actor_id, data)
            SELECT m.lead_id, %(kind)s, %(by)s,
                   jsonb_build_object('import', %(import)s, 'row', m.row_no, 'file', %(file)s::text)
            FROM import_match m WHERE m.is_new ORDER BY m.lead_id
            """,
            kind=Kind.IMPORTED,
            by=self.by.pk if self.by else None,
            file=self.chunk.imported.file_name,
        )
        unknown = [c for c in self.mapping.evidence if None in c.ratings.values()]
        if unknown:
            self._execute(
                f"""
                INSERT INTO leads_activity (lead_id, kind, actor_id, data)
                SELECT m.lead_id, %(kind)s, %(by)s, jsonb_build_object(
                    'import', %(import)s, 'dimension', a.dimension, 'question', '',
                    'text', a.quote)
                FROM ({self._answers("m.is_new")}) a JOIN import_match m ON m.row_no = a.row_no
                WHERE a.rating IS NULL ORDER BY m.lead_id
                """,
                kind=Kind.ASKED_UNKNOWN,
                by=self.by.pk if self.by else None,
            )

    # --- answers ------------------------------------------------------------------------------
    def _answers(self, condition: str) -> str:
        """SQL of the answers of the matched rows: row_no, lead_id, dimension, rating (NULL: asked
        and not known), quote, days it lives, if_exists, observed_at.
        """
        config = live_config()
        parts = []
        with connection.cursor() as cursor:
            for place, column in enumerate(self.mapping.evidence, start=1):
                days = expiry_days(column.dimension, config)
                for code, rating, quote in _codes(column):
                    row = [place, code, column.dimension, rating, quote, days, column.if_exists]
                    form = "(%s, %s::smallint, %s, %s::smallint, %s, %s, %s)"
                    parts.append(_quoted(cursor, form, row))
        values = ", ".join(parts)
        return f"""
            SELECT m.row_no, m.lead_id, v.dimension, v.rating, v.quote, v.days, v.if_exists,
                   coalesce(c.answered_at, leadqual_now()) AS observed_at
            FROM import_match m
            JOIN {_ROWS} c ON c.imported_id = %(import)s AND c.row_no = m.row_no,
            LATERAL unnest(c.answers) WITH ORDINALITY AS given(code, place)
            JOIN (VALUES {values}) AS v(place, code, dimension, rating, quote, days, if_exists)
              ON v.place = given.place AND v.code = given.code
            WHERE {condition}
        """

    def _insert_answers(self, condition: str) -> None:
        if not self.mapping.evidence:
            return
        self._execute(
            f"""
            INSERT INTO scoring_evidence (
                lead_id, dimension, rating, quote, question, answer, source, author_id,
                observed_at, recorded_at, expires_at, current)
            SELECT a.lead_id, a.dimension, a.rating, a.quote, '', '', 'import', %(by)s,
                   a.observed_at, leadqual_now(), a.observed_at + make_interval(days => a.days),
                   true
            FROM ({self._answers(condition)}) a WHERE a.rating IS NOT NULL ORDER BY a.lead_id
            """,
            by=self.by.pk if self.by else None,
        )

    def _change_answers(self, turn: int) -> None:
        """Add answers to leads that exist: about what nothing is known, or in place of others."""
        if all(column.if_exists == "keep" for column in self.mapping.evidence):
            return
        # An answer that has expired was given all the same: the same file adds nothing.
        wanted = f"""
            SELECT a.*, e.rating AS old
            FROM ({self._answers(f"NOT m.is_new AND m.turn = {int(turn)}")}) a
            LEFT JOIN scoring_evidence e
              ON e.lead_id = a.lead_id AND e.dimension = a.dimension AND e.current
            WHERE a.rating IS NOT NULL AND CASE a.if_exists
                WHEN 'overwrite' THEN e.rating IS DISTINCT FROM a.rating
                WHEN 'fill' THEN NOT EXISTS (
                    SELECT FROM scoring_evidence any_
                    WHERE any_.lead_id = a.lead_id AND any_.dimension = a.dimension)
                ELSE false END
        """
        found = self._execute(f"SELECT lead_id, dimension, old, rating FROM ({wanted}) w")
        if not found:
            return
        if not self.chunk.dry_run:
            leads = sorted({lead_id for lead_id, *_ in found})
            self._execute(
                "SELECT FROM scoring_standing WHERE lead_id = ANY(%(leads)s) "
                "ORDER BY lead_id FOR NO KEY UPDATE",
                leads=leads,
            )
            found = self._execute(
                f"""
                WITH wanted AS MATERIALIZED ({wanted}), retired AS (
                    UPDATE scoring_evidence e SET current = false FROM wanted w
                    WHERE e.lead_id = w.lead_id AND e.dimension = w.dimension AND e.current
                )
                SELECT lead_id, dimension, old, rating, quote, observed_at, days FROM wanted
                """
            )
            self._execute(
                """
                INSERT INTO scoring_evidence (
                    lead_id, dimension, rating, quote, question, answer, source, author_id,
                    observed_at, recorded_at, expires_at, current)
                SELECT n.lead_id, n.dimension, n.rating, n.quote, '', '', 'import', %(by)s, n.at,
                       leadqual_now(), n.at + make_interval(days => n.days), true
                FROM unnest(%(leads)s::bigint[], %(dimensions)s::text[], %(ratings)s::smallint[],
                            %(quotes)s::text[], %(at)s::timestamptz[], %(days)s::int[])
                     AS n(lead_id, dimension, rating, quote, at, days)
                ORDER BY n.lead_id
                """,
                by=self.by.pk if self.by else None,
                leads=[row[0] for row in found],
                dimensions=[row[1] for row in found],
                ratings=[row[3] for row in found],
                quotes=[row[4] for row in found],
                at=[row[5] for row in found],
                days=[row[6] for row in found],
            )
        for lead_id, dimension, old, rating, *_ in found:
            self.changes[lead_id][f"evidence.{dimension}"] = [old, rating]

    # --- outcomes -----------------------------------------------------------------------------
    def _insert_outcomes(self, condition: str) -> list[tuple[Any, ...]]:
        """Record how leads ended; return those for which there was something to record."""
        if self.mapping.outcome is None:
            return []
        return self._execute(
            f"""
            INSERT INTO leads_outcome (lead_id, round, result, reason, value_minor, currency, at,
                                       recorded_by_id, imported)
            SELECT l.id, l.round, c.outcome, c.outcome_reason, l.value_minor, l.currency,
                   coalesce(c.outcome_at, leadqual_now()), %(by)s, true
            FROM import_match m
            JOIN {_ROWS} c ON c.imported_id = %(import)s AND c.row_no = m.row_no
            JOIN leads_lead l ON l.id = m.lead_id
            WHERE {condition} AND c.outcome <> '' ORDER BY l.id
            ON CONFLICT (lead_id, round) DO NOTHING RETURNING lead_id, result
            """,
            by=self.by.pk if self.by else None,
        )

    def _change_outcomes(self, turn: int) -> None:
        """Close open leads of which the file knows the end. An end that is there stays."""
        outcome = self.mapping.outcome
        if outcome is None or outcome.if_exists == "keep":
            return
        ended = self._execute(
            f"""
            SELECT l.id, l.stage, c.outcome FROM import_match m
            JOIN {_ROWS} c ON c.imported_id = %(import)s AND c.row_no = m.row_no
            JOIN leads_lead l ON l.id = m.lead_id
            WHERE NOT m.is_new AND m.turn = %(turn)s AND c.outcome <> ''
              AND l.stage NOT IN ({_CLOSED}) AND NOT EXISTS (
                  SELECT FROM leads_outcome o WHERE o.lead_id = l.id AND o.round = l.round)
            ORDER BY l.id {"" if self.chunk.dry_run else "FOR NO KEY UPDATE OF l"}
            """,
            turn=turn,
        )
        if ended and not self.chunk.dry_run:
            leads = ", ".join(str(int(lead_id)) for lead_id, _, _ in ended)
            recorded = self._insert_outcomes(f"m.turn = {int(turn)} AND l.id IN ({leads})")
            self._execute(
                "UPDATE leads_lead l SET stage = o.result, version = version + 1 "
                "FROM unnest(%(leads)s::bigint[], %(results)s::text[]) AS o(lead_id, result) "
                "WHERE l.id = o.lead_id",
                leads=[lead_id for lead_id, _ in recorded],
                results=[result for _, result in recorded],
            )
        for lead_id, stage, result in ended:
            self.changes[lead_id]["stage"] = [stage, result]

    # --- leads that exist ---------------------------------------------------------------------
    def _change(self, turn: int) -> None:
        """Bring what the file adds to leads that exist; what does not differ is not written."""
        self._change_facts(turn)
        self._change_identities(turn)
        self._change_outcomes(turn)
        if self.mapping.evidence:
            self._change_answers(turn)

    def _change_facts(self, turn: int) -> None:
        new = self._new_values()
        if not new:
            return
        names = list(new)
        own = ", ".join(f"l.{name}" for name in names)
        source = f"""
            FROM import_match m
            JOIN {_ROWS} c ON c.imported_id = %(import)s AND c.row_no = m.row_no
        """
        differs = f"ROW({own}) IS DISTINCT FROM ROW({', '.join(new.values())})"
        chosen = f"NOT m.is_new AND m.turn = {int(turn)}"
        ids = self._execute(
            f"SELECT l.id {source} JOIN leads_lead l ON l.id = m.lead_id "
            f"WHERE {chosen} AND {differs}"
        )
        if not ids:
            return
        if self.chunk.dry_run:
            for (lead_id,) in ids:
                self.changes[lead_id]["facts"] = []
            return
        before = {
            row[0]: row[1:]
            for row in self._execute(
                f"SELECT l.id, {own} FROM leads_lead l WHERE l.id = ANY(%(ids)s) "
                "ORDER BY l.id FOR NO KEY UPDATE",
                ids=[row[0] for row in ids],
            )
        }
        sets = ", ".join(f"{name} = {sql}" for name, sql in new.items())
        after = self._execute(
            f"UPDATE leads_lead l SET {sets}, version = l.version + 1 {source} "
            f"WHERE l.id = m.lead_id AND l.id = ANY(%(ids)s) AND {chosen} AND {differs} "
            f"RETURNING l.id, {own}",
            ids=list(before),
        )
        for lead_id, *values in after:
            for name, old, value in zip(names, before[lead_id], values, strict=True):
                if old != value:
                    self.changes[lead_id][name.removesuffix("_id")] = [old, value]

    def _new_values(self) -> dict[str, str]:
        """SQL of the value that each mapped column of a lead gets (aliases l, c, m)."""
        mapping = self.mapping
        out: dict[str, str] = {}
        for name in ("first_name", "last_name", "email", "phone", "title", "country", "time_zone"):
            mode = mapping.mode(name)
            if mode != "keep":
                out[name] = _text_value(mode, name)
        if "email" in out:
            test = "l.email = ''" if mapping.mode("email") == "fill" else "c.email <> ''"
            out["email_kind"] = f"CASE WHEN {test} THEN c.email_kind ELSE l.email_kind END"
        if mapping.mode("seniority") != "keep":
            out["seniority"] = _text_value(mapping.mode("seniority"), "seniority")
        elif "title" in out:
            out["seniority"] = (
                f"CASE WHEN {out['title']} <> l.title THEN c.seniority ELSE l.seniority END"
            )
        for name, field_name in (("age", "age"), ("value_minor", "value")):
            mode = mapping.mode(field_name)
            if mode != "keep":
                out[name] = _number_value(mode, f"l.{name}", f"c.{name}")
        if "value_minor" in out:
            out["currency"] = (
                f"CASE WHEN {out['value_minor']} IS DISTINCT FROM l.value_minor "
                "THEN coalesce(nullif(c.currency, ''), l.currency) ELSE l.currency END"
            )
        modes = {mapping.mode("company"), mapping.mode("company_domain")} - {"keep"}
        if modes:
            mode = "overwrite" if "overwrite" in modes else "fill"
            out["company_id"] = _number_value(mode, "l.company_id", "m.company_id")
        custom = self._custom_value()
        if custom:
            out["custom"] = custom
        return out

    def _custom_value(self) -> str:
        keys: dict[str, list[str]] = defaultdict(list)
        for column in self.mapping.custom:
            keys[column.if_exists].append(column.key)
        if not keys["fill"] and not keys["overwrite"]:
            return ""

        def only(mode: str) -> str:
            others = [key for other in keys if other != mode for key in keys[other]]
            listed = ", ".join(f"'{key}'" for key in others)
            return f"(c.custom - ARRAY[{listed}]::text[])" if others else "c.custom"

        value = f"({only('fill')} || l.custom)" if keys["fill"] else "l.custom"
        return f"({value} || {only('overwrite')})" if keys["overwrite"] else value

    def _change_identities(self, turn: int) -> None:
        """Keep identities in step: new ids of other systems, and e-mail and phone as changed."""
        wanted = []
        if self.mapping.external is not None:
            wanted.append("(%(external)s, c.external_id)")
        for name in ("email", "phone"):
            if self.mapping.mode(name) != "keep":
                wanted.append(f"('{name}', CASE WHEN l.{name} = c.{name} THEN c.{name} END)")
        if not wanted:
            return
        missing = f"""
            SELECT l.id AS lead_id, k.kind, k.normal
            FROM import_match m
            JOIN {_ROWS} c ON c.imported_id = %(import)s AND c.row_no = m.row_no
            JOIN leads_lead l ON l.id = m.lead_id,
            LATERAL (VALUES {", ".join(wanted)}) AS k(kind, normal)
            WHERE NOT m.is_new AND m.turn = {int(turn)} AND k.normal <> '' AND NOT EXISTS (
                SELECT FROM leads_identity i
                WHERE i.lead_id = l.id AND i.kind = k.kind AND i.normal = k.normal)
        """
        external = self.mapping.external.identity if self.mapping.external else ""
        found = self._execute(missing, external=external)
        if not found:
            return
        if not self.chunk.dry_run:
            written = self._execute(
                f"INSERT INTO leads_identity (lead_id, kind, normal) "
                f"SELECT * FROM ({missing}) w ORDER BY kind, normal "
                "ON CONFLICT DO NOTHING RETURNING 1",
                external=external,
            )
            if len(written) < len(found):
                raise _Overtaken
            self._execute(
                "DELETE FROM leads_identity i USING leads_lead l "
                "WHERE l.id = ANY(%(ids)s) AND i.lead_id = l.id AND "
                "(i.kind = 'email' AND i.normal <> l.email OR "
                "i.kind = 'phone' AND i.normal <> l.phone)",
                ids=[lead_id for lead_id, kind, _ in found if kind in ("email", "phone")],
            )
        for lead_id, kind, normal in found:
            self.changes[lead_id].setdefault(kind, [None, normal])

    def _note_changes(self, changed: Sequence[int]) -> None:
        Activity.objects.bulk_create(
            (
                Activity(
                    lead_id=lead_id,
                    kind=Kind.CHANGED,
                    actor=self.by,
                    at=DatabaseNow(),
                    data={
                        "import": self.import_id,
                        "row": self.row_of[lead_id],
                        "changes": self.changes[lead_id],
                    },
                )
                for lead_id in changed
            ),
            batch_size=1_000,
        )

    def _count_tiers(self) -> None:
        leads = [*self.new, *self.row_of]
        for tier, state, count in self._execute(
            "SELECT tier, state, count(*) FROM scoring_standing WHERE lead_id = ANY(%(ids)s) "
            "GROUP BY tier, state",
            ids=leads,
        ):
            self.counts[f"tier_{tier or state}"] += count


def _quoted(cursor: Any, sql: str, params: Sequence[Any]) -> str:
    """Return SQL with its values in it, fit to be part of a statement that has parameters."""
    text: str = cursor.mogrify(sql, params).decode()
    return text.replace("%", "%%")


def _codes(column: EvidenceColumn) -> list[tuple[int, int | None, str]]:
    """Return (code, rating, quote) of each possible answer."""
    if column.scale is not None:
        return [(rating, rating, "") for rating in range(101)]
    return [
        (code, rating, f"{column.header}: {answer}")
        for code, (answer, rating) in enumerate(column.ratings.items())
    ]


def _text_value(mode: IfExists, name: str) -> str:
    test = f"l.{name} = ''" if mode == "fill" else f"c.{name} <> ''"
    return f"CASE WHEN {test} THEN c.{name} ELSE l.{name} END"


def _number_value(mode: str, own: str, new: str) -> str:
    return f"coalesce({own}, {new})" if mode == "fill" else f"coalesce({new}, {own})"
