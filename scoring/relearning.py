"""From learned weights to a score model that says the same in points. Pure.

points = s × log-odds with s = 25 / (Q80 − Q50) of the past leads, so that the median lead has 50
points and the best fifth 75, but no live point becomes more than one; caps are what the lines can
attain, so they never bind. Everything else of the model stays, but for the marks, which are set so
that as many leads pass them as now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from core.conditions import FieldType
from scoring.definitions import GROUPS, Icp, Model, parse_model
from scoring.features import Bools, Floats, Ints
from scoring.learning.points import ANCHORS, MOST_POINTS, SCALES, SPREAD, covariance
from scoring.learning.weights import Relearned
from scoring.scorecard import Scorecard, Totals

if TYPE_CHECKING:
    from scoring.live import LiveModel

BY_HAND, LEARNED = ", points set by hand", ", learned from outcomes"
APART = 10  # points between the marks where they say nothing about hot leads
HOT, WARM = 75, 50  # marks where the live model says nothing about how many leads pass
_FREE = {"cap": 1000, "floor": -1000}
_LEAST_P = 1e-6


@dataclass(frozen=True)
class Redefined:
    """A learned model's definition, its card, and the points of one unit of log-odds."""

    definition: dict[str, Any]
    model: Model
    card: Scorecard
    scale: float


def redefine(
    live: LiveModel,
    definition: Mapping[str, Any],
    found: Relearned,
    x: Floats,
    tracked: Bools,
    y: Floats,
    types: Mapping[str, FieldType],
) -> Redefined:
    """Return `definition`, the content of `live`, with learned weights.

    `x` (n, signals) of the past leads, NaN unknown, `tracked` (n,) whether their engagement is
    recorded, `y` (n,) their outcomes.
    """
    log_odds = found.log_odds(x) - found.intercept
    median, upper = np.quantile(log_odds, [0.5, 0.8])
    scale = float(np.clip(SPREAD / max(upper - median, 1e-9), *SCALES))
    # Where past leads are nearly alike, a point stays a point: stretched further, open leads about
    # whom more is known would all end at 0 or 100.
    scale = min(scale, 1.0 / found.slope, MOST_POINTS / max(float(np.abs(found.b).sum()), 1e-9))
    points = np.round(found.b * scale, 1) + 0.0
    base = round(50.0 - scale * float(median), 1)
    odds = [found.intercept + (anchor - base) / scale for anchor in ANCHORS]
    low, high = (float(np.clip(expit(o), _LEAST_P, 1 - _LEAST_P)) for o in odds)
    if not low < high:
        low, high = 0.5 * high, high
    signals = [
        {**signal, "points": float(value), "mu": round(float(value * share), 3)}
        for signal, value, share in zip(definition["signals"], points, found.unknown, strict=True)
    ]
    draft = {
        **definition,
        "name": str(definition["name"]).replace(BY_HAND, LEARNED),
        "base": base,
        "groups": dict.fromkeys(GROUPS, _FREE),
        "signals": signals,
        "p": {
            "of": "points",
            "anchors": [[ANCHORS[0], low], [ANCHORS[1], high]],
            "label": f"Learned from {found.n:,} outcomes, {found.won:,} won",
        },
        "placement": definition.get("placement") or _placement(live.model),
    }
    draft["groups"] = _bounds(parse(draft, live, types), live.icp)
    card = Scorecard(parse(draft, live, types), live.icp)
    scores, before = card.totals(x, tracked), live.card.totals(x, tracked)
    draft["marks"] = _marks(scores, before, live.model)
    draft["mql"] = {
        "fit": _same_share(scores.shares[:, 0], before.shares[:, 0], live.model.mql_fit, 50),
        "engagement": _same_share(
            scores.shares[:, 1], before.shares[:, 1], live.model.mql_engagement, 40
        ),
    }
    draft["p"]["learned"] = {
        "n": found.n,
        "won": found.won,
        "covariance": covariance(scores.free, card.probability(scores)),
    }
    model = parse(draft, live, types)
    return Redefined(draft, model, Scorecard(model, live.icp), scale)


def parse(definition: Mapping[str, Any], live: LiveModel, types: Mapping[str, FieldType]) -> Model:
    """Return a definition parsed for the ICP and framework of `live`."""
    return parse_model(definition, live.icp, live.framework, types)


def _placement(model: Model) -> dict[str, Any]:
    fit = model.groups["fit"]
    lines = {s.key: {"points": s.points, "mu": s.mu} for s in model.of_group("fit")}
    return {"cap": fit.cap, "floor": fit.floor, "lines": lines}


def _bounds(model: Model, icp: Icp) -> dict[str, dict[str, float]]:
    """Return what the lines of each group can attain together."""
    card = Scorecard(model, icp)
    found = {}
    for index, name in enumerate(GROUPS):
        mine = card.group_of == index
        if name == "engagement":
            best, worst = np.maximum(card.weights, 0), np.minimum(card.weights, 0)
        else:
            best, worst = card.best, card.worst
        cap = float(np.maximum(best[mine], 0).sum())
        floor = float(np.minimum(worst[mine], 0).sum())
        found[name] = {"cap": round(cap, 1), "floor": round(floor, 1)}
    return found


def _marks(scores: Totals, before: Totals, model: Model) -> dict[str, int]:
    hot = _same_share(scores.score, before.score, model.hot, HOT, low=2)
    warm = _same_share(scores.score, before.score, model.warm, WARM, low=1)
    if not (before.score >= model.hot).any():  # few were warm: fewer shall be hot
        hot = max(hot, min(100, warm + APART))
    return {"hot": hot, "warm": min(warm, hot - 1)}


def _same_share(after: Ints, before: Ints, mark: int, default: int, low: int = 0) -> int:
    """Return the mark that as many of `after` (n,) pass as `mark` of `before`; `default` where
    none or all pass.
    """
    share = float((before >= mark).mean()) if len(before) else 0.0
    if not 0 < share < 1:
        return default
    passing = np.array([float((after >= m).mean()) for m in range(low, 101)])
    return low + int(np.abs(passing - share).argmin())
