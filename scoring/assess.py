"""What facts mean under the live configuration: ICP, score, tier, p, rank. Pure.

The one path for scoring one lead, a million, the oracle and what-if. `standing` columns are the
memory that some rules need: present model, tier steps, override.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from core import conditions
from leads.activities import Kind
from scoring import icps, ranking
from scoring.features import Bools, Facts, Floats, Ints, fit_matrix, no_numbers, signal_matrix
from scoring.tiers import HOT, NONE, WARM

if TYPE_CHECKING:
    from scoring.facts import Rows
    from scoring.live import LiveConfig, LiveModel

GATE, OVERRIDE, DISQUALIFIED = "gate:", "override", "disqualified:"


@dataclass(frozen=True)
class Assessment:
    """Results for n leads, column by column; `model` indexes `config.everything`.

    `total_gap` is the distance of the exact score from the nearest rounding tie.
    """

    model: Ints
    runner_up: Ints
    disqualified: Bools
    score: Ints
    low: Ints
    high: Ints
    shares: Ints
    step_tier: Ints
    tier: Ints
    reason: list[str]
    total_gap: Floats
    p: Floats
    expected_minor: Ints
    intent_at: Floats
    rank: Floats
    next_change: Floats
    is_mql: Bools

    def take(self, rows: Bools) -> Assessment:
        """Return the results of the chosen rows only."""
        chosen = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "reason"}
        reason = [self.reason[row] for row in np.flatnonzero(rows).tolist()]
        return Assessment(**chosen, reason=reason)


@dataclass(frozen=True)
class Placement:
    """Which model each lead is scored by, and the rule that disqualifies it, if any."""

    model: Ints
    runner_up: Ints
    shares: Floats
    reason: list[str]


def place(rows: Rows, config: LiveConfig) -> Placement:
    """Choose each lead's ICP: the one it fits best among those whose segment it is in."""
    facts, n = rows.facts, rows.facts.n
    m = len(config.models)
    share = np.zeros((n, m))
    known = np.zeros((n, m), dtype=np.int64)
    segment = np.zeros((n, m), dtype=bool)
    barred = np.zeros((n, m), dtype=bool)
    reasons: list[list[str]] = []
    for column, live in enumerate(config.models):
        segment[:, column] = (
            conditions.evaluate(live.icp.segment, facts, config.types) == conditions.TRUE
            if live.icp.segment
            else True
        )
        x_fit = fit_matrix(live.model, live.icp, facts, config.types)
        share[:, column] = live.card.fit_share(x_fit)
        known[:, column] = (~np.isnan(x_fit)).sum(axis=1)
        barred[:, column], names = _disqualified(live, facts, config)
        reasons.append(names)
    present = np.full(n, -1, dtype=np.int64)
    for column, live in enumerate(config.models):
        present[np.isin(rows.standing["model"], live.ids)] = column
    positions = np.array([live.icp.position for live in config.models], dtype=np.int64)
    chosen, runner_up = icps.choose(share, segment & ~barred, known, positions, present)
    # Nobody accepts the lead and an ICP of its segment rules it out: that is its state.
    struck = (chosen == icps.FALLBACK) & (segment & barred).any(axis=1)
    if m:
        first = np.where(segment & barred, share, -np.inf).argmax(axis=1)
        chosen = np.where(struck, first, chosen)
    model = np.where(chosen == icps.FALLBACK, m, chosen)
    _, fallback_names = _disqualified(config.fallback, facts, config)
    reason = [
        reasons[model[row]][row]
        if struck[row]
        else (fallback_names[row] if model[row] == m else "")
        for row in (range(n) if struck.any() or any(fallback_names) else ())
    ] or [""] * n
    return Placement(model, runner_up, share, reason)


def _disqualified(live: LiveModel, facts: Facts, config: LiveConfig) -> tuple[Bools, list[str]]:
    """Return whether a disqualifier of `live` is true, and the key of the first that is."""
    barred = np.zeros(facts.n, dtype=bool)
    names = [""] * facts.n
    for rule in live.model.disqualifiers:
        hit = conditions.evaluate(rule.rule, facts, config.types) == conditions.TRUE
        for row in np.flatnonzero(hit & ~barred):
            names[row] = rule.key
        barred |= hit
    return barred, names


