"""The scorecard: signals and a model in, points, score, range and tier out. Pure and vectorised.

score = clamp(base + Σ groups, 0, 100), group = clamp(Σ w·x, floor, cap); an unknown attribute or
criterion counts what is assumed of it, never zero (docs/domain/scoring.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from scoring import ranking
from scoring.definitions import ASSUMED_SHARE, GROUPS, Group, Icp, Model, Signal
from scoring.features import DAY, Bools, Facts, Floats, Ints, band_values
from scoring.tiers import COLD, HOT, NONE, WARM

_AT_ONCE = 50_000  # leads whose lines are in memory together
UNTRACKED = "untracked"  # key of the line that stands for engagement nobody records


@dataclass(frozen=True)
class Scores:
    """Results for n leads. `points` (n, signals) counts assumed values too; `known` says which.

    `clamps` (n, 3) is what each group's cap or floor took off, `untracked` (n,) what is assumed
    for engagement that nobody records, `free` base and points before any cap, floor or clamp,
    `total` the exact score, `score` the shown whole one.
    """

    points: Floats
    known: Bools
    untracked: Floats
    groups: Floats
    clamps: Floats
    free: Floats
    total: Floats
    score: Ints
    low: Ints
    high: Ints
    shares: Ints


@dataclass(frozen=True)
class Totals:
    """What `Scores` says of n leads as a whole, without their lines."""

    free: Floats
    total: Floats
    score: Ints
    shares: Ints


class Scorecard:
    """A model made ready for arrays."""

    def __init__(self, model: Model, icp: Icp) -> None:
        self.model, self.icp = model, icp
        self.weights = np.array([signal.points for signal in model.signals])
        self.group_of = np.array([GROUPS.index(signal.group) for signal in model.signals])
        self.caps = np.array([model.groups[name].cap for name in GROUPS])
        self.floors = np.array([model.groups[name].floor for name in GROUPS])
        self.assumed = np.zeros(len(model.signals))
        self.worst = np.zeros(len(model.signals))
        self.best = np.zeros(len(model.signals))
        for lines in self._subjects():
            self._set_unknown(lines)

    @cached_property
    def _placing(self) -> "Scorecard":
        """The card whose fit decides which ICP a lead belongs to: usually this one."""
        placement = self.model.placement
        if placement is None:
            return self
        signals = tuple(
            replace(s, points=placement.lines[s.key][0], mu=placement.lines[s.key][1])
            if s.group == "fit"
            else s
            for s in self.model.signals
        )
        groups = {**self.model.groups, "fit": Group(placement.cap, placement.floor)}
        model = replace(self.model, signals=signals, groups=groups, placement=None)
        return Scorecard(model, self.icp)

    def _subjects(self) -> list[list[int]]:
        """Return the lines of each attribute and each criterion: they are unknown together."""
        by_subject: dict[tuple[str, str], list[int]] = {}
        for index, signal in enumerate(self.model.signals):
            subject = signal.attribute or signal.dimension
            if subject is not None:
                by_subject.setdefault((signal.group, subject), []).append(index)
        return list(by_subject.values())

    def _set_unknown(self, lines: list[int]) -> None:
        """Set what the lines of one unknown subject count, at worst and at best.

        What is assumed belongs to the subject: each line's own average from history, or a share
        of the best value. Worst and best are those of one single value, not of each line apart.
        """
        signals = [self.model.signals[index] for index in lines]
        totals = self._attainable(signals)
        self.worst[lines[0]], self.best[lines[0]] = totals.min(), totals.max()
        if any(signal.mu is not None for signal in signals):
            self.assumed[lines] = [signal.assumed for signal in signals]
        else:
            best = max(range(len(signals)), key=lambda i: signals[i].points)
            self.assumed[lines[best]] = ASSUMED_SHARE * max(0.0, totals.max())

    def _attainable(self, signals: Sequence[Signal]) -> Floats:
        """Return what the lines of one subject sum to for each value that it can take."""
        first = signals[0]
        if first.attribute is None:
            return np.array([0.0, sum(signal.points for signal in signals)])
        attribute = self.icp.attribute(first.attribute)
        totals: Floats = sum(
            (signal.points * band_values(signal, attribute)[:-1] for signal in signals),
            start=np.zeros(len(attribute.bands) + 1),
        )
        return totals

    @cached_property
    def untracked_points(self) -> float:
        """What is assumed for engagement while nothing is tracked: history's average, without one
        a share of the best total.
        """
        engagement = self.model.of_group("engagement")
        if any(signal.mu is not None for signal in engagement):
            return sum(signal.assumed for signal in engagement)  # history's own average
        positive = self.weights[(self.group_of == 1) & (self.weights > 0)].sum()
        return ASSUMED_SHARE * float(min(self.caps[1], positive))

    @cached_property
    def untracked_best(self) -> float:
        """The most that engagement could give."""
        return float(
            min(self.caps[1], self.weights[(self.group_of == 1) & (self.weights > 0)].sum())
        )

    def score(self, x: Floats, tracked: Bools) -> Scores:
        """Score n leads from their signals x (n, signals), NaN unknown, and tracked (n,)."""
        known = ~np.isnan(x)
        earned = self.weights * np.where(known, x, 0.0)
        points = np.where(known, earned, self.assumed)
        untracked = np.where(tracked, 0.0, self.untracked_points)
        groups, clamps = self._groups(points, untracked)
        total = np.round(np.clip(self.model.base + groups.sum(axis=1), 0.0, 100.0), 9)
        worst, _ = self._groups(np.where(known, earned, self.worst), np.zeros(len(x)))
        best, _ = self._groups(
            np.where(known, earned, self.best), np.where(tracked, 0.0, self.untracked_best)
        )
        score = shown(total)
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = self.caps - self.floors
            shares = np.where(reach > 0, 100.0 * (groups - self.floors) / reach, 0.0)
        return Scores(
            points=points,
            known=known,
            untracked=untracked,
            groups=groups,
            clamps=clamps,
            free=self.model.base + (groups - clamps).sum(axis=1),
            total=total,
            score=score,
            # Assumed averages of learned lines may lie outside the single values' span.
            low=np.minimum(score, shown(self._total(worst))),
            high=np.maximum(score, shown(self._total(best))),
            shares=shown(np.clip(np.round(shares, 9), 0, 100)),
        )

    def totals(self, x: Floats, tracked: Bools) -> Totals:
        """Score many leads as `score` does, in little memory: their lines are not kept."""
        parts = []
        for start in range(0, max(1, len(x)), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            scores = self.score(x[rows], tracked[rows])
            parts.append(Totals(scores.free, scores.total, scores.score, scores.shares))
        return Totals(
            *(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Totals))
        )

    def probability(self, scores: Scores | Totals) -> Floats:
        """Return p(win), shape (n,): of a learned model from points that nothing has bounded."""
        of_score = self.model.p_of == "score"
        return ranking.probability(self.model, scores.total if of_score else scores.free)

    def _groups(self, points: Floats, untracked: Floats) -> tuple[Floats, Floats]:
        """Return (group points after caps and floors, what these took off), both (n, 3)."""
        raw = np.stack(
            [points[:, self.group_of == index].sum(axis=1) for index in range(len(GROUPS))], axis=1
        )
        raw[:, 1] += untracked
        bounded = np.clip(raw, self.floors, self.caps)
        return bounded, bounded - raw

    def _total(self, groups: Floats) -> Floats:
        return np.round(np.clip(self.model.base + groups.sum(axis=1), 0.0, 100.0), 9)

    def fit_share(self, x_fit: Floats) -> Floats:
        """Return fit on 0–100 with unknowns assumed, from the fit signals' x, shape (n,): what
        decides which ICP a lead belongs to.
        """
        if self._placing is not self:
            return self._placing.fit_share(x_fit)
        columns = self.group_of == 0
        cap, floor = self.caps[0], self.floors[0]
        if not columns.any() or cap == floor:
            return np.zeros(len(x_fit))
        points = np.where(np.isnan(x_fit), self.assumed[columns], self.weights[columns] * x_fit)
        share: Floats = 100.0 * (np.clip(points.sum(axis=1), floor, cap) - floor) / (cap - floor)
        return np.round(share, 9)

    def tiers(self, score: Ints, previous: Ints) -> Ints:
        """Return the tier codes after hysteresis: a step down needs a drop of more than
        `model.hysteresis` points below the mark. `previous` is −1 where there is no memory.
        """
        slack = self.model.hysteresis
        plain = np.where(
            score >= self.model.hot, HOT, np.where(score >= self.model.warm, WARM, COLD)
        )
        holds_hot = (previous == HOT) & (score >= self.model.hot - slack)
        holds_warm = (previous >= WARM) & (score >= self.model.warm - slack)
        held = np.where(holds_hot, HOT, np.where(holds_warm, WARM, NONE))
        return np.maximum(plain, held).astype(np.int64)

    def gate_failed(self, facts: Facts) -> Ints:
        """Return the index of the first gate *known* to be below its minimum, −1 for none."""
        failed = np.full(facts.n, -1, dtype=np.int64)
        for index in reversed(range(len(self.model.gates))):
            gate = self.model.gates[index]
            ratings = facts.ratings.get(gate.dimension)
            if ratings is not None:
                failed[ratings < gate.minimum] = index  # NaN compares false: unknown is no failure
        return failed

    def gates_met(self, facts: Facts) -> Bools:
        """Return whether every gate is known and met, shape (n,): the condition for SQL."""
        met = np.ones(facts.n, dtype=bool)
        for gate in self.model.gates:
            ratings = facts.ratings.get(gate.dimension)
            met &= False if ratings is None else ratings >= gate.minimum
        return met

    def next_change(self, scores: Scores, facts: Facts) -> Floats:
        """Return when the shown score next changes by itself (seconds, NaN for never).

        Never late: expiries and window ends are exact, and for decay all decaying points are
        taken to fall as fast as the shortest half-life. Waking early only re-arms the alarm. The
        shortest alarm is one second, so that a score on a rounding tie does not ring for ever.
        """
        alarms = [np.full(facts.n, np.nan)]
        moving = np.zeros(facts.n)
        falls = np.zeros(facts.n, dtype=bool)
        rises = np.zeros(facts.n, dtype=bool)
        shortest = np.inf
        for column, signal in enumerate(self.model.signals):
            if signal.dimension is not None and signal.dimension in facts.expires_at:
                alarms.append(facts.expires_at[signal.dimension])
            if signal.activity is None:
                continue
            if signal.window_days is not None and signal.activity in facts.last_at:
                alarms.append(facts.last_at[signal.activity] + signal.window_days * DAY)
            if signal.half_life_days:
                points = np.where(scores.known[:, column], scores.points[:, column], 0.0)
                moving += np.abs(points)
                falls |= points > 0
                rises |= points < 0
                if np.any(points != 0):
                    shortest = min(shortest, signal.half_life_days)
        down = np.where(falls, scores.total - (scores.score - 0.5), np.inf)
        up = np.where(rises, (scores.score + 0.5) - scores.total, np.inf)
        gap = np.minimum(down, up)
        with np.errstate(divide="ignore", invalid="ignore"):
            days = shortest * np.log2(moving / (moving - gap))
        decay = np.where(moving > gap, np.maximum(days * DAY, 1.0), np.nan)
        alarms.append(facts.as_of + decay)
        future = [np.where(alarm > facts.as_of, alarm, np.nan) for alarm in alarms]
        return np.fmin.reduce(future)


def shown(total: Floats) -> Ints:
    """Round half up to whole points."""
    return np.floor(total + 0.5).astype(np.int64)


@dataclass(frozen=True)
class Line:
    """One line of a ledger in tenths of a point; `max` is its most, None for a clamp."""

    key: str
    label: str
    group: str
    tenths: int
    max: float | None
    known: bool
    signal: Signal | None = None


def ledger(card: Scorecard, scores: Scores, row: int) -> list[Line]:
    """Return the ledger of one lead: one line a signal, and one wherever a cap or clamp bites.

    The tenths sum to ten times the shown score exactly (largest remainder). A line is *known*
    when its fact is; otherwise its points are assumed.
    """
    lines: list[tuple[str, str, str, float, float | None, bool, Signal | None]] = []
    model = card.model
    if model.base:
        lines.append(("base", "Base", "", model.base, None, True, None))
    for column, signal in enumerate(model.signals):
        known = bool(scores.known[row, column])
        if signal.group == "engagement" and not known:
            continue  # one line below stands for all of them
        points = float(scores.points[row, column])
        most = max(0.0, signal.points) if signal.points >= 0 else signal.points
        lines.append((signal.key, signal.label, signal.group, points, most, known, signal))
    if scores.untracked[row]:
        lines.append(
            (
                UNTRACKED,
                "Engagement is not tracked for this lead",
                "engagement",
                float(scores.untracked[row]),
                card.untracked_best,
                False,
                None,
            )
        )
    for index, group in enumerate(GROUPS):
        clamp = float(scores.clamps[row, index])
        if abs(clamp) > 1e-9:
            word = "Cap" if clamp < 0 else "Floor"
            lines.append((f"{group}.clamp", f"{word} of {group}", group, clamp, None, True, None))
    whole = float(scores.total[row]) - sum(line[3] for line in lines)
    if abs(whole) > 1e-6:
        lines.append(("clamp", "Scores stay within 0 and 100", "", whole, None, True, None))
    tenths = spread([line[3] for line in lines], int(scores.score[row]) * 10)
    return [
        Line(key, label, group, tenth, most, known, signal)
        for (key, label, group, _, most, known, signal), tenth in zip(lines, tenths, strict=True)
    ]


def spread(points: Sequence[float], total_tenths: int) -> list[int]:
    """Round points to tenths that sum to `total_tenths` by largest remainder.

    Lines of exactly zero stay zero as long as there are others to carry the rounding.
    """
    exact = [round(value * 10, 6) for value in points]
    tenths = [int(np.floor(value)) for value in exact]
    order = [i for i in range(len(exact)) if exact[i] != 0] or list(range(len(exact)))
    order.sort(key=lambda i: (-(exact[i] - tenths[i]), i))
    missing = total_tenths - sum(tenths)
    step = 1 if missing > 0 else -1
    if missing < 0:
        order.reverse()
    for count in range(abs(missing)):
        tenths[order[count % len(order)]] += step
    return tenths
