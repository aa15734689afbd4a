"""Everything `make check` looks at. All checks run, also after one that fails."""

import secrets
import subprocess

from ops.application import manage
from ops.paths import PYTHON, ROOT
from ops.say import say

PRODUCTION = {"HTTPS": "1", "ALLOWED_HOSTS": "leads.example.org", "DEBUG": ""}

# It has no module to run, and its script in .venv/bin breaks when the checkout is moved.
_LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def _tool(*words: str) -> list[str]:
    return [str(PYTHON), "-m", *words]


def _checks() -> dict[str, list[str]]:
    schema = ["check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
    return {
        "format": _tool("ruff", "format", "--check", "--quiet", "."),
        "lint": _tool("ruff", "check", "--quiet", "."),
        "templates": _tool("djlint", "--lint", "--quiet", "templates"),
        "types": _tool("mypy", "."),
        "order of the apps": [str(PYTHON), "-c", _LINT_IMPORTS],
        "migrations": manage("makemigrations", "--check", "--dry-run"),
        "deployment": manage("check", "--deploy", "--fail-level", "WARNING"),
        "compose file": _tool(*schema),
    }


def run_checks(environment: dict[str, str]) -> int:
    """Runs all checks and returns 0 when all passed, else 1. Shows the output of failures."""
    environment = {**environment, **PRODUCTION, "SECRET_KEY": secrets.token_urlsafe(64)}
    failed = []
    for name, command in _checks().items():
        result = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        say(f"{'ok    ' if result.returncode == 0 else 'FAILED'}  {name}")
        if result.returncode != 0:
            failed.append(name)
            say(result.stdout)
    if failed:
        say(f"{len(failed)} checks failed: {', '.join(failed)}.")
    return 1 if failed else 0
