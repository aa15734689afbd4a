"""What the documentation tells people to type exists."""

import re

import pytest
from django.core.management import get_commands

from ops.paths import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
OPS = set(re.findall(r'case "([a-z]+)"', (ROOT / "ops" / "commands.py").read_text()))


def commands(pattern: str) -> list[tuple[str, str]]:
    """(page, command) of each match in code: between backticks, or indented by four spaces."""
    found = set()
    for page in PAGES:
        text = page.read_text()
        code = [*re.findall(r"`([^`]+)`", text), *re.findall(r"^    (.*)$", text, re.MULTILINE)]
        for piece in code:
            found |= {(page.name, name) for name in re.findall(pattern, piece)}
    return sorted(found)


@pytest.mark.parametrize(("where", "target"), commands(r"\bmake ([a-z]+)\b"))
def test_every_make_target_exists(where: str, target: str):
    assert target in TARGETS


@pytest.mark.parametrize(("where", "command"), commands(r"python3? -m ops ([a-z]+)"))
def test_every_command_of_ops_exists(where: str, command: str):
    assert command in OPS


@pytest.mark.parametrize(("where", "command"), commands(r"(?:manage\.py |CMD=['\"])([a-z_]+)"))
def test_every_management_command_exists(where: str, command: str):
    assert command in {*get_commands(), "help"}


def test_every_target_is_documented():
    documented = {target for page, target in commands(r"\bmake ([a-z]+)\b") if page == "README.md"}
    assert documented == TARGETS - {"help"}


def test_every_target_runs_a_command_of_ops():
    makefile = (ROOT / "Makefile").read_text()
    assert set(re.findall(r"\$\(OPS\) ([a-z]+)", makefile)) == TARGETS
    assert TARGETS <= OPS


def test_there_are_browser_tests():
    """Where a browser is required (.ci/run) a skipped one fails; so some must exist."""
    assert list((ROOT / "tests" / "browser").glob("test_*.py"))
