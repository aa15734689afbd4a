"""What must always hold of standings, ledgers and configuration (manage.py verify_invariants)."""

from collections.abc import Iterator

import numpy as np
from django.db import connection

from core.invariants import invariant
from scoring import facts as fact_store
from scoring.assess import assess
from scoring.facts import Rows
from scoring.features import signal_matrix
from scoring.live import LiveConfig, NotConfigured, live_config
from scoring.rescoring import BATCH
from scoring.scorecard import ledger
from scoring.tiers import NAMES
from scoring.triggers import engagement_rows

TOLERANCE = 1e-6  # of exact values; counters are floats and may be added in any order
LEDGERS_PER_BATCH = 50


@invariant("scoring.standing_equals_recomputation")
def standings_equal_recomputation() -> Iterator[str]:
    """Every standing without a mark equals its recomputation as of its own scored_at.

    Closed leads keep the standing that they had. A tier is a fixed point of the step, since the
    step depends on the tier before it; an override that has run out waits for its due sweep.
    """
    try:
        config = live_config()
    except NotConfigured:
        return
    for moment, lead_ids in _scored_together():
        rows = fact_store.read(lead_ids, config, moment)
        yield from _differences(rows, config)


def _scored_together() -> Iterator[tuple[float, list[int]]]:
    """Yield batches of open, unmarked leads that were scored at the same moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT date_part('epoch', scored_at), array_agg(lead_id ORDER BY lead_id)
            FROM (
                SELECT lead_id, scored_at,
                       row_number() OVER (PARTITION BY scored_at ORDER BY lead_id) / %s AS batch
                FROM scoring_standing
                WHERE is_open AND stale_at IS NULL AND scored_at IS NOT NULL
                  AND model_version_id IN (SELECT id FROM scoring_modelversion WHERE state = 'live')
            ) numbered GROUP BY scored_at, batch
            """,
            [BATCH],
        )
        yield from cursor.fetchall()


def _differences(rows: Rows, config: LiveConfig) -> Iterator[str]:
    """Compare one batch with its recomputation, column by column, then some of its ledgers."""
    # Hysteresis: from its own stored tier, a right tier steps to itself.
    result = assess(rows, config)
    old = rows.standing
    model_ids = np.array([live.id for live in config.everything])[result.model]
    state = np.where(result.disqualified, fact_store.DISQUALIFIED, fact_store.SCORED)
    near = np.abs(result.total_gap) < TOLERANCE  # at a rounding tie a tenth may go either way
    pairs = {
        "score": (old["score"], result.score),
        "low": (old["low"], result.low),
        "high": (old["high"], result.high),
        "fit": (old["fit"], result.shares[:, 0]),
        "engagement": (old["engagement"], result.shares[:, 1]),
        "qualification": (old["qualification"], result.shares[:, 2]),
        "step_tier": (old["step_tier"], result.step_tier),
        "tier": (old["tier"], result.tier),
        "model": (old["model"], model_ids),
        "state": (old["state"], state),
    }
    for name, (stored, computed) in pairs.items():
        off = stored != computed
        if name in ("score", "low", "high", "fit", "engagement", "qualification"):
            off &= (np.abs(stored - computed) > 1) | ~near
        for row in np.flatnonzero(off):
            show = NAMES if name in ("tier", "step_tier") else {}
            was, now = int(stored[row]), int(computed[row])
            yield (
                f"lead {rows.facts.lead_ids[row]}: {name} is {show.get(was, was)}, "
                f"recomputed {show.get(now, now)}"
            )
    yield from _ledgers_that_do_not_sum(rows, config, result.model, result.score)


