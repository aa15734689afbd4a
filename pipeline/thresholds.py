"""Where the marks of a model stand: scores of open leads, volume against capacity, wins above.

Reads are sums over standings, and who came of late (scoring.arriving), kept for a minute; the
rest is pure.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from django.core.cache import cache
from django.db.models import Count
from redis.exceptions import RedisError

from accounts.selectors import Capacity, capacity
from pipeline.effectiveness import Share, wilson
from pipeline.models import CriteriaReport
from scoring.arriving import SCORES, arrivals_by_score
from scoring.features import Floats, Ints
from scoring.live import LiveConfig, LiveModel
from scoring.models import Standing
from scoring.tiers import State, Tier

KEPT_SECONDS = 60
STEP = 5  # between the marks that are compared
LEAST_ABOVE = 5  # points between the marks for warm and hot


@dataclass(frozen=True)
class Standings:
    """Open, scored leads of a model: `counts` (101,) by score, and by tier as they stand; `coming`
    (101,) how many came or rose to each score or above it a working day, as the model scores them.
    """

    counts: Ints
    tiers: Mapping[str, int]
    coming: Floats


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

    @property
    def captured(self) -> float | None:
        """Which part of the wins had the mark, None where nothing was won."""
        won = self.above.won + self.below.won
        return self.above.won / won if won else None


@dataclass(frozen=True)
class Thresholds:
    """All that the page shows: the live marks for hot (`present`) and `warm`, and what is proposed
    for hot, None when no mark fits, with the reason (`why`). `others` are the other models with the
    leads that turn hot by each, a day for each rep: they want the same people.
    """

    standings: Standings
    capacity: Capacity
    marks: tuple[Mark, ...]
    present: Mark
    warm: Mark
    proposed: Mark | None
    why: str
    others: tuple[tuple[LiveModel, float], ...]


def read_thresholds(live: LiveModel, config: LiveConfig) -> Thresholds:
    """Return where the marks of a live model stand, beside the others; a fixed number of
    queries.
    """
    standings, arrivals = _standings(live, config)
    people = capacity()
    known = _closed(live)
    closed = known or (np.zeros(SCORES, dtype=np.int64), np.zeros(SCORES, dtype=np.int64))
    hot = ((m, float(arrivals[m.key][m.model.hot])) for m in config.everything if m.key in arrivals)
    elsewhere = [(model, a_day) for model, a_day in hot if a_day and model.key != live.key]
    more = sum(n for _, n in elsewhere)
    tried = {live.model.hot, *range(live.model.warm + LEAST_ABOVE, SCORES, STEP)}
    marks = tuple(mark_at(m, standings, people, closed, more) for m in sorted(tried))
    present = mark_at(live.model.hot, standings, people, closed, more)
    proposed, why = propose(marks)
    if known is None:
        proposed = None
        why = f"What closed leads say of v{live.number} is being worked out. Reload in a minute."
    if not people.reps:
        proposed = None
        why = "There is no active rep, so nothing says how many hot leads people can take on."
    warm = mark_at(live.model.warm, standings, people, closed, more)
    each = tuple((model, n / max(1, people.reps)) for model, n in elsewhere)
    return Thresholds(standings, people, marks, present, warm, proposed, why, each)


def _standings(live: LiveModel, config: LiveConfig) -> tuple[Standings, Mapping[str, Floats]]:
    """Return the open leads of a model, and the arrivals by score (101,) of every model by key."""
    key = f"thresholds:{live.id}"
    kept = None
    with suppress(RedisError):
        kept = cache.get(key)
    if kept is None:
        coming = {name: n.tolist() for name, n in arrivals_by_score(config).items()}
        kept = (*_read_standings(live), coming)
        with suppress(RedisError):
            cache.set(key, kept, KEPT_SECONDS)
    counts, tiers, coming = kept
    arrivals = {name: np.array(n) for name, n in coming.items()}
    own = arrivals.get(live.key, np.zeros(SCORES))
    return Standings(np.array(counts), tiers, own), arrivals


def _read_standings(live: LiveModel) -> tuple[list[int], dict[str, int]]:
    counts, tiers = [0] * SCORES, dict.fromkeys(Tier.values, 0)
    found = Standing.objects.filter(is_open=True, state=State.SCORED, model_version_id=live.id)
    for score, tier, n in found.order_by().values_list("score", "tier").annotate(Count("pk")):
        counts[score] += n
        if tier:
            tiers[tier] += n
    return counts, tiers


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
    a_day = float(standings.coming[mark])
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
