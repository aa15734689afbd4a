"""New weights for the signals of a model that people made: drawn to its points, moved by outcomes.

The prior is centred on k × the live points, k one fitted slope, so thirty outcomes move a weight a
little and three thousand a lot. Points that surely rank leads the wrong way round are no centre.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.special import expit

from scoring.features import Floats, Ints
from scoring.learning.drift import Recency
from scoring.learning.evaluate import LEAST_OF_EACH, LEAST_OUTCOMES
from scoring.learning.fit import Design, fit_map
from scoring.learning.intervals import Intervals, weight_intervals
from scoring.learning.notices import Notice
from scoring.learning.screening import SURE_Z, auc_spread, rank_auc
from scoring.learning.shrinkage import shrink

SLOPE, SLOPE_SPREAD = 0.067, 0.034  # log-odds a point, as the default map has it, and its doubt
FREE = 300  # outcomes from which a weight may move freely
MOST_MOVED = 10.0  # points that a weight may move at fewer, times their share of these
SAME, SAME_ROWS = 0.85, 20_000  # correlation of signals that say the same, and leads looked at
LEAST_SAME = 20  # leads
_AT_ONCE = 100_000  # leads that are predicted together, which bounds memory


@dataclass(frozen=True)
class Relearned:
    """Weights of p given signals in log-odds, (p,), and how sure they are.

    `slope` is k, the log-odds of one live point, the default map's where the points rank leads
    backwards and the weights are learned from zero; `unknown` (p,) the mean x that an unknown one
    counts as. `enough` says whether a probability may be shown. `gain_z` is by how many standard
    errors predictions of leads that a fit had not seen beat the constant base rate.
    """

    intercept: float
    b: Floats
    slope: float
    unknown: Floats
    intervals: Intervals
    n: int
    won: int
    enough: bool
    gain_z: float = 0.0
    notices: list[Notice] = field(default_factory=list)

    def log_odds(self, x: Floats) -> Floats:
        """Return the log-odds of leads with signals x (n, p), NaN unknown."""
        pieces = np.array_split(x, len(x) // _AT_ONCE + 1)
        filled = (np.where(np.isnan(piece), self.unknown, piece) @ self.b for piece in pieces)
        return self.intercept + np.concatenate(list(filled))

    def probability(self, x: Floats) -> Floats | None:
        """Return p(win), None below the minimum number of outcomes."""
        return expit(self.log_odds(x)) if self.enough else None


def learn_weights(
    x: Floats,
    y: Floats,
    live: Floats,
    labels: list[str],
    recency: Recency | None = None,
    seed: int = 0,
) -> Relearned:
    """Learn weights of given signals from n leads in order of time.

    `x` (n, p) is 0 … 1, NaN unknown; `y` (n,) 0 or 1; `live` (p,) the points of the live model;
    `labels` name the signals. One kind of outcome alone leaves the weights as they are.
    """
    recency = recency or Recency()
    weights = recency.weights(len(y))
    full, unknown = fill_unknown(x)
    won = int(y.sum())
    enough = len(y) >= LEAST_OUTCOMES and min(won, len(y) - won) >= LEAST_OF_EACH
    if not 0 < won < len(y):
        nothing = np.full(len(live), np.nan)
        b = SLOPE * live
        share = (won + 0.5) / (len(y) + 1)
        intercept = float(np.log(share / (1 - share)) - (full @ b).mean()) if len(y) else 0.0
        return Relearned(
            intercept, b, SLOPE, unknown, Intervals(b, nothing, nothing), len(y), won, enough
        )
    score = full @ live
    backwards = _backwards(score, y) if enough else None
    slope = SLOPE if backwards else fit_slope(score, y, weights)
    # A signal of which history says nothing keeps its points.
    centre = np.where((np.ptp(full, axis=0) > 0) & bool(backwards), 0.0, slope * live)
    same = same_signals(full)
    copies = np.bincount(same)[same].astype(np.float64)
    design = Design(full, None, same, copies)
    shrunk = shrink(design, y, weights, seed, centre)
    b = shrunk.b
    if len(y) < FREE:
        # Points that say little so far must not hold back what outcomes say.
        most = max(slope, SLOPE) * MOST_MOVED * len(y) / FREE / copies
        b = np.clip(b, centre - most, centre + most)
    intercept = recency.shift(full @ b, y, np.ones(len(y)))
    found = Relearned(
        intercept,
        b,
        slope,
        unknown,
        weight_intervals(full, y, weights),
        len(y),
        won,
        enough,
        shrunk.gain_z,
    )
    notices = [*([backwards] if backwards else []), *_turned(found, live, labels)]
    return Relearned(**{**vars(found), "notices": notices})


def fill_unknown(x: Floats) -> tuple[Floats, Floats]:
    """Return signals x (n, p) with the mean of the known ones in the place of NaN, and the means
    (p,), 0 where none is known.
    """
    full, holes = x.copy(), np.isnan(x)
    full[holes] = 0.0
    means = full.sum(axis=0) / np.maximum((~holes).sum(axis=0), 1)
    np.copyto(full, means, where=holes)
    return full, means


def same_signals(full: Floats) -> Ints:
    """Return for each signal of x (n, p) the number of the group of those that say the same, or say
    the same as another of the group; they count once. Of a handful of leads nothing is said.
    """
    if len(full) < LEAST_SAME:
        return np.arange(full.shape[1])
    rows = np.linspace(0, len(full) - 1, min(len(full), SAME_ROWS)).astype(np.int64)
    away = full[rows] - full[rows].mean(axis=0)
    spread = np.sqrt((away**2).sum(axis=0))
    spread[spread == 0] = np.inf
    alike = (away.T @ away) / np.outer(spread, spread) >= SAME
    group: Ints = connected_components(alike, directed=False)[1].astype(np.int64)
    return group


def fit_slope(score: Floats, y: Floats, weights: Floats) -> float:
    """Return k, the log-odds of one live point, drawn to the default map; never negative."""
    design = Design((score * SLOPE_SPREAD)[:, None], None, np.zeros(1, int), np.ones(1))
    fit = fit_map(design, y, weights, np.ones(1), np.array([SLOPE / SLOPE_SPREAD]))
    return max(float(fit.b[0]) * SLOPE_SPREAD, SLOPE / 100)


def _backwards(score: Floats, y: Floats) -> Notice | None:
    """Return a notice when leads with more live points surely won less often."""
    auc = rank_auc(y, score)
    if auc + SURE_Z * auc_spread(auc, y) >= 0.5:
        return None
    text = (
        f"Leads with more points won less often (AUC {auc:.2f}): the points rank leads the wrong "
        "way round, so weights are learned from zero and not from them."
    )
    return Notice("backwards", "", text)


def _turned(found: Relearned, live: Floats, labels: list[str]) -> list[Notice]:
    """Return a notice for each signal whose outcomes surely say the opposite of its points."""
    notices = []
    low, high = found.intervals.low, found.intervals.high
    for index, label in enumerate(labels):
        if (live[index] > 0 and high[index] < 0) or (live[index] < 0 and low[index] > 0):
            word = "lowers" if live[index] > 0 else "raises"
            points = f"{live[index]:+g}".replace("-", "−")
            text = f"{label} {word} the odds in the outcomes, against its {points} points."
            notices.append(Notice("turned", label, text))
    return notices
