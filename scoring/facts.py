"""Reads the facts of leads into one column-wise table (scoring.features.Facts).

Two binary COPYs, whatever the number of leads: one row per lead, and the ratings and counters in
long form, spread into columns by NumPy. Text comes as a 64-bit hash and is looked up once per
distinct value, so rules run on the dictionary and not on the rows (docs/adr/0005).
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection

from core.copying import ColumnType, read_columns
from scoring.features import Bools, Facts, Floats, Ints, decayed, no_numbers
from scoring.fields import WORKSPACE_VALUE, Field
from scoring.live import LiveConfig
from scoring.models import EngagementSignal
from scoring.triggers import Pair, engagement_rows

_FROM = """
    scoring_standing s
    JOIN leads_lead l ON l.id = s.lead_id
    LEFT JOIN leads_company c ON c.id = l.company_id
    LEFT JOIN leads_source src ON src.id = l.first_source_id
    LEFT JOIN accounts_workspace w ON true
"""
_TIER = "CASE {0} WHEN 'hot' THEN 2 WHEN 'warm' THEN 1 WHEN 'cold' THEN 0 ELSE -1 END"
_STATE = "CASE s.state WHEN 'scored' THEN 1 WHEN 'disqualified' THEN 2 ELSE 0 END"
UNSCORED, SCORED, DISQUALIFIED = 0, 1, 2
VERSION = "s.xmin::text::bigint"  # of a standing's row: another one after any write


def _epoch(sql: str) -> str:
    return f"coalesce(date_part('epoch', {sql}), 'NaN')"


# What a rescore needs of the present standing and of the lead, beside the fields of rules.
_ROW: tuple[tuple[str, ColumnType, str], ...] = (
    ("lead", "i8", "s.lead_id"),
    ("version", "i8", VERSION),
    ("state", "i8", _STATE),
    ("score", "i8", "s.score"),
    ("low", "i8", "s.low"),
    ("high", "i8", "s.high"),
    ("fit", "i8", "s.fit"),
    ("engagement", "i8", "s.engagement"),
    ("qualification", "i8", "s.qualification"),
    ("model", "i8", "coalesce(s.model_version_id, 0)"),
    ("step_tier", "i8", _TIER.format("s.step_tier")),
    ("tier", "i8", _TIER.format("s.tier")),
    ("reason", "i8", "hashtextextended(s.tier_reason, 0)"),
    ("override_tier", "i8", _TIER.format("s.override_tier")),
    ("override_until", "f8", _epoch("s.override_until")),
    ("next_change", "f8", _epoch("s.next_change_at")),
    ("scored", "f8", _epoch("s.scored_at")),
    ("stale", "i8", "(s.stale_at IS NOT NULL)::int"),
    ("is_open", "i8", "s.is_open::int"),
    ("is_new", "i8", "(s.stage = 'new')::int"),
    ("round", "i8", "l.round"),
    ("created", "f8", "date_part('epoch', l.created_at)"),
    ("deal_value", "f8", f"coalesce({WORKSPACE_VALUE}, 'NaN')"),
    ("tracked", "i8", "coalesce(src.tracked, false)::int"),
)
_LONG: tuple[tuple[str, ColumnType], ...] = (
    ("lead", "i8"),
    ("counter", "i8"),
    ("key", "i8"),
    ("a", "f8"),
    ("b", "f8"),
    ("c", "f8"),
    ("d", "i8"),
)


@dataclass(frozen=True)
class Rows:
    """Facts of leads together with their present standings, both in the order of lead ids.

    `expired` names the leads whose newest answer about something is past its date.
    """

    facts: Facts
    standing: dict[str, npt.NDArray[Any]]
    expired: Ints

    def take(self, rows: Ints | Bools) -> "Rows":
        """Return the chosen rows only."""
        facts = self.facts.take(rows)
        return Rows(facts, {k: v[rows] for k, v in self.standing.items()}, self.expired)


def read(
    lead_ids: Sequence[int],
    config: LiveConfig,
    as_of: float,
    kept: Collection[Pair] | None = None,
) -> Rows:
    """Read the facts of `lead_ids` as of a moment (seconds since the epoch), sorted by id.

    `kept` are the counters that there would be if a draft were published: others are ignored, and
    those that nobody keeps yet are counted from the activities. None reads them as they are.
    Leads without a standing do not exist. Evidence that has expired by `as_of` counts as unknown:
    `rescore` brings forward an older unexpired answer before it reads.
    """
    chosen = among(lead_ids)
    row = _read_rows(config.used_fields, chosen)
    ids: Ints = row["lead"]
    counted = _COUNTED if kept is None else _counted(kept, chosen)
    long = read_columns(_long_query(chosen, counted), _LONG)
    is_counter = long["counter"] == 1
    evidence = {name: values[~is_counter] for name, values in long.items()}
    counters = {name: values[is_counter] for name, values in long.items()}
    texts = {f.name: _coded(f, row[f.name], ids) for f in config.used_fields if f.type == "text"}
    ratings, observed, expires, evidence_ids = _spread_evidence(
        evidence, ids, config.dimensions, as_of
    )
    counts, last_at = _spread_counters(counters, ids, config.counters, as_of)
    tracked = row["tracked"] == 1
    tracked[np.searchsorted(ids, counters["lead"])] = True
    facts = Facts(
        lead_ids=ids,
        as_of=as_of,
        number_columns={f.name: row[f.name] for f in config.used_fields if f.type != "text"},
        text_columns=texts,
        ratings=ratings,
        observed_at=observed,
        expires_at=expires,
        counts=counts,
        last_at=last_at,
        tracked=tracked,
        evidence_ids=evidence_ids,
    )
    expired = np.unique(evidence["lead"][evidence["c"] <= as_of])
    return Rows(facts, {name: row[name] for name, _, _ in _ROW}, expired)


Chosen = Callable[[str], str]  # the column of a lead's id → SQL condition


def among(lead_ids: Sequence[int]) -> Chosen:
    """Return the condition that a column is one of `lead_ids` (not empty).

    The range lets the planner read dense batches as one stretch of each table; where they are
    dense it says all.
    """
    distinct = {int(i) for i in lead_ids}
    low, high = min(distinct), max(distinct)
    if len(distinct) == high - low + 1:
        return lambda column: f"{column} BETWEEN {low} AND {high}"
    listed = ",".join(map(str, distinct))
    return lambda column: (
        f"{column} BETWEEN {low} AND {high} AND {column} = ANY('{{{listed}}}'::bigint[])"
    )


def everyone(column: str) -> str:
    """The condition that chooses all leads."""
    return f"{column} IS NOT NULL"


def facts_queries(config: LiveConfig, chosen: Chosen) -> list[str]:
    """Return the SQL that `read` runs for the leads that `chosen` chooses."""
    return [_rows_query(config.used_fields, chosen), _long_query(chosen)]


def _rows_query(fields: Sequence[Field], chosen: Chosen) -> str:
    columns = [sql for _, _, sql in _ROW[:1]] + [_cast(sql, kind) for _, kind, sql in _ROW[1:]]
    for field in fields:
        if field.type == "text":
            columns.append(f"coalesce(hashtextextended(nullif({field.sql}, ''), 0), 0)")
        elif field.type == "bool":
            columns.append(f"coalesce((({field.sql})::bool)::int::float8, 'NaN')")
        else:
            columns.append(f"coalesce(({field.sql})::float8, 'NaN')")
    return (
        f"SELECT {', '.join(columns)} FROM {_FROM} "
        f"WHERE {chosen('s.lead_id')} AND {chosen('l.id')} ORDER BY s.lead_id"
    )


def _cast(sql: str, kind: ColumnType) -> str:
    return f"({sql})::{'float8' if kind == 'f8' else 'bigint'}"


def _read_rows(fields: Sequence[Field], chosen: Chosen) -> dict[str, npt.NDArray[Any]]:
    kinds: list[tuple[str, ColumnType]] = [(name, kind) for name, kind, _ in _ROW]
    kinds += [(field.name, "i8" if field.type == "text" else "f8") for field in fields]
    return read_columns(_rows_query(fields, chosen), kinds)


_COUNTED = "scoring_engagement"


def _counted(kept: Collection[Pair], chosen: Chosen) -> str:
    """Return SQL of the counters that publishing would leave."""
    present = set(EngagementSignal.objects.values_list("kind", "half_life_days"))
    dropped, missing = sorted(present - set(kept)), sorted(set(kept) - present)
    if not dropped and not missing:
        return _COUNTED
    found = f"SELECT lead_id, kind, half_life_days, value, as_of, last_at FROM {_COUNTED}"
    if dropped:
        found += f" WHERE (kind, half_life_days) NOT IN ({_values_of(dropped)})"
    if missing:
        activities = f"(SELECT * FROM leads_activity WHERE {chosen('lead_id')})"
        pairs = f"(SELECT * FROM ({_values_of(missing)}) AS v(kind, half_life_days))"
        found += f" UNION ALL {engagement_rows(activities, pairs)}"
    return f"({found}) AS counted"


def _values_of(pairs: Sequence[Pair]) -> str:
    quoted = ((kind.replace("'", "''"), days) for kind, days in pairs)
    return "VALUES " + ", ".join(f"('{kind}', {days})" for kind, days in quoted)


def _long_query(chosen: Chosen, counted: str = _COUNTED) -> str:
    return f"""
        SELECT lead_id, 0::bigint, hashtextextended(dimension, 0), rating::float8,
               date_part('epoch', observed_at), {_epoch("expires_at")}, id
        FROM scoring_evidence WHERE {chosen("lead_id")} AND current
        UNION ALL
        SELECT lead_id, 1::bigint, hashtextextended(kind, 0), value,
               date_part('epoch', as_of), date_part('epoch', last_at), half_life_days::bigint
        FROM {counted} WHERE {chosen("lead_id")}
    """


_values: dict[int, str] = {}  # hash → text, filled as values are met; texts of rules are few
_hashes: dict[str, int] = {}  # text → hash, for the keys that we look for
_MOST_VALUES = 500_000


def _coded(field: Field, hashes: Ints, ids: Ints) -> tuple[Ints, list[str]]:
    """Turn a column of hashes into codes and the values that they index.

    Values not met before are read from one lead each.
    """
    distinct, codes = np.unique(hashes, return_inverse=True)
    if len(_values) > _MOST_VALUES:
        _values.clear()
    new = np.array([h != 0 and h not in _values for h in distinct.tolist()], dtype=bool)
    if new.any():
        _, first = np.unique(hashes, return_index=True)
        having = among(ids[first[new]].tolist())
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT hashtextextended({field.sql}, 0), {field.sql} FROM {_FROM} "
                f"WHERE {having('s.lead_id')} AND {field.sql} <> ''"
            )
            _values.update(cursor.fetchall())
    values = [_values.get(h, "") for h in distinct.tolist()]
    return np.where(hashes == 0, -1, codes).astype(np.int64), values


def hashes_of(texts: Sequence[str]) -> list[int]:
    """Return the hashes of known keys (dimensions, activity kinds), asked of the database once."""
    missing = [text for text in texts if text not in _hashes]
    if missing:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT t, hashtextextended(t, 0) FROM unnest(%s::text[]) AS t", [missing]
            )
            _hashes.update(cursor.fetchall())
    return [_hashes[text] for text in texts]


def _spread_evidence(
    rows: dict[str, npt.NDArray[Any]], ids: Ints, dimensions: Sequence[str], as_of: float
) -> tuple[dict[str, Floats], dict[str, Floats], dict[str, Floats], dict[str, Ints]]:
    ratings: dict[str, Floats] = {}
    observed: dict[str, Floats] = {}
    expires: dict[str, Floats] = {}
    evidence_ids: dict[str, Ints] = {}
    at = np.searchsorted(ids, rows["lead"])
    valid = ~(rows["c"] <= as_of)  # NaN: never expires
    for dimension, code in zip(dimensions, hashes_of(dimensions), strict=True):
        mine = (rows["key"] == code) & valid
        for target, source in ((ratings, "a"), (observed, "b"), (expires, "c")):
            target[dimension] = no_numbers(len(ids))
            target[dimension][at[mine]] = rows[source][mine]
        evidence_ids[dimension] = np.zeros(len(ids), dtype=np.int64)
        evidence_ids[dimension][at[mine]] = rows["d"][mine]
    return ratings, observed, expires, evidence_ids


def _spread_counters(
    rows: dict[str, npt.NDArray[Any]], ids: Ints, wanted: Sequence[tuple[str, int]], as_of: float
) -> tuple[dict[tuple[str, int], Floats], dict[str, Floats]]:
    counts: dict[tuple[str, int], Floats] = {}
    last_at: dict[str, Floats] = {}
    at = np.searchsorted(ids, rows["lead"])
    now = decayed(rows["a"], rows["b"], rows["d"].astype(np.float64), as_of)
    codes = dict(zip(kinds := [kind for kind, _ in wanted], hashes_of(kinds), strict=True))
    for kind, half_life in wanted:
        mine = (rows["key"] == codes[kind]) & (rows["d"] == half_life)
        counts[kind, half_life] = np.zeros(len(ids))
        counts[kind, half_life][at[mine]] = now[mine]
        last_at.setdefault(kind, no_numbers(len(ids)))
        last_at[kind][at[mine]] = rows["c"][mine]
    return counts, last_at
