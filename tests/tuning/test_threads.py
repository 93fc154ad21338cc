"""The threads of this process in /proc, against those that the test has made."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuning.threads import (
    TASKS,
    list_threads,
    move_all_threads,
    move_thread,
    parse_cores,
    read_thread,
)

END_WAIT_S = 10.0


class Sleeper:
    """A thread that waits; it may run where its maker may."""

    def __init__(self) -> None:
        self._stop, ready = threading.Event(), threading.Event()

        def run() -> None:
            self.thread_id = threading.get_native_id()
            ready.set()
            self._stop.wait()

        self._thread = threading.Thread(target=run)
        self._thread.start()
        ready.wait()

    def end(self) -> None:
        """Returns when the kernel has none of it: `join` may return a moment before that."""
        self._stop.set()
        self._thread.join()
        deadline = time.monotonic() + END_WAIT_S
        while (TASKS / str(self.thread_id)).exists() and time.monotonic() < deadline:
            os.sched_yield()


@pytest.fixture
def sleeper() -> Iterator[Sleeper]:
    made = Sleeper()
    yield made
    made.end()


@pytest.mark.parametrize(
    ("text", "cores"),
    [("0", {0}), ("0-3,8\n", {0, 1, 2, 3, 8}), ("5,7-8", {5, 7, 8}), ("\n", set())],
)
def test_core_lists_are_read_as_the_kernel_writes_them(text: str, cores: set[int]) -> None:
    assert parse_cores(text) == cores


def test_a_thread_is_seen_while_it_lives(sleeper: Sleeper) -> None:
    assert {threading.get_native_id(), sleeper.thread_id} <= list_threads()
    place = read_thread(sleeper.thread_id)
    assert place is not None
    assert place.cores == os.sched_getaffinity(sleeper.thread_id)
    assert place.last_core in range(os.cpu_count() or 1)
    sleeper.end()
    assert sleeper.thread_id not in list_threads()
    assert read_thread(sleeper.thread_id) is None


def test_a_moved_thread_is_read_back(sleeper: Sleeper) -> None:
    core = max(os.sched_getaffinity(0))
    assert move_thread(sleeper.thread_id, {core})
    place = read_thread(sleeper.thread_id)
    assert place is not None
    assert place.cores == {core}


def test_what_cannot_be_moved_is_told() -> None:
    absent = 2**22 + 1  # above the largest pid_max
    assert not move_thread(absent, {0})
    assert not move_thread(0, {1023})


def test_all_threads_move_together(sleeper: Sleeper) -> None:
    before = os.sched_getaffinity(0)
    core = max(before)
    others = {thread_id: os.sched_getaffinity(thread_id) for thread_id in list_threads()}
    try:
        move_all_threads({core})
        assert os.sched_getaffinity(0) == os.sched_getaffinity(sleeper.thread_id) == {core}
    finally:
        for thread_id, cores in others.items():
            os.sched_setaffinity(thread_id, cores)
    assert os.sched_getaffinity(0) == before


def test_a_name_with_parentheses_hides_no_field(tmp_path: Path) -> None:
    """proc(5): comm stands in parentheses and is not escaped."""
    folder = tmp_path / "7"
    folder.mkdir()
    fields = " ".join(str(number) for number in range(3, 53))
    (folder / "stat").write_text(f"7 (a) b 1 (c)) {fields}\n")
    (folder / "status").write_text("Name:\ta) b 1 (c)\nUmask:\t0022\nCpus_allowed_list:\t1,3-4\n")
    place = read_thread(7, tmp_path)
    assert place is not None
    assert (place.name, place.last_core) == ("a) b 1 (c)", 39)
    assert place.cores == {1, 3, 4}
