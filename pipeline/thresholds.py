"""Where the marks of a model stand: scores of open leads, volume against capacity, wins above.

Reads are sums over standings and over the newest history, kept for a minute; the rest is pure.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Max, Q
from redis.exceptions import RedisError

from accounts.selectors import Capacity, capacity
from core.clock import now
from pipeline.effectiveness import Share, wilson
from pipeline.models import CriteriaReport
from scoring.features import Floats, Ints
from scoring.live import LiveModel
from scoring.models import ModelVersion, ScoreChange, Snapshot, Standing
from scoring.tiers import State, Tier

DAYS = 28  # of arrivals that the volume is taken from
WORKING_DAYS = 20  # in as many days
LEAST_DAYS = 7  # that a version has counted in its points, before its own volume is told
MOST_ROWS = 200_000  # of history that are read
KEPT_SECONDS = 60
STEP = 5  # between the marks that are compared
LEAST_ABOVE = 5  # points between the marks for warm and hot
SCORES = 101


@dataclass(frozen=True)
class Standings:
    """Open, scored leads of a model: `counts` (101,) by score, and by tier as they stand; `rises`
    (101,) how many reached each score in the last DAYS days.
    """

    counts: Ints
    tiers: Mapping[str, int]
    rises: Floats


@dataclass(frozen=True)
class Mark:
    """What a mark for hot would mean: open leads at or above it, those that reach it a day for
    each rep, the same with the leads that turn hot by other models (`together`), whether that fits,
    and the share won of closed leads above and below it.
    """

    mark: int
    open: int
    a_day: float
    together: float
    fits: bool
    above: Share
    below: Share


@dataclass(frozen=True)
class Thresholds:
    """All that the page shows: the live marks for hot (`present`) and `warm`, and what is proposed
    for hot, None when no mark fits, with the reason (`why`). `others` are the other models with the
    leads that turn hot by each, a day for each rep: they want the same people. `young` are models
    that have counted in other points for a few days only: their volume is by the points of before.
    """

    standings: Standings
    capacity: Capacity
    marks: tuple[Mark, ...]
    present: Mark
    warm: Mark
    proposed: Mark | None
    why: str
    others: tuple[tuple[LiveModel, float], ...]
    young: tuple[LiveModel, ...]


def read_thresholds(live: LiveModel, models: Sequence[LiveModel]) -> Thresholds:
    """Return where the marks of a live model stand, beside all the live `models`; four queries at
    most when nothing is kept.
    """
    standings, rises = _standings(live, models)
    people = capacity()
    known = _closed(live)
    closed = known or (np.zeros(SCORES, dtype=np.int64), np.zeros(SCORES, dtype=np.int64))
    a_day = [(m, rises[m.key][0][m.model.hot] / WORKING_DAYS) for m in models if m.key in rises]
    young = tuple(m for m in models if m.key in rises and rises[m.key][1])
    elsewhere = [(model, n) for model, n in a_day if model.key != live.key]
    more = sum(n for _, n in elsewhere)
    tried = {live.model.hot, *range(live.model.warm + LEAST_ABOVE, SCORES, STEP)}
    marks = tuple(mark_at(m, standings, people, closed, more) for m in sorted(tried))
    present = mark_at(live.model.hot, standings, people, closed, more)
    proposed, why = propose(marks)
    if live in young:
        proposed = None
        why = (
            f"v{live.number} counts in other points than the version before. How many leads turn "
            f"hot by it is told when it has been live for {LEAST_DAYS} days."
        )
    if known is None:
        proposed = None
        why = f"What closed leads say of v{live.number} is being worked out. Reload in a minute."
    if not people.reps:
        proposed = None
        why = "There is no active rep, so nothing says how many hot leads people can take on."
    warm = mark_at(live.model.warm, standings, people, closed, more)
    each = tuple((model, n / max(1, people.reps)) for model, n in elsewhere)
    return Thresholds(standings, people, marks, present, warm, proposed, why, each, young)


_Rises = dict[str, tuple[list[float], bool]]


def _standings(live: LiveModel, models: Sequence[LiveModel]) -> tuple[Standings, _Rises]:
    """Return the open leads of a model, and the rises of every model by key (see `_rises`)."""
    key = f"thresholds:{live.id}"
    kept = None
    with suppress(RedisError):
        kept = cache.get(key)
    if kept is None:
        kept = _read_standings(live, models)
        with suppress(RedisError):
            cache.set(key, kept, KEPT_SECONDS)
    counts, tiers, rises = kept
    own, _ = rises.get(live.key, ([0.0] * SCORES, False))
    return Standings(np.array(counts), tiers, np.array(own)), rises


def _read_standings(
    live: LiveModel, models: Sequence[LiveModel]
) -> tuple[list[int], dict[str, int], _Rises]:
    counts, tiers = [0] * SCORES, dict.fromkeys(Tier.values, 0)
    found = Standing.objects.filter(is_open=True, state=State.SCORED, model_version_id=live.id)
    for score, tier, n in found.order_by().values_list("score", "tier").annotate(Count("pk")):
        counts[score] += n
        if tier:
            tiers[tier] += n
    return counts, tiers, _rises(models)


def _rises(models: Sequence[LiveModel]) -> _Rises:
    """Return for each model's key how many leads came to each score from below, or began at or
    above it, in DAYS days; and whether that was counted by versions with other points.

    Versions that differ in marks alone count in the same points. What was counted by them in fewer
    days, but LEAST_DAYS at least, is told as of DAYS.
    """
    moment = now()
    by_version, first = _rises_by_version(moment - dt.timedelta(days=DAYS))
    versions = {
        version.pk: version
        for version in ModelVersion.objects.select_related("icp").filter(
            Q(pk__in=list(by_version)) | Q(pk__in=[m.id for m in models])
        )
    }
    found: _Rises = {}
    for live in models:
        mine = [v for pk, v in versions.items() if v.key == live.key and pk in by_version]
        if not mine:
            continue
        points = _points(versions[live.id])
        alike = [v for v in mine if _points(v) == points]
        began = [first[v.pk] for v in alike] + [versions[live.id].published_at or moment]
        days = min(float(DAYS), (moment - min(began)) / dt.timedelta(days=1))
        others = len(alike) < len(mine)
        young = others and days < LEAST_DAYS
        counted = sum((by_version[v.pk] for v in (mine if young else alike)), np.zeros(SCORES))
        factor = DAYS / days if others and not young else 1.0
        found[live.key] = [float(n) * factor for n in counted], young
    return found


def _points(version: ModelVersion) -> tuple[Any, ...]:
    """Return what a version's scores come from."""
    definition = version.definition
    return version.icp.definition, *(definition.get(name) for name in ("base", "groups", "signals"))


