"""Wall time."""

import time
from collections.abc import Callable


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes, in seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
