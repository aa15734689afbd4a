"""Starts and ends processes so that none outlives whoever started it."""

import contextlib
import ctypes
import enum
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

NOBODY = 65534  # the uid and gid of `nobody`
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_LINUX = sys.platform == "linux"
# Loaded before any fork: loading a library between fork and exec can dead-lock.
_LIBC = ctypes.CDLL(None, use_errno=True) if _LINUX else None

Process = subprocess.Popen[bytes]


class RunAs(enum.Enum):
    """As whom a process runs. PostgreSQL refuses to be root, so root has to step aside."""

    SELF = "the present user"
    # Root outside, so that all files stay root's; `nobody` in the process's own eyes.
    MAPPED = "root, seen as nobody in a user namespace"
    NOBODY = "nobody"

    @property
    def uid(self) -> int:
        """The user that has to own the files."""
        return NOBODY if self is RunAs.NOBODY else os.getuid()


def spawn(
    command: Sequence[str | Path],
    *,
    run_as: RunAs = RunAs.SELF,
    when_parent_dies: signal.Signals = signal.SIGTERM,
    new_session: bool = True,
    **options: Any,
) -> Process:
    """Starts a process that gets the signal ``when_parent_dies`` if this one is killed.

    Linux sends that signal when the *thread* that started the process ends, so this must be
    called from the main thread. In its own session the process does not get the Ctrl-C of our
    terminal, and can be stopped in its turn. Raises ``OSError`` or ``SubprocessError``.
    """
    if run_as is RunAs.NOBODY:
        options |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    return subprocess.Popen(
        [str(word) for word in command],
        start_new_session=new_session,
        preexec_fn=_before_exec(run_as, when_parent_dies),
        **options,
    )


def _before_exec(run_as: RunAs, when_parent_dies: signal.Signals) -> Callable[[], None] | None:
    if _LIBC is None:
        return None  # elsewhere leftovers are found and stopped at the next start
    libc = _LIBC
    parent, uid, gid = os.getpid(), os.getuid(), os.getgid()

    def prepare() -> None:
        if run_as is RunAs.MAPPED:
            if libc.unshare(_CLONE_NEWUSER) != 0:
                raise OSError(ctypes.get_errno(), "unshare")
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{NOBODY} {uid} 1")
            Path("/proc/self/gid_map").write_text(f"{NOBODY} {gid} 1")
        # After the change of user, which would clear it.
        libc.prctl(_PR_SET_PDEATHSIG, int(when_parent_dies), 0, 0, 0)
        if os.getppid() != parent:  # it died before it could be watched
            os._exit(1)

    return prepare


def end_with_parent(name: str) -> None:
    """Asks for a SIGTERM when the parent is killed, if the parent is a program of that name.

    Whoever kills ``make`` means what it runs; whoever ends the shell that started us need not.
    """
    parent = os.getppid()
    words = command_line(parent).split(" ")
    if _LIBC is not None and Path(words[0]).name == name:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(1)


def can_run(run_as: RunAs, *command: str | Path) -> bool:
    """Whether a short command succeeds when it is run as ``run_as``."""
    try:
        process = spawn(
            command,
            run_as=run_as,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return process.wait() == 0


def stop(process: Process, *steps: tuple[signal.Signals, float]) -> None:
    """Sends each signal in turn and waits its seconds, until the process ends.

    What remains of its process group is killed afterwards.
    """
    for step, seconds in steps:
        if process.poll() is None:
            process.send_signal(step)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
    kill_group(process)


def kill_group(process: Process) -> None:
    """Kills a process that was started in its own session, with all it started."""
    # Nobody is left, usually; macOS answers "not permitted" for a group of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def command_line(pid: int) -> str:
    """The words a running process was started with; empty when there is none of that id."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except OSError:
        if _LINUX:
            return ""
    found = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True
    )
    return found.stdout


def wait_for_end(pid: int, seconds: float) -> bool:
    """Waits until a process that is not our child is gone; False when it still runs."""
    deadline = time.monotonic() + seconds
    while command_line(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def port_is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:``port``. Raises ``OSError`` if never."""
    with socket.socket() as probe:
        # As servers do: connections of the last run that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise
        except OSError:
            return False
    return True


def choose_port(remembered: Path) -> int:
    """The port kept in a file if it is free, else a free one that is kept there from now on.

    The same port each time lets clients reconnect to a server that was restarted.
    """
    if remembered.exists() and port_is_free(port := int(remembered.read_text())):
        return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    remembered.write_text(str(port))
    return port