def assess(rows: Rows, config: LiveConfig) -> Assessment:
    """Assess n leads under the live configuration."""
    facts, n = rows.facts, rows.facts.n
    placed = place(rows, config)
    ints = {name: np.zeros(n, dtype=np.int64) for name in ("score", "low", "high", "step", "tier")}
    shares = np.zeros((n, 3), dtype=np.int64)
    floats = {name: no_numbers(n) for name in ("p", "intent", "rank", "next", "gap")}
    expected = np.zeros(n, dtype=np.int64)
    is_mql = np.zeros(n, dtype=bool)
    reason = [DISQUALIFIED + key if key else "" for key in placed.reason]
    disqualified = np.array([bool(key) for key in placed.reason], dtype=bool)
    for index, live in enumerate(config.everything):
        mine = np.flatnonzero(placed.model == index)
        if not len(mine):
            continue
        part = rows if len(mine) == n else rows.take(mine)
        x = signal_matrix(live.model, live.icp, part.facts, config.types)
        scores = live.card.score(x, part.facts.tracked)
        # Hysteresis has no memory across models.
        same = part.standing["model"] == live.id
        step = live.card.tiers(scores.score, np.where(same, part.standing["step_tier"], NONE))
        tier = step.copy()
        gate = live.card.gate_failed(part.facts)
        for row in np.flatnonzero((gate >= 0) & (step == HOT)):
            tier[row] = WARM
            reason[mine[row]] = reason[mine[row]] or GATE + live.model.gates[gate[row]].dimension
        p = live.card.probability(scores)
        value = np.where(
            np.isnan(part.standing["deal_value"]),
            live.icp.typical_value_minor,
            part.standing["deal_value"],
        )
        factor = np.where(part.standing["round"] > 1, live.model.repeat_customer_factor, 1.0)
        intent = _intent_at(live, part)
        for name, column in (
            ("score", scores.score),
            ("low", scores.low),
            ("high", scores.high),
            ("step", step),
            ("tier", tier),
        ):
            ints[name][mine] = column
        shares[mine] = scores.shares
        floats["p"][mine] = p
        floats["gap"][mine] = 0.5 - np.abs(scores.total - scores.score)
        floats["intent"][mine] = intent
        floats["rank"][mine] = ranking.rank(p, value, intent)
        floats["next"][mine] = live.card.next_change(scores, part.facts)
        expected[mine] = ranking.expected_minor(p, value, factor)
        is_mql[mine] = _is_mql(live, part.facts, scores.shares)
    overridden = rows.standing["override_until"] > facts.as_of  # NaN: no override
    ints["tier"] = np.where(overridden, rows.standing["override_tier"], ints["tier"])
    ints["tier"] = np.where(disqualified, NONE, ints["tier"])
    for row in np.flatnonzero(overridden & ~disqualified):
        reason[row] = OVERRIDE
    return Assessment(
        model=placed.model,
        runner_up=placed.runner_up,
        disqualified=disqualified,
        score=ints["score"],
        low=ints["low"],
        high=ints["high"],
        shares=shares,
        step_tier=ints["step"],
        tier=ints["tier"],
        reason=reason,
        total_gap=floats["gap"],
        p=floats["p"],
        expected_minor=expected,
        intent_at=floats["intent"],
        rank=floats["rank"],
        next_change=np.fmin(
            floats["next"], np.where(overridden, rows.standing["override_until"], np.nan)
        ),
        is_mql=is_mql & ~disqualified,
    )


def _intent_at(live: LiveModel, rows: Rows) -> Floats:
    """Return when each lead last showed intent: its last positive signal, else its creation."""
    latest = rows.standing["created"]
    for signal in live.model.signals:
        if signal.activity and signal.points > 0 and signal.activity in rows.facts.last_at:
            latest = np.fmax(latest, rows.facts.last_at[signal.activity])
    return latest


def _is_mql(live: LiveModel, facts: Facts, shares: Ints) -> Bools:
    """Fit and engagement pass the marks, or a live hand-raise with fit not ruled out."""
    marks = (shares[:, 0] >= live.model.mql_fit) & (shares[:, 1] >= live.model.mql_engagement)
    raised = np.zeros(facts.n, dtype=bool)
    for signal in live.model.signals:
        if signal.activity == Kind.HAND_RAISED and signal.activity in facts.last_at:
            window = (signal.window_days or 90) * 86_400
            raised |= facts.as_of < facts.last_at[signal.activity] + window
    return (marks & facts.tracked) | (raised & (shares[:, 0] > 0))
