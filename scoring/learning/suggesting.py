"""Suggested signals with what speaks for each: support, effect, interval, stability. Pure.

The one way from past leads to lines that a person picks from, for a file and for a workspace's own
leads alike.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core import conditions
from core.errors import Invalid
from scoring.features import Bools, Floats, signal_matrix
from scoring.learning.evaluate import LEAST_OF_EACH, LEAST_OUTCOMES, wilson
from scoring.learning.intervals import weight_intervals
from scoring.learning.levels import least_support, make_levels
from scoring.learning.notices import Notice
from scoring.learning.points import Definitions, define, facts_of
from scoring.learning.screening import auc_alone
from scoring.learning.signals import Learned, learn_signals
from scoring.learning.table import Table

CHOSEN_PRECISION = 1.0  # of the prior for intervals of lines that were chosen from few outcomes
LEAST_IN_HALF = 10  # leads, and as many without the line, below which a half says nothing
SAME_LEADS = 0.5  # share of the leads of two lines that both hold for, from which they are one
PREVAILS, TELLING = 0.5, 0.75  # share of what moves points, and AUC alone, of one field
MORE_EVIDENCE = 2.0  # times as many leads of a line, from which a refusal is asked again


@dataclass(frozen=True)
class Line:
    """A suggested signal and what speaks for it.

    `points` and the 90 % interval of what its outcomes say alone, `low` to `high`, in points;
    `effect` the learned log-odds. The interval belongs to a line that was chosen from the same
    outcomes, so it is narrower than it would be on new ones. `n` leads had it, `won` of them were
    won, a share that is `rate_low` to `rate_high` (90 %, Wilson). `halves` are the estimates in
    log-odds on the earlier and the later half, None where too few; `stable` is False when they
    contradict the line. `rule` is a condition tree, `fingerprint` the same for the same rule;
    `refused_before` is that of a line which was refused and whose evidence has changed since.
    """

    key: str
    label: str
    field: str
    points: float
    effect: float
    low: float
    high: float
    n: int
    won: int
    rate_low: float
    rate_high: float
    halves: tuple[float | None, float | None]
    stable: bool
    rule: Mapping[str, Any]
    fingerprint: str
    refused_before: str = ""

    @property
    def rate(self) -> float:
        """The share won of the leads that had it."""
        return self.won / self.n if self.n else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the line as JSON values."""
        return {**vars(self), "halves": list(self.halves), "chosen_from_same_outcomes": True}


@dataclass(frozen=True)
class Suggestions:
    """What past leads suggest: definitions of an ICP and a score model, None without any line,
    their lines, strongest first, and what is to be said beside. `enough` tells whether there are
    outcomes enough to propose anything.
    """

    learned: Learned
    definitions: Definitions | None
    lines: list[Line]
    notices: list[Notice]
    enough: bool


@dataclass(frozen=True)
class Refusal:
    """That a person did not want a line, and the evidence there was then: `n` leads, and an
    `effect` in log-odds with its interval `low` to `high`.
    """

    fingerprint: str
    rule: Mapping[str, Any]
    n: int
    effect: float
    low: float
    high: float


def suggest(
    table: Table,
    y: Floats,
    time: Floats | None = None,
    weights: Floats | None = None,
    *,
    seed: int = 0,
    refused: Collection[Refusal] = (),
    trusted: Collection[str] = (),
) -> Suggestions:
    """Suggest signals from n past leads.

    `table` holds facts as they were at the decision, column by column (`table.table_of`); `y` (n,)
    outcomes of 0 and 1, both present; `time` (n,) orders them, in any unit, None for no order;
    `weights` (n,) what each lead counts, None for 1. A refused line stays out until its evidence
    changes; a field that is `trusted` may give the outcome away. Raises Invalid when one kind of
    outcome is missing. Deterministic for a seed.
    """
    if not 0 < y.sum() < len(y):
        raise Invalid.field("outcome", "one_class", "all leads have the same outcome")
    if time is not None:
        order = np.argsort(time, kind="stable")
        table, y = table.take(order), y[order]
        weights = None if weights is None else weights[order]
    learned = learn_signals(
        table, y, in_order=time is not None, seed=seed, weights=weights, trusted=trusted
    )
    definitions = define(learned, table)
    if weights is None:
        weights = np.ones(len(y))
    weights = weights * learned.recency.weights(len(y))
    lines = lines_of(definitions, table, y, weights, seed=seed, in_order=time is not None)
    notices = [*learned.notices, *prevailing(lines, learned, table, y, seed)]
    lines = [_with_refusal(line, refused, table) for line in lines]
    old = {refusal.fingerprint: refusal for refusal in refused}
    out = [v for v in lines if v.refused_before and not has_changed(v, old[v.refused_before])]
    if definitions is not None and out:
        definitions = definitions.without([line.key for line in out], table, y, weights)
        lines = [line for line in lines if line not in out]
        notices += [Notice("refused", v.field, f"{v.label} was refused before.") for v in out]
    enough = len(y) >= LEAST_OUTCOMES and min(y.sum(), len(y) - y.sum()) >= LEAST_OF_EACH
    return Suggestions(learned, definitions, lines, notices, bool(enough))


