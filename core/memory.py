"""How much memory this process has had at most."""

import resource
import sys
from pathlib import Path

_UNITS_PER_MB = 1024 * 1024 if sys.platform == "darwin" else 1024  # of ru_maxrss


def peak_mb() -> float:
    """Return the highest resident memory of this program, in MB.

    Linux hands `ru_maxrss` down from whoever started the process, so a small program that a large
    one starts would look large; /proc tells of this program alone.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNITS_PER_MB
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024  # written in kB
