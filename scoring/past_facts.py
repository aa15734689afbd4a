"""Facts of past leads as they were when it was decided, read from the tables.

Which leads have ended, or are so old that they count as not won; of each the latest snapshot before
that, what has been changed about it since, and what had been answered by then. All is set-based and
read by binary COPY, of many leads over two connections, each reading half of them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction

from core.connections import over_connections
from core.copying import ColumnType, read_columns
from leads.activities import CONTACT, Kind
from leads.models import CustomField
from scoring.counters import count_then
from scoring.facts import hashes_of
from scoring.features import DAY, Ints, no_numbers, places_of
from scoring.fields import CUSTOM, Field
from scoring.models import ModelVersion, Snapshot
from scoring.triggers import Pair

ALONE = 100_000  # outcomes that one connection reads; of more, two read half each
LEAST_WINS = 10  # below which nothing is known about how long a win takes
KNOWN_BEFORE = DAY  # seconds before an outcome; what is learned later may be the outcome itself
MATURE = 0.9  # quantile of the time to win after which an open lead counts as not won
NO_ORDER = 3600.0  # seconds within which outcomes, as those of one import, have no order
_LAST_ID = 2**63 - 1
_SCATTER = np.uint64(0x9E3779B97F4A7C15)


@dataclass
class Past:
    """Facts of n past leads, in order of their outcomes, those of one hour by lot.

    `columns` (n,) each: `lead`, `moment` of the outcome and `decided` (seconds since the epoch),
    `y` 1 for won, `taken` when its snapshot was, `tracked`, `repeat`, a number that leads from rows
    of an import share which name nobody and say the same, `f.NAME` of fields, of texts as codes, −1
    for none, which index `texts`, `e.count.KIND/DAYS` with `e.since.KIND/DAYS` (days) of counters,
    and `a.rating.DIMENSION` with `a.age.DIMENSION` (seconds) of the newest answer. `filled_later`
    counts the leads on which a custom field was filled after it was decided.
    """

    columns: dict[str, npt.NDArray[Any]]
    texts: dict[str, list[str]]
    filled_later: Mapping[str, int]
    immature: int
    left_out: int
    demo: bool


class _Ids(NamedTuple):
    """A stretch of lead ids, `low` within and `high` beyond."""

    low: int
    high: int

    def within(self, column: str) -> str:
        """Return the SQL that an id lies in the stretch."""
        return f"({column} >= {self.low} AND {column} < {self.high})"


@dataclass(frozen=True)
class _Survey:
    """What has to be known of all leads before a part of them is read."""

    demo: bool
    mixed: bool  # whether both demo and real leads have ended
    now: float  # seconds since the epoch
    ripe: float | None  # seconds after which nearly all wins have come; None while nobody can say
    parts: list[_Ids]

    @property
    def mine(self) -> str:
        """The SQL that a lead `l` is one that may be learned from."""
        return "l.is_demo" if self.demo else "NOT l.is_demo"


@dataclass
class _Part:
    """What was read of a stretch of leads; texts are codes that index their hashes and values."""

    columns: dict[str, npt.NDArray[Any]]
    texts: dict[str, tuple[Ints, list[str]]]
    filled_later: dict[str, int]
    immature: int
    left_out: int


def read_past(
    fields: Sequence[Field],
    dimensions: Sequence[str],
    counters: Sequence[Pair],
    *,
    since: float = 0.0,
    most: int | None = None,
) -> Past:
    """Read the facts of past leads: of those whose outcome came at `since` (seconds since the
    epoch) or later, the `most` newest.
    """
    survey = _survey(split=most is None)
    columns = list(_columns(fields, known_when(), _captured_at()))

    def read(ids: _Ids) -> _Part:
        return _read_part(ids, survey, columns, dimensions, counters, since, most)

    parts = over_connections(read, survey.parts)
    texts = {name: _share_codes(name, parts) for name in parts[0].texts}
    lead, moment = (np.concatenate([p.columns[by] for p in parts]) for by in ("lead", "moment"))
    # By lot within a stretch: multiplied so, following ids are scattered evenly.
    lot = (lead.astype(np.uint64) * _SCATTER) >> np.uint64(32)
    order = np.lexsort([lot, np.floor(moment / NO_ORDER)])
    return Past(
        columns={
            name: np.concatenate([part.columns.pop(name) for part in parts])[order]
            for name in list(parts[0].columns)
        },
        texts=texts,
        filled_later=sum((Counter(part.filled_later) for part in parts), Counter()),
        immature=sum(part.immature for part in parts),
        left_out=sum(part.left_out for part in parts),
        demo=survey.demo,
    )


def known_when() -> dict[str, str]:
    """Return when each custom field is known, by the field's name."""
    found = CustomField.objects.values_list("key", "known_when")
    return {f"{CUSTOM}{key}": when for key, when in found}