def _ledgers_that_do_not_sum(
    rows: Rows, config: LiveConfig, model: np.ndarray, score: np.ndarray
) -> Iterator[str]:
    for index, live in enumerate(config.everything):
        mine = np.flatnonzero(model == index)
        if not len(mine):
            continue
        part = rows.take(mine)
        x = signal_matrix(live.model, live.icp, part.facts, config.types)
        scores = live.card.score(x, part.facts.tracked)
        for row in range(min(len(mine), LEDGERS_PER_BATCH)):
            tenths = sum(line.tenths for line in ledger(live.card, scores, row))
            if tenths != int(score[mine[row]]) * 10:
                yield f"lead {part.facts.lead_ids[row]}: ledger sums to {tenths / 10}"


@invariant("scoring.standing_repeats_its_lead")
def standings_repeat_their_leads() -> Iterator[str]:
    """Every lead has one standing, which repeats its owner, team and stage."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT l.id, s.lead_id IS NULL FROM leads_lead l
            LEFT JOIN scoring_standing s ON s.lead_id = l.id
            WHERE s.lead_id IS NULL OR s.owner_id IS DISTINCT FROM l.owner_id
               OR s.team_id IS DISTINCT FROM l.team_id OR s.stage <> l.stage
            """
        )
        for lead_id, missing in cursor.fetchall():
            yield f"lead {lead_id}: " + (
                "has no standing" if missing else "standing repeats another owner, team or stage"
            )


@invariant("scoring.one_live_version")
def one_live_version() -> Iterator[str]:
    """Each key has at most one live version, and what a live model pins is live."""
    with connection.cursor() as cursor:
        for table in ("icpversion", "frameworkversion", "modelversion"):
            cursor.execute(
                f"SELECT key, count(*) FROM scoring_{table} WHERE state = 'live' "
                "GROUP BY key HAVING count(*) > 1"
            )
            for key, count in cursor.fetchall():
                yield f"{table} {key}: {count} live versions"
        cursor.execute(
            """
            SELECT m.key, m.number FROM scoring_modelversion m
            JOIN scoring_icpversion i ON i.id = m.icp_id
            JOIN scoring_frameworkversion f ON f.id = m.framework_id
            WHERE m.state = 'live' AND (i.state <> 'live' OR f.state <> 'live')
            """
        )
        for key, number in cursor.fetchall():
            yield f"model {key} v{number}: pins an ICP or framework version that is not live"


@invariant("scoring.engagement_equals_recount")
def engagement_equals_recount() -> Iterator[str]:
    """Every counter equals the recount of its activities, within rounding."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT coalesce(e.lead_id, r.lead_id), coalesce(e.kind, r.kind), e.value, r.value
            FROM scoring_engagement e
            FULL JOIN ({engagement_rows("leads_activity")}) r USING (lead_id, kind, half_life_days)
            JOIN scoring_engagementsignal g ON g.kind = coalesce(e.kind, r.kind)
                AND g.half_life_days = coalesce(e.half_life_days, r.half_life_days)
            WHERE e.value IS NULL OR r.value IS NULL OR e.last_at <> r.last_at
               OR abs(e.value - r.value) > {TOLERANCE} * greatest(1, r.value)
            LIMIT 60
            """
        )
        for lead_id, kind, stored, counted in cursor.fetchall():
            yield f"lead {lead_id}: {kind} counter is {stored}, recounted {counted}"


@invariant("scoring.evidence_current_is_newest")
def current_evidence_is_newest() -> Iterator[str]:
    """The current answer of a dimension is the newest unexpired one at the lead's last scoring."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.lead_id, c.dimension FROM scoring_evidence c
            JOIN scoring_standing s ON s.lead_id = c.lead_id
            JOIN scoring_evidence e ON e.lead_id = c.lead_id AND e.dimension = c.dimension
                AND NOT e.current
            WHERE c.current AND s.stale_at IS NULL AND s.is_open
              AND (e.observed_at, e.recorded_at, e.id) > (c.observed_at, c.recorded_at, c.id)
              AND (e.expires_at IS NULL OR e.expires_at > s.scored_at)
            LIMIT 60
            """
        )
        for lead_id, dimension in cursor.fetchall():
            yield f"lead {lead_id}: a newer answer about {dimension} is not the current one"
