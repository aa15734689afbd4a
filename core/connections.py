"""Reading over several connections at a time: the server works on each with a core of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

Part = TypeVar("Part")
Found = TypeVar("Found")


def over_connections(read: Callable[[Part], Found], parts: Sequence[Part]) -> list[Found]:
    """Return what `read` finds in each of the parts, which are one or more, at the same time.

    The first is read over this thread's connection, each other in a thread over its own, which sees
    what is committed. An error of one is raised when all are through.
    """
    first, *others = parts
    if not others:
        return [read(first)]
    with ThreadPoolExecutor(max_workers=len(others)) as pool:
        waiting = [pool.submit(_over_its_own, read, part) for part in others]
        return [read(first), *(found.result() for found in waiting)]


def _over_its_own(read: Callable[[Part], Found], part: Part) -> Found:
    try:
        return read(part)
    finally:
        connection.close()
