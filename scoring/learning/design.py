"""From levels of fields to the coefficients that are fitted.

The bins of a number become steps (one at each edge) and one slope, values of a text and "not
filled in" one coefficient each, and a two-condition rule one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from scoring.features import Bools, Floats
from scoring.learning.fit import Design
from scoring.learning.levels import Levels
from scoring.learning.shrinkage import FEW

# A number has more columns than a text, so on few outcomes it would be the freer, and wander.
STEP_SHARE = 0.6  # of a step against the slope
PRIOR_VARIANCE = 0.75  # of a number's log-odds over the leads, when its coefficients have 1
MOST_DENSE = 200_000  # cells of a matrix that is kept dense


@dataclass(frozen=True)
class Layout:
    """Which cells belong to which field: field f has cells offsets[f] … offsets[f + 1] − 1.

    The rules come after the fields, one cell each.
    """

    offsets: tuple[int, ...]
    rules: int

    @property
    def cells(self) -> int:
        """The number of cells of the fields."""
        return self.offsets[-1]


def build(fields: Sequence[Levels], rules: Sequence[Bools] = ()) -> tuple[Design, Layout]:
    """Return the design of n leads from their levels, and from which rules hold, each (n,)."""
    offsets = np.concatenate([[0], np.cumsum([len(f.levels) for f in fields])]).astype(int)
    total = int(offsets[-1]) + len(rules)
    n = len(fields[0].codes)
    rows, columns = [], []
    basis: list[Floats] = []
    field_of: list[int] = []
    for number, levels in enumerate(fields):
        known = np.flatnonzero(levels.codes >= 0)
        rows.append(known)
        columns.append(levels.codes[known] + offsets[number])
        for vector in _vectors(levels):
            whole = np.zeros(total)
            whole[offsets[number] : offsets[number + 1]] = vector
            basis.append(whole)
            field_of.append(number)
    for number, holds in enumerate(rules):
        rows.append(np.flatnonzero(holds))
        columns.append(np.full(int(holds.sum()), offsets[-1] + number))
        basis.append(np.eye(total)[offsets[-1] + number])
        field_of.append(len(fields) + number)
    places = (np.concatenate(rows), np.concatenate(columns))
    cells = scipy.sparse.csr_matrix((np.ones(len(places[0])), places), shape=(n, total))
    # Below a certain size the bookkeeping of sparse matrices costs more than it saves.
    small = n * total <= MOST_DENSE
    matrix = cells.toarray() if small else cells
    design = Design(matrix, np.array(basis).T, np.array(field_of), np.ones(len(field_of)))
    return design, Layout(tuple(int(o) for o in offsets), len(rules))


def _vectors(levels: Levels) -> list[Floats]:
    """Return the coefficients of a field as patterns over its levels."""
    bins, k = levels.bins, len(levels.levels)
    unit = np.eye(k)
    if bins < 2:
        return list(unit)
    share = levels.counts()[:bins]
    share = share / max(1, share.sum())
    found = []
    few = len(levels.codes) < FEW
    weight, variance = (STEP_SHARE if few and bins > 2 else 1.0), 0.0
    for edge in range(1, bins):
        step = np.zeros(k)
        step[:bins] = (np.arange(bins) >= edge) - share[edge:].sum()
        found.append(weight * step)
        variance += weight**2 * float(share[edge:].sum() * share[:edge].sum())
    if bins > 2:
        place = np.cumsum(share) - share / 2
        slope = np.zeros(k)
        slope[:bins] = place - share @ place
        slope /= np.sqrt(share @ slope[:bins] ** 2) or 1.0  # all in one bin: nothing slopes
        found.append(slope)
        variance += 1.0
        if few:
            found = [column * min(1.0, np.sqrt(PRIOR_VARIANCE / variance)) for column in found]
    return found + list(unit[bins:])
