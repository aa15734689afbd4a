"""The oracle's registry: each app adds read-only checks of what must always hold."""

from collections.abc import Callable, Iterable, Iterator

_checks: dict[str, Callable[[], Iterable[str]]] = {}


def invariant(name: str) -> Callable[[Callable[[], Iterable[str]]], Callable[[], Iterable[str]]]:
    """Register a check: it reads, and yields one sentence for each break it finds."""

    def register(check: Callable[[], Iterable[str]]) -> Callable[[], Iterable[str]]:
        _checks[name] = check
        return check

    return register


def breaks(limit_per_check: int = 50) -> Iterator[tuple[str, str]]:
    """Yield (check, sentence) for every break found, at most `limit_per_check` of each kind."""
    for name, check in sorted(_checks.items()):
        for count, sentence in enumerate(check()):
            if count == limit_per_check:
                yield name, f"… and more than {limit_per_check} in all"
                break
            yield name, sentence


def names() -> list[str]:
    """Return the names of all checks."""
    return sorted(_checks)