def _rises_by_version(since: dt.datetime) -> tuple[dict[int, Ints], dict[int, dt.datetime]]:
    """Return the rises (101,) by model version, and when its first one was; one query over the
    newest history.
    """
    newest = [m.objects.aggregate(n=Max("pk"))["n"] or 0 for m in (ScoreChange, Snapshot)]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT model_version_id, from_score + 1, to_score, count(*), min(at)
            FROM scoring_scorechange
            WHERE id > %(changes)s AND at >= %(since)s AND to_score > from_score
              AND cause IN ('facts', 'time')
            GROUP BY 1, 2, 3
            UNION ALL
            SELECT model_version_id, 0, score, count(*), min(at) FROM scoring_snapshot
            WHERE id > %(snapshots)s AND at >= %(since)s AND reason = 'first_score'
              AND NOT backfilled AND model_version_id IS NOT NULL
            GROUP BY 1, 2, 3
            """,
            {
                "since": since,
                "changes": newest[0] - MOST_ROWS,
                "snapshots": newest[1] - MOST_ROWS,
            },
        )
        found: dict[int, Ints] = {}
        first: dict[int, dt.datetime] = {}
        for version, low, high, n, at in cursor.fetchall():
            rises = found.setdefault(version, np.zeros(SCORES + 1, dtype=np.int64))
            rises[low] += n
            rises[high + 1] -= n
            first[version] = min(at, first.get(version, at))
    return {version: np.cumsum(rises)[:SCORES] for version, rises in found.items()}, first


def _closed(live: LiveModel) -> tuple[Ints, Ints] | None:
    """Return won and all closed leads by the score that the live model gives them, None while that
    is being found out.
    """
    reports = CriteriaReport.objects.filter(model_version_id=live.id)
    report = reports.values_list("data__scores", flat=True).first()
    return None if report is None else (np.array(report["won"]), np.array(report["n"]))


def mark_at(
    mark: int,
    standings: Standings,
    capacity: Capacity,
    closed: tuple[Ints, Ints],
    elsewhere: float = 0.0,
) -> Mark:
    """Return what a mark for hot would mean; `elsewhere` leads a day turn hot by other models."""
    won, n = closed
    a_day = float(standings.rises[mark]) / WORKING_DAYS
    return Mark(
        mark=mark,
        open=int(standings.counts[mark:].sum()),
        a_day=a_day / max(1, capacity.reps),
        together=(a_day + elsewhere) / max(1, capacity.reps),
        fits=a_day + elsewhere <= capacity.a_day,
        above=wilson(int(won[mark:].sum()), int(n[mark:].sum())),
        below=wilson(int(won[:mark].sum()), int(n[:mark].sum())),
    )


def propose(marks: Sequence[Mark]) -> tuple[Mark | None, str]:
    """Return the lowest mark that people can keep up with and whose leads surely win more often
    than those below it, and why; the lowest that fits, while outcomes are too few to say.
    """
    fitting = [mark for mark in marks if mark.fits]
    if not fitting:
        return None, "At every mark more leads turn hot than people can take on."
    telling = [
        mark
        for mark in fitting
        if mark.above.rate is not None
        and mark.below.rate is not None
        and mark.above.low > mark.below.rate
    ]
    if telling:
        return telling[0], (
            "The lowest mark whose hot leads people can take on, and that surely win more often "
            "than those below it."
        )
    return fitting[0], (
        "The lowest mark whose hot leads people can take on. Too few leads have closed to say more."
    )


def moved(standings: Standings, live: LiveModel, hot: int, warm: int) -> list[tuple[str, int, int]]:
    """Return (tier, open leads now, open leads with these marks), by the score alone on both
    sides: without hysteresis, gates and tiers set by hand.
    """
    counts = standings.counts

    def split(hot: int, warm: int) -> dict[str, int]:
        return {
            Tier.HOT: int(counts[hot:].sum()),
            Tier.WARM: int(counts[warm:hot].sum()),
            Tier.COLD: int(counts[:warm].sum()),
        }

    was, would = split(live.model.hot, live.model.warm), split(hot, warm)
    return [(tier, was[tier], would[tier]) for tier in (Tier.HOT, Tier.WARM, Tier.COLD)]
