"""The command line. This file alone must be readable by Pythons that are too old."""

import os
import shutil
import sys

OLDEST = (3, 11)


def main():
    # type: () -> int
    if sys.version_info < OLDEST:
        for minor in (14, 13, 12, 11):
            better = shutil.which("python3.%d" % minor)  # noqa: UP031
            if better:
                os.execv(better, [better, "-m", "ops"] + sys.argv[1:])  # noqa: RUF005
        sys.stderr.write(
            "Leadqual needs Python 3.11 or newer; this is %d.%d. "  # noqa: UP031
            "Choose another one: make PYTHON=/path/to/python3.11 …\n" % sys.version_info[:2]
        )
        return 1
    from ops.commands import execute

    return execute(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
