"""Learns from some past leads, scores the others, and says whether it would have been better.

The leads held out are the last in order, or a stratified part; identical rows stay on one side.
Everything goes through the product's own definitions and scorecard; nothing is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.conditions import FieldType
from core.errors import FieldProblem, Invalid
from scoring.features import Bools, Floats, Ints
from scoring.learning.dates import parse_dates
from scoring.learning.drift import Recency, drift_notice, later_notice
from scoring.learning.evaluate import (
    Metrics,
    auc_gain,
    bootstrap,
    calibration_floor,
    measure,
    recalibrate,
    verdict,
)
from scoring.learning.levels import least_support
from scoring.learning.notices import Notice
from scoring.learning.points import Definitions, define
from scoring.learning.screening import rank_auc, why_unusable
from scoring.learning.signals import LEAST_REPEATS, REPEATED, SURE_REPEATS, learn_signals
from scoring.learning.splitting import last_in_order, part_of_each, stratified
from scoring.learning.suggesting import Line, lines_of, prevailing, strongest
from scoring.learning.table import Column, Sheet, Table, column_of_texts, is_blank, parse_numbers

LEAST_ROWS = 20
LEAST_SHOWN = 20  # training outcomes below which no probability is shown
# Outcomes of repeats differ at most so often as by chance. Some leads of their own look alike, too.
DIFFERENT = 0.25
MOST_SEED = 2**32 - 1  # of scikit-learn
MOST_OUTCOMES = 20  # values of a column that can be an outcome
DISTINCT = 0.5  # share of the values that differ from which a column is an id
TOO_GOOD = 0.95  # lower bound of AUC from which something probably gives the outcome away
ORDERED = 0.95  # of the leads that must have a date or a number to be put in order by it
INTERACTIONS = 0.02  # AUC by which boosting leads when points miss something
LEAST_SURE = 10  # leads of either outcome from which an interval of AUC holds


@dataclass(frozen=True)
class Options:
    """What to test: columns by name; `order` None is a stratified split; `train` None is all.

    Columns to `trust` are learned from though they give the outcome away.
    """

    outcome: str
    positive: str
    exclude: tuple[str, ...] = ()
    trust: tuple[str, ...] = ()
    order: str | None = None
    test_share: float = 0.3
    seed: int = 0
    train: int | None = None


@dataclass(frozen=True)
class History:
    """Past leads with outcomes y (n,) of 0 and 1, in order when `in_order`.

    `row_of` (n,) numbers the different leads of the file, so that repeats share a number: rows that
    agree in everything but their outcome. `trusted` names columns that may give the outcome away.
    """

    table: Table
    y: Floats
    row_of: Ints
    in_order: bool
    notices: list[Notice] = field(default_factory=list)
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Held:
    """The leads held out: outcomes y (n,), probabilities p, learned and starting scores."""

    y: Floats
    p: Floats
    learned: Floats
    start: Floats


@dataclass(frozen=True)
class Result:
    """What a backtest found. `floor` is the ECE that a perfect model would show."""

    n_train: int
    n_test: int
    learned: Metrics
    start: Metrics
    lines: list[Line]
    notices: list[Notice]
    verdict: str
    definitions: Definitions | None
    floor: float | None
    gain: tuple[float, float, float] | None
    auc_interval: tuple[float, float] | None
    held: Held

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "n_train": self.n_train,
            "n_test": self.n_test,
            "learned": self.learned.as_json(),
            "start": self.start.as_json(),
            "signals": [line.as_json() for line in self.lines],
            "warnings": [notice.as_json() for notice in self.notices],
            "verdict": self.verdict,
        }


def run_backtest(sheet: Sheet, options: Options) -> Result:
    """Backtest a file; raise Invalid naming the column or option when it cannot be done."""
    return backtest(read_history(sheet, options), options)


def backtest(history: History, options: Options) -> Result:
    """Learn from the first or a random part of past leads and measure on the rest."""
    train, test = split(history, options)
    inside, outside = history.table.take(train), history.table.take(test)
    y, truth = history.y[train], history.y[test]
    if not 0 < y.sum() < len(y):
        raise Invalid.field("outcome", "one_class", "all training leads have the same outcome")
    learned = learn_signals(
        inside, y, in_order=history.in_order, seed=options.seed, trusted=history.trusted
    )
    definitions = define(learned, inside)
    weights = learned.recency.weights(len(y))
    lines = lines_of(definitions, inside, y, weights, seed=options.seed, in_order=history.in_order)
    notices = [*history.notices, *learned.notices]
    notices += prevailing(lines, learned, inside, y, options.seed)
    if not history.in_order:
        notices += _hidden_trend(history, options.seed)
    enough = len(y) >= LEAST_SHOWN
    base = float(y.mean())
    if definitions is None:
        notices.append(Notice("nothing_learned", "", "No field says anything about the outcome."))
        ranking = start = start_inside = np.zeros(len(test))
        p = np.full(len(test), base)
        start_p = p
    else:
        ranking, p = definitions.points(outside), definitions.probability(outside)
        start, start_inside = definitions.signed(outside), definitions.signed(inside)
        start_p = recalibrate(start_inside, y, start)
    decided = verdict(truth, p, start, start_p, base, len(y), int(y.sum()), learned.gain_z)
    gain = interval = None
    if 0 < truth.sum() < len(truth):
        gain = auc_gain(truth, ranking, start)
        interval = bootstrap(lambda rows: rank_auc(truth[rows], ranking[rows]), truth, options.seed)
        leaky = {notice.field for notice in learned.notices if notice.code == "leak"}
        usable = [name for name in inside.columns if name not in leaky - learned.muted.keys()]
        notices += _remarks(history, inside.only(usable), y, outside, truth, p, ranking, interval)
        if interval[0] > TOO_GOOD:
            most = " and ".join(strongest([line.as_json() for line in lines], 2))
            text = (
                "On the leads held out nearly every won one ranks above the lost ones (AUC over "
                f"{interval[0]:.2f}), mostly by {most}. That is hardly ever known beforehand: "
                "leave out what is known only afterwards."
            )
            notices.append(Notice("too_good", "", text))
    else:
        text = "All leads held out have the same outcome: nothing can be said about them."
        notices.append(Notice("one_class_held_out", options.outcome, text))
    if decided == "too_few":
        text = (
            f"{len(y)} outcomes to learn from, {int(y.sum())} of them won: at least 100 with 30 of "
            "each kind are needed before a model is proposed."
        )
        notices.append(Notice("too_few_outcomes", options.outcome, text))
    return Result(
        n_train=len(train),
        n_test=len(test),
        learned=measure(truth, p if enough else None, ranking),
        start=measure(truth, start_p if enough else None, start),
        lines=lines,
        notices=notices,
        verdict=decided,
        definitions=definitions,
        floor=calibration_floor(p, options.seed) if enough else None,
        gain=gain,
        auc_interval=interval,
        held=Held(truth, p, ranking, start),
    )


def _hidden_trend(history: History, seed: int) -> list[Notice]:
    """Return a notice when leads held out at random hide that the share won moves in the order of a
    date or a running number.
    """
    least = least_support(history.table.n)
    by_lot = np.random.default_rng(seed).permutation(len(history.y))
    for name, column in history.table.columns.items():
        problem = why_unusable(column, least)
        if problem is None or problem.code not in ("date", "identifier"):
            continue
        keys = _keys(column)
        known = np.flatnonzero(~np.isnan(keys))
        if len(known) < ORDERED * len(keys):
            continue
        order = known[np.lexsort((by_lot[known], keys[known]))]
        trend = drift_notice(history.y[order], Recency())
        if trend is not None:
            text = (
                f"In the order of {name}: {trend.text} Leads held out at random do not show it: if "
                "they came in that order, take it as the order."
            )
            return [Notice("drift", name, text)]
    return []


def _keys(column: Column) -> Floats:
    """Return numbers that sort a column of numbers or dates, (n,), NaN for what is neither."""
    if column.numbers is not None:
        return column.numbers
    assert column.codes is not None
    moments = parse_dates(column.values)
    return np.array([*(moments.get(v, np.nan) for v in column.values), np.nan])[column.codes]


def _remarks(
    history: History,
    inside: Table,
    y: Floats,
    outside: Table,
    truth: Floats,
    p: Floats,
    ranking: Floats,
    interval: tuple[float, float],
) -> list[Notice]:
    """Return what the leads held out show beyond the measures."""
    from scoring.learning.baselines import boosting  # late: scikit-learn costs each process 40 MB

    found = []
    later = later_notice(truth, p) if history.in_order else None
    if later is not None:
        found.append(later)
    if not interval[0] > 0.5:
        text = (
            f"On the leads held out the signals rank no better than chance (AUC between "
            f"{interval[0]:.2f} and {interval[1]:.2f}): keep the weights as they are."
        )
        found.append(Notice("no_signal", "", text))
    usable = [name for name, column in inside.columns.items() if _boostable(column.values)]
    if usable:
        trees = boosting(inside.only(usable), y, outside.only(usable))
        lead, low, high = auc_gain(truth, trees, ranking)
        if lead > INTERACTIONS:
            few = min(truth.sum(), len(truth) - truth.sum()) < LEAST_SURE
            chance = ", perhaps by chance" if low <= 0 or few else ""
            spread = f"95 % between {low:+.3f} and {high:+.3f}{chance}".replace("-", "−")
            text = (
                f"Boosted trees rank better by {lead:.3f} AUC ({spread}): fields act together in "
                "ways that points, which add up, miss."
            )
            found.append(Notice("interactions", "", text))
    return found


def _boostable(values: Sequence[str]) -> bool:
    return len(values) < 1000


def read_history(
    sheet: Sheet, options: Options, types: Mapping[str, FieldType] | None = None
) -> History:
    """Return the past leads of a file, typed, with outcomes; raise Invalid for what is unusable.

    `types` are those of fields that are known already; the others show theirs by their values.
    """
    _check(options)
    outcome = _find(sheet, options.outcome, "outcome")
    order = None if options.order is None else _find(sheet, options.order, "order")
    left_out = {_find(sheet, name, "exclude") for name in options.exclude}
    trusted = tuple(sheet.header[_find(sheet, name, "trust")] for name in options.trust)
    if outcome == order:
        raise Invalid.field("order", "contradiction", "is the outcome itself")
    if sheet.header[outcome] in trusted:
        raise Invalid.field("trust", "contradiction", "is the outcome itself")
    both = [name for name in trusted if sheet.header.index(name) in left_out]
    if both:
        text = f"{both[0]} is to be excluded and to be trusted"
        raise Invalid.field("trust", "contradiction", text)
    notices = list(sheet.notices)
    for column, what in ((outcome, "outcome"), (order, "order")):
        if column in left_out:
            name = sheet.header[column]
            text = f"{name} is the {what}, so it is no signal anyway."
            notices.append(Notice("excluded_anyway", name, text))
    labels = sheet.columns[outcome]
    known = np.array([not is_blank(label) for label in labels], dtype=bool)
    y = _won(labels, known, options, sheet.header[outcome], notices)
    keys = None
    if order is not None:
        keys = order_keys(sheet.columns[order], sheet.header[order])
        gaps = int((np.isnan(keys) & known).sum())
        if gaps:
            whose = f"whose {sheet.header[order]} is blank, or no number or date as the others are"
            text = f"{_leads(gaps)} {whose}, {'is' if gaps == 1 else 'are'} left out."
            notices.append(Notice("order_missing", sheet.header[order], text))
        known &= ~np.isnan(keys)
    rows = np.flatnonzero(known)
    if len(rows) < LEAST_ROWS:
        text = f"has {_leads(len(rows))} with an outcome; at least {LEAST_ROWS} are needed"
        raise Invalid.field("file", "too_few_rows", text)
    if not 0 < y[rows].sum() < len(rows):
        raise Invalid.field("outcome", "one_class", "all leads have the same outcome")
    if keys is not None:
        # Leads of one moment have no order; that of the file may be by outcome.
        by_lot = np.random.default_rng(options.seed).permutation(len(rows))
        rows = rows[np.lexsort((by_lot, keys[rows]))]
    signals = [i for i in range(len(sheet.header)) if i not in left_out | {outcome, order}]
    types = types or {}
    columns = {
        name: column_of_texts(name, sheet.columns[i], types.get(name))
        for i, name in ((i, sheet.header[i]) for i in signals)
    }
    if not columns:
        raise Invalid.field("exclude", "no_columns", "leaves no column to learn from")
    # Were the outcome told apart, a lead would be learned lost where it is held out won. Nor does
    # a column that is left out make another lead, for it may tell the outcome, unless it is an id.
    apart = [
        column
        for i, column in enumerate(sheet.columns)
        if i != outcome and (i not in left_out or _is_id(column))
    ]
    row_of = _numbered(apart)
    table = Table(len(labels), columns).take(rows)
    # A lead that was exported twice has two numbers, or two dates, and one outcome.
    telling = {
        i
        for i in range(len(sheet.header))
        if i == order
        or (i in left_out and _is_id(sheet.columns[i]))
        or (i in signals and _tells_apart(columns[sheet.header[i]], len(rows)))
    }
    rest = [sheet.columns[i] for i in signals if i not in telling]
    if telling and rest:
        fewer = _numbered(rest)
        if again := _repeats(fewer[rows], y[rows]):
            names = ", ".join(sheet.header[i] for i in sorted(telling))
            text = (
                f"{again} leads differ from another in {names} only, and hardly ever in their "
                "outcome: they count as the same, and stay on one side."
            )
            notices.append(Notice("repeats", "", text))
            row_of = fewer
    return History(table, y[rows], row_of[rows], keys is not None, notices, trusted)


def _numbered(columns: Sequence[Sequence[str]]) -> Ints:
    """Return a number for each row (n,), the same for rows that agree."""
    number_of: dict[tuple[str, ...], int] = {}
    return np.array(
        [number_of.setdefault(row, len(number_of)) for row in zip(*columns, strict=True)]
    )


def _tells_apart(column: Column, n: int) -> bool:
    """Return whether a column is no signal because it is a number, a name or a date of the lead."""
    problem = why_unusable(column, least_support(n))
    return problem is not None and problem.code in ("identifier", "too_many_values", "date")


def _repeats(group: Ints, y: Floats) -> int:
    """Return how many leads repeat another of their group, by outcomes that agree far more often
    than by chance; 0 when they are leads of their own.
    """
    won, n = np.bincount(group, y), np.bincount(group)
    won, n = won[n > 1], n[n > 1]
    repeats = int((n - 1).sum())
    chance = float(y.mean() ** 2 + (1 - y.mean()) ** 2)
    if repeats < max(LEAST_REPEATS, REPEATED * len(y)) or chance >= 1:
        return 0
    same = (won * (won - 1) + (n - won) * (n - won - 1)) / (n * (n - 1))  # of pairs in a group
    share = float(same @ (n - 1)) / repeats
    sure = (share - chance) * np.sqrt(repeats / (chance * (1 - chance)))
    return repeats if 1 - share <= DIFFERENT * (1 - chance) and sure >= SURE_REPEATS else 0


def _is_id(values: Sequence[str]) -> bool:
    return len(set(values)) > DISTINCT * len(values)


def _leads(n: int) -> str:
    return "1 lead" if n == 1 else f"{n:,} leads"


def _check(options: Options) -> None:
    problems = []
    if not 0.05 <= options.test_share <= 0.95:
        problems.append(FieldProblem("test_share", "out_of_range", "must be between 0.05 and 0.95"))
    if not 0 <= options.seed <= MOST_SEED:
        text = f"must be between 0 and {MOST_SEED}"
        problems.append(FieldProblem("seed", "out_of_range", text))
    if options.train is not None and options.train < 2:
        problems.append(FieldProblem("train", "out_of_range", "must be at least 2"))
    if problems:
        raise Invalid(problems)


def _find(sheet: Sheet, name: str, option: str) -> int:
    """Return the number of a column, by its exact name or in any case."""
    names = [" ".join(n.split()) for n in sheet.header]
    wanted = " ".join(name.split())
    if wanted in names:
        return names.index(wanted)
    folded = [n.casefold() for n in names]
    if folded.count(wanted.casefold()) == 1:
        return folded.index(wanted.casefold())
    shown = ", ".join(sheet.header[:30]) + (", …" if len(sheet.header) > 30 else "")
    raise Invalid.field(option, "unknown_column", f"{name!r} is no column; there are {shown}")


def _won(
    labels: Sequence[str], known: Bools, options: Options, column: str, notices: list[Notice]
) -> Floats:
    """Return 1 where the outcome is the positive value, 0 for all other values."""
    wanted = options.positive.strip().casefold()
    as_number = parse_numbers([wanted]).get(wanted)
    different = {label.casefold(): label for label, k in zip(labels, known, strict=True) if k}
    numbers = parse_numbers(list(different))
    won = {value for value in different if value == wanted}
    if as_number is not None:
        won |= {value for value, number in numbers.items() if number == as_number}
    shown = ", ".join(sorted(different.values())[:10]) + (", …" if len(different) > 10 else "")
    if not won:
        text = f"{options.positive!r} is no value of {column}; there are {shown or 'none'}"
        raise Invalid.field("positive", "unknown_value", text)
    if len(different) > MOST_OUTCOMES:
        text = f"{column} has {len(different)} different values, so it is no outcome"
        raise Invalid.field("outcome", "not_an_outcome", text)
    if len(different) > 2:
        others = ", ".join(sorted(v for k, v in different.items() if k not in won))
        text = f"{column} has {len(different)} values; {others} count as not {options.positive}."
        notices.append(Notice("outcome_values", column, text))
    if not known.all():
        n = int((~known).sum())
        text = f"{_leads(n)} without an outcome {'is' if n == 1 else 'are'} left out."
        notices.append(Notice("outcome_missing", column, text))
    return np.array([float(label.casefold() in won) for label in labels])


def order_keys(texts: Sequence[str], name: str) -> Floats:
    """Return numbers that sort like the texts, numbers or dates, NaN for blanks; else Invalid."""
    filled = sorted({text for text in texts if not is_blank(text)})
    found = parse_numbers(filled)
    if len(found) < len(filled):
        found = parse_dates(filled)
    if not filled or len(found) < 0.95 * len(filled):
        raise Invalid.field("order", "not_an_order", f"{name} holds neither numbers nor dates")
    if len(set(found.values())) < 2:
        raise Invalid.field("order", "not_an_order", f"{name} is the same for all leads")
    return np.array([found.get(text, np.nan) for text in texts])


def split(history: History, options: Options) -> tuple[Ints, Ints]:
    """Return the row numbers to learn from and those held out; repeats of a row stay together."""
    try:
        if history.in_order:  # which is a part of a row, so repeats are of one moment
            train, test = last_in_order(history.row_of, options.test_share)
        else:
            train, test = part_of_each(history.y, history.row_of, options.test_share, options.seed)
        if not len(test) or len(train) < 2:
            raise Invalid.field(
                "file", "too_few_rows", "has too few different rows to hold some out"
            )
        if options.train is not None and options.train < len(train):
            train = _fewer(history, train, options)
    except ValueError:
        message = "has too few leads of one outcome to learn from some and hold out others"
        raise Invalid.field("file", "too_few_rows", message) from None
    return train, test


def _fewer(history: History, train: Ints, options: Options) -> Ints:
    """Return some of the training rows: the latest in order, or at random with both outcomes."""
    if history.in_order:
        return train[-(options.train or len(train)) :]
    return stratified(train, history.y, options.seed, train_size=options.train)[0]
