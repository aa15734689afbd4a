"""Where things are in a checkout. All that running creates is in ``var/`` and ``.venv/``."""

import os
import secrets
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
# Another folder of data makes a second installation from the same checkout, for tests.
VAR = Path(os.environ.get("LEADQUAL_VAR") or ROOT / "var").resolve()


def write_private(path: Path, text: str) -> None:
    """Replaces a file in one step with one that only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


def secret(path: Path) -> str:
    """The secret kept in ``path``, made up on first use: 43 characters that are safe in a URL."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text()


def new_log(folder: Path) -> Path:
    """Where a server that starts now writes its log; that of its last run becomes ``log.old``."""
    log = folder / "log"
    if log.exists():
        log.replace(folder / "log.old")
    log.touch(mode=0o600)  # statements with people's data may be in it
    return log
