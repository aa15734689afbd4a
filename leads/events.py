"""News of leads, published after commit through core.events."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LeadsChanged:
    """Facts of these leads changed by a path that did not rescore them itself."""

    lead_ids: tuple[int, ...]
