"""What a version would have been worth beside the live one, on leads that it did not learn from.

Pure: outcomes and two sets of predictions in, JSON values out, which a proposal keeps and its page
shows. Intervals are 95 %, from resampled leads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.features import Bools, Floats, Ints
from scoring.learning.evaluate import (
    DRAWS,
    MOST_DRAWN,
    TOP,
    calibration_bins,
    calibration_floor,
    gain_curve,
    measure,
    share_won,
    wins_at,
)
from scoring.learning.screening import rank_auc

CAPACITY = (0.05, 0.5)  # least and most share of the leads that count as "called"
LEAST_A_DAY = 5  # calls below which the sentence counts them all
CURVE = 20  # steps of the gain curve
LEAST_IN_SLICE = 30
MOST_OF_ALL = 0.9  # share of the leads beyond which a slice is all of them
WORSE_BY = 0.01  # share of its log loss by which a slice must lose to be named
WORSE_Z = 1.0  # standard errors by which a slice must lose to be named
MOST_SLICES = 12


@dataclass(frozen=True)
class Predictions:
    """Scores that order n leads, and probabilities of winning, each (n,)."""

    ranking: Floats
    p: Floats


@dataclass(frozen=True)
class Slice:
    """Leads that have something in common: its words and which they are, (n,)."""

    field: str
    value: str
    members: Bools


def appraise(
    y: Floats,
    live: Predictions,
    ours: Predictions,
    slices: Sequence[Slice],
    called: int,
    days: float | None,
    seed: int,
) -> dict[str, Any]:
    """Return all that is to be said about two models on n leads with outcomes `y` (n,).

    `called` is how many of them there was time for, `days` the working days that they span, None
    when their order is not known.
    """
    n = len(y)
    called = int(np.clip(called, np.ceil(CAPACITY[0] * n), max(1, CAPACITY[1] * n)))
    wins = wins_at(y, live.ranking, called), wins_at(y, ours.ranking, called)
    intervals = _intervals(y, live, ours, called, seed)
    return {
        "n": n,
        "won": int(y.sum()),
        "metrics": {
            "live": measure(y, live.p, live.ranking).as_json(),
            "ours": measure(y, ours.p, ours.ranking).as_json(),
        },
        "floor": calibration_floor(ours.p, seed),
        "differences": intervals,
        "capacity": {
            "leads": called,
            "per_day": round(called / days, 1) if days else None,
            "live": round(wins[0], 1),
            "ours": round(wins[1], 1),
            "low": intervals["wins"][1],
            "high": intervals["wins"][2],
        },
        "gain": {
            name: [round(float(share), 4) for share in gain_curve(y, side.ranking, CURVE)]
            for name, side in (("ours", ours), ("live", live))
        },
        "calibration": [vars(part) for part in calibration_bins(y, ours.p)],
        "calibration_live": [vars(part) for part in calibration_bins(y, live.p)],
        "slices": _slices(y, live, ours, slices),
    }


def sentence(found: Mapping[str, Any]) -> str:
    """Return the headline: what the same work would have won."""
    at = found["capacity"]
    per_day = at["per_day"]
    work = f"the same {per_day:,.0f} calls a day" if per_day and per_day >= LEAST_A_DAY else None
    work = work or f"the same {at['leads']:,} calls"
    gain = at["ours"] - at["live"]
    if not any(found["differences"]["auc"]) and not gain:
        return (
            f"Leads are ranked as before: {at['ours']:.0f} wins with {work} under either version."
        )
    return (
        f"With {work} you would have reached {at['ours']:,.0f} wins instead of {at['live']:,.0f} "
        f"({signed(gain)}, 95 % between {signed(at['low'])} and {signed(at['high'])})."
    )


def signed(value: float) -> str:
    """Return a whole number with its sign."""
    rounded = round(value)
    return f"+{rounded:,}" if rounded > 0 else f"−{-rounded:,}" if rounded < 0 else "0"


def gain_words(gain: Sequence[float], digits: int) -> str:
    """Return a difference with the bounds of its interval, as "+0.070 (−0.026 to +0.150)"."""
    middle, low, high = (f"{value:+z.{digits}f}" for value in gain)
    return f"{middle} ({low} to {high})".replace("-", "−")


def losses(y: Floats, p: Floats) -> Floats:
    """Return the log loss of each prediction p of y, (n,)."""
    clipped = np.clip(p, 1e-9, 1 - 1e-9)
    found: Floats = -np.where(y == 1, np.log(clipped), np.log(1 - clipped))
    return found


def _intervals(
    y: Floats, live: Predictions, ours: Predictions, called: int, seed: int
) -> dict[str, list[float]]:
    """Return [difference, lower, upper] (ours less live) of each measure.

    Draws of fewer leads than there are spread more, by the root of the ratio: they are narrowed
    around the difference of all (m out of n bootstrap).
    """
    n = len(y)
    size = min(n, MOST_DRAWN)
    random = np.random.default_rng(seed)
    squares = (ours.p - y) ** 2 - (live.p - y) ** 2
    more = losses(y, ours.p) - losses(y, live.p)
    draws: dict[str, list[float]] = {
        name: [] for name in ("auc", "brier", "log_loss", "lift", "wins")
    }
    whole = None
    for draw in range(DRAWS + 1):
        rows = np.arange(n) if draw == 0 else random.integers(0, n, size)
        truth = y[rows]
        if not 0 < truth.sum() < len(truth):
            continue
        a, b = ours.ranking[rows], live.ranking[rows]
        share = float(truth.mean())
        part = max(1, round(called * len(rows) / n))
        values = {
            "auc": rank_auc(truth, a) - rank_auc(truth, b),
            "brier": float(squares[rows].mean()),
            "log_loss": float(more[rows].mean()),
            "lift": (share_won(truth, a, 0, TOP) - share_won(truth, b, 0, TOP)) / share,
            "wins": (wins_at(truth, a, part) - wins_at(truth, b, part)) * called / part,
        }
        if draw == 0:
            whole = values
            continue
        for name, value in values.items():
            draws[name].append(value)
    found = {}
    for name, own in draws.items():
        if whole is None or not own:
            found[name] = [0.0, 0.0, 0.0]
            continue
        narrow = float(np.sqrt(size / n))
        low, high = np.quantile(own, [0.025, 0.975])
        middle = whole[name]
        found[name] = [
            round(middle, 4),
            round(middle + (float(low) - middle) * narrow, 4),
            round(middle + (float(high) - middle) * narrow, 4),
        ]
    return found


def _slices(
    y: Floats, live: Predictions, ours: Predictions, slices: Sequence[Slice]
) -> list[dict[str, Any]]:
    """Return the slices in which our probabilities lose, surely and by something, the surest
    first.
    """
    lost = losses(y, live.p)
    gained = losses(y, ours.p) - lost  # above zero: worse
    found: list[dict[str, Any]] = []
    for part in slices:
        n = int(part.members.sum())
        if not LEAST_IN_SLICE <= n <= MOST_OF_ALL * len(y):
            continue
        own = gained[part.members]
        spread = float(own.std()) / np.sqrt(n)
        z = float(own.mean()) / spread if spread > 0 else 0.0
        if z > WORSE_Z and own.mean() > WORSE_BY * lost[part.members].mean():
            truth = y[part.members]
            found.append(
                {
                    "field": part.field,
                    "value": part.value,
                    "n": n,
                    "won": int(truth.sum()),
                    "observed": round(float(truth.mean()), 4),
                    "live": round(float(live.p[part.members].mean()), 4),
                    "ours": round(float(ours.p[part.members].mean()), 4),
                    "worse": round(float(own.mean()), 4),
                    "z": round(z, 2),
                }
            )
    return sorted(found, key=lambda one: -float(one["z"]))[:MOST_SLICES]


def slices_of(
    texts: Mapping[str, tuple[Ints, list[str]]], labels: Mapping[str, str]
) -> list[Slice]:
    """Return a slice for each value of text columns that enough leads have."""
    found = []
    for name, (codes, values) in texts.items():
        counts = np.bincount(codes[codes >= 0], minlength=len(values))
        for code in np.argsort(-counts, kind="stable")[:20].tolist():
            if counts[code] >= LEAST_IN_SLICE:
                found.append(Slice(labels.get(name, name), values[code], codes == code))
    return found
