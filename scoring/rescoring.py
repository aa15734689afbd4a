"""Rescoring: the only writer of scores.

The standing row is the lead's lock. A rescore locks standings in id order, *then* reads the facts
in a new statement, so it sees every fact whose mark it is about to clear; a writer that commits
later waits for the row and marks it again (docs/adr/0004).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
from django.db import connection, transaction

from core import events
from leads.activities import Kind
from leads.stages import StageKey
from scoring import facts as fact_store
from scoring.assess import OVERRIDE, Assessment, assess
from scoring.events import TiersMoved
from scoring.facts import SCORED, UNSCORED, Rows
from scoring.features import DAY, Bools, Floats, Ints
from scoring.live import LiveConfig, live_config
from scoring.models import ScoreChange, Snapshot
from scoring.tiers import NAMES, State

BATCH = 2_500  # leads per transaction, well below a second on a busy machine


@transaction.atomic
def rescore(
    lead_ids: Sequence[int], *, skip_locked: bool = False, locked: "Locked | None" = None
) -> int:
    """Bring the standings of `lead_ids` up to now; return how many rows were written.

    Writes nothing where nothing changed and no mark stands. Call it last in a transaction that
    changed facts. `skip_locked` leaves out leads that another transaction holds (sweeps); a caller
    that holds the locks of `lead_ids` already gives them as `locked`.
    Closed leads keep their last standing; their mark is cleared and their outcome's facts kept.
    """
    if not lead_ids:
        return 0
    if locked is None:
        locked = lock(lead_ids, skip_locked=skip_locked)
    if not locked.lead_ids:
        return 0
    found = rescore_locked(locked)
    return len(locked.lead_ids) if found is None else found.written


@transaction.atomic
def rescore_range(first: int, before: int | None) -> tuple[int, int]:
    """Do what `rescore` does for all open leads whose ids are `first` or higher and below `before`
    (None: all higher ones); return how many these are, and how many were written.

    For many leads, few of which anybody else is changing: facts are read first and without locks,
    so that a lead that stays as it is costs no write at all. Then the standings to be written are
    locked. One that is still the version that was read was read right, since whoever changes a
    fact writes the standing, too (its mark). Others, and those with an expired answer, are read
    again under the lock.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT array_agg(lead_id ORDER BY lead_id), {_MOMENT} FROM scoring_standing
            WHERE lead_id >= %s AND lead_id < coalesce(%s, 9223372036854775807)
              AND (is_open OR state = %s)
            """,
            [first, before, State.UNSCORED],
        )
        lead_ids, model_ids, as_of = cursor.fetchone()
    if not lead_ids:
        return 0, 0
    config = live_config(tuple(model_ids or ()))
    rows = fact_store.read(lead_ids, config, as_of)
    result = assess(rows, config)
    ids, n = rows.facts.lead_ids, rows.facts.n
    expired = np.isin(ids, rows.expired)
    pending = _differs(rows, result, config) | _qualifies(rows, result) | expired
    pending &= _scores(rows)  # one that was closed meanwhile has a mark, and its own way
    if not pending.any():
        return n, 0
    locked = lock(ids[pending].tolist())
    at = np.searchsorted(ids, locked.lead_ids)
    ready = np.zeros(n, dtype=bool)
    ready[at] = (rows.standing["version"][at] == locked.versions) & ~expired[at]
    again = locked.without(ids[ready])
    written = rescore(again.lead_ids, locked=again)
    if not ready.all():
        rows, result = rows.take(ready), result.take(ready)
    if rows.facts.n:
        _qualify(rows, result, config)
        written += _write(rows, result, config)
    return n, written


@dataclass(frozen=True)
class Rescored:
    """Open leads as a rescore read them (`rows`) and what they have come to (`result`), row by row;
    `written` standings were changed.
    """

    rows: Rows
    result: Assessment
    config: LiveConfig
    written: int


def rescore_locked(locked: "Locked") -> Rescored | None:
    """Rescore leads whose locks this transaction holds; None when all of them are closed.

    For callers that go on with what was read; all others call `rescore`.
    """
    config = live_config(locked.model_ids)
    rows = _read(locked.lead_ids, config, locked.as_of)
    scores = _scores(rows)
    if not scores.all():
        _close(rows.take(~scores))
        rows = rows.take(scores)
        if not rows.facts.n:
            return None
    result = assess(rows, config)
    _qualify(rows, result, config)
    return Rescored(rows, result, config, _write(rows, result, config))


def _scores(rows: Rows) -> Bools:
    """Return which leads are scored: open ones, and closed ones that have never been."""
    scores: Bools = (rows.standing["is_open"] == 1) | (rows.standing["state"] == UNSCORED)
    return scores


@dataclass(frozen=True)
class Locked:
    """Standings that this transaction holds and the versions of their rows (xmin), with the live
    model versions and the moment (seconds since the epoch) of the lock: all that a service needs
    to begin, for one query.
    """

    lead_ids: list[int]
    versions: list[int]
    model_ids: tuple[int, ...]
    as_of: float

    def without(self, lead_ids: Ints) -> "Locked":
        """Return the same without some leads."""
        kept = ~np.isin(self.lead_ids, lead_ids)
        return replace(
            self,
            lead_ids=np.array(self.lead_ids)[kept].tolist(),
            versions=np.array(self.versions)[kept].tolist(),
        )


_MOMENT = """
    (SELECT array_agg(id ORDER BY id) FROM scoring_modelversion WHERE state = 'live'),
    date_part('epoch', leadqual_now())
