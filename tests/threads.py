"""Several at once in one test, each on a database connection of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

Found = TypeVar("Found")


def in_threads(*functions: Callable[[], Found]) -> list[Found]:
    """Run functions at the same time; return what they found, or raise what the first raised."""
    start = threading.Barrier(len(functions))

    def run(function: Callable[[], Found]) -> Found:
        try:
            start.wait(timeout=10)
            return function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(functions)) as pool:
        running = [pool.submit(run, function) for function in functions]
        return [future.result(timeout=90) for future in running]
