"""Reactions to news of other apps: they only nudge; the marks on standings are the work."""

from core.events import subscribe
from core.sweeps import nudge
from followups.planning import SWEEP
from scoring.events import TiersMoved


@subscribe(TiersMoved)
def plan_soon(event: TiersMoved) -> None:
    """Plan leads within a second of a change of tier, whichever sweep or service found it."""
    nudge(SWEEP)