"""


def lock(lead_ids: Sequence[int], *, skip_locked: bool = False) -> Locked:
    """Lock the standings of `lead_ids` in id order; the standing is the lead's lock."""
    if not lead_ids:
        return Locked([], [], *_moment())
    return _lock(fact_store.among(lead_ids)("lead_id"), [], "SKIP LOCKED" if skip_locked else "")


def lock_named(query: str, number: int) -> Locked:
    """Lock the standing of the one lead whose id `query` selects, with `number` as its parameter.

    For rows that belong to a lead, such as a call. Read the row again once this returns.
    """
    return _lock(f"lead_id = ({query})", [number], "")


def _lock(condition: str, parameters: list[int], wait: str) -> Locked:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT array_agg(lead_id), array_agg(version), {_MOMENT} FROM (
                SELECT lead_id, {fact_store.VERSION} AS version FROM scoring_standing s
                WHERE {condition} ORDER BY lead_id FOR NO KEY UPDATE {wait}
            ) locked
            """,
            parameters or None,
        )
        ids, versions, model_ids, as_of = cursor.fetchone()
    return Locked(ids or [], versions or [], tuple(model_ids or ()), as_of)


def _moment() -> tuple[tuple[int, ...], float]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_MOMENT}")
        model_ids, as_of = cursor.fetchone()
    return tuple(model_ids or ()), as_of


def _read(ids: Sequence[int], config: LiveConfig, as_of: float) -> Rows:
    """Read the facts, after giving older answers their turn where the newest has expired."""
    rows = fact_store.read(ids, config, as_of)
    if len(rows.expired):
        _retire_expired(rows.expired)
        rows = fact_store.read(ids, config, as_of)
    return rows


def _retire_expired(lead_ids: Ints) -> None:
    """Take `current` from expired answers and give it to the newest unexpired one, if any."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE scoring_evidence SET current = false
            WHERE lead_id = ANY(%s) AND current AND expires_at <= leadqual_now()
            RETURNING lead_id, dimension
            """,
            [lead_ids.tolist()],
        )
        retired = cursor.fetchall()
    give_turn(retired)


def give_turn(pairs: Sequence[tuple[int, str]]) -> None:
    """Make the newest unexpired answer current where a (lead, dimension) has no current one."""
    if not pairs:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH best AS (
                SELECT DISTINCT ON (e.lead_id, e.dimension) e.id
                FROM scoring_evidence e
                JOIN unnest(%s::bigint[], %s::text[]) AS r(lead_id, dimension)
                    USING (lead_id, dimension)
                WHERE e.expires_at IS NULL OR e.expires_at > leadqual_now()
                ORDER BY e.lead_id, e.dimension, e.observed_at DESC, e.recorded_at DESC, e.id DESC
            )
            UPDATE scoring_evidence e SET current = true
            FROM best WHERE e.id = best.id AND NOT e.current AND NOT EXISTS (
                SELECT FROM scoring_evidence c
                WHERE c.lead_id = e.lead_id AND c.dimension = e.dimension AND c.current)
            """,
            [[lead for lead, _ in pairs], [dimension for _, dimension in pairs]],
        )


