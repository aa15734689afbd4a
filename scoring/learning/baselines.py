"""What the learner is measured against: logistic regression, weight of evidence, Odoo, boosting.

Each takes the training leads, their outcomes and other leads, and returns probabilities of these.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.sparse import csr_array, hstack
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from scoring.features import Floats, Ints
from scoring.learning.table import Column, Table

Baseline = Callable[[Table, Floats, Table], Floats]

WOE_BINS = 10
ODOO_SEED = 0.1  # added once to each count, against zero frequencies
ODOO_CLAMP = (0.0001, 0.9999)
MOST_CATEGORIES = 250  # that boosting takes apart
BOOSTING = {"max_iter": 100, "learning_rate": 0.05, "max_leaf_nodes": 8, "min_samples_leaf": 20}


def logistic_regression(train: Table, y: Floats, other: Table) -> Floats:
    """Plain logistic regression (C = 1): standardised numbers, a column for each value."""
    model = LogisticRegression(max_iter=2000)
    model.fit(_matrix(train, train), y)
    return _won(model, _matrix(other, train))


def weight_of_evidence(train: Table, y: Floats, other: Table) -> Floats:
    """A credit scorecard: weights of evidence of ten bins or of values, then a regression."""
    inside, outside = [], []
    for name, column in train.columns.items():
        codes, k = _bins(column, column)
        won = np.bincount(codes, y, k) + 0.5
        lost = np.bincount(codes, 1 - y, k) + 0.5
        evidence = np.log(won / won.sum()) - np.log(lost / lost.sum())
        evidence[np.bincount(codes, minlength=k) == 0] = 0.0
        inside.append(evidence[codes])
        outside.append(evidence[_bins(other.columns[name], column)[0]])
    model = LogisticRegression(max_iter=2000)
    model.fit(np.column_stack(inside), y)
    return _won(model, np.column_stack(outside))


def odoo(train: Table, y: Floats, other: Table) -> Floats:
    """Odoo's predictive lead scoring, re-stated from its description: naive Bayes on strings.

    Every value counts as its own string, numbers too; a value that is not filled in or was never
    seen is no evidence; 0.1 is added once to the counts of a value; the result stays within
    0.01 and 99.99 %. Stages are left out, since they tell the outcome.
    """
    log_won = np.full(other.n, np.log(y.mean()))
    log_lost = np.full(other.n, np.log(1 - y.mean()))
    for name, column in train.columns.items():
        inside, outside, k = _strings(column, other.columns[name])
        known = inside >= 0
        won = np.bincount(inside[known], y[known], k)
        lost = np.bincount(inside[known], 1 - y[known], k)
        seen = won + lost > 0
        won, lost = np.where(seen, won + ODOO_SEED, 0), np.where(seen, lost + ODOO_SEED, 0)
        rows = np.flatnonzero(outside >= 0)
        rows = rows[seen[outside[rows]]]
        log_won[rows] += np.log(won[outside[rows]] / won.sum())
        log_lost[rows] += np.log(lost[outside[rows]] / lost.sum())
    return np.clip(expit(log_won - log_lost), *ODOO_CLAMP)


def boosting(train: Table, y: Floats, other: Table) -> Floats:
    """Gradient-boosted trees, which see interactions that points cannot."""
    filled = [name for name, column in train.columns.items() if not column.missing.all()]
    if not filled:
        return np.full(other.n, float(y.mean()))
    train, other = train.only(filled), other.only(filled)
    categorical = [column.codes is not None for column in train.columns.values()]
    model = HistGradientBoostingClassifier(
        **BOOSTING, categorical_features=categorical, random_state=0
    )
    model.fit(_plain(train), y)
    return _won(model, _plain(other))


BASELINES: Mapping[str, Baseline] = {
    "logistic regression": logistic_regression,
    "weight of evidence": weight_of_evidence,
    "Odoo": odoo,
    "boosting": boosting,
}


def _won(
    model: LogisticRegression | HistGradientBoostingClassifier, x: Floats | csr_array
) -> Floats:
    p: Floats = model.predict_proba(x)[:, 1]
    return p


def _matrix(table: Table, reference: Table) -> csr_array:
    """Return columns for a regression; what is frequent or average is the reference's to say.

    Sparse, since a field of many values has as many columns.
    """
    columns = []
    for name, column in table.columns.items():
        known = reference.columns[name]
        if column.codes is not None and known.codes is not None:
            columns.append(_one_hot(column.codes, np.unique(known.codes)))
        elif column.numbers is not None and known.numbers is not None:
            middle = 0.0 if known.missing.all() else float(np.nanmedian(known.numbers))
            filled = np.where(known.missing, middle, known.numbers)
            here = np.where(column.missing, middle, column.numbers)
            columns.append(csr_array(((here - filled.mean()) / (filled.std() or 1.0))[:, None]))
            if known.missing.any():
                columns.append(csr_array(column.missing[:, None].astype(float)))
    return csr_array(hstack(columns))


def _one_hot(codes: Ints, values: Ints) -> csr_array:
    """Return a column for each of `values`, which are sorted."""
    place = np.minimum(np.searchsorted(values, codes), len(values) - 1)
    rows = np.flatnonzero(values[place] == codes)
    return csr_array(
        (np.ones(len(rows)), (rows, place[rows])), shape=(len(codes), len(values)), dtype=float
    )


def _bins(column: Column, reference: Column) -> tuple[Ints, int]:
    if column.codes is not None:
        return np.where(column.codes < 0, len(column.values), column.codes), len(column.values) + 1
    assert column.numbers is not None
    assert reference.numbers is not None
    edges = np.empty(0)
    if not reference.missing.all():
        edges = np.unique(np.nanquantile(reference.numbers, np.arange(1, WOE_BINS) / WOE_BINS))
    codes = np.searchsorted(edges, column.numbers, side="left")
    return np.where(column.missing, len(edges) + 1, codes), len(edges) + 2


def _strings(column: Column, other: Column) -> tuple[Ints, Ints, int]:
    """Return two columns as codes of their different values, −1 missing, and how many there are."""
    if column.codes is not None and other.codes is not None:
        return column.codes, other.codes, len(column.values)
    assert column.numbers is not None
    assert other.numbers is not None
    both = np.concatenate([column.numbers, other.numbers])
    values = np.unique(both[~np.isnan(both)])
    codes = np.where(np.isnan(both), -1, np.searchsorted(values, both))
    return codes[: len(column.numbers)], codes[len(column.numbers) :], max(1, len(values))


def _plain(table: Table) -> Floats:
    columns = []
    for column in table.columns.values():
        if column.codes is not None:
            few = (column.codes >= 0) & (column.codes < MOST_CATEGORIES)
            columns.append(np.where(few, column.codes, np.nan))
        else:
            assert column.numbers is not None
            columns.append(column.numbers)
    return np.column_stack(columns)