def _with_refusal(line: Line, refused: Collection[Refusal], table: Table) -> Line:
    """Return the line with the refusal that was of the same: it reads the same fields, points the
    same way and holds for mostly the same leads of `table`, wherever the edges of its values are.
    """
    own = _holds(line.rule, table)
    best, most = "", SAME_LEADS
    for refusal in refused:
        if line.effect * refusal.effect <= 0:
            continue
        if conditions.fields_of(refusal.rule) != conditions.fields_of(line.rule):
            continue
        if next(conditions.problems(refusal.rule, table.types), None) is not None:
            continue  # the field has other values now
        other = _holds(refusal.rule, table)
        either = int((own | other).sum())
        share = int((own & other).sum()) / either if either else 0.0
        if share >= most:
            best, most = refusal.fingerprint, share
    return replace(line, refused_before=best)


def _holds(rule: Mapping[str, Any], table: Table) -> Bools:
    held: Bools = conditions.evaluate(rule, table, table.types) == conditions.TRUE
    return held


def has_changed(line: Line, refusal: Refusal) -> bool:
    """Return whether there is reason to ask again: twice as many leads have the line, or its effect
    is outside the interval that it had when it was refused.
    """
    more = line.n >= MORE_EVIDENCE * max(1, refusal.n)
    return more or not refusal.low <= line.effect <= refusal.high


def lines_of(
    definitions: Definitions | None,
    table: Table,
    y: Floats,
    weights: Floats,
    *,
    seed: int = 0,
    in_order: bool = False,
) -> list[Line]:
    """Return the lines of learned definitions with what their leads say, the strongest first."""
    if definitions is None:
        return []
    model, icp = definitions.parsed_model, definitions.parsed_icp
    x = np.nan_to_num(signal_matrix(model, icp, facts_of(table), definitions.types), nan=0.0)
    sure = weight_intervals(x, y, weights, CHOSEN_PRECISION)
    later = np.arange(len(y)) >= len(y) // 2
    if not in_order:
        later = np.random.default_rng(seed).permutation(later)
    halves = [_half(x[part], y[part], weights[part]) for part in (~later, later)]
    scale = definitions.scale
    found = []
    for i, signal in enumerate(model.signals):
        attribute = icp.attribute(signal.attribute or "")
        rule = next(b.rule for b in attribute.bands if signal.values.get(b.key, b.x) > 0)
        holds = x[:, i] > 0
        won = int(y[holds].sum())
        low, high = wilson(won, int(holds.sum()))
        early, late = (None if np.isnan(h[i]) else round(float(h[i]), 3) for h in halves)
        found.append(
            Line(
                key=signal.key,
                label=signal.label,
                field=attribute.label,
                points=signal.points,
                effect=round(signal.points / scale, 4),
                low=round(min(float(sure.low[i]) * scale, signal.points), 1),
                high=round(max(float(sure.high[i]) * scale, signal.points), 1),
                n=int(holds.sum()),
                won=won,
                rate_low=round(low, 4),
                rate_high=round(high, 4),
                halves=(early, late),
                stable=all(e is None or e * signal.points > 0 for e in (early, late)),
                rule=rule,
                fingerprint=fingerprint(rule),
            )
        )
    return sorted(found, key=lambda line: -abs(line.points))


def _half(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Return the weights of signals x (n, p) on some leads, NaN where these are too few."""
    support = np.minimum((x > 0).sum(axis=0), (x == 0).sum(axis=0))
    enough: Bools = support >= LEAST_IN_HALF
    found = np.full(x.shape[1], np.nan)
    if enough.any() and 0 < y.sum() < len(y):
        found[enough] = weight_intervals(x[:, enough], y, weights, CHOSEN_PRECISION).estimate
    return found


def strongest(lines: Sequence[Mapping[str, Any]], most: int = 3) -> list[str]:
    """Return the fields that move the points of the leads most, from lines as JSON values."""
    moved = _moved(lines)
    return sorted(moved, key=lambda field: (-moved[field], field))[:most]


def _moved(lines: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the share of all that lines move which each field moves, by itself or with another."""
    moved: dict[str, float] = {}
    whole = sum(line["n"] * line["points"] ** 2 for line in lines) or 1.0
    for line in lines:
        for name in conditions.fields_of(line["rule"]):
            part = line["n"] * line["points"] ** 2 / whole
            moved[name] = moved.get(name, 0.0) + part
    return moved


def prevailing(
    lines: Sequence[Line], learned: Learned, table: Table, y: Floats, seed: int
) -> list[Notice]:
    """Return the question whether a field is known in time that ranks well alone and moves more
    than all others together, as the length of the call that ended in the outcome does.
    """
    said = {n.field for n in learned.notices if n.code in ("leak", "leak_possible", "leak_kept")}
    moved = _moved([line.as_json() for line in lines])
    for name in sorted(moved, key=lambda field: (-moved[field], field)):
        if moved[name] <= PREVAILS or name in said:
            continue
        alone = auc_alone(make_levels(table.columns[name], least_support(len(y))), y, seed)
        if alone >= TELLING:
            text = (
                f"{name} moves the points more than all other fields together (AUC {alone:.2f} "
                "alone). Leave it out unless it is known before the outcome."
            )
            return [Notice("leak_possible", name, text)]
    return []


def fingerprint(rule: Mapping[str, Any]) -> str:
    """Return a short name of a rule, the same for the same conditions."""
    text = json.dumps(rule, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