def _survey(*, split: bool) -> _Survey:
    """Look at all leads; demo rows are never learned from once a real lead has an outcome."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(
            """
            SELECT EXISTS (SELECT FROM leads_lead l WHERE NOT l.is_demo AND {ended}),
                   EXISTS (SELECT FROM leads_lead l WHERE l.is_demo AND {ended}),
                   date_part('epoch', leadqual_now()), (SELECT count(*) FROM leads_outcome)
            """.format(ended="EXISTS (SELECT FROM leads_outcome o WHERE o.lead_id = l.id)")
        )
        real, demo, now, outcomes = cursor.fetchone()
        # Of many leads some tell a quantile as well.
        cursor.execute(
            f"""
            SELECT CASE WHEN count(*) >= {LEAST_WINS}
                        THEN percentile_cont({MATURE}) WITHIN GROUP (ORDER BY took) END
            FROM (
                SELECT date_part('epoch', o.at - l.created_at) AS took
                FROM leads_outcome o JOIN leads_lead l ON l.id = o.lead_id
                WHERE o.result = 'won' AND o.at > l.created_at AND (NOT %s OR NOT l.is_demo)
                  AND hashint8(o.lead_id) %% %s = 0
                  AND NOT EXISTS (SELECT FROM leads_outcome later
                                  WHERE later.lead_id = o.lead_id AND later.round > o.round)
            ) won
            """,
            [real, outcomes // ALONE + 1],
        )
        ripe = cursor.fetchone()[0]
        parts = [_Ids(0, _LAST_ID)]
        if split and outcomes > ALONE:
            cursor.execute(
                "SELECT lead_id FROM leads_outcome ORDER BY lead_id OFFSET %s LIMIT 1",
                [outcomes // 2],
            )
            middle = cursor.fetchone()[0]
            parts = [_Ids(0, middle), _Ids(middle, _LAST_ID)]
    return _Survey(not real, real and demo, now, ripe, parts)


def _read_part(
    ids: _Ids,
    survey: _Survey,
    columns: Sequence["_Column"],
    dimensions: Sequence[str],
    counters: Sequence[Pair],
    since: float,
    most: int | None,
) -> _Part:
    """Read a stretch of leads on the connection of this thread."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL work_mem = '128MB'")
        immature, left_out = _label(cursor, ids, survey, since, most)
        cursor.execute(_choose(ids))
        cursor.execute("ANALYZE chosen (lead, moment)")
        cursor.execute(_UNDO)
        read = _read(columns, _source(ids))
        _read_engagement(read, counters)
        texts = _texts(cursor, ids, [c for c in columns if c.is_text], read)
        count_then(read, counters)
        left_out -= len(read["lead"])
        _read_answers(read, ids, dimensions)
        read["repeat"] = _repeats(cursor, read["lead"])
        filled_later = _filled_later(cursor)
        cursor.execute("DROP TABLE undone, chosen, labelled")
    return _Part(read, texts, filled_later, immature, left_out)


def _label(
    cursor: Any, ids: _Ids, survey: _Survey, since: float, most: int | None
) -> tuple[int, int]:
    """Make the table `labelled` (lead, moment, y). Return how many leads are too young to say how
    they end, and how many were labelled or disqualified before any contact.
    """
    others = ""
    if survey.mixed:
        others = f"JOIN leads_lead l ON l.id = o.lead_id AND {survey.mine}"
    contact = ", ".join(f"'{kind}'" for kind in sorted(CONTACT))
    cursor.execute(
        f"""
        CREATE TEMPORARY TABLE labelled ON COMMIT DROP AS
        SELECT DISTINCT ON (o.lead_id) o.lead_id AS lead, date_part('epoch', o.at) AS moment,
            CASE WHEN o.result = 'won' THEN 1 WHEN o.result = 'lost' THEN 0
                 WHEN EXISTS (SELECT 1 FROM leads_activity a WHERE a.lead_id = o.lead_id
                              AND a.kind IN ({contact}) AND a.at <= o.at) THEN 0
                 ELSE -1 END AS y
        FROM leads_outcome o {others}
        WHERE {ids.within("o.lead_id")}
        ORDER BY o.lead_id, o.round DESC
        """
    )
    cursor.execute("DELETE FROM labelled WHERE y < 0")
    untouched = cursor.rowcount
    cursor.execute(
        f"""
        WITH waiting AS MATERIALIZED (
            SELECT l.id, date_part('epoch', l.created_at) + %(ripe)s AS ripe
            FROM scoring_standing s JOIN leads_lead l ON l.id = s.lead_id
            WHERE s.is_open AND {survey.mine}
              AND {ids.within("l.id")} AND {ids.within("s.lead_id")}
              AND NOT EXISTS (SELECT 1 FROM leads_outcome o WHERE o.lead_id = l.id)
        ), ended AS (
            INSERT INTO labelled SELECT id, ripe, 0 FROM waiting WHERE ripe < %(now)s
        )
        SELECT count(*) FROM waiting WHERE ripe IS NULL OR ripe >= %(now)s
        """,
        {"ripe": survey.ripe, "now": survey.now},
    )
    immature = cursor.fetchone()[0]
    if since:
        cursor.execute("DELETE FROM labelled WHERE moment < %s", [since])
    if most is not None:
        cursor.execute(
            """
            DELETE FROM labelled WHERE lead IN (
                SELECT lead FROM labelled ORDER BY moment DESC, lead DESC OFFSET %s)
            """,
            [most],
        )
    cursor.execute("ANALYZE labelled")
    cursor.execute("SELECT count(*) FROM labelled")
    return immature, cursor.fetchone()[0] + untouched