def _close(rows: Rows) -> None:
    """Clear the marks of closed leads and keep the facts at each outcome for learning."""
    stale = rows.standing["stale"] == 1
    if not stale.any():
        return
    rows = rows.take(stale)
    _keep_outcome_facts(rows, rows.standing["model"], rows.standing["score"])
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE scoring_standing SET stale_at = NULL, next_change_at = NULL "
            "WHERE lead_id = ANY(%s)",
            [rows.facts.lead_ids.tolist()],
        )


def _keep_outcome_facts(rows: Rows, model_ids: Ints, scores: Ints) -> None:
    """Store a snapshot for each outcome that has none."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT o.lead_id, o.round, o.imported FROM leads_outcome o
            WHERE o.lead_id = ANY(%s) AND NOT EXISTS (
                SELECT 1 FROM scoring_snapshot n WHERE n.lead_id = o.lead_id
                AND n.reason = 'outcome' AND n.cause = o.round::text)
            """,
            [rows.facts.lead_ids.tolist()],
        )
        missing = cursor.fetchall()
    if not missing:
        return
    at = np.searchsorted(rows.facts.lead_ids, [lead for lead, _, _ in missing])
    insert_snapshots(
        rows,
        at,
        reason=Snapshot.Reason.OUTCOME,
        causes=[str(number) for _, number, _ in missing],
        backfilled=[imported for _, _, imported in missing],
        model_ids=model_ids[at],
        scores=scores[at],
    )


def _qualifies(rows: Rows, result: Assessment) -> Bools:
    """Return which leads pass the marks and are still new."""
    passing: Bools = result.is_mql & (rows.standing["is_new"] == 1)
    return passing


