"""What can be asked for on the command line, and how errors end it."""

import argparse
import os
import signal
import sys
import time
from types import FrameType

from ops import lock, servers, venv
from ops.paths import secret  # noqa: F401
from ops.say import Stop, say


def execute(arguments: list[str]) -> int:
    """Carries out a command and returns its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup sets it
        signal.signal(signal.SIGHUP, _interrupt)
    try:
        return _dispatch(arguments)
    except Stop as problem:
        say(str(problem))
        return problem.code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _dispatch(arguments: list[str]) -> int:
    command, *rest = arguments or ["help"]
    match command:
        case "up":
            return up()
        case "lock":
            lock.compile_locks(upgrade="--upgrade" in rest)
            return 0
        case "keep":
            servers.keep(rest[0])
            return 0
    raise Stop(f"Unknown command: {command}", 2)


def up() -> int:
    venv.ensure()
    with servers.shared_servers() as use:
        addresses = use.join()
        print(f"export DATABASE_URL='{addresses.database}'")
        print(f"export REDIS_URL='{addresses.redis}'", flush=True)
        say("The servers run until Ctrl-C.")
        try:
            while use.addresses() == addresses:
                time.sleep(1)
        except KeyboardInterrupt:
            return 0
    raise Stop("A server moved to another port: start this again.")
