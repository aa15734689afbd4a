"""News of scoring, published after commit through core.events."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TiersMoved:
    """Leads got another tier or their first one, and wait for their follow-ups to be planned."""

    lead_ids: tuple[int, ...]
