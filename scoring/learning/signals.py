"""Suggested signals: from past leads alone, at most 40 readable lines with learned weights."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import expit

from scoring.features import Floats, Ints
from scoring.learning.design import Layout, build
from scoring.learning.drift import Recency, choose_recency, drift_notice
from scoring.learning.fit import fit_map
from scoring.learning.levels import Levels
from scoring.learning.merging import MOST_LINES, Grouped, merge
from scoring.learning.notices import Notice
from scoring.learning.pairs import Pair, find_pairs
from scoring.learning.projection import project
from scoring.learning.screening import SURE_Z, Screened, screen
from scoring.learning.shrinkage import FOLDS, Shrunk, folds, shift_to, shrink
from scoring.learning.table import Table

LEAST_FOR_PAIRS = 300  # outcomes
PAIR_ROWS = 20_000  # on which two-condition rules are looked for
# Leads that look alike and repeat one another: how many, as a share of all, on average alike, and
# by how many standard errors their outcomes agree.
LEAST_REPEATS, REPEATED, MOST_ALIKE, SURE_REPEATS = 20, 0.02, 10.0, 5.0
LEAST_GAIN_Z = 0.0  # of the out-of-fold gain in log loss by rules, in its standard errors


@dataclass(frozen=True)
class WeightedRule:
    """A two-condition rule with its log-odds and the number of leads that meet it."""

    pair: Pair
    effect: float
    count: int


@dataclass(frozen=True)
class Learned:
    """A learned model in log-odds: groups of levels, rules, intercept.

    `n` and `won` count the outcomes it was learned from; `muted` names levels of a field that
    give the outcome away and count as the field's average; `gain_z` is shrinkage.Shrunk's.
    """

    intercept: float
    fields: tuple[Grouped, ...]
    rules: tuple[WeightedRule, ...]
    n: int
    won: int
    strength: float
    gain_z: float
    recency: Recency
    muted: Mapping[str, Ints] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)


def learn_signals(
    table: Table,
    y: Floats,
    *,
    in_order: bool = False,
    seed: int = 0,
    weights: Floats | None = None,
    trusted: Collection[str] = (),
) -> Learned:
    """Learn signals and weights from n past leads with outcomes y (n,) of 0 and 1.

    `in_order` says that the rows are in order of time; then recent outcomes may weigh more,
    beyond what each counts by `weights` (n,). `trusted` names fields that may give the outcome
    away. Without any usable field the model is its intercept.
    """
    screened = screen(table, y, seed, trusted)
    if not screened.levels:
        return Learned(
            shift_to(np.zeros(len(y)), y, np.ones(len(y))),
            (),
            (),
            len(y),
            int(y.sum()),
            0.0,
            0.0,
            Recency(),
            {},
            screened.notices,
        )
    recency = Recency()
    if in_order:
        recency = choose_recency(table.only([v.field for v in screened.levels]), y)
    given = np.ones(len(y)) if weights is None else weights
    learned = _fit(screened, y, given, recency, seed)
    notice = drift_notice(y, recency) if in_order else None
    return replace(learned, notices=[*learned.notices, *([notice] if notice else [])])


def _fit(screened: Screened, y: Floats, given: Floats, recency: Recency, seed: int) -> Learned:
    levels = screened.levels
    weights = given * recency.weights(len(y))
    design, _ = build(levels)
    fitted = shrink(design, y, weights, seed)
    group = repeats(levels, y, fitted)
    if group is not None:
        fitted = shrink(design, y, weights, seed, group=group)
    pairs: list[Pair] = []
    if fitted.gain_z >= SURE_Z:  # fields that say nothing apart are no ground for rules
        pairs = _useful_pairs(levels, y, weights, fitted.strength, seed)
    by_name = {v.field: v for v in levels}
    design, layout = build(levels, [pair.holds_here(by_name) for pair in pairs])
    if pairs:
        fitted = shrink(design, y, weights, seed, group=group)
    assert design.basis is not None
    cells = design.basis @ fitted.b
    effects = _effects(levels, layout, cells, screened.muted)
    share = float(weights @ y / weights.sum())
    grouped = merge(levels, effects, share, MOST_LINES - len(pairs))
    rules = tuple(
        WeightedRule(pair, float(cells[layout.cells + i]), int(pair.holds_here(by_name).sum()))
        for i, pair in enumerate(pairs)
    )
    wanted = np.zeros(len(y))
    for field_levels, effect in zip(levels, effects, strict=True):
        wanted += np.append(effect, 0.0)[field_levels.codes]  # −1 is the last
    grouped = project([g for g in grouped if g.lines], wanted, by_name, weights, share)
    model = Learned(
        0.0,
        tuple(grouped),
        rules,
        len(y),
        int(y.sum()),
        fitted.strength,
        fitted.gain_z,
        recency,
        screened.muted,
        list(screened.notices),
    )
    return replace(model, intercept=recency.shift(_log_odds(model, by_name, len(y)), y, given))


def _effects(
    levels: Sequence[Levels], layout: Layout, cells: Floats, muted: dict[str, Ints]
) -> list[Floats]:
    """Return the log-odds of each level of each field, on average zero over the leads.

    A muted level took its share of the fit, and now counts as the average of the others.
    """
    found = []
    for number, field_levels in enumerate(levels):
        effect = cells[layout.offsets[number] : layout.offsets[number + 1]].copy()
        counts = field_levels.counts()
        silent = muted.get(field_levels.field, np.empty(0, dtype=np.int64))
        counts[silent] = 0
        effect -= counts @ effect / counts.sum()
        effect[silent] = 0.0
        found.append(effect)
    return found


def _log_odds(model: Learned, by_name: dict[str, Levels], n: int) -> Floats:
    """Return the log-odds of leads with known levels under the joined groups."""
    total = np.full(n, model.intercept)
    for grouped in model.fields:
        effect = np.zeros(len(grouped.levels.levels) + 1)  # the last cell is for "none holds"
        for members, value in zip(grouped.members, grouped.effects, strict=True):
            effect[list(members)] = value
        total += effect[by_name[grouped.levels.field].codes]
    for rule in model.rules:
        total += rule.effect * rule.pair.holds_here(by_name)
    return total


def repeats(levels: Sequence[Levels], y: Floats, fitted: Shrunk) -> Ints | None:
    """Return a number for each lead (n,), the same for those that look alike, where these repeat
    one another: their outcomes agree far more often than predictions of unseen leads tell. None
    where they do not, or look alike since there is little to tell them apart by.
    """
    if fitted.unseen is None:
        return None
    group = np.zeros(len(y), dtype=np.int64)
    for field_levels in levels:
        codes = field_levels.codes + 1
        group = np.unique(group * (int(codes.max()) + 1) + codes, return_inverse=True)[1]
    size = np.bincount(group)
    alike = size[size > 1]
    if alike.sum() < max(LEAST_REPEATS, REPEATED * len(y)) or alike.mean() > MOST_ALIKE:
        return None
    seen, p = group[fitted.rows], expit(fitted.unseen)
    off, spread = y[fitted.rows] - p, p * (1 - p)
    # Of all pairs of leads that look alike: what both were off, against what it is by chance.
    both = (np.bincount(seen, off) ** 2 - np.bincount(seen, off**2)).sum()
    chance = 2 * (np.bincount(seen, spread) ** 2 - np.bincount(seen, spread**2)).sum()
    return group if both > SURE_REPEATS * np.sqrt(chance) else None


def _useful_pairs(
    levels: Sequence[Levels], y: Floats, weights: Floats, strength: float, seed: int
) -> list[Pair]:
    """Return two-condition rules, if such rules lower the log loss of leads they were not found on.

    The search is repeated within each fold, so the gain is that of searching, not of one rule.
    """
    if len(y) < LEAST_FOR_PAIRS or len(levels) < 2:
        return []
    rows = np.arange(len(y))
    if len(y) > PAIR_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(len(y), PAIR_ROWS, replace=False))
        levels = [v.take(rows) for v in levels]
        y, weights = y[rows], weights[rows]
    if min(y.sum(), len(y) - y.sum()) < FOLDS:
        return []
    halves = np.random.default_rng(seed + 1).permutation(len(y)) % 2
    fold_of = folds(y, seed + 2)
    gain = np.zeros(len(y))
    for fold in range(int(fold_of.max()) + 1):
        there, here = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        inside = [v.take(there) for v in levels]
        outside = {v.field: v.take(here) for v in levels}
        plain, with_rules = [
            _predict(inside, outside, pairs, y[there], weights[there], strength)
            for pairs in (
                [],
                _search(inside, y[there], weights[there], strength, halves[there]),
            )
        ]
        gain[here] = _loss(y[here], plain) - _loss(y[here], with_rules)
    gain *= weights
    if gain.sum() <= LEAST_GAIN_Z * np.sqrt(len(gain)) * gain.std():
        return []
    return _search(levels, y, weights, strength, halves)


def _search(
    levels: Sequence[Levels], y: Floats, weights: Floats, strength: float, halves: Ints
) -> list[Pair]:
    design, _ = build(levels)
    fit = fit_map(design, y, weights, np.full(design.p, strength))
    return find_pairs(levels, fit.log_odds(design), y, weights, halves)


def _predict(
    inside: Sequence[Levels],
    outside: dict[str, Levels],
    pairs: Sequence[Pair],
    y: Floats,
    weights: Floats,
    strength: float,
) -> Floats:
    """Return log-odds of the leads outside by a fit on those inside."""
    here = {v.field: v for v in inside}
    design, _ = build(inside, [pair.holds_here(here) for pair in pairs])
    fit = fit_map(design, y, weights, np.full(design.p, strength))
    other, _ = build(
        [outside[v.field] for v in inside], [pair.holds_here(outside) for pair in pairs]
    )
    return replace(other, basis=design.basis).log_odds(fit.intercept, fit.b)


def _loss(y: Floats, log_odds: Floats) -> Floats:
    loss: Floats = np.logaddexp(0.0, log_odds) - y * log_odds
    return loss
