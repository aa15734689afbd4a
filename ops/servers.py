"""The database and the broker, each shared by all commands of one checkout that use it.

Each server is started by a *keeper*: a process of its own that runs the server while at least one
command uses it, and stops it after the last one left. Three locks in ``var/run`` settle that:

``<name>.users``
    shared by the commands that use the server. The system releases the part of one that is
    killed. The keeper may stop the server when it gets this lock for itself alone.
``<name>.start``
    held while somebody looks whether there is a keeper and starts one if not.
``<name>.keeper``
    held by the keeper for as long as it lives.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from ops.locks import Lock, is_held
from ops.paths import ROOT, VAR, write_private
from ops.postgres import MEASURED, THROW_AWAY, Postgres
from ops.processes import Process
from ops.say import Stop, say
from ops.valkey import Valkey

RUN = VAR / "run"
START_SECONDS = 120.0


@dataclass(frozen=True)
class Addresses:
    """URLs of the servers, with their passwords, and the folder of the application's own data."""

    database: str
    redis: str
    data: Path = VAR


class Server(Protocol):
    title: str
    process: Process | None

    def start(self) -> str: ...

    def stop(self) -> None: ...


def _server(name: str) -> Server:
    return Postgres(VAR / "postgres") if name == "postgres" else Valkey(VAR / "valkey")


class Shared:
    """The use of one server, ``postgres`` or ``valkey``, by this process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._users = Lock(RUN / f"{name}.users")
        self._address = RUN / f"{name}.url"
        self._keeper_lock = RUN / f"{name}.keeper"
        self._keeper: Process | None = None

    def join(self) -> str:
        """The server's URL; starts the server if nobody uses it yet. Raises ``Stop``."""
        self._users.take(shared=True)  # waits while a keeper is stopping the server
        return self.address()

    def address(self) -> str:
        """The server's URL; starts the server again if its keeper was killed."""
        with Lock(RUN / f"{self.name}.start"):
            if not is_held(self._keeper_lock):
                self._start_keeper()
            deadline = time.monotonic() + START_SECONDS
            while not self._address.exists():  # whoever started the keeper was killed meanwhile
                if not is_held(self._keeper_lock) or time.monotonic() > deadline:
                    raise Stop(self._complaint())
                time.sleep(0.05)
            return self._address.read_text()

    def leave(self) -> None:
        """Stops using the server; returns when it is stopped or others still use it."""
        self._users.release()
        while is_held(self._keeper_lock):
            if self._users.try_take():
                self._users.release()  # nobody uses it: the keeper is about to see that
            elif self._users.try_take(shared=True):
                break  # others use it
            time.sleep(0.05)
        self._users.close()

    def _start_keeper(self) -> None:
        self._address.unlink(missing_ok=True)
        with self._log.open("w") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-m", "ops", "keep", self.name],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # it outlives this process if others use the server
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._address.exists():
            if self._keeper.poll() is not None or time.monotonic() > deadline:
                raise Stop(self._complaint())
            time.sleep(0.02)

    @property
    def _log(self) -> Path:
        return RUN / f"{self.name}.keeper.log"

    def _complaint(self) -> str:
        lines = self._log.read_text().splitlines()
        return lines[-1] if lines else f"The server did not start: see {self._log}"


def keep(name: str) -> None:
    """Runs a server until nobody uses it any more: the whole life of a keeper."""
    lock = Lock(RUN / f"{name}.keeper")
    if not lock.try_take():
        return
    told_to_stop = []
    signal.signal(signal.SIGTERM, lambda *_: told_to_stop.append(True))
    server, users, address = _server(name), Lock(RUN / f"{name}.users"), RUN / f"{name}.url"
    write_private(address, server.start())
    try:
        pause = 1.0
        while not told_to_stop and not users.try_take():
            time.sleep(0.2)
            if server.process is None or server.process.poll() is not None:
                say(f"{server.title} ended unexpectedly; it starts again.")
                try:
                    write_private(address, server.start())
                    pause = 1.0
                except Stop as problem:
                    say(f"{problem} (next try in {pause:.0f} s)")
                    time.sleep(pause)
                    pause = min(2 * pause, 30.0)
    finally:
        address.unlink(missing_ok=True)
        server.stop()


class Servers:
    """The servers of this checkout, or those which ``DATABASE_URL`` and ``REDIS_URL`` name.

    Used as ``with Servers() as servers``, since they run only while they are used.
    """

    def __init__(self) -> None:
        self._database = None if os.environ.get("DATABASE_URL") else Shared("postgres")
        self._redis = None if os.environ.get("REDIS_URL") else Shared("valkey")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in (self._redis, self._database):
            if server:
                server.leave()

    def join(self) -> Addresses:
        """Starts what does not run yet, and returns the addresses. Raises ``Stop``."""
        database = self._database.join() if self._database else os.environ["DATABASE_URL"]
        redis = self._redis.join() if self._redis else os.environ["REDIS_URL"]
        return Addresses(database, redis)

    def addresses(self) -> Addresses:
        """Where the servers are now; starts those again whose keeper was killed."""
        database = self._database.address() if self._database else os.environ["DATABASE_URL"]
        redis = self._redis.address() if self._redis else os.environ["REDIS_URL"]
        return Addresses(database, redis)


@contextlib.contextmanager
def throw_away_servers(begin: Callable[[Postgres], None] | None = None) -> Iterator[Addresses]:
    """Servers for one test run, deleted afterwards. Any number may run at the same time.

    ``begin`` may give the cluster its data before it is started.
    """
    folder, lock = _new_test_folder()
    postgres = Postgres(folder / "postgres", THROW_AWAY)
    with contextlib.ExitStack() as stack:
        stack.callback(lock.close)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(postgres.remove)
        if begin is not None:
            begin(postgres)
        yield Addresses(
            database=_start(stack, postgres),
            redis=_start(stack, Valkey(folder / "valkey", durable=False)),
            data=folder,
        )


@contextlib.contextmanager
def measured_servers() -> Iterator[Addresses]:
    """Servers as in production, for measurements, one at a time. Their data stays."""
    folder = VAR / "bench"
    lock = Lock(folder / "lock")
    if not lock.try_take():
        raise Stop("Another measurement is running: two would falsify each other.")
    with contextlib.ExitStack() as stack:
        stack.callback(lock.close)
        yield Addresses(
            database=_start(stack, Postgres(folder / "postgres", MEASURED)),
            redis=_start(stack, Valkey(folder / "valkey")),
            data=folder,
        )


def _start(stack: contextlib.ExitStack, server: Server) -> str:
    stack.callback(server.stop)
    return server.start()


def _new_test_folder() -> tuple[Path, Lock]:
    """A folder for this run, after removing those of runs that were killed."""
    parent = VAR / "test"
    with Lock(parent / "lock"):
        for old in parent.iterdir():
            if old.is_dir() and not is_held(old / "lock"):
                Postgres(old / "postgres").remove()
                shutil.rmtree(old)
        folder = parent / str(os.getpid())
        lock = Lock(folder / "lock")
        lock.take()
        (folder / "static").mkdir()  # where collectstatic would have put files
    return folder, lock