def _qualify(rows: Rows, result: Assessment, config: LiveConfig) -> None:
    """Move leads that pass the marks from new to MQL and keep the facts of that moment.

    A lead row that another transaction holds is left: that writer's mark brings us back.
    """
    passing = np.flatnonzero(_qualifies(rows, result))
    if not len(passing):
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH free AS (
                SELECT id FROM leads_lead WHERE id = ANY(%s) AND stage = %s
                ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
            ), moved AS (
                UPDATE leads_lead l SET stage = %s, version = version + 1
                FROM free WHERE l.id = free.id RETURNING l.id
            ), noted AS (
                INSERT INTO leads_activity (lead_id, kind, data)
                SELECT id, %s, jsonb_build_object('from', %s::text, 'to', %s::text) FROM moved
            )
            SELECT id FROM moved
            """,
            [
                rows.facts.lead_ids[passing].tolist(),
                StageKey.NEW,
                StageKey.MQL,
                Kind.STAGE_MOVED,
                StageKey.NEW,
                StageKey.MQL,
            ],
        )
        moved = sorted(row[0] for row in cursor.fetchall())
    at = np.searchsorted(rows.facts.lead_ids, moved)
    insert_snapshots(
        rows,
        at,
        reason=Snapshot.Reason.MQL,
        causes=[str(number) for number in rows.standing["round"][at]],
        backfilled=[False] * len(at),
        model_ids=_model_ids(config)[result.model[at]],
        scores=result.score[at],
    )


def _model_ids(config: LiveConfig) -> Ints:
    return np.array([live.id for live in config.everything], dtype=np.int64)


def _states(result: Assessment) -> Ints:
    return np.where(result.disqualified, fact_store.DISQUALIFIED, SCORED)


def _differs(rows: Rows, result: Assessment, config: LiveConfig) -> Bools:
    """Return which standings are to be written: marked, due, or other than what they say."""
    old = rows.standing
    new: tuple[tuple[str, Ints], ...] = (
        ("state", _states(result)),
        ("score", result.score),
        ("low", result.low),
        ("high", result.high),
        ("fit", result.shares[:, 0]),
        ("engagement", result.shares[:, 1]),
        ("qualification", result.shares[:, 2]),
        ("step_tier", result.step_tier),
        ("tier", result.tier),
        ("reason", np.array(fact_store.hashes_of(result.reason), dtype=np.int64)),
        ("model", _model_ids(config)[result.model]),
    )
    differs: Bools = (old["stale"] == 1) | (old["next_change"] <= rows.facts.as_of)
    for name, values in new:
        differs |= values != old[name]
    return differs


def _write(rows: Rows, result: Assessment, config: LiveConfig) -> int:
    """Write what changed, with the history of it; return the number of standings written."""
    old = rows.standing
    model_ids = _model_ids(config)[result.model]
    first = old["state"] == UNSCORED
    retiered = ~first & (result.tier != old["tier"])
    changed = _differs(rows, result, config)
    closed = old["is_open"] == 0  # scored this once only, so that history has a first score
    if first.any():
        at = np.flatnonzero(first)
        insert_snapshots(
            rows,
            at,
            reason=Snapshot.Reason.FIRST_SCORE,
            causes=["1"] * len(at),
            backfilled=closed[at].tolist(),
            model_ids=model_ids[at],
            scores=result.score[at],
        )
        if closed.any():
            _keep_outcome_facts(rows.take(closed), model_ids[closed], result.score[closed])
    moved = ~first & (retiered | ((old["stale"] == 1) & (result.score != old["score"])))
    _note_moves(rows, result, np.flatnonzero(moved), model_ids)
    at = np.flatnonzero(changed)
    if not len(at):
        return 0
    _update_standings(rows, result, at, model_ids, retiered | first, closed)
    if (retiered | first).any():
        events.publish(TiersMoved(tuple(rows.facts.lead_ids[retiered | first].tolist())))
    return len(at)


def _note_moves(rows: Rows, result: Assessment, at: Ints, model_ids: Ints) -> None:
    """Write score changes, and an activity for each change of tier, in one statement."""
    if not len(at):
        return
    old = rows.standing
    same_model = old["model"][at] == model_ids[at]
    by_hand = np.array([result.reason[row] == OVERRIDE for row in at], dtype=bool)
    cause = np.select(
        [old["stale"][at] == 1, by_hand, same_model],
        [ScoreChange.Cause.FACTS, ScoreChange.Cause.OVERRIDE, ScoreChange.Cause.TIME],
        default=ScoreChange.Cause.MODEL,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH moves AS (
                SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::smallint[], %s::text[],
                                     %s::text[], %s::text[], %s::bigint[], %s::text[])
                AS m(lead_id, from_score, to_score, from_tier, to_tier, cause, model_id, reason)
            ), changes AS (
                INSERT INTO scoring_scorechange (lead_id, at, from_score, to_score, from_tier,
                                                 to_tier, cause, model_version_id)
                SELECT lead_id, leadqual_now(), from_score, to_score, from_tier, to_tier, cause,
                       model_id FROM moves
            )
            INSERT INTO leads_activity (lead_id, kind, data)
            SELECT lead_id, '{Kind.TIER_CHANGED}', jsonb_build_object(
                'from', from_tier, 'to', to_tier, 'from_score', from_score, 'to_score', to_score,
                'cause', cause, 'reason', reason)
            FROM moves WHERE from_tier <> to_tier
            """,
            [
                rows.facts.lead_ids[at].tolist(),
                old["score"][at].tolist(),
                result.score[at].tolist(),
                [NAMES[code] for code in old["tier"][at].tolist()],
                [NAMES[code] for code in result.tier[at].tolist()],
                cause.tolist(),
                model_ids[at].tolist(),
                [result.reason[row] for row in at],
            ],
        )


# Column of the standing, its SQL type, in the order of the arrays below.
_COLUMNS = (
    ("lead_id", "bigint"),
    ("model_version_id", "bigint"),
    ("state", "text"),
    ("score", "smallint"),
    ("low", "smallint"),
    ("high", "smallint"),
    ("fit", "smallint"),
    ("engagement", "smallint"),
    ("qualification", "smallint"),
    ("step_tier", "text"),
    ("tier", "text"),
    ("tier_reason", "text"),
    ("p", "float8"),
    ("expected_minor", "bigint"),
    ("intent_at", "float8"),
    ("rank", "float8"),
    ("next_change_at", "float8"),
    ("replan", "int"),
)
_TIMES = ("intent_at", "next_change_at")


def _update_sql() -> str:
    arrays = ", ".join(f"%s::{kind}[]" for _, kind in _COLUMNS)
    names = ", ".join(name for name, _ in _COLUMNS)
    sets = ", ".join(
        f"{name} = to_timestamp(n.{name})" if name in _TIMES else f"{name} = n.{name}"
        for name, _ in _COLUMNS[1:-1]
    )
    return f"""
        UPDATE scoring_standing s SET {sets}, scored_at = leadqual_now(), stale_at = NULL,
            unplanned_at = CASE WHEN n.replan = 1 THEN coalesce(s.unplanned_at, leadqual_now())
                                ELSE s.unplanned_at END
        FROM unnest({arrays}) AS n({names})
        WHERE s.lead_id = n.lead_id AND s.lead_id BETWEEN %s AND %s
    """


