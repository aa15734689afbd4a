"""Compiles ``requirements*.in`` into hashed ``requirements*.txt`` for every platform.

The top of each lock lists the direct dependencies with the reasons written beside them in the
``.in`` file, so that a reader of the lock finds them without a second file to keep in step.
"""

import re
import shutil
import subprocess

from ops.paths import ROOT, VENV
from ops.say import Stop

LOCKS = ("requirements", "requirements-local", "requirements-dev")
PYTHON = "3.11"  # the oldest supported; the locks also resolve for every later one

_DEPENDENCY = re.compile(r"^(?P<what>[A-Za-z0-9][^#\s]*)\s+#\s+(?P<why>.+)$")


def read_reasons(text: str) -> list[tuple[str, str]]:
    """Pairs of (requirement, reason) from the text of an ``.in`` file.

    Raises ``ValueError`` for a requirement that gives no reason.
    """
    reasons = []
    for line in text.splitlines():
        if not line.strip() or line.startswith(("#", "-c ")):
            continue
        match = _DEPENDENCY.match(line)
        if match is None:
            raise ValueError(f"no reason beside it: {line!r}")
        reasons.append((match["what"], match["why"]))
    return reasons


def header(name: str, text: str) -> str:
    """The comment at the top of ``<name>.txt``, made from the text of ``<name>.in``."""
    reasons = read_reasons(text)
    width = max(len(what) for what, _ in reasons)
    lines = [
        f"# Compiled from {name}.in by `python3 -m ops lock`. Do not edit.",
        "#",
        "# Direct dependencies and why they are here:",
        *(f"#   {what:<{width}}  {why}" for what, why in reasons),
        "#",
        "# All others are needed by these; `# via` tells by which.",
    ]
    return "\n".join(lines) + "\n\n"


def compile_locks(*, upgrade: bool = False) -> None:
    """Writes all locks; with ``upgrade``, takes newer releases than the present locks name."""
    uv = shutil.which("uv", path=str(VENV / "bin")) or shutil.which("uv")
    if uv is None:
        raise Stop("uv is missing: run `make test` once, which installs it into .venv.")
    for name in LOCKS:
        source, lock = ROOT / f"{name}.in", ROOT / f"{name}.txt"
        command = [uv, "pip", "compile", "--quiet", "--no-header", "--universal"]
        command += ["--generate-hashes", "--no-emit-index-url", "--python-version", PYTHON]
        command += ["--upgrade"] if upgrade else []
        command += [source.name, "--output-file", lock.name]
        if subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode != 0:
            raise Stop(f"{source.name} could not be compiled.")
        pins = "".join(
            line
            for line in lock.read_text().splitlines(keepends=True)
            if line.strip() and not line.startswith("#")
        )
        lock.write_text(header(name, source.read_text()) + pins)
