import os
import subprocess
import sys
import time
from collections.abc import Callable

from journal.processes import process_lives


def test_this_process_lives() -> None:
    assert process_lives(os.getpid(), time.time_ns())


def test_an_id_that_was_never_given_does_not() -> None:
    assert not process_lives(2**22 + 1, time.time_ns())


def test_a_later_process_with_the_same_id_is_another() -> None:
    assert not process_lives(os.getpid(), time.time_ns() - 86_400 * 10**9 * 365)


def test_a_zombie_does_not(wait_until: Callable[[Callable[[], bool]], None]) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    now_ns = time.time_ns()
    try:
        wait_until(lambda: not process_lives(child.pid, now_ns))
        assert os.path.exists(f"/proc/{child.pid}")
    finally:
        child.wait()
