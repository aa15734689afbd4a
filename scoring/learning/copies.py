"""Finds fields that say the same, so that they count once, wherever they stand in a file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoring.features import Bools, Floats, Ints
from scoring.learning.levels import Levels
from scoring.learning.notices import Notice
from scoring.learning.table import MOSTLY, Column, Table, parse_numbers

COPY_INFORMATION = 0.80  # shared by two fields beyond chance, of what the richer one holds
COPY_AGREEMENT = 0.88  # of their values, where each of one has its fellow of the other
COPY_RANK = 0.98  # correlation of ranks of two numbers
COPY_OVERLAP = 0.6  # of the leads that have either that have both
RANK_SUSPECT, RANK_NEAR = 0.8, 0.03  # from which few slips may hide it; how near ranks agree
UNUSUAL_AGREEMENT = 0.8  # where not both numbers are at their most frequent value
SUSPECT = 0.4  # shared information, chance's own included, from which a copy is looked for
UNLIKE = 0.5  # where both are filled in, below which gaps in common make no copy
ROWS = 20_000  # leads looked at
LEAST_RANKED, MOST_RANKED = 20, 200  # leads, and fields
TELLING_GAP = 3.0  # standard errors from which a gap says something that the value does not
_ONE_NUMBER = re.compile(r"\D*?([-+]?\d[\d.,'’\s]*\d|\d)\D*")


def without_copies(
    usable: Sequence[Levels], table: Table, y: Floats, said: Sequence[float]
) -> tuple[list[Levels], list[Notice]]:
    """Return the fields without copies: of those alike stays the one that is like most others and
    most like them, is filled in most often, is plainest (whole numbers, numbers, texts), is one
    that others are named after, clearly has more values, and says most.

    `y` (n,) are the outcomes, `said` what each field alone says about them. The place in the file
    decides only between fields that are one and the same.
    """
    m = len(usable)
    rows = np.arange(table.n)
    if table.n > ROWS:
        rows = np.linspace(0, table.n - 1, ROWS).astype(np.int64)
    fields = [_field(v, table.columns[v.field], rows) for v in usable]
    alike = _alike(fields, y[rows])
    near = alike >= COPY_INFORMATION
    filled = np.array([f.known.sum() for f in fields])
    plain = np.array([f.plainness() for f in fields])
    fine = np.array([f.fineness() for f in fields])
    names = [f.column.name.casefold() for f in fields]
    after = np.array([[a != b and a in b for b in names] for a in names]).reshape(m, m)
    says = np.round(said, 6)
    left = near.copy()  # columns are cleared of fields that are counted already
    chosen_for: dict[int, int] = {}
    while (crowded := np.flatnonzero(left.sum(axis=1) * left.diagonal() > 1)).size:
        sums = np.round((alike[crowded] * left[crowded]).sum(axis=1), 6)
        named = (after[crowded] & left[crowded]).sum(axis=1)
        keys = (says[crowded], fine[crowded], named, plain[crowded], filled[crowded], sums)
        order = np.lexsort((-crowded, *keys, left[crowded].sum(axis=1)))
        chosen = int(crowded[order[-1]])
        like = np.flatnonzero(left[chosen])
        chosen_for |= dict.fromkeys(map(int, like), chosen)
        left[:, like] = False
    notices = []
    for j, chosen in sorted(chosen_for.items(), key=lambda pair: (pair[1], pair[0])):
        if j != chosen:
            name, other = usable[j].field, usable[chosen].field
            text = f"{name} says the same as {other}: the two are counted once, as {other}."
            notices.append(Notice("copy", name, text))
    return [usable[i] for i in range(m) if chosen_for.get(i, i) == i], notices


@dataclass(frozen=True)
class _Field:
    """A field on the leads looked at: `codes` (n,) of its levels and of gaps, which leads have it,
    and its numbers, also those within texts such as "17 seats".
    """

    column: Column
    codes: Ints
    known: Bools
    numbers: Floats | None
    entropy: float
    entropy_known: float

    def plainness(self) -> int:
        """Return 0 for a text, 1 for numbers, 2 for whole numbers."""
        if self.column.numbers is None or self.numbers is None:
            return 0
        return 1 + bool(np.all(self.numbers[self.known] % 1 == 0))

    def fineness(self) -> int:
        """Return how many different values there are, as a power of two; slips change few."""
        values = self.column.codes if self.numbers is None else self.numbers
        assert values is not None
        return round(float(np.log2(max(1, len(np.unique(values))))))


def _field(levels: Levels, column: Column, rows: Ints) -> _Field:
    codes = np.where(levels.codes[rows] < 0, len(levels.levels), levels.codes[rows])
    known = ~column.missing[rows]
    numbers = column.numbers if column.numbers is not None else _numbers_within(column)
    return _Field(
        column,
        codes,
        known,
        None if numbers is None else numbers[rows],
        _entropy(np.bincount(codes)),
        _entropy(np.bincount(codes[known])),
    )


def _numbers_within(column: Column) -> Floats | None:
    """Return the numbers (n,) of texts that nearly all have one, None where they have not."""
    assert column.codes is not None
    found = {}
    for code, value in enumerate(column.values):
        if match := _ONE_NUMBER.fullmatch(value):
            found[code] = match.group(1).strip()
    parsed = parse_numbers(list(found.values()))
    by_code = np.full(len(column.values) + 1, np.nan)  # the last is for gaps
    for code, text in found.items():
        by_code[code] = parsed.get(text, np.nan)
    numbers = by_code[column.codes]
    there = int((~np.isnan(numbers)).sum())
    return numbers if there >= max(1, MOSTLY * int((column.codes >= 0).sum())) else None


def _alike(fields: Sequence[_Field], y: Floats) -> Floats:
    """Return how alike fields are (m, m), from 0 to 1; y (n,) tells which gaps say something."""
    m = len(fields)
    alike = np.eye(m)
    if m < 2:
        return alike
    whole = np.array([f.entropy for f in fields])
    filled = np.array([f.entropy_known for f in fields])
    known = np.stack([f.known for f in fields]).astype(np.float32)
    both = known @ known.T
    counts = np.diagonal(both)
    overlap = both / np.maximum(1, counts[:, None] + counts - both)
    with_gaps = _comparable(whole)
    without = _comparable(filled) & (overlap >= COPY_OVERLAP)
    for i, j in zip(*np.nonzero(np.tril(with_gaps | without, -1)), strict=True):
        value = _pair(fields[i], fields[j], bool(with_gaps[i, j]), bool(without[i, j]), y)
        alike[i, j] = alike[j, i] = value
    for i, j, value in _by_ranks(fields, alike):
        alike[i, j] = alike[j, i] = max(alike[i, j], value)
    return alike


def _comparable(entropy: Floats) -> Bools:
    """Return which fields (m, m) hold so nearly as much that they may say the same."""
    low, high = np.minimum.outer(entropy, entropy), np.maximum.outer(entropy, entropy)
    found: Bools = (low >= COPY_INFORMATION**2 * high) & (high > 0)
    return found


def _pair(one: _Field, other: _Field, with_gaps: bool, without: bool, y: Floats) -> float:
    """Return how alike two fields are: as they stand, a gap being a value, or where both are filled
    in, when gaps say nothing themselves.
    """
    found = _likeness(one.codes, other.codes) if with_gaps else 0.0
    both = one.known & other.known
    if both.all() or min(one.entropy_known, other.entropy_known) == 0:
        return found
    if found >= COPY_INFORMATION:
        # Questions that are asked of the same few leads have their gaps in common, and no more.
        there = _alike_where(both, one, other) if both.sum() >= LEAST_RANKED else found
        return max(found, there) if there >= UNLIKE else 0.0
    if not without or both.sum() < LEAST_RANKED:
        return found
    there = _alike_where(both, one, other)
    if there < COPY_INFORMATION or _gap_tells(one, other, y) or _gap_tells(other, one, y):
        return found
    return there


def _gap_tells(one: _Field, other: _Field, y: Floats) -> bool:
    """Return whether leads of the same value of one win surely more or less often where the other
    is not filled in (Mantel and Haenszel 1959).
    """
    codes, gap, won = one.codes[one.known], ~other.known[one.known], y[one.known]
    n = np.bincount(codes).astype(np.float64)
    wins, gaps = np.bincount(codes, won, len(n)), np.bincount(codes, gap, len(n))
    at = n > 1
    n, wins, gaps = n[at], wins[at], gaps[at]
    off = float(won[gap].sum() - np.bincount(codes, won * gap)[~at].sum() - (wins * gaps / n).sum())
    spread = float((wins * (n - wins) * gaps * (n - gaps) / (n**2 * (n - 1))).sum())
    return spread > 0 and abs(off) > TELLING_GAP * np.sqrt(spread)


def _alike_where(both: Bools, one: _Field, other: _Field) -> float:
    """Return how alike two fields are on some leads, by what they share or by ranks."""
    shared = _likeness(one.codes[both], other.codes[both])
    if one.column.type == other.column.type == "number" and both.sum() >= LEAST_RANKED:
        assert one.numbers is not None
        assert other.numbers is not None
        return max(shared, _same_ranks(_ranks(one.numbers[both]), _ranks(other.numbers[both])))
    return shared


def _entropy(counts: Ints) -> float:
    share = counts[counts > 0] / max(1, counts.sum())
    return float(-(share * np.log(share)).sum())


def _likeness(a: Ints, b: Ints) -> float:
    """Return the information that codes (n,) share beyond chance, as a share of what the richer one
    holds beyond it; or how far each value of one has its fellow, brought to the same scale.
    """
    joint = _joint(a, b)
    richer = max(_entropy(joint.sum(axis=1)), _entropy(joint.sum(axis=0)))
    shared = _shared(joint)
    if richer == 0 or shared < SUSPECT * richer:
        return 0.0
    # What unlike fields would seem to share: one of the two in another order, then the other.
    order = np.random.default_rng(len(a)).permutation(len(a))
    by_chance = _joint(a, b[order]), _joint(a[order], b)
    chance, luck = (sum(of(each) for each in by_chance) / 2 for of in (_shared, _purity))
    information = (shared - chance) / (richer - chance) if richer > chance else 0.0
    agreement = (_purity(joint) - luck) / (1 - luck) if luck < 1 else 0.0
    return max(0.0, information, _scaled(agreement))


def _scaled(agreement: float) -> float:
    return 1 - (1 - agreement) * (1 - COPY_INFORMATION) / (1 - COPY_AGREEMENT)


def _joint(a: Ints, b: Ints) -> Ints:
    width = int(b.max()) + 1
    height = int(a.max()) + 1
    return np.bincount(a * width + b, minlength=height * width).reshape(height, width)


def _shared(joint: Ints) -> float:
    return _entropy(joint.sum(axis=1)) + _entropy(joint.sum(axis=0)) - _entropy(joint.ravel())


def _purity(joint: Ints) -> float:
    """Return the share of leads whose value of one is the most frequent for that of the other, the
    lower of both ways.
    """
    n = max(1, int(joint.sum()))
    return min(int(joint.max(axis=1).sum()), int(joint.max(axis=0).sum())) / n


def _by_ranks(fields: Sequence[_Field], alike: Floats) -> list[tuple[int, int, float]]:
    """Return pairs of fields of numbers whose ranks agree, with the agreement; of very many fields
    only those of which what they share (`alike`) does not tell already.
    """
    by_gaps: dict[bytes, list[tuple[int, Floats]]] = {}
    for i, field in enumerate(fields):
        if field.numbers is not None:
            gaps = np.packbits(np.isnan(field.numbers)).tobytes()
            by_gaps.setdefault(gaps, []).append((i, field.numbers))
    found = []
    for group in by_gaps.values():
        members = np.array([i for i, _ in group])
        known = ~np.isnan(group[0][1])
        if len(members) < 2 or known.sum() < LEAST_RANKED:
            continue
        ranks = np.stack([_ranks(numbers[known]) for _, numbers in group])
        moving = np.flatnonzero(ranks.std(axis=1) > 0)
        if len(moving) < 2:
            continue
        members, ranks = members[moving], ranks[moving]
        rho = np.abs(np.corrcoef(ranks))
        suspect = rho >= RANK_SUSPECT
        if len(members) > MOST_RANKED:
            suspect &= (rho >= COPY_RANK) & (alike[np.ix_(members, members)] < COPY_INFORMATION)
        for a, b in zip(*np.nonzero(np.tril(suspect, -1)), strict=True):
            found.append((int(members[a]), int(members[b]), _same_ranks(ranks[a], ranks[b])))
    return found


def _same_ranks(a: Floats, b: Floats) -> float:
    """Return how alike numbers are by their ranks (n,): all agree nearly, or nearly all agree; both
    also where not both are at their most frequent value. 0 where they are not alike.
    """
    rho = _correlation(a, b)
    if abs(rho) < RANK_SUSPECT:
        return 0.0
    if rho < 0:
        b = len(b) - 1 - b
    unusual = (a != _most_frequent(a)) | (b != _most_frequent(b))
    few = unusual.sum() < LEAST_RANKED
    x, z = _ranks(a[unusual]), _ranks(b[unusual])
    if abs(rho) >= COPY_RANK and (few or abs(_correlation(x, z)) >= COPY_RANK):
        return abs(rho)
    agreement = _agreement(a, b)
    if agreement >= COPY_AGREEMENT and (few or _agreement(x, z) >= UNUSUAL_AGREEMENT):
        return _scaled(agreement)
    return 0.0


def _correlation(a: Floats, b: Floats) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if min(a.std(), b.std()) > 0 else 0.0


def _agreement(a: Floats, b: Floats) -> float:
    """Return the share of leads whose ranks agree nearly, beyond chance."""
    reach = max(1.0, RANK_NEAR * len(a))
    order = np.random.default_rng(len(a)).permutation(len(a))
    near, *by_chance = (
        float((np.abs(x - z) <= reach).mean()) for x, z in ((a, b), (a, b[order]), (a[order], b))
    )
    chance = sum(by_chance) / 2
    return (near - chance) / (1 - chance) if chance < 1 else 0.0


def _most_frequent(values: Floats) -> float:
    distinct, counts = np.unique(values, return_counts=True)
    return float(distinct[counts.argmax()])


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
