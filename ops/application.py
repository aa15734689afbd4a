"""Leadqual itself: its environment, its processes, and what prepares its database."""

import hashlib
import http.client
import os
import signal
import subprocess

from ops.locks import Lock
from ops.paths import PYTHON, ROOT, VAR, secret
from ops.processes import spawn
from ops.say import Stop, say
from ops.servers import RUN, Addresses
from ops.supervisor import Child

HEARTBEAT = VAR / "beat" / "heartbeat"
_PREPARED = VAR / "postgres" / "prepared"  # beside the data, to go with it
# Commands that ask the database nothing, prepare it themselves, or are used before it can be
# prepared.
_UNPREPARED = {
    "backtest",
    "check",
    "help",
    "makemigrations",
    "migrate",
    "setup",
    "showmigrations",
}
_CELERY = ("celery", "--quiet", "--app", "leadqual")
_NO_ROOT_WARNING = "ignore:You're running the worker"


def environment(addresses: Addresses, *, secret_key: str | None = None) -> dict[str, str]:
    """What Leadqual's processes are told. Settings that the user has made stay."""
    return {
        "SECRET_KEY": secret_key or secret(VAR / "secret_key"),
        "LEADQUAL_BEAT_HEARTBEAT": str(HEARTBEAT),
        "DATA_DIR": str(addresses.data),
        "DJANGO_SETTINGS_MODULE": "leadqual.settings",
        **os.environ,
        "DATABASE_URL": addresses.database,
        "REDIS_URL": addresses.redis,
        "PYTHONUNBUFFERED": "1",
        # Celery warns root at length; who runs this as root in a container knows.
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS") or _NO_ROOT_WARNING,
    }


def processes(port: int) -> list[list[Child]]:
    """All that runs beside the servers, in the order in which it is stopped."""
    return [[_web(port)], [beat()], [_worker("fast"), _worker("bulk")]]


def _web(port: int) -> Child:
    command = ["gunicorn", "leadqual.wsgi:application", "--bind", f"127.0.0.1:{port}"]
    command += ["--worker-class", "gthread", "--workers", "2", "--threads", "4"]
    command += ["--preload"]  # loads the application once instead of once a worker
    command += ["--graceful-timeout", "10", "--no-control-socket", "--log-level", "warning"]
    return Child("web", _module(*command), [(signal.SIGTERM, 12)])


def beat() -> Child:
    """The clock of background work; it must not stand still unnoticed."""
    HEARTBEAT.parent.mkdir(parents=True, exist_ok=True)
    schedule = str(HEARTBEAT.with_name("schedule"))
    command = [*_CELERY, "beat", "--schedule", schedule, "--loglevel", "warning"]
    return Child("beat", _module(*command), [(signal.SIGTERM, 5)], heartbeat=HEARTBEAT)


def _worker(queue: str) -> Child:
    command = [*_CELERY, "worker", "--queues", queue, "--hostname", f"{queue}@%h"]
    command += ["--concurrency", "2", "--without-gossip", "--without-mingle"]
    command += ["--loglevel", "warning"]
    # First let tasks finish; then make the worker give them back to the queue.
    return Child(queue, _module(*command), [(signal.SIGTERM, 5), (signal.SIGQUIT, 25)])


def _module(*words: str) -> list[str]:
    # Not the scripts in .venv/bin: the first line of those breaks when the checkout is moved.
    return [str(PYTHON), "-m", *words]


def prepare(environment: dict[str, str]) -> str:
    """Brings the database and the static files up to date; returns what ``setup`` printed.

    Safe to repeat, and safe when two commands do it at the same time.
    """
    with Lock(RUN / "prepare.lock"):
        process = spawn(
            _module("ops.prepare"),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        try:
            output, _ = process.communicate()
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
        if process.returncode != 0:
            raise Stop("The database could not be prepared: the lines above tell why.")
        if not os.environ.get("DATABASE_URL"):
            _PREPARED.write_text(migrations_digest())
    return output.decode(errors="replace")


def prepare_once(environment: dict[str, str], command: str) -> None:
    """Prepares our own database when it is new or older than the code."""
    if os.environ.get("DATABASE_URL") or command in _UNPREPARED:
        return
    if _PREPARED.exists() and _PREPARED.read_text() == migrations_digest():
        return
    say("Preparing the database …")
    prepare(environment)


def migrations_digest() -> str:
    """Tells the migrations: ours, and those of the packages."""
    found = hashlib.sha256()
    for path in [ROOT / "requirements.txt", *sorted(ROOT.glob("*/migrations/*.py"))]:
        found.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def check_reachable(environment: dict[str, str]) -> None:
    """Raises ``Stop`` when a server that the user has named does not answer."""
    if os.environ.get("DATABASE_URL") or os.environ.get("REDIS_URL"):
        result = subprocess.run([PYTHON, "-m", "ops.reach"], cwd=ROOT, env=environment)
        if result.returncode != 0:
            raise Stop("", result.returncode)


def is_ready(port: int) -> bool:
    """Whether the web server answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status < 500
    except OSError:
        return False
    finally:
        connection.close()


def run_command(command: list[str], environment: dict[str, str]) -> int:
    """Runs a command in the foreground and returns its exit code, as a shell would give it."""
    process = spawn(command, new_session=False, cwd=ROOT, env=environment)
    # The terminal sends Ctrl-C to both of us; the command decides what it means.
    on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    on_term = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        code = process.wait()
    finally:
        signal.signal(signal.SIGINT, on_interrupt)
        signal.signal(signal.SIGTERM, on_term)
    return 128 - code if code < 0 else code


def manage(*arguments: str) -> list[str]:
    """The command line of a management command."""
    return [str(PYTHON), str(ROOT / "manage.py"), *arguments]
