"""How strongly weights are drawn to their prior: Laplace evidence, averaging, a variance per field.

Below 2,000 outcomes the fits of all strengths are averaged, each stretched by its out-of-fold
slope: strong shrinkage ranks best and alone is miscalibrated.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from scoring.features import Floats, Ints
from scoring.learning.fit import Design, Fit, fit_map, log_evidence

STRENGTHS = 2.0 ** np.arange(9)  # λ = 1 … 256
FEW = 2_000  # outcomes below which fits are averaged
MOST_ROWS = 50_000  # on which strengths are chosen
FOLDS = 5
FIELD_ROUNDS = 6
FIELD_RANGE = (0.05, 4096.0)  # of a field's precision: times the common one, and at most
MOST_STRETCH = 10.0
STRETCH_PRIOR = 1.0


@dataclass(frozen=True)
class Shrunk:
    """Chosen weights: `b` (p,) and the intercept; `strength` is the likeliest common λ.

    `gain_z` says by how many standard errors predictions of leads that a fit had not seen beat the
    constant base rate in log loss; `unseen` are these, in log-odds, of the leads `rows`.
    """

    intercept: float
    b: Floats
    strength: float
    gain_z: float
    rows: Ints
    unseen: Floats | None


def shrink(
    design: Design,
    y: Floats,
    weights: Floats,
    seed: int,
    centre: Floats | None = None,
    group: Ints | None = None,
) -> Shrunk:
    """Return weights whose prior strength was chosen on the outcomes themselves.

    `centre` (p,) is what the weights are drawn to, zero when there is no live model. Leads of one
    `group` (n,) are no evidence for each other: none is predicted by another, and where outcomes
    are many, the weights are what such predictions bear out.
    """
    rows = _sample(len(y), seed)
    group_part = None if group is None else np.unique(group[rows], return_inverse=True)[1]
    part, y_part, w_part = design.take(rows), y[rows], weights[rows]
    # A sample stands for all leads: each of its rows counts for as many.
    w_part = w_part * (weights.sum() / w_part.sum())
    path = fit_path(part, y_part, w_part, centre)
    evidence = [log_evidence(fit, centre) for fit in path]
    best = int(np.argmax(evidence))
    strength = float(STRENGTHS[best])
    by_field = fit_by_field(part, y_part, w_part, strength, path[best], centre)
    few_of_one = min(y.sum(), len(y) - y.sum()) < FOLDS
    if len(y) >= FEW or few_of_one:
        if len(rows) < len(y):
            # The choice was made on a sample, the fit is made on all.
            plain = fit_map(design, y, weights, strength * design.copies, centre, path[best])
            by_field = fit_map(design, y, weights, by_field.precision, centre, by_field)
        else:
            plain = path[best]
        b = (plain.b + by_field.b) / 2
        if few_of_one:
            return Shrunk(intercept_of(design, b, y, weights), b, strength, 0.0, rows, None)
        unseen = _unseen(part, y_part, w_part, plain, by_field, seed, group_part)
        if group is not None and centre is None:
            b = b * min(1.0, _stretch(unseen - unseen.mean(), np.zeros(len(rows)), y_part, w_part))
        gain = gain_z(unseen, y_part, w_part)
        return Shrunk(intercept_of(design, b, y, weights), b, strength, gain, rows, unseen)
    origin = np.zeros(design.p) if centre is None else centre
    unseen = np.empty((len(STRENGTHS) + 1, len(y)))
    fold_of = folds(y, seed, group)
    for fold in range(FOLDS):
        here, there = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        inside = design.take(there)
        fits = fit_path(inside, y[there], weights[there], centre)
        best_inside = int(np.argmax([log_evidence(fit, centre) for fit in fits]))
        own = fit_by_field(
            inside, y[there], weights[there], STRENGTHS[best_inside], fits[best_inside], centre
        )
        for index, fit in enumerate([*fits, own]):
            unseen[index, here] = fit.log_odds(design.take(here))
    prior = design.log_odds(0.0, origin)
    stretched = [
        origin + _stretch(unseen[index] - prior, prior, y, weights) * (fit.b - origin)
        for index, fit in enumerate(path)
    ]
    b = (np.mean(stretched, axis=0) + by_field.b) / 2
    out_of_fold = (unseen[:-1].mean(axis=0) + unseen[-1]) / 2
    gain = gain_z(out_of_fold, y, weights)
    return Shrunk(intercept_of(design, b, y, weights), b, strength, gain, rows, out_of_fold)


def gain_z(unseen: Floats, y: Floats, weights: Floats) -> float:
    """Return by how many standard errors unseen log-odds (n,) beat the constant base rate.

    The log-odds are stretched to their best slope first, so that only their order is judged.
    """
    share = float(weights @ y / weights.sum())
    stretched = _stretch(unseen - unseen.mean(), np.zeros(len(y)), y, weights) * unseen
    stretched = stretched + shift_to(stretched, y, weights)
    constant = np.full(len(y), np.log(share / (1 - share)))
    gain = weights * (_loss(y, constant) - _loss(y, stretched))
    spread = float(gain.std()) * float(np.sqrt(len(y)))
    return float(gain.sum()) / spread if spread > 0 else 0.0


def _loss(y: Floats, log_odds: Floats) -> Floats:
    loss: Floats = np.logaddexp(0.0, log_odds) - y * log_odds
    return loss


def _unseen(
    design: Design,
    y: Floats,
    weights: Floats,
    plain: Fit,
    by_field: Fit,
    seed: int,
    group: Ints | None = None,
) -> Floats:
    """Return log-odds of leads by fits, as strong as the two given, that did not see them."""
    unseen = np.empty(len(y))
    fold_of = folds(y, seed, group)
    for fold in range(FOLDS):
        here, there = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        inside, outside = design.take(there), design.take(here)
        fits = [
            fit_map(inside, y[there], weights[there], fit.precision, start=fit)
            for fit in (plain, by_field)
        ]
        unseen[here] = sum(fit.log_odds(outside) for fit in fits) / 2
    return unseen


def fit_path(design: Design, y: Floats, weights: Floats, centre: Floats | None = None) -> list[Fit]:
    """Return the fits of all strengths, weakest first; each starts from its stronger neighbour."""
    fits: list[Fit] = []
    for strength in STRENGTHS[::-1]:
        start = fits[-1] if fits else None
        fits.append(fit_map(design, y, weights, strength * design.copies, centre, start))
    return fits[::-1]


def fit_by_field(
    design: Design,
    y: Floats,
    weights: Floats,
    strength: float,
    start: Fit,
    centre: Floats | None = None,
) -> Fit:
    """Return the fit with a precision of its own for each field.

    λ_f = (γ_f + 2) / (|b_f|² + 2/λ) with γ_f = p_f − λ_f · tr S_f, S the posterior covariance:
    the evidence's own update (MacKay 1992) under a prior worth two weights of the common strength.
    """
    field_of, m = design.field_of, int(design.field_of.max()) + 1
    counts = np.bincount(field_of, minlength=m)
    own = np.full(m, strength)
    fit = start
    low, high = FIELD_RANGE
    for _ in range(FIELD_ROUNDS):
        fit = fit_map(design, y, weights, own[field_of] * design.copies, centre, fit)
        away = fit.b if centre is None else fit.b - centre
        variance = np.diag(np.linalg.inv(fit.curvature))[1:]
        trace = np.bincount(field_of, variance * design.copies, m)
        size = np.bincount(field_of, away**2 * design.copies, m)
        own = np.clip(
            (counts - own * trace + 2) / (size + 2 / strength), low * strength, max(high, strength)
        )
    return fit


def folds(y: Floats, seed: int, group: Ints | None = None) -> Ints:
    """Return a fold for each lead, the outcomes spread evenly, (n,); each group (n,) whole."""
    if group is not None:
        won = np.bincount(group, y) / np.maximum(1, np.bincount(group))
        by_group: Ints = folds((won > 0.5).astype(np.float64), seed)[group]
        return by_group
    random = np.random.default_rng(seed)
    fold = np.empty(len(y), dtype=np.int64)
    for outcome in (0, 1):
        members = random.permutation(np.flatnonzero(y == outcome))
        fold[members] = (np.arange(len(members)) + random.integers(FOLDS)) % FOLDS
    return fold


def intercept_of(design: Design, b: Floats, y: Floats, weights: Floats) -> float:
    """Return the intercept with which the mean probability equals the share won."""
    return shift_to(design.log_odds(0.0, b), y, weights)


def shift_to(log_odds: Floats, y: Floats, weights: Floats) -> float:
    """Return what to add to log-odds so that they predict the share won on the whole."""
    target = float(weights @ y / weights.sum())
    low, high = -40.0 - float(log_odds.max()), 40.0 - float(log_odds.min())
    for _ in range(80):
        middle = (low + high) / 2
        if float(weights @ expit(log_odds + middle)) / float(weights.sum()) < target:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _stretch(away: Floats, prior: Floats, y: Floats, weights: Floats) -> float:
    """Return the slope at which unseen log-odds (beyond the prior's) predict best, in [0, 10]."""
    scale = float(away.std())
    if scale < 1e-9:
        return 1.0
    columns = np.stack([away / scale, prior], axis=1)
    design = Design(columns, None, np.arange(2), np.ones(2))
    # What the prior says keeps its slope of one.
    precision = np.array([STRETCH_PRIOR, 1e6])
    fit = fit_map(design, y, weights, precision, np.array([0.0, 1.0]))
    return float(np.clip(fit.b[0] / scale, 0.0, MOST_STRETCH))


def _sample(n: int, seed: int) -> Ints:
    if n <= MOST_ROWS:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, MOST_ROWS, replace=False))