def _choose(ids: _Ids) -> str:
    """Return the SQL of the table `chosen`: the latest snapshot before the outcome."""
    return f"""
        CREATE TEMPORARY TABLE chosen ON COMMIT DROP AS
        SELECT DISTINCT ON (n.lead_id) n.lead_id AS lead, b.moment, b.y,
            n.backfilled, date_part('epoch', n.at) AS taken,
            n.facts->'fields' AS fields, nullif(n.facts->'engagement', '{{}}') AS engagement,
            coalesce((n.facts->>'tracked')::bool, false)::int AS tracked,
            greatest(date_part('epoch', n.at), b.moment - {KNOWN_BEFORE}) AS decided
        FROM scoring_snapshot n JOIN labelled b ON b.lead = n.lead_id
        WHERE n.reason <> '{Snapshot.Reason.OUTCOME}' AND {ids.within("n.lead_id")}
          AND (n.backfilled OR n.at <= to_timestamp(b.moment))
        ORDER BY n.lead_id, n.at DESC, n.id DESC
    """


# What was changed about a lead since: the first change tells what it was before all of them.
# Facts of a company are shared by its leads and stay as they are.
_OWN = (
    "kind",
    "title",
    "seniority",
    "email_kind",
    "age",
    "country",
    "value_minor",
    "currency",
    "company",
    "custom",
)
_UNDO = f"""
    CREATE TEMPORARY TABLE undone ON COMMIT DROP AS
    SELECT lead, jsonb_object_agg(CASE name WHEN 'company' THEN 'company_id' ELSE name END, old) old
    FROM (
        SELECT DISTINCT ON (t.lead, e.key) t.lead, e.key AS name, e.value->0 AS old
        FROM leads_activity a JOIN chosen t ON t.lead = a.lead_id
        CROSS JOIN LATERAL jsonb_each(a.data->'changes') e
        WHERE a.kind = '{Kind.CHANGED.value}' AND a.at > to_timestamp(t.decided)
          AND jsonb_typeof(e.value) = 'array' AND e.value <> '[]'
          AND e.key IN ({", ".join(f"'{name}'" for name in _OWN)})
        ORDER BY t.lead, e.key, a.at, a.id
    ) first GROUP BY lead
"""


def _source(ids: _Ids) -> str:
    """Return what the columns are read from."""
    return f"""
        FROM chosen t
        JOIN (
            SELECT r.* FROM leads_lead r WHERE {ids.within("r.id")}
              AND NOT EXISTS (SELECT FROM undone u WHERE u.lead = r.id)
            UNION ALL
            SELECT (jsonb_populate_record(r, u.old)).*
            FROM undone u JOIN leads_lead r ON r.id = u.lead
        ) l ON l.id = t.lead
        LEFT JOIN leads_company c ON c.id = l.company_id
        LEFT JOIN leads_source src ON src.id = l.first_source_id
        LEFT JOIN accounts_workspace w ON true
    """


@dataclass(frozen=True)
class _Column:
    """A column that is read, with its SQL; of a text its hash is copied."""

    name: str
    kind: ColumnType
    sql: str
    is_text: bool = False

    @property
    def copied(self) -> str:
        if self.is_text:
            return f"coalesce(hashtextextended(nullif({self.sql}, ''), 0), 0)"
        missing, sql_type = ("'NaN'", "float8") if self.kind == "f8" else ("0", "bigint")
        return f"coalesce(({self.sql})::{sql_type}, {missing})"


