"""MAP logistic regression: weights under a Gaussian prior, its strength, and intervals.

The log-odds of n leads are `intercept + design · coefficients`. A design is either a dense matrix
of given signals or the one-hot levels of fields times a small basis, so that a thousand levels
cost no more than the fields they belong to.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.special import expit

from scoring.features import Floats, Ints

CHUNK = 65_536  # rows of a dense design weighted at a time
FIRST_ROWS = 32_768  # on which the fit of many more leads starts
MOST_STEPS = 50
KEPT_STEPS = 6  # after which the Hessian of a part is replaced by one of all leads
TOLERANCE = 1e-8  # of the objective, relative to the number of outcomes


@dataclass(frozen=True)
class Design:
    """`cells` (n, k) times `basis` (k, p) is the matrix of p coefficients; basis None is identity.

    `field_of` (p,) numbers the field of each coefficient and `copies` (p,) multiplies its
    precision, so that a field that stands there twice counts once.
    """

    cells: Floats | scipy.sparse.csr_matrix
    basis: Floats | None
    field_of: Ints
    copies: Floats

    @property
    def n(self) -> int:
        """The number of leads."""
        return int(self.cells.shape[0])

    @property
    def p(self) -> int:
        """The number of coefficients, without the intercept."""
        return len(self.field_of)

    def take(self, rows: Ints) -> "Design":
        """Return the design of some of the leads."""
        return replace(self, cells=self.cells[rows])

    def log_odds(self, intercept: float, b: Floats) -> Floats:
        """Return the log-odds, shape (n,)."""
        effects = b if self.basis is None else self.basis @ b
        if not isinstance(self.cells, np.ndarray):
            return intercept + np.asarray(self.cells @ effects).ravel()
        # By blocks and in the precision of the matrix, so that no copy of it is made.
        effects = effects.astype(self.cells.dtype)
        found = np.full(self.n, intercept, dtype=np.float64)
        for start in range(0, self.n, CHUNK):
            found[start : start + CHUNK] += self.cells[start : start + CHUNK] @ effects
        return found

    def gradient(self, residual: Floats) -> Floats:
        """Return residual · [1, design], shape (1 + p,)."""
        if isinstance(self.cells, np.ndarray):
            cells, like = np.zeros(self.cells.shape[1]), residual.astype(self.cells.dtype)
            for start in range(0, self.n, CHUNK):
                cells += like[start : start + CHUNK] @ self.cells[start : start + CHUNK]
        else:
            cells = np.asarray(self.cells.T @ residual).ravel()
        return np.concatenate(
            [[residual.sum()], cells if self.basis is None else self.basis.T @ cells]
        )

    def gram(self, weights: Floats) -> Floats:
        """Return [1, design]ᵀ diag(weights) [1, design], shape (1 + p, 1 + p)."""
        if not isinstance(self.cells, np.ndarray):
            inner = _sparse_gram(self.cells, weights)
            edge = np.asarray(self.cells.T @ weights).ravel()
        else:
            inner = np.zeros((self.cells.shape[1],) * 2)
            edge = np.zeros(self.cells.shape[1])
            for start in range(0, self.n, CHUNK):
                block = self.cells[start : start + CHUNK].astype(np.float64, copy=False)
                w = weights[start : start + CHUNK]
                weighted = block * w[:, None]
                inner += block.T @ weighted
                edge += weighted.sum(axis=0)
        if self.basis is not None:
            inner, edge = self.basis.T @ inner @ self.basis, self.basis.T @ edge
        whole = np.empty((self.p + 1, self.p + 1))
        whole[0, 0], whole[0, 1:], whole[1:, 0], whole[1:, 1:] = weights.sum(), edge, edge, inner
        return whole


def _sparse_gram(cells: scipy.sparse.csr_matrix, weights: Floats) -> Floats:
    """Return cellsᵀ diag(weights) cells, dense; `cells` holds ones."""
    counts = np.diff(cells.indptr)
    if counts.min() < counts.max():
        values = cells.data * np.repeat(weights, counts)
        weighted = scipy.sparse.csr_matrix((values, cells.indices, cells.indptr), cells.shape)
        product: Floats = (cells.T @ weighted).toarray()
        return product
    # Each lead has one cell of each field, so counting pairs of cells is several times faster.
    codes = cells.indices.reshape(len(weights), -1).astype(np.int64)
    low, width = codes.min(axis=0), np.ptp(codes, axis=0) + 1
    codes = np.ascontiguousarray((codes - low).T)
    found = np.zeros((cells.shape[1],) * 2)
    for f in range(len(codes)):
        rows = slice(low[f], low[f] + width[f])
        for g in range(f, len(codes)):
            pairs = np.bincount(codes[f] * width[g] + codes[g], weights, width[f] * width[g])
            block = pairs.reshape(width[f], width[g])
            columns = slice(low[g], low[g] + width[g])
            found[rows, columns] = block
            found[columns, rows] = block.T
    return found


@dataclass(frozen=True)
class Fit:
    """A fitted model. `curvature` (1 + p, 1 + p) is the Hessian, `loss` the summed log loss.

    Of many leads the Hessian is that of a part of them at its mode, brought to their number.
    """

    intercept: float
    b: Floats
    curvature: Floats = field(repr=False)
    loss: float
    precision: Floats

    def log_odds(self, design: Design) -> Floats:
        """Return the log-odds of the leads of a design."""
        return design.log_odds(self.intercept, self.b)


def fit_map(
    design: Design,
    y: Floats,
    weights: Floats,
    precision: Floats,
    centre: Floats | None = None,
    start: Fit | None = None,
) -> Fit:
    """Return the posterior mode under b ~ N(centre, 1 / precision), the intercept free.

    `y` (n,) is 0 or 1 and holds both, `weights` (n,) is positive, `precision` (p,) is positive.
    Newton's method with halved steps; the objective is convex, so the mode is the only one. Many
    leads start from the mode of a part of them and keep its Hessian, which differs from theirs by
    little: a pass over all then costs two products with the matrix, and three or four are enough.
    """
    many = len(y) > 4 * FIRST_ROWS
    if start is None and many:
        part = np.linspace(0, len(y) - 1, FIRST_ROWS).astype(np.int64)
        if 0 < y[part].sum() < FIRST_ROWS:
            scaled = weights[part] * (weights.sum() / weights[part].sum())
            start = fit_map(design.take(part), y[part], scaled, precision, centre)
    centre = np.zeros(design.p) if centre is None else centre
    base = float(weights @ y / weights.sum())
    theta = np.concatenate([[np.log(base / (1 - base))], centre])
    if start is not None:
        theta = np.concatenate([[start.intercept], start.b])
    penalty = np.concatenate([[0.0], precision])
    origin = np.concatenate([[0.0], centre])

    def objective(at: Floats) -> tuple[float, float, Floats]:
        eta = design.log_odds(at[0], at[1:])
        loss = float(weights @ (np.logaddexp(0.0, eta) - y * eta))
        return loss + 0.5 * float(penalty @ (at - origin) ** 2), loss, eta

    value, loss, eta = objective(theta)

    def hessian(p: Floats) -> Floats:
        found = design.gram(weights * p * (1 - p))
        found[np.diag_indices_from(found)] += penalty
        # A vanishing curvature of the intercept (all p at 0 or 1) must not stop it.
        found[0, 0] += 1e-9
        return found

    # That of a sparse design costs as much as many passes, so a neighbour's is used too.
    keeps = start is not None and (many or not isinstance(design.cells, np.ndarray))
    slack = TOLERANCE * float(weights.sum())
    for number in range(MOST_STEPS):
        p = expit(eta)
        slope = design.gradient(weights * (p - y)) + penalty * (theta - origin)
        if start is not None and keeps and number % KEPT_STEPS < KEPT_STEPS - 1:
            curvature = start.curvature.copy()
            curvature[np.diag_indices_from(curvature)] += np.append(
                0.0, precision - start.precision
            )
        else:
            curvature = hessian(p)
        step = scipy.linalg.solve(curvature, slope, assume_a="pos")
        length = 1.0
        while True:
            new_value, new_loss, new_eta = objective(theta - length * step)
            if new_value <= value + 1e-12 * abs(value) or length < 1e-6:
                break
            length /= 2
        gained = value - new_value
        theta, value, loss, eta = theta - length * step, new_value, new_loss, new_eta
        if gained < slack:
            break
    if keeps and not many:
        curvature = hessian(expit(eta))
    return Fit(float(theta[0]), theta[1:], curvature, loss, precision)


def log_evidence(fit: Fit, centre: Floats | None = None) -> float:
    """Return the log marginal likelihood by Laplace's method, up to a constant."""
    away = fit.b if centre is None else fit.b - centre
    _, log_det = np.linalg.slogdet(fit.curvature)
    penalty = 0.5 * float(fit.precision @ away**2)
    return -fit.loss - penalty + 0.5 * float(np.log(fit.precision).sum()) - 0.5 * float(log_det)