_UPDATE = _update_sql()


def _numbers(values: Ints | Floats) -> str:
    """Return a PostgreSQL array literal of a column, NaN as NULL: much faster to make and to parse
    than thousands of separate values.
    """
    text = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return "{" + text[1:-1] + "}"


def _texts(values: Sequence[str]) -> str:
    """Return an array literal of texts without special characters (keys and tiers)."""
    return '{"' + '","'.join(values) + '"}'


def _update_standings(
    rows: Rows, result: Assessment, at: Ints, model_ids: Ints, replan: Bools, closed: Bools
) -> None:
    states = {False: State.SCORED.value, True: State.DISQUALIFIED.value}
    next_change = np.where(closed, np.nan, result.next_change)[at]
    arrays = [
        _numbers(rows.facts.lead_ids[at]),
        _numbers(model_ids[at]),
        _texts([states[value] for value in result.disqualified[at].tolist()]),
        _numbers(result.score[at]),
        _numbers(result.low[at]),
        _numbers(result.high[at]),
        _numbers(result.shares[at, 0]),
        _numbers(result.shares[at, 1]),
        _numbers(result.shares[at, 2]),
        _texts([NAMES[code] for code in result.step_tier[at].tolist()]),
        _texts([NAMES[code] for code in result.tier[at].tolist()]),
        _texts([result.reason[row] for row in at.tolist()]),
        _numbers(result.p[at]),
        _numbers(result.expected_minor[at]),
        _numbers(result.intent_at[at]),
        _numbers(result.rank[at]),
        _numbers(next_change),
        _numbers(replan[at].astype(np.int64)),
    ]
    with connection.cursor() as cursor:
        ids = rows.facts.lead_ids[at]
        cursor.execute(_UPDATE, [*arrays, int(ids.min()), int(ids.max())])


def insert_snapshots(
    rows: Rows,
    at: Ints,
    *,
    reason: str,
    causes: Sequence[str],
    backfilled: Sequence[bool],
    model_ids: Ints,
    scores: Ints,
) -> None:
    """Store the facts of the rows `at`; a snapshot that is there already stays as it was."""
    if not len(at):
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO scoring_snapshot
                (lead_id, reason, cause, at, backfilled, score, model_version_id, facts)
            SELECT lead_id, %s, cause, leadqual_now(), backfilled, score, model_id, facts
            FROM unnest(%s::bigint[], %s::text[], %s::boolean[], %s::smallint[], %s::bigint[],
                        %s::jsonb[]) AS n(lead_id, cause, backfilled, score, model_id, facts)
            ON CONFLICT (lead_id, reason, cause) DO NOTHING
            """,
            [
                reason,
                rows.facts.lead_ids[at].tolist(),
                list(causes),
                list(backfilled),
                scores.tolist(),
                model_ids.tolist(),
                [orjson.dumps(facts).decode() for facts in facts_as_json(rows, at)],
            ],
        )


def facts_as_json(rows: Rows, at: Ints) -> list[dict[str, Any]]:
    """Return the facts of the rows `at` as a snapshot stores them (scoring.models.Snapshot)."""
    facts = rows.facts
    out: list[dict[str, Any]] = [
        {"fields": {}, "ratings": {}, "engagement": {}, "tracked": bool(facts.tracked[row])}
        for row in at
    ]
    for name, numbers in facts.number_columns.items():
        for item, value in zip(out, numbers[at].tolist(), strict=True):
            if value == value:
                item["fields"][name] = value
    for name, (codes, values) in facts.text_columns.items():
        for item, code in zip(out, codes[at].tolist(), strict=True):
            if code >= 0:
                item["fields"][name] = values[code]
    for dimension, ratings in facts.ratings.items():
        ages = np.round((facts.as_of - facts.observed_at[dimension][at]) / DAY, 2).tolist()
        for item, rating, age in zip(out, ratings[at].tolist(), ages, strict=True):
            if rating == rating:
                item["ratings"][dimension] = [int(rating), age]
    for (kind, half_life), counts in facts.counts.items():
        since = np.round((facts.as_of - facts.last_at[kind][at]) / DAY, 2).tolist()
        for item, count, days in zip(out, counts[at].tolist(), since, strict=True):
            if days == days:
                item["engagement"][f"{kind}/{half_life}"] = [round(count, 6), days]
    return out