def _columns(
    fields: Sequence[Field],
    when: Mapping[str, str],
    captured: Mapping[str, list[tuple[float, float]]],
) -> Iterator[_Column]:
    yield _Column("lead", "i8", "t.lead")
    yield _Column("moment", "f8", "t.moment")
    yield _Column("y", "i8", "t.y")
    yield _Column("taken", "f8", "t.taken")
    yield _Column("decided", "f8", "t.decided")
    yield _Column("tracked", "i8", "t.tracked")
    for f in fields:
        is_text = f.type == "text"
        yield _Column(
            f"f.{f.name}",
            "i8" if is_text else "f8",
            _field_sql(f, when.get(f.name), captured.get(f.name, [])),
            is_text,
        )


def _field_sql(f: Field, known_when: str | None, captured: list[tuple[float, float]]) -> str:
    """Return the SQL of a field: the snapshot's value, or the lead's where nothing captured it."""
    if known_when == CustomField.KnownWhen.OUTCOME:
        return "NULL::text" if f.type == "text" else "NULL::float8"
    if f.type == "text":
        kept, present = f"(t.fields->>'{f.name}')", f"({f.sql})::text"
    else:
        own = f"t.fields->'{f.name}'"
        kept = f"(CASE WHEN jsonb_typeof({own}) = 'number' THEN ({own})::float8 END)"
        present = f"(({f.sql})::bool)::int::float8" if f.type == "bool" else f"({f.sql})::float8"
    if known_when == CustomField.KnownWhen.CONTACT:
        return kept
    spans = " OR ".join(f"(t.taken >= {low!r} AND t.taken < {high!r})" for low, high in captured)
    missing = f"CASE WHEN NOT ({spans}) THEN {present} END" if spans else present
    return f"coalesce({kept}, {missing})"


def _captured_at() -> dict[str, list[tuple[float, float]]]:
    """Return when each field was read by some live rule, hence kept in snapshots: spans of seconds
    since the epoch.
    """
    spans: dict[str, list[tuple[float, float]]] = {}
    published = ModelVersion.objects.filter(published_at__isnull=False).select_related("icp")
    for version in published.order_by("published_at"):
        assert version.published_at is not None
        start = version.published_at.timestamp()
        end = version.retired_at.timestamp() if version.retired_at else 1e11
        for name in _fields_in(version.definition) | _fields_in(version.icp.definition):
            known = spans.setdefault(name, [])
            if known and start <= known[-1][1]:
                known[-1] = known[-1][0], max(end, known[-1][1])
            else:
                known.append((start, end))
    return spans


def _fields_in(node: Any) -> set[str]:
    """Return the fields of all rules inside a definition, without parsing it: it may be old."""
    if isinstance(node, list):
        return set().union(*(_fields_in(child) for child in node))
    if not isinstance(node, dict):
        return set()
    found = set().union(*(_fields_in(child) for child in node.values()))
    if "op" in node and isinstance(node.get("field"), str):
        found.add(node["field"])
    return found


def _read_engagement(read: dict[str, npt.NDArray[Any]], counters: Sequence[Pair]) -> None:
    """Add the columns of the counters to what was read, NaN where nothing was kept."""
    if not counters:
        return
    sql_of = {
        f"e.{part}.{kind}/{days}": f"(t.engagement->'{kind}/{days}'->>{index})::float8"
        for kind, days in counters
        for index, part in enumerate(("count", "since"))
    }
    columns = [_Column("lead", "i8", "t.lead")]
    columns += [_Column(name, "f8", sql) for name, sql in sql_of.items()]
    found = _read(columns, "FROM chosen t WHERE t.engagement IS NOT NULL")
    rows = places_of(found["lead"], read["lead"])
    for name in sql_of:
        read[name] = no_numbers(len(read["lead"]))
        read[name][rows] = found.pop(name)


def _read(columns: Sequence[_Column], source: str) -> dict[str, npt.NDArray[Any]]:
    return read_columns(
        f"SELECT {', '.join(c.copied for c in columns)} {source}",
        [(c.name, c.kind) for c in columns],
    )


