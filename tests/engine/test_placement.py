"""The engine's thread alone on its core, as /proc shows it; on one core a warning."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
import uvloop

from engine.placement import ThreadPlacement
from ext.shared_memory import SharedMemory
from tuning.core_plan import CorePlan, plan_cores
from tuning.threads import list_threads, read_thread

Result = TypeVar("Result")
CORES = sorted(os.sched_getaffinity(0))
needs_two_cores = pytest.mark.skipif(len(CORES) < 2, reason="needs two cores")


@pytest.fixture
def memory() -> SharedMemory:
    return SharedMemory(None, [("BTC-USD", "0.01", "0.01")], [])


@pytest.fixture(autouse=True)
def kept_cores() -> Iterator[None]:
    """Every thread of the tests may run where it could before."""
    before = {thread_id: os.sched_getaffinity(thread_id) for thread_id in list_threads()}
    yield
    for thread_id in before.keys() & list_threads():
        os.sched_setaffinity(thread_id, before[thread_id])


def in_a_thread(work: Callable[[], Result]) -> Result:
    """Runs work in a thread of its own: the one that is pinned."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def threads_on(core: int) -> set[int]:
    """Threads of this process that may run on a core."""
    places = [read_thread(thread_id) for thread_id in list_threads()]
    return {place.thread_id for place in places if place is not None and core in place.cores}


@pytest.fixture
def plan() -> CorePlan:
    return plan_cores(CORES[-1], -1, CORES)


@needs_two_cores
def test_every_other_thread_leaves_the_core(
    memory: SharedMemory, plan: CorePlan, caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> str:
        placement = ThreadPlacement(plan, memory)
        placement.take_core()
        assert threads_on(CORES[-1]) == {threading.get_native_id()}
        shown = placement.describe()
        placement.release()
        assert os.sched_getaffinity(0) == set(CORES)
        return shown

    shown = in_a_thread(work)
    assert caplog.text == "", "nobody is told of what is moved at the start"
    assert shown.startswith(f"core {CORES[-1]} to itself; ")
    assert f"{len(list_threads())} threads beside it, on " in shown
    header = memory.header_record()
    assert (int(header["engine_core"][0]), int(header["threads_on_core"][0])) == (CORES[-1], 0)


@needs_two_cores
def test_the_pool_of_the_loop_is_there_before_the_pin(memory: SharedMemory, plan: CorePlan) -> None:
    async def resolve() -> set[int]:
        placement = ThreadPlacement(plan, memory)
        await placement.prepare()
        assert os.sched_getaffinity(0) == set(plan.others)
        placement.take_core()
        await asyncio.get_running_loop().getaddrinfo("localhost", 80)
        return threads_on(CORES[-1]) - {threading.get_native_id()}

    assert in_a_thread(lambda: uvloop.run(resolve())) == set()


@needs_two_cores
def test_a_thread_that_appears_on_the_core_is_told_and_moved(
    memory: SharedMemory, plan: CorePlan, caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> None:
        placement = ThreadPlacement(plan, memory)
        placement.take_core()
        stop, ready, ids = threading.Event(), threading.Event(), list[int]()

        def helper() -> None:
            ids.append(threading.get_native_id())
            ready.set()
            stop.wait()

        thread = threading.Thread(target=helper)
        thread.start()
        ready.wait()
        try:
            assert os.sched_getaffinity(ids[0]) == {CORES[-1]}, "it inherits the core"
            placement.check()
            assert os.sched_getaffinity(ids[0]) == set(plan.others)
            os.sched_setaffinity(ids[0], CORES)  # somebody undoes it: found within a few looks
            for _ in list_threads():
                placement.check()
            assert os.sched_getaffinity(ids[0]) == set(plan.others)
        finally:
            stop.set()
            thread.join()
        assert caplog.text.count(f"thread {ids[0]} may run on core {CORES[-1]}") == 1
        placement.check()

    in_a_thread(work)
    assert int(memory.header_record()["threads_on_core"][0]) == 0


@needs_two_cores
def test_a_thread_that_cannot_be_moved_is_counted(
    memory: SharedMemory, plan: CorePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work() -> tuple[str, int]:
        placement = ThreadPlacement(plan, memory)
        hot, real = threading.get_native_id(), os.sched_setaffinity

        def refuse(thread_id: int, cores: object) -> None:
            if thread_id not in (0, hot):
                raise PermissionError(1, "Operation not permitted")
            real(thread_id, cores)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "sched_setaffinity", refuse)
        placement.take_core()
        placement.check()
        shown, there = placement.describe(), threads_on(CORES[-1]) - {hot}
        monkeypatch.undo()
        return shown, len(there)

    shown, there = in_a_thread(work)
    count = int(memory.header_record()["threads_on_core"][0])
    assert count == there >= 1
    assert f"core {CORES[-1]} SHARED with {count} threads of ours" in shown


@needs_two_cores
def test_the_engine_s_own_thread_is_looked_at(
    memory: SharedMemory, plan: CorePlan, caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> None:
        placement = ThreadPlacement(plan, memory)
        placement.take_core()
        os.sched_setaffinity(0, CORES)
        placement.check()
        placement.check()

    in_a_thread(work)
    assert caplog.text.count(f"not on core {CORES[-1]} alone") == 1


@pytest.mark.parametrize("wanted", [(0, [0]), (CORES[-1] + 1, CORES)])
def test_too_few_cores_are_a_warning(
    memory: SharedMemory, caplog: pytest.LogCaptureFixture, wanted: tuple[int, list[int]]
) -> None:
    def work() -> str:
        placement = ThreadPlacement(plan_cores(wanted[0], -1, wanted[1]), memory)
        asyncio.run(placement.prepare())
        placement.take_core()
        placement.check()
        return placement.describe()

    assert in_a_thread(work).endswith("not pinned")
    assert f"engine_core {wanted[0]} is" in caplog.text
    assert int(memory.header_record()["engine_core"][0]) == -1


@needs_two_cores
def test_a_core_that_was_taken_away_meanwhile_is_a_warning(
    memory: SharedMemory, caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> str:
        placement = ThreadPlacement(CorePlan(1023, 0, tuple(CORES)), memory)
        placement.take_core()
        return placement.describe()

    assert "not pinned" in in_a_thread(work)
    assert "the engine is not pinned: core was 1023" in caplog.text


def test_without_a_core_nothing_is_touched(
    memory: SharedMemory, caplog: pytest.LogCaptureFixture
) -> None:
    placement = ThreadPlacement(plan_cores(-1, -1, CORES), memory)
    before = os.sched_getaffinity(0)
    asyncio.run(placement.prepare())
    placement.take_core()
    placement.check()
    placement.release()
    assert os.sched_getaffinity(0) == before
    assert caplog.text == ""
    assert placement.relay_core is None
