"""`make run` with all its real processes: start, use, stop, be killed, start again.

The tests follow each other on one installation, since a first start is what takes long.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.paths import ROOT

START_SECONDS = 90.0
GONE_SECONDS = 20.0

Running = subprocess.Popen[str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Installation:
    """A second installation from this checkout, with a folder of data of its own."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.port = free_port()
        chosen = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DATA_DIR", "DEBUG"}
        self.environment = {
            **{key: value for key, value in os.environ.items() if key not in chosen},
            "LEADQUAL_VAR": str(var),
            "PORT": str(self.port),
        }
        self.output = var.with_name("output")

    def ops(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of ours to its end."""
        return subprocess.run(
            [sys.executable, "-m", "ops", *words],
            cwd=ROOT,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
        )

    def run(self) -> Running:
        """Starts everything and waits until it is ready."""
        with self.output.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "ops", "run"],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=output,
                text=True,
            )
        self.wait(lambda: f"ready: {self.url}" in self.output.read_text(), START_SECONDS, process)
        return process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self, until: Callable[[], bool], seconds: float, process: Running) -> None:
        deadline = time.monotonic() + seconds
        while not until():
            assert process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.05)

    def processes(self) -> dict[int, str]:
        """Every process of this installation: all of them have its folder in their environment."""
        mark = f"LEADQUAL_VAR={self.var}".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    words = (folder / "cmdline").read_bytes().split(b"\0")
                    found[int(folder.name)] = b" ".join(words).decode()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    def assert_gone(self) -> None:
        deadline = time.monotonic() + GONE_SECONDS
        while left := self.processes():
            assert time.monotonic() < deadline, left
            time.sleep(0.05)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = Installation(tmp_path_factory.mktemp("installation") / "var")
    yield installation
    for pid in installation.processes():
        os.kill(pid, signal.SIGKILL)


def users(installation: Installation) -> str:
    """How many users there are, asked with `manage`."""
    code = "from accounts.models import User; print(User.objects.count())"
    answer = installation.ops("manage", "shell", "--verbosity", "0", "--command", code)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes through /proc")
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("one installation")
class TestRun:
    def test_it_serves_keeps_its_data_when_killed_and_stops_in_order(
        self, installation: Installation
    ):
        first = installation.run()
        with urllib.request.urlopen(f"{installation.url}/healthz", timeout=10) as answer:
            assert answer.status == 200
        before = users(installation)  # nothing else is on stdout, so that it can be piped
        assert int(before) > 0
        again = installation.ops("run", PORT=str(free_port()))
        assert again.returncode == 1
        assert again.stderr == f"Leadqual already runs in this folder, as process {first.pid}.\n"

        first.kill()
        first.wait()
        installation.assert_gone()

        second = installation.run()
        assert users(installation) == before
        second.send_signal(signal.SIGTERM)
        assert second.wait(60) == 0
        assert installation.processes() == {}

    def test_manage_starts_the_servers_for_itself_and_passes_the_exit_code_on(
        self, installation: Installation
    ):
        code = "import sys; print('{}'); sys.exit(7)"
        answer = installation.ops("manage", "shell", "--verbosity", "0", "--command", code)
        assert (answer.returncode, answer.stdout) == (7, "{}\n")
        assert installation.processes() == {}

    def test_manage_first_brings_an_older_database_up_to_date(self, installation: Installation):
        command = ("manage", "shell", "--verbosity", "0", "--command", "print(1)")
        installation.ops(*command)  # prepares it where no other test has
        prepared = installation.var / "postgres" / "prepared"
        current = prepared.read_text()
        prepared.write_text("older")
        answer = installation.ops(*command)
        assert (answer.returncode, answer.stdout) == (0, "1\n")
        assert "Preparing the database" in answer.stderr
        assert prepared.read_text() == current

    def test_two_commands_share_the_servers(self, installation: Installation):
        code = "import time; time.sleep({}); from accounts.models import User; "
        code += "print(User.objects.exists())"
        command = [sys.executable, "-m", "ops", "manage", "shell", "--verbosity", "0", "--command"]
        both = [
            subprocess.Popen(
                [*command, code.format(seconds)],
                cwd=ROOT,
                env=installation.environment,
                stdout=subprocess.PIPE,
                text=True,
            )
            for seconds in (0.5, 2)  # the one that starts the servers leaves first
        ]
        assert [process.communicate(timeout=60)[0] for process in both] == ["True\n"] * 2
        assert installation.processes() == {}


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"PORT": "0"}, "PORT must be a number from 1 to 65535, not '0'.\n"),
        (
            {"DATABASE_URL": "postgres://me:secret@127.0.0.1:1/x"},
            'DATABASE_URL cannot be used: connection to server at "127.0.0.1", port 1 failed: ',
        ),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL cannot be used: it must start with postgres"),
        ({"REDIS_URL": "redis://:secret@127.0.0.1:1/0"}, "REDIS_URL cannot be used: 127.0.0.1:1: "),
        ({"REDIS_URL": "amqp://x"}, "REDIS_URL cannot be used: it must start with redis"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(
    tmp_path: Path, environment: dict[str, str], message: str
):
    given = {
        "DATABASE_URL": os.environ["DATABASE_URL"],
        "REDIS_URL": os.environ["REDIS_URL"],
    }
    answer = Installation(tmp_path / "var").ops("run", **given | environment)
    assert answer.returncode == 1
    assert answer.stderr.startswith(message)
    assert answer.stderr.count("\n") == 1
    assert "secret" not in answer.stderr


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path):
    installation = Installation(tmp_path / "var")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", installation.port))
        taken.listen()
        answer = installation.ops("run")
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"Port {installation.port} is in use: ")
    assert answer.stderr.count("\n") == 1


def test_an_old_python_is_told_so():
    script = "import sys; sys.version_info = (3, 9, 2); sys.argv = ['ops', 'help']\n"
    script += "import shutil; shutil.which = lambda name: None\n"
    script += "import ops.__main__ as main; sys.exit(main.main())"
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("Leadqual needs Python 3.11 or newer; this is 3.9.")
    assert answer.stderr.count("\n") == 1
