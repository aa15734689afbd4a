"""What past leads say of a version: which to learn from and which to measure on, the verdict, and
what is told of them. The same for learned weights, hand-made drafts and suggested signals.
"""

import datetime as dt
from typing import Any

import numpy as np

from accounts.selectors import capacity
from scoring.appraising import Predictions, Slice, appraise, slices_of
from scoring.definitions import Signal
from scoring.features import Bools, Floats, Ints
from scoring.fields import BUILT_IN, Field, all_fields
from scoring.learning.evaluate import LEAST_OF_EACH, LEAST_OUTCOMES, recalibrate, verdict
from scoring.learning.intervals import Intervals
from scoring.learning.lifts import holds, lift_where
from scoring.learning.splitting import last_in_order, part_of_each
from scoring.training import Training

TEST_SHARE = 0.3
CALLED_SHARE = 0.2  # of the leads, where the live model calls fewer hot
SLICED = ("kind", "channel", "country", "industry", "seniority")
_WEEK, _WORKDAYS = 7.0, 5.0


def judge(
    training: Training,
    train: Ints,
    test: Ints,
    live: tuple[Floats, Floats],
    ours: Predictions,
    gain: float,
    hot: Bools,
    seed: int,
    *,
    fitted: bool = False,
) -> tuple[str, dict[str, Any]]:
    """Return the verdict on predictions `ours` of the past leads `test`, and all that is to be said
    of them (scoring.appraising) beside the live scores of `train` and of `test`.

    `gain` is by how many standard errors they beat the base rate on leads of `train`, `hot` which
    of `test` the live model calls so; `fitted` says that their p were only fitted to their ranking.
    """
    y = training.y
    inside, outside = live
    live_p = recalibrate(inside, y[train], outside)
    decided = verdict(
        y[test],
        ours.p,
        outside,
        live_p,
        float(y[train].mean()),
        len(train),
        int(y[train].sum()),
        gain,
        ranking=ours.ranking if fitted else None,
    )
    return decided, appraise(
        y[test],
        Predictions(outside, live_p),
        ours,
        past_slices(training.take(test)),
        *time_for(training, test, hot),
        seed,
    )


def split(training: Training, seed: int) -> tuple[Ints, Ints]:
    """Return the rows to learn from and to measure on: the last ones in order, else a part."""
    if training.in_order:
        return last_in_order(training.repeat_of, TEST_SHARE)
    return part_of_each(training.y, training.repeat_of, TEST_SHARE, seed)


def time_for(training: Training, test: Ints, hot: Any) -> tuple[int, float | None]:
    """Return how many of the measured leads there was time for, and their working days."""
    if not training.in_order:
        return _wanted(hot), None
    span = float(training.at[test].max() - training.at[test].min()) / 86_400
    days = max(1.0, span * _WORKDAYS / _WEEK)
    return int(min(_wanted(hot), capacity().a_day * days)), days


def _wanted(hot: Any) -> int:
    """Return how many leads would be called first: the hot ones, and not less than a fifth."""
    return max(int(hot.sum()), round(CALLED_SHARE * len(hot)))


def slice_fields() -> list[Field]:
    """Return the fields by whose values worse slices are looked for."""
    return [f for f in BUILT_IN if f.name in SLICED]


def past_slices(training: Training) -> list[Slice]:
    """Return the parts of past leads that share a value of one of those fields."""
    labels = {name: f.label for name, f in all_fields().items()}
    texts = training.rows.facts.text_columns
    return slices_of({name: texts[name] for name in SLICED if name in texts}, labels)


def period(training: Training, rows: Ints) -> dict[str, Any]:
    """Return the number of outcomes and, where their order is known, the days they span."""
    y = training.y[rows]
    found: dict[str, Any] = {"n": len(rows), "won": int(y.sum())}
    if training.in_order:
        for name, value in (("from", training.at[rows].min()), ("to", training.at[rows].max())):
            found[name] = dt.datetime.fromtimestamp(float(value), dt.UTC).date().isoformat()
    return found


def line_of(
    signal: Signal, x: Floats, y: Floats, alone: Intervals | None, place: int, scale: float
) -> dict[str, Any]:
    """Return what outcomes y (n,) say about a signal x (n,), with the interval of what they say
    alone in points: `place` in `alone`, `scale` points a unit of log-odds. Lift as on the criteria
    page.
    """
    known = ~np.isnan(x)
    strong = holds(x, happens=bool(signal.activity))
    n = int(strong.sum())
    low = high = np.nan
    if alone is not None and n and float(np.nanstd(x)) > 0:
        low, high = (float(v[place]) * scale for v in (alone.low, alone.high))
    lift, least, most, _ = lift_where(y > 0, known, strong)
    return {
        "key": signal.key,
        "label": signal.label,
        "group": signal.group,
        "n": n,
        "known": int(known.sum()),
        "lift": None if lift is None else round(lift, 2),
        "lift_low": None if lift is None else round(least, 2),
        "lift_high": None if lift is None else round(most, 2),
        "low": None if np.isnan(low) else round(low, 1),
        "high": None if np.isnan(high) else round(high, 1),
    }


def too_few(training: Training) -> bool:
    """Say whether there are too few outcomes to learn from, or too few of one kind."""
    won = int(training.y.sum())
    return training.n < LEAST_OUTCOMES or min(won, training.n - won) < LEAST_OF_EACH


def few_words(training: Training) -> str:
    """Return that outcomes are too few to learn from, and what is lacking."""
    return f"{few(training.n, int(training.y.sum()))} The weights stay."


def few(n: int, won: int) -> str:
    """Return what is lacking of `n` outcomes, `won` of them, as a sentence."""
    lost = n - won
    if n < LEAST_OUTCOMES:
        lack = f"{n:,} of {LEAST_OUTCOMES}"
    elif won < LEAST_OF_EACH:
        lack = f"{won:,} won of {LEAST_OF_EACH}"
    elif lost < LEAST_OF_EACH:
        lack = f"{lost:,} not won of {LEAST_OF_EACH}"
    else:
        lack = f"{n:,}, of which a part is kept to measure on"
    return f"Not enough outcomes yet ({lack})."


def counts(training: Training) -> dict[str, Any]:
    """Return how many past leads there are, and what is to be said of them, as JSON values."""
    return {
        "n": training.n,
        "won": int(training.y.sum()),
        "immature": training.immature,
        "immature_share": round(training.immature_share, 4),
        "left_out": training.left_out,
        "in_order": training.in_order,
        "demo": training.demo,
    }