def _texts(
    cursor: Any, ids: _Ids, columns: Sequence[_Column], read: dict[str, npt.NDArray[Any]]
) -> dict[str, tuple[Ints, list[str]]]:
    """Turn the hashes of texts that were read into codes, −1 for none. Return the hashes and the
    values that they index, which are read from one lead each.
    """
    found = {}
    for column in columns:
        hashes, first, codes = np.unique(read[column.name], return_index=True, return_inverse=True)
        codes[read[column.name] == 0] = -1
        read[column.name] = codes
        found[column.name] = hashes, read["lead"][first].tolist()
    having = sorted({lead for _, leads in found.values() for lead in leads})
    cursor.execute(
        f"SELECT {', '.join(['t.lead', *(column.sql for column in columns)])} {_source(ids)} "
        "WHERE t.lead = ANY(%(leads)s) AND l.id = ANY(%(leads)s)",
        {"leads": having},
    )
    value_of = {lead: values for lead, *values in cursor.fetchall()}
    return {
        column.name: (hashes, [value_of[lead][place] or "" for lead in leads])
        for place, column in enumerate(columns)
        for hashes, leads in [found[column.name]]
    }


def _share_codes(name: str, parts: Sequence[_Part]) -> list[str]:
    """Let the codes of all parts index the same values; return those."""
    hashes, first = np.unique(
        np.concatenate([part.texts[name][0] for part in parts]), return_index=True
    )
    for part in parts:
        codes, shared = part.columns[name], np.searchsorted(hashes, part.texts[name][0])
        part.columns[name] = np.where(codes < 0, -1, shared[codes])
    values = [value for part in parts for value in part.texts[name][1]]
    return [values[place] for place in first.tolist()]


_ANSWER_COLUMNS: tuple[tuple[str, ColumnType], ...] = (
    ("lead", "i8"),
    ("dimension", "i8"),
    ("rating", "f8"),
    ("observed", "f8"),
    ("recorded", "f8"),
    ("id", "i8"),
)


def _read_answers(read: dict[str, npt.NDArray[Any]], ids: _Ids, dimensions: Sequence[str]) -> None:
    """Add the newest answer to each dimension to what was read, NaN for none, and its age. Every
    answer that was known is looked at, not only the newest now: that may have expired by then.
    """
    found = read_columns(
        f"""
        SELECT t.lead, hashtextextended(e.dimension, 0), e.rating::float8,
               date_part('epoch', e.observed_at), date_part('epoch', e.recorded_at), e.id::bigint
        FROM chosen t JOIN scoring_evidence e ON e.lead_id = t.lead AND {ids.within("e.lead_id")}
        WHERE e.recorded_at <= to_timestamp(t.decided) AND e.observed_at <= to_timestamp(t.decided)
          AND (e.expires_at IS NULL OR e.expires_at > to_timestamp(t.decided))
        """,
        _ANSWER_COLUMNS,
    )
    order = np.lexsort((found["id"], found["recorded"], found["observed"]))
    rows = places_of(found["lead"], read["lead"])[order]
    dimension, rating, observed = (
        found[name][order] for name in ("dimension", "rating", "observed")
    )
    for name, code in zip(dimensions, hashes_of(dimensions), strict=True):
        mine = dimension == code
        row = rows[mine]
        kept = read[f"a.rating.{name}"] = no_numbers(len(read["lead"]))
        kept[row] = rating[mine]  # of several to a lead the last one stays
        age = read[f"a.age.{name}"] = no_numbers(len(read["lead"]))
        age[row] = read["decided"][row] - observed[mine]


def _filled_later(cursor: Any) -> dict[str, int]:
    """Return on how many leads each custom field was empty when it was decided, and is not now."""
    cursor.execute(
        """
        SELECT key, count(*) FROM undone u JOIN leads_lead l ON l.id = u.lead
        CROSS JOIN LATERAL jsonb_object_keys(l.custom) key
        WHERE u.old ? 'custom' AND coalesce(u.old->'custom'->>key, '') = '' AND l.custom->>key <> ''
        GROUP BY key
        """
    )
    return dict(cursor.fetchall())


def _repeats(cursor: Any, lead_ids: Ints) -> Ints:
    """Return one number for leads from rows of an import that name nobody and say the same, but
    for how it ended; of all others their id.
    """
    said = "l.kind, l.title, l.company_id, l.age, l.country, l.value_minor, l.currency, l.custom"
    cursor.execute(
        f"""
        SELECT l.id, hashtextextended(i.kind || ROW({said})::text, 0)
        FROM leads_identity i JOIN labelled b ON b.lead = i.lead_id
        JOIN leads_lead l ON l.id = b.lead
        WHERE i.kind LIKE 'row:%'
        """
    )
    found = dict(cursor.fetchall())
    if not found:
        return lead_ids
    return np.array([found.get(lead, lead) for lead in lead_ids.tolist()], dtype=np.int64)
