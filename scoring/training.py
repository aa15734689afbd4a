"""Training rows: what was known about past leads when it was decided, and how they ended.

A row is the latest snapshot before the outcome, never today's values, with the answers that were
recorded by then or a day before the outcome (docs/domain/learning.md). They are chosen set-based
and read by binary COPY; a million take seconds.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction
from scipy.special import logit

from core.copying import ColumnType, read_columns
from leads.activities import CONTACT, Kind
from leads.models import CustomField
from scoring.assess import assess, place
from scoring.counters import count_then
from scoring.facts import Rows, hashes_of
from scoring.features import DAY, Facts, Floats, Ints, no_numbers, places_of
from scoring.fields import CUSTOM, Field, all_fields
from scoring.learning.notices import Notice
from scoring.live import LiveConfig, LiveModel
from scoring.models import ModelVersion, Snapshot
from scoring.tiers import NONE

LEAST_WINS = 10  # below which nothing is known about how long a win takes
KNOWN_BEFORE = DAY  # seconds before an outcome; what is learned later may be the outcome itself
MATURE = 0.9  # quantile of the time to win after which an open lead counts as not won
_AT_ONCE = 100_000  # leads that are placed or scored together, which bounds memory
_NO_ORDER = 60.0  # seconds within which nearly all outcomes fall when their times say nothing


@dataclass(frozen=True)
class Training:
    """n past leads in order of their outcomes, with the facts of their decisions.

    `rows.facts` has every wanted field, rating and counter; `y` (n,) is 1 for won, `at` (n,) when
    the outcome was known (seconds since the epoch); `repeat_of` (n,) is one number for leads from
    rows of an import that name nobody and say the same; `in_order` is False when the times say
    nothing (one import). `immature` counts open leads that are too young to say how they end,
    `left_out` those that were disqualified before any contact or have no snapshot.
    """

    rows: Rows
    y: Floats
    at: Floats
    repeat_of: Ints
    in_order: bool
    immature: int
    left_out: int
    demo: bool
    notices: list[Notice] = field(default_factory=list)

    @property
    def n(self) -> int:
        """The number of past leads."""
        return len(self.y)

    @property
    def immature_share(self) -> float:
        """The share of leads that are too young to learn from."""
        return self.immature / max(1, self.immature + self.n)

    def with_texts_alone(self, names: Collection[str]) -> "Training":
        """Return the same past leads with no facts but some texts: all else takes memory."""
        facts = self.rows.facts
        texts = {name: v for name, v in facts.text_columns.items() if name in names}
        few = replace(
            facts,
            number_columns={},
            text_columns=texts,
            ratings={},
            observed_at={},
            expires_at={},
            counts={},
            last_at={},
        )
        return replace(self, rows=Rows(few, {}, self.rows.expired))

    def take(self, rows: Ints | npt.NDArray[np.bool_]) -> "Training":
        """Return some of the past leads, in the same order."""
        return replace(
            self,
            rows=self.rows.take(rows),
            y=self.y[rows],
            at=self.at[rows],
            repeat_of=self.repeat_of[rows],
        )


def read_training(
    configs: Sequence[LiveConfig],
    extra: Collection[Field] = (),
    *,
    since: float = 0.0,
    most: int | None = None,
) -> Training:
    """Read the training rows with all facts that any of `configs` reads, and the fields `extra`:
    of leads whose outcome came at `since` (seconds since the epoch) or later, the `most` newest.

    Engagement that nobody counted then is counted from the activities of before. A field that
    nothing captured when a snapshot was taken is filled from what the lead was then, when it is one
    that is known on arrival; a field that is known with the outcome only is never read.
    """
    known = all_fields()
    names = {f.name for config in configs for f in config.used_fields} | {f.name for f in extra}
    fields = [known[name] for name in sorted(names) if name in known]
    dimensions = sorted({d for config in configs for d in config.dimensions})
    counters = sorted({c for config in configs for c in config.counters})
    when = dict(CustomField.objects.values_list("key", "known_when"))
    notices = [
        Notice("leaky_field", f.label, f"{f.label} is known with the outcome only; it is left out.")
        for f in fields
        if when.get(f.name.removeprefix(CUSTOM)) == CustomField.KnownWhen.OUTCOME
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL work_mem = '128MB'")
        demo, counts = _label(cursor, since, most)
        captured = _captured_at()
        columns = list(_columns(fields, counters, when, captured))
        cursor.execute(_CHOOSE)
        cursor.execute("ANALYZE chosen")
        cursor.execute(_UNDO)
        read = _in_order(
            read_columns(
                f"SELECT {', '.join(c.copied for c in columns)} {_FROM}",
                [(c.name, c.kind) for c in columns],
            )
        )
        texts = _texts(cursor, columns, read)
        count_then(read, counters)
        answers = read_columns(_ANSWERS, _ANSWER_COLUMNS)
        repeats = _repeats(cursor, read["lead"])
        filled_later = _filled_later(cursor)
        cursor.execute("DROP TABLE undone, chosen, labelled")
    facts = _facts(read, texts, answers, fields, dimensions, counters)
    notices += _of_filled_later(filled_later, fields, facts)
    at: Floats = read["moment"]
    return Training(
        rows=Rows(facts, _no_standing(read), np.empty(0, dtype=np.int64)),
        y=read["y"].astype(np.float64),
        at=at,
        repeat_of=repeats,
        in_order=_tells_order(at),
        immature=counts["immature"],
        left_out=counts["labelled"] - len(at) + counts["untouched"],
        demo=demo,
        notices=notices,
    )


def of_model(found: Training, live: LiveModel, config: LiveConfig) -> Training:
    """Return the past leads that a live model would have scored by the facts of then."""
    mine = np.zeros(found.n, dtype=bool)
    for part in _parts(found.n):
        mine[part] = place(found.rows.take(part), config).model == config.everything.index(live)
    return found.take(mine)


def scored(found: Training, config: LiveConfig) -> tuple[Floats, Ints]:
    """Return what past leads would have had by a configuration: the log-odds of p (n,), which order
    leads of several models, and the tier (n,).
    """
    p, tier = np.empty(found.n), np.empty(found.n, dtype=np.int64)
    for part in _parts(found.n):
        result = assess(found.rows.take(part), config)
        p[part], tier[part] = result.p, result.tier
    return logit(np.clip(p, 1e-9, 1 - 1e-9)), tier


def _parts(n: int) -> Iterator[Ints]:
    for start in range(0, n, _AT_ONCE):
        yield np.arange(start, min(start + _AT_ONCE, n))


def _tells_order(at: Floats) -> bool:
    """Return whether the times say which outcome came first: not when most are of one moment."""
    if len(at) < 2:
        return False
    low, high = np.quantile(at, [0.05, 0.95])
    return bool(high - low > _NO_ORDER)


def _label(cursor: Any, since: float, most: int | None) -> tuple[bool, dict[str, int]]:
    """Make the table `labelled` (lead, moment, y); return whether the leads are demo ones, and
    counts. Demo rows are never learned from once there is an outcome of a real lead.
    """
    contact = ", ".join(f"'{kind}'" for kind in sorted(CONTACT))
    cursor.execute(
        """
        SELECT EXISTS (SELECT 1 FROM leads_outcome o JOIN leads_lead l ON l.id = o.lead_id
                       WHERE NOT l.is_demo)
        """
    )
    demo = not cursor.fetchone()[0]
    mine = "l.is_demo" if demo else "NOT l.is_demo"
    cursor.execute(
        f"""
        CREATE TEMPORARY TABLE labelled ON COMMIT DROP AS
        SELECT DISTINCT ON (o.lead_id) o.lead_id AS lead, date_part('epoch', o.at) AS moment,
            CASE WHEN o.result = 'won' THEN 1 WHEN o.result = 'lost' THEN 0
                 WHEN EXISTS (SELECT 1 FROM leads_activity a WHERE a.lead_id = o.lead_id
                              AND a.kind IN ({contact}) AND a.at <= o.at) THEN 0
                 ELSE -1 END AS y,
            date_part('epoch', o.at - l.created_at) AS took
        FROM leads_outcome o JOIN leads_lead l ON l.id = o.lead_id
        WHERE {mine} ORDER BY o.lead_id, o.round DESC
        """
    )
    cursor.execute("DELETE FROM labelled WHERE y < 0")
    untouched = cursor.rowcount
    cursor.execute(
        f"""
        SELECT count(*), percentile_cont({MATURE}) WITHIN GROUP (ORDER BY took)
        FROM labelled WHERE y = 1 AND took > 0
        """
    )
    wins, ripe = cursor.fetchone()
    cursor.execute(
        f"""
        WITH waiting AS MATERIALIZED (
            SELECT l.id, date_part('epoch', l.created_at) + %(ripe)s AS ripe
            FROM scoring_standing s JOIN leads_lead l ON l.id = s.lead_id
            WHERE s.is_open AND {mine}
              AND NOT EXISTS (SELECT 1 FROM leads_outcome o WHERE o.lead_id = l.id)
        ), ended AS (
            INSERT INTO labelled SELECT id, ripe, 0, NULL FROM waiting
            WHERE ripe < date_part('epoch', leadqual_now())
        )
        SELECT count(*) FROM waiting
        WHERE ripe IS NULL OR ripe >= date_part('epoch', leadqual_now())
        """,
        {"ripe": ripe if wins >= LEAST_WINS else None},
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
    labelled = cursor.fetchone()[0]
    return demo, {"immature": immature, "untouched": untouched, "labelled": labelled}


# The latest snapshot before the outcome. Its facts are not carried through the sort.
_CHOOSE = f"""
    CREATE TEMPORARY TABLE chosen ON COMMIT DROP AS
    SELECT DISTINCT ON (n.lead_id) n.lead_id AS lead, n.id AS snapshot, b.moment, b.y,
        n.backfilled, date_part('epoch', n.at) AS taken,
        greatest(date_part('epoch', n.at), b.moment - {KNOWN_BEFORE}) AS decided
    FROM scoring_snapshot n JOIN labelled b ON b.lead = n.lead_id
    WHERE n.reason <> '{Snapshot.Reason.OUTCOME}'
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
    counters: Sequence[tuple[str, int]],
    when: Mapping[str, str],
    captured: Mapping[str, list[tuple[float, float]]],
) -> Iterator[_Column]:
    yield _Column("lead", "i8", "t.lead")
    yield _Column("moment", "f8", "t.moment")
    yield _Column("y", "i8", "t.y")
    yield _Column("taken", "f8", "t.taken")
    yield _Column("decided", "f8", "t.decided")
    yield _Column("tracked", "i8", "coalesce((n.facts->>'tracked')::bool, false)::int")
    for f in fields:
        is_text = f.type == "text"
        yield _Column(
            f"f.{f.name}",
            "i8" if is_text else "f8",
            _field_sql(f, when.get(f.name.removeprefix(CUSTOM)), captured.get(f.name, [])),
            is_text,
        )
    for kind, days in counters:
        for index, part in enumerate(("count", "since")):
            kept = f"(x.engagement->'{kind}/{days}'->>{index})::float8"
            yield _Column(f"e.{part}.{kind}/{days}", "f8", kept)


