"""File locks that the system releases by itself when their holder dies, however it dies."""

import fcntl
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class Lock:
    """A lock on a file: held by one process alone, or shared by several.

    Each instance opens the file anew, so that two instances exclude each other even inside one
    process. The file stays when the lock is released: removing it would let two processes hold
    "the" lock on two different files of the same name.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+")

    def take(self, *, shared: bool = False) -> None:
        """Waits until the lock can be had."""
        fcntl.flock(self._file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)

    def try_take(self, *, shared: bool = False) -> bool:
        """Takes the lock if that is possible at once.

        Turning a shared lock into an exclusive one gives up the shared one even if it fails.
        """
        try:
            fcntl.flock(self._file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Releases the lock for good."""
        self._file.close()

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def is_held(path: Path) -> bool:
    """Whether some process holds the lock on ``path`` for itself alone."""
    lock = Lock(path)
    try:
        return not lock.try_take(shared=True)
    finally:
        lock.close()


def wait_until_free(path: Path, seconds: float) -> bool:
    """Waits until nobody holds ``path`` alone any more; False when ``seconds`` were not enough."""
    deadline = time.monotonic() + seconds
    while is_held(path):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
