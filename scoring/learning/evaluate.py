"""How good predictions are on leads that were not learned from, and whether to propose them."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from scipy.special import expit

from scoring.features import Floats, Ints
from scoring.learning.fit import Design, fit_map

ECE_BINS = 10  # of equal numbers of leads
TIERS = {"hot": (0.0, 0.2), "warm": (0.2, 0.5), "cold": (0.5, 1.0)}  # of the ranking, from the top
TOP = 0.1
DRAWS = 400
MOST_DRAWN = 5_000  # leads in one draw for an interval, where they may be fewer than all
FLOOR_DRAWS = 200
LEAST_OUTCOMES, LEAST_OF_EACH = 100, 30
LEAST_GAIN_Z = 1.645  # of unseen training leads' log loss against the base rate: one-sided 95 %
INTERVAL = (0.05, 0.95)
TWO_SIDED = (0.025, 0.975)


@dataclass(frozen=True)
class Metrics:
    """What predictions are worth on n leads; None where it cannot be said."""

    auc: float | None
    pr_auc: float | None
    brier: float | None
    log_loss: float | None
    ece: float | None
    lift_top10: float | None
    tiers: dict[str, float | None]

    def as_json(self) -> dict[str, Any]:
        """Return the metrics as JSON values."""
        return {name: _rounded(value) for name, value in vars(self).items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return None if value is None else round(float(value), 4)


def measure(y: Floats, p: Floats | None, ranking: Floats) -> Metrics:
    """Measure predictions for leads with outcomes y (n,) of 0 and 1.

    `ranking` (n,) orders the leads, higher is better; `p` (n,) are probabilities, None when there
    are none to show. Ties count as their average, so the order of the file decides nothing.
    """
    from sklearn import metrics  # late: scikit-learn costs each process 40 MB

    both = 0 < y.sum() < len(y)
    return Metrics(
        auc=float(metrics.roc_auc_score(y, ranking)) if both else None,
        pr_auc=float(metrics.average_precision_score(y, ranking)) if both else None,
        brier=None if p is None else float(metrics.brier_score_loss(y, p, labels=[0, 1])),
        log_loss=None if p is None else float(metrics.log_loss(y, p, labels=[0, 1])),
        ece=None if p is None else calibration_error(y, p),
        lift_top10=share_won(y, ranking, 0.0, TOP) / float(y.mean()) if both else None,
        tiers={name: share_won(y, ranking, *span) for name, span in TIERS.items()},
    )


def share_won(y: Floats, ranking: Floats, start: float, stop: float) -> float:
    """Return the share won among the leads ranked from `start` to `stop` (shares of all).

    Leads of equal rank share their places: each counts with the part that falls inside.
    """
    n = len(y)
    _, place, counts = np.unique(-ranking, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    begins = ends - counts
    inside = np.clip(np.minimum(ends, stop * n) - np.maximum(begins, start * n), 0, None)
    weights = (inside / counts)[place]
    return float(weights @ y / weights.sum()) if weights.sum() else float("nan")


def gain_curve(y: Floats, ranking: Floats, points: int = 50) -> Floats:
    """Return which share of all won is among the best i / points of the leads, i = 0 … points."""
    calls = len(y) * np.arange(points + 1) / points
    caught: Floats = wins_by(y, ranking, calls) / float(y.sum())
    return caught


def wins_by(y: Floats, ranking: Floats, calls: Floats) -> Floats:
    """Return how many won are among the best leads by each number of `calls` (k,), which need not
    be whole; ties count with their part.
    """
    _, place, counts = np.unique(-ranking, return_inverse=True, return_counts=True)
    won = np.cumsum(np.bincount(place, weights=y))
    found: Floats = np.interp(calls, np.append(0, np.cumsum(counts)), np.append(0.0, won))
    return found


def wins_at(y: Floats, ranking: Floats, calls: int) -> float:
    """Return how many won are among the best `calls` leads; ties count with their part."""
    return float(wins_by(y, ranking, np.array([float(calls)]))[0])


def reach(y: Floats, ours: Floats, theirs: Floats, steps: int, seed: int = 0) -> Floats:
    """Return, for calls to the best i / steps of the leads, i = 0 … steps, the wins by our ranking
    and by theirs, and between which numbers the difference lies (two-sided 95 %, by bootstrap).

    The shape is (steps + 1, 4).
    """
    n, shares = len(y), np.arange(steps + 1) / steps
    wins = [wins_by(y, ranking, n * shares) for ranking in (ours, theirs)]
    drawn = min(n, MOST_DRAWN)
    random = np.random.default_rng(seed)
    gains = []
    for _ in range(DRAWS):
        rows = random.integers(n, size=drawn)
        truth, calls = y[rows], drawn * shares
        gains.append(wins_by(truth, ours[rows], calls) - wins_by(truth, theirs[rows], calls))
    middle = wins[0] - wins[1]
    # Fewer leads drawn than there are: the spread of all of them is that much narrower.
    around = (np.quantile(gains, TWO_SIDED, axis=0) * n / drawn - middle) * np.sqrt(drawn / n)
    return np.column_stack([*wins, *(middle + around)])


@dataclass(frozen=True)
class CalibrationBin:
    """A tenth of the leads by probability: mean p, and the share won with its 90 % interval."""

    p: float
    rate: float
    low: float
    high: float
    n: int


def calibration_bins(y: Floats, p: Floats) -> list[CalibrationBin]:
    """Return the bins that the calibration error is made of, lowest first."""
    found = []
    for part in np.array_split(np.argsort(p, kind="stable"), ECE_BINS):
        if len(part):
            low, high = wilson(int(y[part].sum()), len(part))
            mean, rate = float(p[part].mean()), float(y[part].mean())
            found.append(CalibrationBin(mean, rate, low, high, len(part)))
    return found


def wilson(won: int, n: int, cover: float = 0.90) -> tuple[float, float]:
    """Return the interval of a share by Wilson's score method, which holds the truth with the
    chance `cover`; (0, 1) of nothing.
    """
    if not n:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + cover / 2)
    share = won / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def calibration_error(y: Floats, p: Floats) -> float:
    """Return the mean gap between predicted and observed share over ten equally full bins (ECE)."""
    order = np.argsort(p, kind="stable")
    bins = [part for part in np.array_split(order, ECE_BINS) if len(part)]
    return float(sum(abs(float((y[b] - p[b]).sum())) for b in bins) / len(y))


def calibration_floor(p: Floats, seed: int = 0) -> float:
    """Return the ECE that a perfect model with these probabilities would show on average."""
    random = np.random.default_rng(seed)
    draws = (random.random(len(p)) < p for _ in range(FLOOR_DRAWS))
    return float(np.mean([calibration_error(draw.astype(float), p) for draw in draws]))


def bootstrap(
    statistic: Callable[[Ints], float],
    y: Floats,
    seed: int = 0,
    span: tuple[float, float] = INTERVAL,
) -> tuple[float, float]:
    """Return an interval of a statistic of row numbers, resampling leads with both outcomes."""
    random = np.random.default_rng(seed)
    values = []
    for _ in range(DRAWS):
        rows = random.integers(len(y), size=len(y))
        if 0 < y[rows].sum() < len(rows):
            values.append(statistic(rows))
    if not values:
        return float("nan"), float("nan")
    low, high = np.quantile(values, span)
    return float(low), float(high)


def recalibrate(score: Floats, y: Floats, other: Floats) -> Floats:
    """Return probabilities for `other` by a logistic curve of scores fitted on outcomes."""
    scale = float(score.std()) or 1.0
    design = Design(((score - score.mean()) / scale)[:, None], None, np.zeros(1, int), np.ones(1))
    fit = fit_map(design, y, np.ones(len(y)), np.array([1e-3]))
    p: Floats = expit(fit.intercept + fit.b[0] * (other - score.mean()) / scale)
    return p


def auc_gain(y: Floats, ours: Floats, theirs: Floats) -> tuple[float, float, float]:
    """Return (gain in AUC, lower, upper) at two-sided 95 % for paired rankings (DeLong 1988)."""
    won, lost = y == 1, y == 0
    m, n = int(won.sum()), int(lost.sum())
    parts = []
    for ranking in (ours, theirs):
        all_ranks, own = _ranks(ranking), ranking
        of_won = (all_ranks[won] - _ranks(own[won])) / n
        of_lost = 1 - (all_ranks[lost] - _ranks(own[lost])) / m
        parts.append((of_won, of_lost))
    gain = float(parts[0][0].mean() - parts[1][0].mean())
    variance = 0.0
    for side, size in ((0, m), (1, n)):
        if size > 1:
            variance += float(np.var(parts[0][side] - parts[1][side], ddof=1)) / size
    margin = 1.96 * np.sqrt(variance)
    return gain, gain - margin, gain + margin


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def verdict(
    y: Floats,
    ours: Floats,
    live: Floats,
    live_p: Floats,
    base_rate: float,
    n: int,
    won: int,
    gain_z: float,
    ranking: Floats | None = None,
) -> str:
    """Return `propose`, `keep` or `too_few` from predictions of leads that were not learned from.

    `ours` are probabilities (n,); `live` the scores of the live model and `live_p` these
    recalibrated on the training leads; `base_rate` the training leads' share won; `n` and `won`
    count the training outcomes, `gain_z` is by how many standard errors predictions of training
    leads that a fit had not seen beat the base rate. `ranking` (n,) orders the leads where `ours`
    were only fitted to it. Proposed is what beats the live model in AUC
    (two-sided 95 %) and in log loss both it and the base rate, and surely beat the base rate
    before: any one of these alone claims gains on noise.
    """
    from sklearn.metrics import log_loss  # late: scikit-learn costs each process 40 MB

    if n < LEAST_OUTCOMES or min(won, n - won) < LEAST_OF_EACH:
        return "too_few"
    if not 0 < y.sum() < len(y) or gain_z < LEAST_GAIN_Z:
        return "keep"
    _, lower, _ = auc_gain(y, ours if ranking is None else ranking, live)
    losses = [
        float(log_loss(y, p, labels=[0, 1])) for p in (ours, live_p, np.full(len(y), base_rate))
    ]
    return "propose" if lower > 0 and losses[0] < min(losses[1:]) else "keep"
