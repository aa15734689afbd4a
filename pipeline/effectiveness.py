"""What each line of a score model is worth by the outcomes: coverage, win rates, lift, drift. Pure.

A line is *strong* where it gives at least half of its points, *weak* where it is known and gives
less, *unknown* otherwise. Engagement is strong where it happened at all.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import log, sqrt
from typing import Any

import numpy as np
from scipy.special import chdtri

from core.conditions import FieldType
from scoring.features import Bools, Floats, Ints, signal_matrix
from scoring.learning import evaluate
from scoring.learning.evaluate import LEAST_OF_EACH, LEAST_OUTCOMES
from scoring.learning.lifts import COVER, LEAST_SIDE, holds, lift_where
from scoring.learning.weights import learn_weights
from scoring.live import LiveModel
from scoring.training import Training

LEAST_CONTROL = 20  # closed leads of the control group, before wins are called missed
LEAST_MONTH, LEAST_BEFORE = 50, 100  # leads of a month, and of the months before it
DRIFTED = 0.25  # population stability index from which a month is told
SURE = 0.001  # of the chance that months alike in truth differ as much
LEAST_MOVE = 0.05  # of the win rate, that is worth a word
_EDGES = np.array([0.25, 0.5, 0.75])


@dataclass(frozen=True)
class Share:
    """Won of n with the 95 % Wilson interval; a rate of nobody is None."""

    won: int
    n: int
    rate: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Month:
    """A month's PSI against the months before it, None below the minimum; `alert` when it is sure
    and large.
    """

    month: str
    n: int
    psi: float | None
    alert: bool


@dataclass(frozen=True)
class LineReport:
    """One line. `lift` is the win rate where it is strong over the rate elsewhere, with its 95 %
    interval, None while too few are known: then `needed` more are. `evidence` are the points that
    the outcomes alone ask for (90 % interval), None below the minimum of outcomes.
    """

    key: str
    label: str
    group: str
    dimension: str
    points: float
    coverage: float
    strong: Share
    weak: Share
    unknown: Share
    lift: float | None
    lift_low: float
    lift_high: float
    needed: int
    evidence: float | None
    evidence_low: float
    evidence_high: float
    months: tuple[Month, ...]
    seconds: float | None
    timed: int


@dataclass(frozen=True)
class BaseMonth:
    """The win rate of a month against the months before; `alert` when it has surely moved."""

    month: str
    share: Share
    before: float | None
    alert: bool


@dataclass(frozen=True)
class Missed:
    """What the control group says of cold leads: win rates worked as warm and as cold, and how many
    wins a hundred cold leads would have brought more (95 % interval, Newcombe), None while fewer
    than LEAST_CONTROL of the group have closed: then `needed` more must.
    """

    treated: Share
    usual: Share
    inside: int
    per_hundred: float | None
    low: float
    high: float
    needed: int


@dataclass(frozen=True)
class Effectiveness:
    """A whole model: its closed leads and each of its lines.

    `scores` holds `won` and `n`, closed leads by the score that the model gives them (0–100).
    """

    total: Share
    lines: tuple[LineReport, ...]
    base: tuple[BaseMonth, ...]
    turned: tuple[str, ...]
    scores: Mapping[str, Sequence[int]]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def wilson(won: int, n: int) -> Share:
    """Return a share with its 95 % Wilson interval."""
    low, high = evaluate.wilson(won, n, COVER)
    return Share(won, n, won / n if n else None, low, high)


def missed(won: int, closed: int, usual_won: int, usual_closed: int, inside: int) -> Missed:
    """Return what a control group of closed leads says of those worked as cold."""
    treated, usual = wilson(won, closed), wilson(usual_won, usual_closed)
    needed = max(0, LEAST_CONTROL - closed)
    if needed or treated.rate is None or usual.rate is None:
        return Missed(treated, usual, inside, None, 0.0, 0.0, needed)
    gain = treated.rate - usual.rate
    down = sqrt((treated.rate - treated.low) ** 2 + (usual.high - usual.rate) ** 2)
    up = sqrt((treated.high - treated.rate) ** 2 + (usual.rate - usual.low) ** 2)
    return Missed(treated, usual, inside, 100 * gain, 100 * (gain - down), 100 * (gain + up), 0)


def missed_words(found: Mapping[str, Any]) -> str:
    """Return in a sentence or two which wins the score misses, by a `Missed` as JSON."""
    if found["per_hundred"] is None:
        if more := found["needed"]:
            return f"Missed wins cannot be told yet: {more} more of the group must close."
        return "Missed wins cannot be told yet: no lead that is worked as cold has closed."
    three = [found[name] for name in ("per_hundred", "low", "high")]
    gain, low, high = (f"{value:+.1f}" for value in three)
    n = found["usual"]["n"]
    wins, least, most = (f"{n * value / 100:+.0f}" for value in three)
    words = f"Worked as warm, a hundred cold leads win {gain} (95 %: {low} to {high}). "
    if found["low"] > 0:
        words += f"The {n:,} worked as cold would have won {wins} ({least} to {most})."
    elif found["high"] < 0:
        words += "Nothing is missed by working them as cold."
    else:
        words += (
            f"For the {n:,} worked as cold that is {wins} ({least} to {most}): whether any win was "
            "missed is not sure."
        )
    return words.replace("-", "−")


def stability(counts: Ints, before: Ints) -> float:
    """Return the population stability index of two histograms of the same bins, half a lead added
    to each bin.
    """
    a = (counts + 0.5) / (counts + 0.5).sum()
    b = (before + 0.5) / (before + 0.5).sum()
    return float(((a - b) * np.log(a / b)).sum())


def noise(bins: int, n: int, before: int) -> float:
    """Return the PSI that months alike in truth exceed with the chance SURE: it goes like χ²."""
    return float(chdtri(max(1, bins - 1), SURE) * (1 / n + 1 / before))


def judge(
    live: LiveModel,
    past: Training,
    types: Mapping[str, FieldType],
    seconds: Mapping[str, tuple[float, int]],
) -> Effectiveness:
    """Judge every line of a model by its past leads; `seconds` as pipeline.measures gives them."""
    x = signal_matrix(live.model, live.icp, past.rows.facts, types)
    won = past.y > 0
    months = _months(past.at)
    points, turned = _evidence(live, x, won)
    lines = []
    for column, signal in enumerate(live.model.signals):
        values = x[:, column]
        known = ~np.isnan(values)
        strong = holds(values, happens=bool(signal.activity))
        weak = known & ~strong
        lift, low, high, needed = lift_where(won, known, strong)
        told = points is not None and min(strong.sum(), (~strong).sum()) >= LEAST_SIDE
        median, timed = seconds.get(signal.dimension or "", (None, 0))
        lines.append(
            LineReport(
                key=signal.key,
                label=signal.label,
                group=signal.group,
                dimension=signal.dimension or "",
                points=signal.points,
                coverage=float(known.mean()) if len(known) else 0.0,
                strong=_share(won, strong),
                weak=_share(won, weak),
                unknown=_share(won, ~known),
                lift=lift,
                lift_low=low,
                lift_high=high,
                needed=needed,
                evidence=float(points[0][column]) if points and told else None,
                evidence_low=float(points[1][column]) if points and told else 0.0,
                evidence_high=float(points[2][column]) if points and told else 0.0,
                months=tuple(_drift(_binned(values), months)),
                seconds=median,
                timed=timed,
            )
        )
    return Effectiveness(
        total=wilson(int(won.sum()), len(won)),
        lines=tuple(lines),
        base=tuple(_base(won, months)),
        turned=turned,
        scores=_by_score(live, x, past.rows.facts.tracked, won),
    )


def _by_score(live: LiveModel, x: Floats, tracked: Bools, won: Bools) -> dict[str, list[int]]:
    score = live.card.score(x, tracked).score
    n = np.bincount(score, minlength=101)
    return {"won": np.bincount(score[won], minlength=101).tolist(), "n": n.tolist()}


def _share(won: Bools, rows: Bools) -> Share:
    return wilson(int(won[rows].sum()), int(rows.sum()))


def _evidence(
    live: LiveModel, x: Floats, won: Bools
) -> tuple[tuple[Floats, Floats, Floats] | None, tuple[str, ...]]:
    """Return the points that the outcomes alone ask for with their bounds, and contradictions."""
    n, wins = len(won), int(won.sum())
    if n < LEAST_OUTCOMES or min(wins, n - wins) < LEAST_OF_EACH:
        return None, ()
    weights = np.array([signal.points for signal in live.model.signals])
    labels = [signal.label for signal in live.model.signals]
    found = learn_weights(x, won.astype(float), weights, labels)
    interval = found.intervals
    scaled = (
        interval.estimate / found.slope,
        interval.low / found.slope,
        interval.high / found.slope,
    )
    return scaled, tuple(notice.text for notice in found.notices)


def _binned(values: Floats) -> Ints:
    """Return bins 0 unknown, then the quarters of x."""
    bins = 1 + np.searchsorted(_EDGES, np.nan_to_num(values), side="right")
    return np.where(np.isnan(values), 0, bins).astype(np.int64)


def _months(at: Floats) -> list[tuple[str, Ints]]:
    """Return (month, rows) in order of time."""
    names = [f"{dt.datetime.fromtimestamp(s, dt.UTC):%Y-%m}" for s in at.tolist()]
    return [
        (month, np.flatnonzero(np.array(names) == month)) for month in sorted(dict.fromkeys(names))
    ]


def _drift(bins: Ints, months: Sequence[tuple[str, Ints]]) -> list[Month]:
    found = []
    before = np.zeros(len(_EDGES) + 2, dtype=np.int64)
    for month, rows in months:
        counts = np.bincount(bins[rows], minlength=len(before))
        psi, alert = None, False
        if len(rows) >= LEAST_MONTH and before.sum() >= LEAST_BEFORE:
            used = int(((counts + before) > 0).sum())
            psi = stability(counts[(counts + before) > 0], before[(counts + before) > 0])
            alert = psi >= DRIFTED and psi > noise(used, len(rows), int(before.sum()))
        found.append(Month(month, len(rows), psi, alert))
        before = before + counts
    return found


def _base(won: Bools, months: Sequence[tuple[str, Ints]]) -> list[BaseMonth]:
    from scipy.stats import fisher_exact  # late: scipy.stats costs each process 45 MB

    found = []
    wins = total = 0
    for month, rows in months:
        mine = int(won[rows].sum())
        share = wilson(mine, len(rows))
        rate, alert = None, False
        if len(rows) >= LEAST_MONTH and total >= LEAST_BEFORE:
            rate = wins / total
            table = [[mine, len(rows) - mine], [wins, total - wins]]
            moved = abs((share.rate or 0.0) - rate) >= LEAST_MOVE
            alert = moved and float(fisher_exact(table).pvalue) < SURE
        found.append(BaseMonth(month, share, rate, alert))
        wins, total = wins + mine, total + len(rows)
    return found


def log_place(value: float, low: float = 0.25, high: float = 4.0) -> float:
    """Return where a ratio stands on a logarithmic scale from 0 to 100, its ends held."""
    held = min(max(value, low), high)
    return 100.0 * log(held / low) / log(high / low)
