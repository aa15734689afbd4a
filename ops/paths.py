"""Where things are in a checkout. Everything that running creates is under ``var/``."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VAR = ROOT / "var"
