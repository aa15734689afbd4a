"""What can be asked for on the command line, and how errors end it."""

import contextlib
import os
import shlex
import signal
import sys
import time
from types import FrameType

from ops import application, checks, lock, migrated, servers, venv
from ops.locks import Lock
from ops.paths import PYTHON, VAR, write_private
from ops.processes import end_with_parent, port_is_free
from ops.say import Stop, say
from ops.supervisor import Supervisor

USAGE = """\
usage: python3 -m ops COMMAND

  run              install, start and set up everything; then run until Ctrl-C
  manage COMMAND…  a management command, with the same servers
  up               only the database and the broker, until Ctrl-C
  test [ARG…]      the tests, on servers of their own; ARGs go to pytest
  check            format, lint, types, order of the apps, migrations, deployment settings
  bench [ARG…]     the measurements, on servers of their own
  beat [--check]   only the clock of background work, on given servers (docker-compose.yml)
  lock [--upgrade] compile requirements*.in into requirements*.txt

PORT (8000), DATABASE_URL and REDIS_URL in the environment choose other ones."""

_CLOSING_SECONDS = 15.0  # what a web server needs to finish after its supervisor was killed
# Arguments of pytest after which only some tests run, or which do not go with several processes.
_SELECTING = ("tests", "-k", "-m", "-n", "-p", "--lf", "--last-failed", "--sw", "--pdb", "--co")
_THIS_RUN = VAR / "run" / "run.pid"  # there while a run goes on, and after it was killed


def execute(arguments: list[str]) -> int:
    """Carries out a command and returns its exit code."""
    # Also SIGINT, which a shell makes a job in the background ignore.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup sets it
        signal.signal(signal.SIGHUP, _interrupt)
    end_with_parent("make")
    try:
        return _dispatch(*arguments)
    except Stop as problem:
        if str(problem):
            say(str(problem))
        return problem.code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _dispatch(command: str = "help", *arguments: str) -> int:
    match command, arguments:
        case "run", ():
            return run()
        case "manage", (_, *_):
            return manage(*arguments)
        case "up", ():
            return up()
        case "test", _:
            return test(*arguments)
        case "check", ():
            return check()
        case "bench", _:
            return bench(*arguments)
        case "beat", ():
            return beat()
        case "beat", ("--check",):
            return 1 if application.beat().is_late() else 0
        case "lock", () | ("--upgrade",):
            lock.compile_locks(upgrade=bool(arguments))
            return 0
        case "keep", (name,):  # not for users: see ops/servers.py
            servers.keep(name)
            return 0
        case "help" | "--help" | "-h", ():
            print(USAGE)
            return 0
    raise Stop(USAGE, 2)


def run() -> int:
    """Runs all of Leadqual until Ctrl-C or SIGTERM."""
    port = _port()
    with contextlib.closing(Lock(VAR / "run" / "run.lock")) as running, servers.Servers() as used:
        if not running.try_take():
            raise Stop(f"Leadqual already runs in this folder, as process {_THIS_RUN.read_text()}.")
        _await_port(port)
        write_private(_THIS_RUN, str(os.getpid()))
        venv.ensure()
        addresses = used.join()
        environment = application.environment(addresses)
        application.check_reachable(environment)
        say("Preparing the database …")
        log_ins = application.prepare(environment)

        def moved() -> dict[str, str] | None:
            nonlocal addresses
            if (now := used.addresses()) == addresses:
                return None
            addresses = now
            return application.environment(now)

        def tell() -> None:
            say(f"Leadqual is ready: http://127.0.0.1:{port}\n{log_ins.rstrip()}", sys.stdout)

        Supervisor(
            application.processes(port),
            environment,
            is_ready=lambda: application.is_ready(port),
            when_ready=tell,
            check=moved,
        ).run()
    _THIS_RUN.unlink()
    return 0


def manage(*arguments: str) -> int:
    """Runs a management command against the servers of ``run``, which need not be up."""
    venv.ensure()
    with servers.Servers() as used:
        environment = application.environment(used.join())
        application.check_reachable(environment)
        application.prepare_once(environment, arguments[0])
        return application.run_command(application.manage(*arguments), environment)


def up() -> int:
    """Runs only the servers, and says how to reach them."""
    venv.ensure()
    with servers.Servers() as used:
        addresses = used.join()
        print(f"export DATABASE_URL={shlex.quote(addresses.database)}")
        print(f"export REDIS_URL={shlex.quote(addresses.redis)}", flush=True)
        say("The servers run until Ctrl-C.")
        with contextlib.suppress(KeyboardInterrupt):
            while used.addresses() == addresses:
                time.sleep(2)
            raise Stop("A server had to move to another port: start this again.")
    return 0


def test(*arguments: str) -> int:
    """Runs pytest on empty servers: all of the tests on two processes, some of them on one."""
    venv.ensure(venv.DEVELOPING)
    command = [str(PYTHON), "-m", "pytest"]
    if not any(word.startswith(_SELECTING) for word in arguments):
        command += ["-n", "2", "--dist", "loadgroup"]
    with servers.throw_away_servers(migrated.copy_to) as addresses:
        environment = application.environment(addresses, secret_key="only for tests")
        environment["TEST_DATABASE_TEMPLATE"] = migrated.TEMPLATE
        return application.run_command([*command, *arguments], environment)


def check() -> int:
    """Runs the static checks."""
    venv.ensure(venv.DEVELOPING)
    with servers.throw_away_servers() as addresses:
        return checks.run_checks(application.environment(addresses))


def bench(*arguments: str) -> int:
    """Runs the measurements."""
    venv.ensure(venv.DEVELOPING)
    with servers.measured_servers() as addresses:
        environment = application.environment(addresses)
        for words in (("migrate",), ("collectstatic", "--noinput")):  # pages name static files
            command = application.manage(*words, "--verbosity", "0")
            if code := application.run_command(command, environment):
                return code
        return application.run_command(application.manage("bench", *arguments), environment)


def beat() -> int:
    """Runs the clock of background work alone, and starts it anew when it stands still."""
    try:
        given = servers.Addresses(os.environ["DATABASE_URL"], os.environ["REDIS_URL"])
        environment = application.environment(given, secret_key=os.environ["SECRET_KEY"])
    except KeyError as missing:
        raise Stop(f"{missing.args[0]} is not set.") from None
    Supervisor(
        [[application.beat()]],
        environment,
        is_ready=lambda: True,
        when_ready=lambda: None,
        check=lambda: None,
    ).run()
    return 0


def _port() -> int:
    """The port of the web server."""
    text = os.environ.get("PORT") or "8000"
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise Stop(f"PORT must be a number from 1 to 65535, not {text!r}.")
    return int(text)


def _await_port(port: int) -> None:
    """Raises ``Stop`` when the port is taken, and not merely by what a killed run left behind."""
    deadline = time.monotonic() + (_CLOSING_SECONDS if _THIS_RUN.exists() else 0.0)
    try:
        while not port_is_free(port):
            if time.monotonic() >= deadline:
                raise Stop(
                    f"Port {port} is in use: stop what uses it, or choose another: "
                    f"PORT={port + 1} make run"
                )
            time.sleep(0.1)
    except PermissionError:
        raise Stop(f"Port {port} needs more rights: choose one above 1023.") from None