def _field_sql(f: Field, known_when: str | None, captured: list[tuple[float, float]]) -> str:
    """Return the SQL of a field: the snapshot's value, or the lead's where nothing captured it."""
    if known_when == CustomField.KnownWhen.OUTCOME:
        return "NULL::text" if f.type == "text" else "NULL::float8"
    if f.type == "text":
        kept, present = f"(x.fields->>'{f.name}')", f"({f.sql})::text"
    else:
        own = f"x.fields->'{f.name}'"
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


# OFFSET 0 keeps the two from being looked up anew for every column. Few leads have any engagement.
_FROM = """
    FROM chosen t JOIN scoring_snapshot n ON n.id = t.snapshot
    CROSS JOIN LATERAL (SELECT n.facts->'fields' AS fields,
                        nullif(n.facts->'engagement', '{}') AS engagement OFFSET 0) x
    JOIN (
        SELECT r.* FROM leads_lead r WHERE NOT EXISTS (SELECT FROM undone u WHERE u.lead = r.id)
        UNION ALL
        SELECT (jsonb_populate_record(r, u.old)).* FROM undone u JOIN leads_lead r ON r.id = u.lead
    ) l ON l.id = t.lead
    LEFT JOIN leads_company c ON c.id = l.company_id
    LEFT JOIN leads_source src ON src.id = l.first_source_id
    LEFT JOIN accounts_workspace w ON true
"""


