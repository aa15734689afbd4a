"""The learner beside its rivals on the same splits of the same past leads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scoring.features import Floats, Ints
from scoring.learning.backtest import History, Options, read_history, split
from scoring.learning.baselines import BASELINES
from scoring.learning.evaluate import Metrics, calibration_floor, measure
from scoring.learning.points import define
from scoring.learning.signals import learn_signals
from scoring.learning.table import Sheet

OURS = "Leadqual"


@dataclass(frozen=True)
class Compared:
    """Means over the splits of one learner; `floor` is the ECE that a perfect model would show,
    `shift` by how much the share won held out differs from that learned from.
    """

    name: str
    auc: float
    brier: float
    log_loss: float
    ece: float
    floor: float
    hot: float
    warm: float
    cold: float
    shift: float


def compare(sheet: Sheet, options: Options, seeds: Sequence[int]) -> list[Compared]:
    """Return the means of our learner and of each baseline; raise Invalid like a backtest."""
    found: dict[str, list[tuple[Metrics, float]]] = {}
    shifts = []
    for seed in seeds:
        wanted = replace(options, seed=seed)
        history = read_history(sheet, wanted)
        train, test = split(history, wanted)
        truth = history.y[test]
        shifts.append(abs(float(truth.mean() - history.y[train].mean())))
        for name, p in _predictions(history, train, test, seed):
            found.setdefault(name, []).append((measure(truth, p, p), calibration_floor(p, seed)))
    shift = float(np.mean(shifts))
    return [_means(name, measured, shift) for name, measured in found.items()]


def _predictions(
    history: History, train: Ints, test: Ints, seed: int
) -> Iterator[tuple[str, Floats]]:
    inside, outside, y = history.table.take(train), history.table.take(test), history.y[train]
    learned = learn_signals(
        inside, y, in_order=history.in_order, seed=seed, trusted=history.trusted
    )
    definitions = define(learned, inside)
    constant = np.full(len(test), float(y.mean()))
    yield OURS, constant if definitions is None else definitions.probability(outside)
    for name, baseline in BASELINES.items():
        yield name, baseline(inside, y, outside)


def _means(name: str, measured: Sequence[tuple[Metrics, float]], shift: float) -> Compared:
    def mean(values: list[float | None]) -> float:
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else float("nan")

    metrics = [m for m, _ in measured]
    return Compared(
        name=name,
        auc=mean([m.auc for m in metrics]),
        brier=mean([m.brier for m in metrics]),
        log_loss=mean([m.log_loss for m in metrics]),
        ece=mean([m.ece for m in metrics]),
        floor=mean([floor for _, floor in measured]),
        hot=mean([m.tiers["hot"] for m in metrics]),
        warm=mean([m.tiers["warm"] for m in metrics]),
        cold=mean([m.tiers["cold"] for m in metrics]),
        shift=shift,
    )
