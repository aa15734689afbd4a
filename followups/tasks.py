"""Sweeps of follow-ups: planning marked leads, and the tick for what a machine has to do."""

from core.sweeps import sweep
from followups import claiming, planning


@sweep(planning.SWEEP)
def plan_leads() -> int:
    """Plan leads whose tier, phase, owner or news asks for it."""
    return planning.plan_pending()


@sweep("followups.release")
def release_due() -> int:
    """Take up e-mails that have come due; without delivery they are held with the reason."""
    return claiming.hold_due()
