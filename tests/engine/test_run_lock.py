"""One engine of a name at a time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.runs.run_lock import AlreadyRunning, RunLock
from ext.errors import ConfigError

HOLD = """
import sys, time
from engine.runs.run_lock import RunLock
lock = RunLock(sys.argv[1], "demo")
lock.acquire()
sys.stdout.write("held")
sys.stdout.flush()
sys.stdin.read()
"""


def test_a_second_lock_names_the_holder(tmp_path: Path) -> None:
    first, second = RunLock(str(tmp_path), "demo"), RunLock(str(tmp_path), "demo")
    first.acquire()

    with pytest.raises(AlreadyRunning, match=rf"process {os.getpid()}.*demo\.lock; stop it first"):
        second.acquire()

    first.release()
    second.acquire()
    second.release()


def test_release_without_a_lock_is_nothing(tmp_path: Path) -> None:
    lock = RunLock(str(tmp_path), "demo")
    lock.release()
    lock.acquire()
    lock.release()
    lock.release()


def test_engines_of_other_names_are_left_alone(tmp_path: Path) -> None:
    locks = [RunLock(str(tmp_path), name) for name in ("demo", "paper")]
    for lock in locks:
        lock.acquire()
    for lock in locks:
        lock.release()


def test_the_directory_is_made_and_the_file_names_the_process(tmp_path: Path) -> None:
    lock = RunLock(str(tmp_path / "a" / "b"), "demo")
    lock.acquire()
    path = tmp_path / "a" / "b" / "demo.lock"
    assert path.read_text() == f"{os.getpid()}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    lock.release()
    assert path.exists()


def test_a_shorter_process_number_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    (tmp_path / "demo.lock").write_text("99999999999999\n")
    lock = RunLock(str(tmp_path), "demo")
    lock.acquire()
    assert (tmp_path / "demo.lock").read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_directory_that_cannot_be_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    lock = RunLock(str(tmp_path / "file" / "below"), "demo")
    with pytest.raises(ConfigError, match=r"cannot be written.*check \[engine\] state_directory"):
        lock.acquire()


def test_a_killed_engine_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.read(4) == b"held"
        lock = RunLock(str(tmp_path), "demo")
        with pytest.raises(AlreadyRunning, match=f"process {holder.pid}"):
            lock.acquire()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        lock.acquire()
        lock.release()
