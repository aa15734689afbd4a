"""Sweeps of the technical floor."""

from core import idempotency
from core.sweeps import sweep


@sweep("core.purge_idempotency_keys", queue="bulk")
def purge_idempotency_keys() -> int:
    """Delete a batch of answers that are kept no longer."""
    return idempotency.purge()
