"""Where versions come from that were not made here: rooms above say so, and reviewers read it.

A draft that was taken from a file of past leads was measured on that file; the workspace may have
no outcomes yet to measure it on.
"""

from collections.abc import Callable
from dataclasses import dataclass

from scoring.models import ModelVersion


@dataclass(frozen=True)
class Origin:
    """What was found where a version comes from, in words, and the page that shows all of it."""

    words: str
    url: str


_tellers: list[Callable[[ModelVersion], Origin | None]] = []


def tell_origins(teller: Callable[[ModelVersion], Origin | None]) -> None:
    """Ask `teller` too; it returns None for versions that it knows nothing of."""
    _tellers.append(teller)


def origin_of(version: ModelVersion) -> Origin | None:
    """Return where a version comes from, None when it was made here."""
    return next((found for teller in _tellers if (found := teller(version)) is not None), None)
