"""Which fields may become signals: named and left out are those that cannot, that give the outcome
away, and that repeat another field.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from scoring.features import Bools, Floats, Ints
from scoring.learning.copies import without_copies
from scoring.learning.dates import are_moments, looks_like_dates
from scoring.learning.levels import LONGEST, Level, Levels, least_support, make_levels
from scoring.learning.notices import Notice
from scoring.learning.table import Column, Table

SURE_Z = 1.645  # standard errors of a bound that is sure at one-sided 95 %
LEAK_AUC = 0.90  # of the field alone: the lower 95 % bound, since few outcomes show more by chance
# The same where a field leaves no lead nearly sure and tells by degrees: two groups of its levels
# have less than this share of what it tells.
LEAK_AUC_BY_DEGREES, ONE_STEP = 0.95, 0.93
LEAK_ODDS = 20.0  # of a value against the rest: the lower 95 % bound
LEAK_SUPPORT, LEAK_SHARE = 20, 0.01
# One side of the value is nearly sure: of the contrary outcomes that chance gives at most so many,
# and the outcome itself so much more frequent, since most leads are lost for no hidden reason.
LEAK_CONTRARY, LEAK_LIFT = 0.1, 1.5
# Contrary outcomes that chance gives, from which none at all is as good as odds, and hardly any is
# to be named.
LEAK_NEVER, LEAK_NAMED = 30.0, 10.0
TEXT_LENGTH, TEXT_WORDS = 40, 5  # means from which distinct texts are prose
MOST_FIELDS = 60
LEAST_GROUPED = 0.2  # share of the values that must be frequent for a field of many
FREQUENT_SHARE = 0.005  # of the leads, from which a value is frequent
DENSE = 0.5  # of a range of whole numbers, all different: a running number
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")  # of a name: lead_id, LeadID and lead.id
FOLDS = 5


@dataclass(frozen=True)
class Screened:
    """The fields that may become signals, with their levels.

    `muted` names levels that are left out because they alone give the outcome away.
    """

    levels: list[Levels]
    muted: dict[str, Ints] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)


def screen(table: Table, y: Floats, seed: int = 0, trusted: Collection[str] = ()) -> Screened:
    """Return the usable fields of past leads with outcomes y (n,) of 0 and 1.

    Fields that are `trusted` are usable though they give the outcome away.
    """
    notices: list[Notice] = []
    least = least_support(table.n)
    usable: list[Levels] = []
    muted: dict[str, Ints] = {}
    for column in table.columns.values():
        problem = why_unusable(column, least)
        if problem is not None:
            leak = None if column.name in trusted else _filled_with_the_outcome(column, y, seed)
            notices.append(leak or problem)
            continue
        if column.stray:
            are = (
                "value of {} is no number and counts"
                if column.stray == 1
                else ("values of {} are no numbers and count")
            )
            text = f"{column.stray} {are.format(column.name)} as not filled in."
            notices.append(Notice("mixed_values", column.name, text))
        levels = make_levels(column, least, y)
        if len(levels.levels) < 2:
            notices.append(_without_levels(column))
            continue
        leak, leaky = find_leak(levels, y, seed)
        if leak is not None and column.name in trusted:
            text = f"{column.name} gives the outcome away, and was learned all the same."
            leak, leaky = Notice("leak_kept", column.name, text), leaky[:0]
        if leak is not None:
            notices.append(leak)
        if leak is None or leak.code != "leak" or (len(leaky) == 1 and len(levels.levels) > 2):
            usable.append(levels)
            if len(leaky):
                muted[levels.field] = leaky
    kept, copies = without_copies(usable, table, y, [_says(levels, y) for levels in usable])
    kept, weakest = strongest(kept, y)
    return Screened(kept, muted, notices + copies + weakest)


def strongest(fields: list[Levels], y: Floats) -> tuple[list[Levels], list[Notice]]:
    """Return at most MOST_FIELDS fields, those that alone say most about the outcome.

    Measured by the likelihood ratio less what chance gives so many levels; a score holds 40 lines.
    """
    if len(fields) <= MOST_FIELDS:
        return fields, []
    said = [_says(levels, y) for levels in fields]
    chosen = sorted(sorted(range(len(fields)), key=lambda i: (-said[i], i))[:MOST_FIELDS])
    text = (
        f"{len(fields) - MOST_FIELDS} of {len(fields)} fields, those that alone say least about "
        "the outcome, are left out."
    )
    return [fields[i] for i in chosen], [Notice("too_many_fields", "", text)]


def _says(levels: Levels, y: Floats) -> float:
    k = len(levels.levels)
    codes = np.where(levels.codes < 0, k, levels.codes)
    counts = np.bincount(codes, minlength=k + 1)
    won = np.bincount(codes, y, k + 1)
    seen = counts > 0
    rate = np.clip(won[seen] / counts[seen], 1e-9, 1 - 1e-9)
    mean = float(y.mean())
    gain = won[seen] * np.log(rate / mean)
    gain += (counts - won)[seen] * np.log((1 - rate) / (1 - mean))
    return float(2 * gain.sum() - (seen.sum() - 1))


def why_unusable(column: Column, least: int) -> Notice | None:
    """Return why a field cannot become a signal, None when it can."""
    name, known = column.name, ~column.missing
    n = int(known.sum())
    if n == 0:
        return Notice("empty", name, f"{name} is never filled in and is left out.")
    if column.type != "text":
        if column.type == "number" and _runs(column, known):
            text = f"{name} is a running number or an identifier and is left out."
            return Notice("identifier", name, text)
        assert column.numbers is not None
        return _date(name) if are_moments(column.numbers[known]) else None
    assert column.codes is not None
    counts = np.bincount(column.codes[known], minlength=len(column.values))
    used = [value for value, count in zip(column.values, counts, strict=True) if count]
    if looks_like_dates(used):
        return _date(name)
    least = max(least, round(FREQUENT_SHARE * len(known)))
    frequent = float(counts[counts >= least].sum()) / n
    if frequent >= LEAST_GROUPED or n < 2 * least:
        return None
    if np.mean([len(v) for v in used]) >= TEXT_LENGTH or (
        np.mean([len(v.split()) for v in used]) >= TEXT_WORDS
    ):
        return Notice("free_text", name, f"{name} is free text and is left out.")
    text = f"{name} has {len(used):,} different values, few of them often, and is left out."
    return Notice("too_many_values", name, text)


def _without_levels(column: Column) -> Notice:
    if any(len(value) > LONGEST for value in column.values):
        text = f"{column.name} has values of more than {LONGEST} characters and is left out."
        return Notice("free_text", column.name, text)
    text = f"{column.name} is the same for nearly all leads and is left out."
    return Notice("constant", column.name, text)


def _date(name: str) -> Notice:
    text = f"{name} holds dates; a date is no signal. It can be the order of the leads."
    return Notice("date", name, text)


def _runs(column: Column, known: Bools) -> bool:
    """Return whether whole numbers are all different and fill their range or are called an id, or
    are called so by their last word and are mostly different, as where a customer stands twice.
    """
    assert column.numbers is not None
    values = column.numbers[known]
    if len(values) < 20 or np.any(values % 1 != 0):
        return False
    different = len(np.unique(values))
    words = [word.casefold() for word in _WORD.findall(column.name)]
    if different < len(values):
        return words[-1:] in (["id"], ["uid"]) and different >= DENSE * len(values)
    named = bool({"id", "number", "no", "nr", "key", "uid", "index", "row"} & set(words))
    return named or different / (values.max() - values.min() + 1) >= DENSE


def _filled_with_the_outcome(column: Column, y: Floats, seed: int) -> Notice | None:
    """Return a notice when a field that can be no signal, as the day of the contract, is filled in
    for leads that ended one way and for hardly any other.
    """
    codes = column.missing.astype(np.int64)
    if codes.all() or not codes.any():
        return None
    levels = Levels(column.name, "text", (Level("other"), Level("missing")), codes)
    leak, _ = find_leak(levels, y, seed)
    return leak if leak is not None and leak.code == "leak" else None


def find_leak(levels: Levels, y: Floats, seed: int) -> tuple[Notice | None, Ints]:
    """Return a notice when a field gives the outcome away or may do so, and its levels that do."""
    alone = auc_alone(levels, y, seed)
    name = levels.field
    strong = surely_leaks(alone, y)
    if strong and not _by_degrees(levels, y, alone):
        text = (
            f"{name} alone tells won from lost (AUC {alone:.2f}): it is probably known only "
            "afterwards. It is left out until you say otherwise."
        )
        return Notice("leak", name, text), np.arange(len(levels.levels))
    telling, suspect = _telling(levels, y, seed)
    leaky = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *telling]))
    if strong and not telling:
        text = (
            f"{name} alone tells won from lost (AUC {alone:.2f}). Leave it out unless it is known "
            "before the outcome."
        )
        return Notice("leak_possible", name, text), leaky
    if not telling and not suspect:
        return None, leaky
    members = (telling or suspect)[0]
    with_it = np.isin(levels.codes, members)
    text = (
        f"{name} “{levels.label(members.tolist())}”: of {int(with_it.sum())} such leads "
        f"{100 * y[with_it].mean():.1f} % won, of the others {100 * y[~with_it].mean():.1f} %"
    ).replace(".0 %", " %")
    if not telling:
        text = f"{text}. Leave it out unless it is known before the outcome."
        return Notice("leak_possible", name, text), leaky
    what = "The field is" if len(leaky) > 1 or len(levels.levels) == 2 else "This value is"
    text = f"{text}: it is probably known only afterwards. {what} left out until you say otherwise."
    return Notice("leak", name, text), leaky


def _by_degrees(levels: Levels, y: Floats, alone: float) -> bool:
    """Return whether a field tells won from lost by degrees and makes no lead nearly sure, as a
    strong reason does; what is known only afterwards steps from one outcome to the other.
    """
    if alone - SURE_Z * auc_spread(alone, y) > LEAK_AUC_BY_DEGREES:
        return False
    won, lost = _sides(levels, y), _sides(levels, 1 - y)
    if any((side.hardly_lose() & (side.n >= LEAK_SUPPORT)).any() for side in (won, lost)):
        return False
    order = np.argsort(won.won / np.maximum(won.n, 1))
    below = np.cumsum(lost.won[order]) / max(1.0, lost.won.sum())
    above = 1 - np.cumsum(won.won[order]) / max(1.0, won.won.sum())
    step = float(((below + above) / 2).max())
    return step - 0.5 < ONE_STEP * (alone - 0.5)


def _telling(levels: Levels, y: Floats, seed: int) -> tuple[list[Ints], list[Ints]]:
    """Return groups of levels that give the outcome away, and such as may do so.

    Levels are looked at alone, and all together that hardly ever end otherwise: a reason that is
    written down with the outcome is one of several, and an amount falls into many bins.
    """
    sides, every = _sides(levels, y), np.arange(len(levels.levels))
    telling = [every[i : i + 1] for i in np.flatnonzero(sides.wins())]
    # Where the rest hardly ever wins, it is those without the level that are told apart.
    telling += [every[every != i] for i in np.flatnonzero(sides.loses())]
    suspect = [every[i : i + 1] for i in np.flatnonzero(sides.high_odds())]
    for truth in (y, 1 - y):
        members, group = _nearly_sure(levels, truth, seed)
        if len(members) and (group.never() & (group.high_odds() | group.expects(LEAK_NEVER))).any():
            (telling if group.hardly_lose().any() else suspect).append(members)
        elif len(members) and (group.hardly_lose() & group.expects(LEAK_NAMED)).any():
            suspect.append(members)
    return telling, suspect


def _nearly_sure(levels: Levels, y: Floats, seed: int) -> tuple[Ints, "Sides"]:
    """Return the levels whose leads hardly ever lose, and the leads of such levels beside the
    rest, each lead by what the others show, so that what a level shows by chance counts nothing.
    """
    k = len(levels.levels)
    codes = np.where(levels.codes < 0, k, levels.codes)
    folds = np.random.default_rng(seed).permutation(len(y)) % FOLDS

    def chosen(rows: Bools) -> Bools:
        n = np.bincount(codes[rows], minlength=k + 1)
        lost = n - np.bincount(codes[rows], y[rows], k + 1)
        found: Bools = lost <= LEAK_CONTRARY * (1 - y[rows].mean()) * n
        found &= n > 0
        found[k] = False
        return found

    inside = np.zeros(len(y), dtype=bool)
    for fold in range(FOLDS):
        here = folds == fold
        inside[here] = chosen(~here)[codes[here]]
    won, n = np.array([y[inside].sum()]), np.array([float(inside.sum())])
    members = np.flatnonzero(chosen(np.ones(len(y), dtype=bool)))
    return members, Sides(won, n, y.sum() - won, len(y) - n, len(y))


def _sides(levels: Levels, y: Floats) -> "Sides":
    known = levels.codes >= 0
    won = np.bincount(levels.codes[known], y[known], len(levels.levels)).astype(np.float64)
    n = levels.counts().astype(np.float64)
    return Sides(won, n, won.sum() - won, n.sum() - n, len(y))


@dataclass(frozen=True)
class Sides:
    """Groups of leads beside the rest: won and all of each, (k,), of `of` leads in the whole."""

    won: Floats
    n: Floats
    won_else: Floats
    n_else: Floats
    of: int

    def high_odds(self) -> Bools:
        """Return whether the odds of winning against the rest have a lower 95 % bound over 20; of
        too small a share of the leads nothing is said.
        """
        a, b = self.won + 0.5, self.n - self.won + 0.5
        c, d = self.won_else + 0.5, self.n_else - self.won_else + 0.5
        bound = np.log(a * d / (b * c)) - 1.96 * np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
        least = max(LEAK_SUPPORT, LEAK_SHARE * self.of)
        high: Bools = (bound > np.log(LEAK_ODDS)) & (self.n >= least)
        return high

    def wins(self) -> Bools:
        """Return where such leads surely and hardly ever lose."""
        found: Bools = self.high_odds() & self.hardly_lose()
        return found

    def loses(self) -> Bools:
        """Return where leads with higher odds have all that win: the rest hardly ever wins."""
        rest = Sides(self.n_else - self.won_else, self.n_else, self.n - self.won, self.n, self.of)
        found: Bools = self.high_odds() & rest.hardly_lose()
        return found

    def leaky(self) -> Bools:
        """Return where such leads hardly ever lose or the rest hardly ever wins.

        A strong reason to win has odds as high, but leads that were lost in spite of it.
        """
        found: Bools = self.wins() | self.loses()
        return found

    def _base(self) -> Floats:
        return (self.won + self.won_else) / np.maximum(self.n + self.n_else, 1)

    def hardly_lose(self) -> Bools:
        """Return where leads hardly ever lose, and that is not what most leads do anyway."""
        base, lost = self._base(), 1 - self.won / np.maximum(self.n, 1)
        found: Bools = (lost <= LEAK_CONTRARY * (1 - base)) & (1 - lost >= LEAK_LIFT * base)
        return found

    def never(self) -> Bools:
        """Return where no lead is lost."""
        found: Bools = self.won == self.n
        return found

    def expects(self, lost: float) -> Bools:
        """Return where there is support and chance gives so many lost leads."""
        found: Bools = (self.n * (1 - self._base()) >= lost) & (self.n >= LEAK_SUPPORT)
        return found


def auc_alone(levels: Levels, y: Floats, seed: int) -> float:
    """Return the out-of-fold AUC of a field's win rates by level, so that chance is no leak."""
    codes = np.where(levels.codes < 0, len(levels.levels), levels.codes)
    folds = np.random.default_rng(seed).permutation(len(y)) % FOLDS
    rate = np.empty(len(y))
    for fold in range(FOLDS):
        here, there = folds == fold, folds != fold
        k = len(levels.levels) + 1
        won = np.bincount(codes[there], y[there], k) + y[there].mean()
        rate[here] = (won / (np.bincount(codes[there], minlength=k) + 1))[codes[here]]
    return rank_auc(y, rate)


def surely_leaks(auc: float, y: Floats) -> bool:
    """Return whether something with this AUC alone surely tells won from lost too well."""
    return auc - SURE_Z * auc_spread(auc, y) > LEAK_AUC


def auc_spread(auc: float, y: Floats) -> float:
    """Return the standard error of an AUC (Hanley and McNeil 1982)."""
    won = float(y.sum())
    lost = len(y) - won
    both_won, both_lost = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (won - 1) * (both_won - auc**2) + (lost - 1) * (both_lost - auc**2)
    return float(np.sqrt(max(0.0, spread) / (won * lost)))


def rank_auc(y: Floats, score: Floats) -> float:
    """Return the area under the ROC curve, ties counting half; 0.5 without both outcomes."""
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    won = float(y.sum())
    lost = len(y) - won
    if not won or not lost:
        return 0.5
    return float((ranks @ y - won * (won + 1) / 2) / (won * lost))
