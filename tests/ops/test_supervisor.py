"""The supervisor, with real processes that are small."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.paths import ROOT
from ops.processes import command_line

# Supervises what it reads, and prints the process id of each child it has started.
SUPERVISE = """
import json, os, signal, sys
from pathlib import Path
from ops.supervisor import Child, Supervisor

def child(name, code, grace=5.0, heartbeat=None, heartbeat_seconds=60.0):
    command = [sys.executable, "-u", "-c", code]
    heartbeat = heartbeat and Path(heartbeat)
    return Child(name, command, [(signal.SIGTERM, grace)], heartbeat, heartbeat_seconds)

ready, groups = json.loads(sys.argv[1])
Supervisor(
    [[child(**each) for each in group] for group in groups], dict(os.environ),
    is_ready=lambda: ready, when_ready=lambda: print("ready", flush=True), check=lambda: None,
).run()
"""

# Says when it starts and which signal ends it.
POLITE = """
import os, signal, sys, time
def end(number, frame):
    print("got", signal.Signals(number).name)
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("runs as", os.getpid())
time.sleep(600)
"""
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("runs as", os.getpid())
time.sleep(600)
"""

Supervised = subprocess.Popen[str]


@pytest.fixture
def supervise() -> Iterator[Callable[..., Supervised]]:
    """Starts a supervisor of groups of children; its output goes to a pipe."""
    started: list[Supervised] = []

    def start(*groups: list[dict[str, Any]], ready: bool = True) -> Supervised:
        process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, json.dumps([ready, groups])],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def read_until(process: Supervised, *beginnings: str) -> list[str]:
    """Reads lines until there was one with each beginning; returns what came after those."""
    assert process.stdout is not None
    lines: list[str] = []
    found: dict[str, str] = {}
    while len(found) < len(beginnings):
        line = process.stdout.readline()
        assert line, f"it ended without {set(beginnings) - set(found)}: {lines}"
        lines.append(line.rstrip())
        for beginning in beginnings:
            if lines[-1].startswith(beginning):
                found[beginning] = lines[-1].removeprefix(beginning)
    return [found[beginning] for beginning in beginnings]


def test_groups_stop_in_order(supervise):
    a, b = ({"name": name, "code": POLITE} for name in ("a", "b"))
    process = supervise([{"name": "web", "code": POLITE}], [a, b])
    read_until(process, "web | runs", "a   | runs", "b   | runs")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=10)
    stops = [line for line in output.splitlines() if "got" in line]
    assert stops[0] == "web | got SIGTERM"
    assert sorted(stops[1:]) == ["a   | got SIGTERM", "b   | got SIGTERM"]
    assert process.returncode == 0


def test_a_child_that_ends_is_started_again_after_growing_pauses(supervise):
    process = supervise([{"name": "once", "code": "print('hello')"}])
    read_until(process, "ready", "once | hello", "once | ended with exit code 0; starts again in 1")
    read_until(process, "once | hello", "once | ended with exit code 0; starts again in 2 s")


def test_a_start_that_fails_again_and_again_is_given_up(supervise):
    process = supervise([{"name": "web", "code": "raise SystemExit(3)"}], ready=False)
    output, _ = process.communicate(timeout=20)
    assert "web does not start (exit code 3): see the lines above." in output
    assert process.returncode != 0


def test_a_child_without_a_sign_of_life_is_started_again(supervise, tmp_path: Path):
    beat = {"name": "beat", "code": POLITE, "heartbeat": str(tmp_path / "heartbeat")}
    process = supervise([{**beat, "heartbeat_seconds": 0.5}])
    (first,) = read_until(process, "beat | runs as")
    read_until(process, "beat | no sign of life for 0.5 s", "beat | got SIGTERM")
    (second,) = read_until(process, "beat | runs as")
    assert first != second


def test_a_child_that_gives_signs_of_life_is_left_alone(supervise, tmp_path: Path):
    heartbeat = tmp_path / "heartbeat"
    code = f"""
import pathlib, time
for _ in range(20):
    pathlib.Path({str(heartbeat)!r}).touch()
    time.sleep(0.1)
print("finished")
"""
    beat = {"name": "beat", "code": code, "heartbeat": str(heartbeat), "heartbeat_seconds": 0.5}
    process = supervise([beat])
    read_until(process, "beat | finished")  # which it would not come to


def test_a_child_that_ignores_its_signals_is_killed(supervise):
    process = supervise([{"name": "x", "code": STUBBORN, "grace": 0.2}])
    (pid,) = read_until(process, "x | runs as ")
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == 0
    assert not command_line(int(pid))


def test_children_die_with_a_killed_supervisor(supervise):
    process = supervise([{"name": "x", "code": STUBBORN}])
    (pid,) = read_until(process, "x | runs as ")
    process.kill()
    process.wait()
    deadline = time.monotonic() + 5
    while command_line(int(pid)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_reader_that_goes_away_stops_nothing(supervise):
    chatty = "import time\nwhile True: print('x' * 1000); time.sleep(0.01)"
    process = supervise([{"name": "x", "code": chatty}, {"name": "y", "code": POLITE}])
    (pid,) = read_until(process, "y | runs as ")
    assert process.stdout is not None
    process.stdout.close()
    time.sleep(1)
    assert process.poll() is None
    assert command_line(int(pid))
    process.terminate()
    assert process.wait(10) == 0
