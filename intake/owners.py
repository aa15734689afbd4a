"""Who gets the leads of an import: evenly, those with the fewest open leads first. Pure."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def schedule(
    owners: Sequence[int], open_leads: Sequence[int], start: int, stop: int
) -> npt.NDArray[np.int64]:
    """Return the owners of the new leads `start` to `stop` (exclusive) of an import.

    Each lead in turn goes to whoever has the fewest open leads by then, ties in the order of
    `owners`; computed without going through the leads before `start`.
    """
    order = sorted(range(len(owners)), key=lambda i: (open_leads[i], i))
    levels = np.array([open_leads[i] for i in order], dtype=np.int64)
    chosen = np.empty(stop - start, dtype=np.int64)
    ids = np.array(owners, dtype=np.int64)
    given, level, filled = 0, 0, 0
    for count in range(1, len(order) + 1):
        # The first `count` owners share alike until they reach the next one's number.
        members = sorted(order[:count])
        level = int(levels[count - 1])
        upper = int(levels[count]) if count < len(order) else None
        room = stop - given if upper is None else min((upper - level) * count, stop - given)
        first, last = max(start, given), given + room
        if last > first:
            turns = np.arange(first - given, last - given) % count
            chosen[filled : filled + len(turns)] = ids[np.array(members)[turns]]
            filled += len(turns)
        given += room
        if given >= stop:
            break
    return chosen
