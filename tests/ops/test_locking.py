"""The locks that decide who starts and who stops a shared server."""

import subprocess
import sys
from pathlib import Path

from ops.locks import Lock, is_held
from ops.paths import ROOT


def test_one_holder_excludes_all_others(tmp_path: Path):
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert first.try_take()
    assert is_held(tmp_path / "lock")
    assert not second.try_take()
    assert not second.try_take(shared=True)
    first.release()
    assert second.try_take()


def test_sharers_exclude_only_who_wants_it_alone(tmp_path: Path):
    first, second, third = (Lock(tmp_path / "lock") for _ in range(3))
    assert first.try_take(shared=True)
    assert second.try_take(shared=True)
    assert not is_held(tmp_path / "lock")
    assert not third.try_take()


def test_a_killed_holder_holds_nothing(tmp_path: Path):
    path = tmp_path / "lock"
    script = "import sys, time; from pathlib import Path; from ops.locks import Lock\n"
    script += "lock = Lock(Path(sys.argv[1])); lock.take(); print('held', flush=True)\n"
    script += "time.sleep(600)"
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert is_held(path)
    holder.kill()
    holder.communicate()
    assert not is_held(path)