def _in_order(read: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Put the columns in the order of the outcomes; those given are used up."""
    order = np.lexsort((read["lead"], read["moment"]))
    return {name: read.pop(name)[order] for name in list(read)}


def _texts(
    cursor: Any, columns: Sequence[_Column], read: dict[str, npt.NDArray[Any]]
) -> dict[str, tuple[Ints, list[str]]]:
    """Turn the hashes of texts into codes and the values that they index, which are read from one
    lead each.
    """
    texts = [column for column in columns if column.is_text]
    found: dict[str, tuple[Ints, Ints]] = {}
    for column in texts:
        hashes = read.pop(column.name)
        _, first, codes = np.unique(hashes, return_index=True, return_inverse=True)
        found[column.name] = (
            np.where(hashes == 0, -1, codes).astype(np.int64),
            read["lead"][first],
        )
    having = sorted({lead for _, leads in found.values() for lead in leads.tolist()})
    cursor.execute(
        f"SELECT {', '.join(['t.lead', *(column.sql for column in texts)])} {_FROM} "
        "WHERE t.lead = ANY(%(leads)s) AND l.id = ANY(%(leads)s)",
        {"leads": having},
    )
    value_of = {lead: values for lead, *values in cursor.fetchall()}
    return {
        column.name: (codes, [value_of[lead][place] or "" for lead in leads.tolist()])
        for place, column in enumerate(texts)
        for codes, leads in [found[column.name]]
    }


# Every answer that was known, not only the newest of each: a later one may have expired by then.
_ANSWERS = """
    SELECT t.lead, hashtextextended(e.dimension, 0), e.rating::float8,
           date_part('epoch', e.observed_at), date_part('epoch', e.recorded_at), e.id::bigint
    FROM chosen t JOIN scoring_evidence e ON e.lead_id = t.lead
    WHERE e.recorded_at <= to_timestamp(t.decided) AND e.observed_at <= to_timestamp(t.decided)
      AND (e.expires_at IS NULL OR e.expires_at > to_timestamp(t.decided))
"""
_ANSWER_COLUMNS: tuple[tuple[str, ColumnType], ...] = (
    ("lead", "i8"),
    ("dimension", "i8"),
    ("rating", "f8"),
    ("observed", "f8"),
    ("recorded", "f8"),
    ("id", "i8"),
)


def _spread_answers(
    answers: Mapping[str, npt.NDArray[Any]],
    lead_ids: Ints,
    decided: Floats,
    dimensions: Sequence[str],
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return the newest rating of each dimension for each lead, and how old it was, as −seconds."""
    order = np.lexsort((answers["id"], answers["recorded"], answers["observed"]))
    answers = {name: column[order] for name, column in answers.items()}
    at = places_of(answers["lead"], lead_ids)
    ratings, observed = {}, {}
    for dimension, code in zip(dimensions, hashes_of(dimensions), strict=True):
        mine = answers["dimension"] == code
        row = at[mine]
        ratings[dimension], observed[dimension] = (
            no_numbers(len(lead_ids)),
            no_numbers(len(lead_ids)),
        )
        ratings[dimension][row] = answers["rating"][mine]  # of several to a lead the last one stays
        observed[dimension][row] = answers["observed"][mine] - decided[row]
    return ratings, observed


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


def _of_filled_later(
    later: Mapping[str, int], fields: Sequence[Field], facts: Facts
) -> Iterator[Notice]:
    """Yield a notice for each field that is mostly filled in when all is over."""
    for f in fields:
        after = later.get(f.name.removeprefix(CUSTOM), 0) if f.name.startswith(CUSTOM) else 0
        if f.type == "text":
            before = int((facts.text_columns[f.name][0] >= 0).sum())
        else:
            before = int((~np.isnan(facts.number_columns[f.name])).sum())
        if after > before:
            text = (
                f"{f.label} is mostly filled in after the outcome (on {after:,} leads, before it "
                f"on {before:,}): only what was known before it counts."
            )
            yield Notice("filled_later", f.label, text)


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


def _facts(
    read: Mapping[str, npt.NDArray[Any]],
    texts: Mapping[str, tuple[Ints, list[str]]],
    answers: Mapping[str, npt.NDArray[Any]],
    fields: Sequence[Field],
    dimensions: Sequence[str],
    counters: Sequence[tuple[str, int]],
) -> Facts:
    """Return the facts, each row's as of its own snapshot, which is moment 0 for all."""
    last_at: dict[str, Floats] = {}
    counts: dict[tuple[str, int], Floats] = {}
    tracked = read["tracked"] == 1
    for kind, days in counters:
        counts[kind, days] = np.nan_to_num(read[f"e.count.{kind}/{days}"], nan=0.0)
        since = -read[f"e.since.{kind}/{days}"] * DAY
        last_at[kind] = np.fmax(last_at[kind], since) if kind in last_at else since
    n = len(tracked)
    ratings, observed = _spread_answers(answers, read["lead"], read["decided"], dimensions)
    return Facts(
        lead_ids=read["lead"],
        as_of=0.0,
        number_columns={f.name: read[f"f.{f.name}"] for f in fields if f.type != "text"},
        text_columns={f.name: texts[f"f.{f.name}"] for f in fields if f.type == "text"},
        ratings=ratings,
        observed_at=observed,
        expires_at={d: no_numbers(n) for d in dimensions},
        counts=counts,
        last_at=last_at,
        tracked=tracked,
    )


def _no_standing(read: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Return what assessing needs beside the facts: leads without a past, in their first round."""
    n = len(read["lead"])
    none = np.full(n, NONE, dtype=np.int64)
    return {
        "model": np.zeros(n, dtype=np.int64),
        "step_tier": none,
        "override_tier": none,
        "override_until": no_numbers(n),
        "round": np.ones(n, dtype=np.int64),
        "created": np.zeros(n),
        "deal_value": no_numbers(n),
    }
