"""How sure a weight is: intervals from a weak prior with a sandwich covariance."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.special import expit

from scoring.features import Floats
from scoring.learning.fit import Design, fit_map

WEAK = 0.25  # precision of the prior, so a weight stays finite when its value always wins
COVER = 0.90


@dataclass(frozen=True)
class Intervals:
    """Estimates of p weights in log-odds with their 90 % bounds, each (p,)."""

    estimate: Floats
    low: Floats
    high: Floats


def weight_intervals(x: Floats, y: Floats, weights: Floats, precision: float = WEAK) -> Intervals:
    """Return intervals of the weights of given signals x (n, p), 0 … 1, all known.

    The sandwich holds for outcomes weighed by recency, whose log-likelihood is no likelihood:
    A⁻¹ B A⁻¹, A the curvature and B the squared gradients, each row's by its leverage (HC2).
    """
    design = Design(x, None, np.arange(x.shape[1]), np.ones(x.shape[1]))
    fit = fit_map(design, y, weights, np.full(x.shape[1], precision))
    p = expit(fit.log_odds(design))
    full = np.column_stack([np.ones(len(y)), x])
    bread = np.linalg.inv(fit.curvature)
    leverage = weights * p * (1 - p) * np.einsum("ij,jk,ik->i", full, bread, full, optimize=True)
    residual = weights * (y - p) / np.sqrt(np.clip(1 - leverage, 0.05, 1.0))
    meat = (full * residual[:, None] ** 2).T @ full
    # Rounding may leave the variance of a value that nobody has below zero.
    spread = np.sqrt(np.maximum(np.diag(bread @ meat @ bread), 0.0))[1:]
    # A value that always won or always lost shows no residuals; the prior's own spread is left.
    spread = np.maximum(spread, np.sqrt(np.diag(bread))[1:] * 0.5)
    reach = NormalDist().inv_cdf(0.5 + COVER / 2) * spread
    return Intervals(fit.b, fit.b - reach, fit.b + reach)
