"""Keeps Leadqual's processes running, shows what they print, and stops them in order.

One thread does everything: the system ties the life of a child to the *thread* that started it.
"""

import math
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from ops.paths import ROOT
from ops.processes import Process, kill_group, spawn
from ops.say import Stop, say

LONGEST_PAUSE = 30.0  # seconds between restarts of a child that keeps ending
STEADY_AFTER = 60.0  # seconds after which a child counts as running well again
_STARTS_BEFORE_READY = 3  # a child that ends as often before all is ready will not get better
_COLOURS = (36, 35, 33, 32, 34)  # cyan, magenta, yellow, green, blue


@dataclass
class Child:
    """A process to keep running.

    ``stop_steps``: signals, each with the seconds that the child gets after it; then it is killed.
    ``heartbeat``: a file the child touches; it is started anew when that did not happen for
    ``heartbeat_seconds``.
    """

    name: str
    command: Sequence[str | Path]
    stop_steps: Sequence[tuple[signal.Signals, float]]
    heartbeat: Path | None = None
    heartbeat_seconds: float = 60.0

    process: Process | None = field(default=None, init=False)
    starts: int = field(default=0, init=False)
    started_at: float = field(default=-math.inf, init=False)
    pause: float = field(default=1.0, init=False)
    start_at: float = field(default=0.0, init=False)
    unfinished: bytes = field(default=b"", init=False)

    def is_late(self) -> bool:
        """Whether the last sign of life, or the start, is too long ago."""
        if self.heartbeat is None or time.monotonic() - self.started_at < self.heartbeat_seconds:
            return False
        try:
            return time.time() - self.heartbeat.stat().st_mtime > self.heartbeat_seconds
        except FileNotFoundError:
            return True


class Supervisor:
    """Runs groups of children until it is told to stop; stops the groups in the given order.

    The first group starts alone, so that it gets the whole machine; ``is_ready`` is asked until
    it says yes; then ``when_ready`` is called once and the other groups start.
    ``check`` is called about every two seconds; when it returns an environment, the servers have
    moved, and all children are started anew with it.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[Child]],
        environment: Mapping[str, str],
        *,
        is_ready: Callable[[], bool],
        when_ready: Callable[[], None],
        check: Callable[[], Mapping[str, str] | None],
    ) -> None:
        self.groups = groups
        self.children = [child for group in groups for child in group]
        self.environment = environment
        self.is_ready = is_ready
        self.when_ready = when_ready
        self.check = check
        self.signals = 0
        self.ready = False
        self._outputs = selectors.DefaultSelector()
        self._width = max(len(child.name) for child in self.children)

    def run(self) -> None:
        """Returns after a stop that was asked for. Raises ``Stop`` when the start fails."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
                signal.signal(number, self._note_signal)
        try:
            next_check = time.monotonic() + 2
            while not self.signals:
                self._start_due()
                self._show_output(0.2)
                self._note_ends()
                if not self.ready and self.is_ready():
                    self.ready = True
                    self.when_ready()
                if time.monotonic() >= next_check:
                    if (moved := self.check()) is not None:
                        self._stop_all()
                        self.environment = moved
                    next_check = time.monotonic() + 2
            say("Stopping …")
        finally:
            self._stop_all()

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        self.signals += 1

    def _start_due(self) -> None:
        for child in self.children if self.ready else self.groups[0]:
            if child.process is None and time.monotonic() >= child.start_at:
                self._start(child)
            elif child.process is not None and child.is_late():
                self._say(child, f"no sign of life for {child.heartbeat_seconds:g} s")
                self._stop([child])

    def _start(self, child: Child) -> None:
        read, write = os.pipe()
        os.set_blocking(read, False)
        try:
            child.process = spawn(
                child.command,
                # No grace when this process was killed: the servers end at the same moment.
                when_parent_dies=signal.SIGKILL,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=write,
            )
        finally:
            os.close(write)
        child.started_at = time.monotonic()
        child.starts += 1
        self._outputs.register(read, selectors.EVENT_READ, child)

    def _note_ends(self) -> None:
        for child in self.children:
            if child.process is None or child.process.poll() is None:
                continue
            code = child.process.returncode
            kill_group(child.process)  # what it started itself
            child.process = None
            if not self.ready and child.starts >= _STARTS_BEFORE_READY:
                raise Stop(f"{child.name} does not start (exit code {code}): see the lines above.")
            if time.monotonic() - child.started_at > STEADY_AFTER:
                child.pause = 1.0
            self._say(child, f"ended with exit code {code}; starts again in {child.pause:.0f} s")
            child.start_at = time.monotonic() + child.pause
            child.pause = min(2 * child.pause, LONGEST_PAUSE)

    def _stop_all(self) -> None:
        for group in self.groups:
            self._stop(group)

    def _stop(self, children: Iterable[Child]) -> None:
        """Stops some children at the same time."""
        running = [child for child in children if child.process is not None]
        for step in range(max((len(child.stop_steps) for child in running), default=0)):
            deadlines = {}
            for child in running:
                if step < len(child.stop_steps) and _is_running(child) and self.signals < 2:
                    number, seconds = child.stop_steps[step]
                    assert child.process is not None
                    child.process.send_signal(number)
                    deadlines[child.name] = time.monotonic() + seconds
            while self.signals < 2 and any(
                _is_running(child) and time.monotonic() < deadlines.get(child.name, 0.0)
                for child in running
            ):
                self._show_output(0.05)
        for child in running:
            assert child.process is not None
            kill_group(child.process)
            child.process = None
        self._show_output(0.0)

    def _show_output(self, seconds: float) -> None:
        """Prints what the children wrote, waiting up to ``seconds`` for something."""
        if not self._outputs.get_map():
            time.sleep(seconds)
            return
        for key, _ in self._outputs.select(seconds):
            child: Child = key.data
            try:
                data = os.read(key.fd, 65536)
            except BlockingIOError:
                continue
            *lines, child.unfinished = (child.unfinished + data).split(b"\n")
            if not data:
                self._outputs.unregister(key.fd)
                os.close(key.fd)
                lines, child.unfinished = [child.unfinished] if child.unfinished else [], b""
            for line in filter(bytes.strip, lines):
                self._say(child, line.decode(errors="replace"))

    def _say(self, child: Child, line: str) -> None:
        prefix = f"{child.name:<{self._width}} |"
        if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
            colour = _COLOURS[self.children.index(child) % len(_COLOURS)]
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        say(f"{prefix} {line}", sys.stdout)


def _is_running(child: Child) -> bool:
    return child.process is not None and child.process.poll() is None
