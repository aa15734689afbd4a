"""Which ICP a lead belongs to. Pure (docs/adr/0006)."""

import numpy as np

from scoring.features import Bools, Floats, Ints

NEAR = 5.0  # points of fit within which two ICPs count as equal
STICKY = 10.0  # points by which another must lead before a lead changes its ICP
LEAST = 40.0  # fit below which no ICP is claimed
FALLBACK = -1


def choose(
    share: Floats, eligible: Bools, known: Ints, positions: Ints, present: Ints
) -> tuple[Ints, Ints]:
    """Return (chosen, runner-up) as column numbers, shape (n,), −1 for the fallback or none.

    `share` (n, m) is fit with unknowns assumed, `eligible` whether the segment matches and no
    disqualifier is true, `known` how many fit signals are known, `positions` (m,) the order of
    preference, `present` (n,) the column that the lead has now, −1 for none.
    """
    n, m = share.shape
    if m == 0:
        return np.full(n, FALLBACK), np.full(n, FALLBACK)
    rows = np.arange(n)
    claim = np.where(eligible & (share >= LEAST), share, -np.inf)
    best = claim.max(axis=1)
    near = claim >= best[:, None] - NEAR
    # Among the near ones: more known signals, then position.
    preference = known * 10_000.0 - positions
    chosen = np.where(near & np.isfinite(claim), preference, -np.inf).argmax(axis=1)
    held = np.where(present >= 0, claim[rows, present], -np.inf)
    stays = np.isfinite(held) & (held >= best - STICKY)
    chosen = np.where(stays, present, chosen)
    chosen = np.where(np.isfinite(best), chosen, FALLBACK)
    others = np.where(eligible, share, -np.inf)
    others[rows[chosen >= 0], chosen[chosen >= 0]] = -np.inf
    runner_up = np.where(np.isfinite(others.max(axis=1)), others.argmax(axis=1), FALLBACK)
    return chosen.astype(np.int64), runner_up.astype(np.int64)
