"""Outcomes that change with time: how fast old ones fade, and how far the base rate has moved.

Both are chosen on the past alone: a model of the leads before a block predicts the block.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scoring.features import Floats, Ints
from scoring.learning.design import build
from scoring.learning.fit import fit_map, log_evidence
from scoring.learning.levels import least_support, make_levels
from scoring.learning.notices import Notice
from scoring.learning.shrinkage import fit_path, shift_to
from scoring.learning.table import Table

MOST_BLOCKS, LEAST_BLOCKS = 10, 4
LEAST_IN_BLOCK, LEAST_OF_EACH = 40, 10  # leads, and outcomes of the rarer kind
MOST_ROWS = 50_000  # the latest ones, on which the half-life is chosen
HALF_LIVES: tuple[float | None, ...] = (None, 1.0, 0.5, 0.25, 0.125, 0.0625)  # of all outcomes
LEVELS = (None, 50.0, 100.0, 200.0, 400.0)  # half-lives of the intercept, in outcomes
STEP_SHARE, MOST_STEP = 0.5, 1.0
LEAST_Z = 1.0  # of a gain in log loss, in its standard errors
SURE = 0.001  # of the chance that blocks alike in truth differ as much
LEAST_RANGE = 0.05  # between win rates of blocks that is worth a word


@dataclass(frozen=True)
class Recency:
    """How fast outcomes fade, in outcomes: `half_life` for all weights, None when old ones count
    in full; `level` for the intercept, None when it fades as they do; `step` moves it further.

    How often leads are won moves sooner than which of them are, and few outcomes show it.
    """

    half_life: float | None = None
    step: float = 0.0
    level: float | None = None

    def weights(self, n: int) -> Floats:
        """Return the weight of n outcomes in order of time, the newest 1."""
        return _faded(n, self.half_life)

    def shift(self, log_odds: Floats, y: Floats, weights: Floats) -> float:
        """Return what to add to log-odds (n,) for leads to come; `weights` are without fading."""
        fading = self.half_life if self.level is None else self.level
        return shift_to(log_odds, y, weights * _faded(len(y), fading)) + self.step


def _faded(n: int, half_life: float | None) -> Floats:
    if half_life is None:
        return np.ones(n)
    faded: Floats = np.exp2(-np.arange(n)[::-1] / half_life)
    return faded


def choose_recency(table: Table, y: Floats) -> Recency:
    """Return the half-life and the step for n leads in order of time with outcomes y (n,).

    Without a clear gain on past blocks old outcomes count in full and the intercept stays.
    """
    start = max(0, len(y) - MOST_ROWS)
    rows = np.arange(start, len(y))
    table, y = table.take(rows), y[rows]
    blocks = _blocks(y)
    if len(blocks) < LEAST_BLOCKS:
        return Recency()
    first = len(blocks) // 2
    seen = blocks[first:]
    lives = [None if share is None else share * len(y) for share in HALF_LIVES]
    # A level that fades more slowly than the weights would be no level of its own.
    ways = [
        Recency(life, level=level)
        for life in lives
        for level in LEVELS
        if level is None or life is None or level < life
    ]
    predicted = [_predict(table, y, block, ways) for block in seen]
    truth = np.concatenate([y[block] for block in seen])
    losses = [
        _loss(truth, np.concatenate([by_way[i] for by_way in predicted])) for i in range(len(ways))
    ]
    best = min(range(len(ways)), key=lambda i: losses[i].sum())
    if _clear(losses[0] - losses[best]):
        # Of the ways that are hardly worse, one whose weights fade least: what there is to learn
        # from shrinks with the half-life, and the best of so many is best by chance too.
        good = [i for i in range(len(ways)) if not _clear(losses[i] - losses[best])]
        best = min(good, key=lambda i: (1 / (ways[i].half_life or np.inf), losses[i].sum()))
    else:
        best = 0
    log_odds = [by_way[best] for by_way in predicted]
    steps = [_step(log_odds[i], y[block]) for i, block in enumerate(seen)]
    # Each step is tried on the block after the one that it was taken from.
    gain = np.concatenate(
        [
            _loss(y[block], log_odds[i + 1]) - _loss(y[block], log_odds[i + 1] + steps[i])
            for i, block in enumerate(seen[1:])
        ]
    )
    return replace(ways[best], step=steps[-1] if _clear(gain) else 0.0)


def _blocks(y: Floats) -> list[Ints]:
    rarer = min(float(y.sum()), float(len(y) - y.sum()))
    count = int(min(MOST_BLOCKS, len(y) // LEAST_IN_BLOCK, rarer // LEAST_OF_EACH))
    return np.array_split(np.arange(len(y)), count) if count else []


def _predict(table: Table, y: Floats, block: Ints, ways: Sequence[Recency]) -> list[Floats]:
    """Return log-odds of the leads of a block by models of the leads before, one a way to fade."""
    past = np.arange(block[0])
    if not 0 < y[past].sum() < len(past):
        return [np.zeros(len(block)) for _ in ways]
    before, here = table.take(past), table.take(block)
    levels = [make_levels(c, least_support(len(past))) for c in before.columns.values()]
    levels = [v for v in levels if len(v.levels) > 1]
    if not levels:
        inside, outside = np.zeros(len(past)), np.zeros(len(block))
        return [way.shift(inside, y[past], np.ones(len(past))) + outside for way in ways]
    design, _ = build(levels)
    other = build([v.on(here, here.types) for v in levels])[0]
    fits = fit_path(design, y[past], np.ones(len(past)))
    start = fits[int(np.argmax([log_evidence(fit) for fit in fits]))]
    found = []
    known: dict[float | None, tuple[Floats, Floats]] = {}
    for way in ways:
        if way.half_life not in known:
            fit = fit_map(design, y[past], way.weights(len(past)), start.precision, start=start)
            known[way.half_life] = (
                design.log_odds(0.0, fit.b),
                replace(other, basis=design.basis).log_odds(0.0, fit.b),
            )
        there, then = known[way.half_life]
        found.append(way.shift(there, y[past], np.ones(len(past))) + then)
    return found


def _step(log_odds: Floats, y: Floats) -> float:
    """Return half of what the intercept was off on a block, at most half of one."""
    if not 0 < y.sum() < len(y):
        return 0.0
    off = shift_to(log_odds, y, np.ones(len(y)))
    return STEP_SHARE * float(np.clip(off, -MOST_STEP, MOST_STEP))


def _loss(y: Floats, log_odds: Floats) -> Floats:
    loss: Floats = np.logaddexp(0.0, log_odds) - y * log_odds
    return loss


def _clear(gain: Floats) -> bool:
    spread = float(gain.std())
    return spread > 0 and float(gain.sum()) > LEAST_Z * spread * float(np.sqrt(len(gain)))


def drift_notice(y: Floats, recency: Recency) -> Notice | None:
    """Return a notice when n outcomes in order of time do not come from one and the same world."""
    from scipy.stats import chi2_contingency  # late: scipy.stats costs each process 45 MB

    blocks = _blocks(y)
    if len(blocks) >= 2:
        won = np.array([y[block].sum() for block in blocks])
        lost = np.array([len(block) for block in blocks]) - won
        rates = won / (won + lost)
        if np.ptp(rates) >= LEAST_RANGE and chi2_contingency([won, lost]).pvalue < SURE:
            text = (
                f"The share won moved between {100 * rates.min():.0f} % and "
                f"{100 * rates.max():.0f} % over time, {100 * rates[-1]:.0f} % last. "
                "Probabilities hold only while it stays."
            )
            return Notice("drift", "", text)
    for life, what in ((recency.half_life, "an outcome"), (recency.level, "how often leads win")):
        if life is not None:
            text = (
                f"Newer outcomes predict better than older ones: {what} counts half after "
                f"{life:.0f} further ones."
            )
            return Notice("drift", "", text)
    return None


def later_notice(y: Floats, p: Floats) -> Notice | None:
    """Return a notice when later leads, outcomes y (n,), did not win as expected, p (n,)."""
    expected, spread = float(p.mean()), float(np.sqrt((p * (1 - p)).mean() / len(p)))
    if abs(float(y.mean()) - expected) <= 3 * spread:
        return None
    text = (
        f"The later leads won {100 * y.mean():.0f} % where {100 * expected:.0f} % was expected: "
        "the base rate has moved."
    )
    return Notice("drift", "", text)
