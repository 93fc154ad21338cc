"""Care of the loop: collection off while it runs, turns counted, nothing left behind."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from engine.config_schema import LoopSection
from engine.loop import LoopCare
from ext.busy_poll import BusyPoller
from ext.shared_memory import SharedMemory


@pytest.fixture
def memory() -> SharedMemory:
    return SharedMemory(None, [("BTC-USD", "0.01", "0.01")], [])


@pytest.fixture(autouse=True)
def kept_collector() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def count_turns(memory: SharedMemory) -> int:
    return int(memory.header_record()["loop_cycles"][0])


def test_frozen_means_no_collection_until_the_end(memory: SharedMemory) -> None:
    care = LoopCare(LoopSection(), memory, None, lambda: None)
    care.begin()
    assert not gc.isenabled()
    assert gc.get_freeze_count() > 0
    care.end()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_on_leaves_the_collector_alone(memory: SharedMemory) -> None:
    care = LoopCare(LoopSection(garbage_collection="on"), memory, None, lambda: None)
    care.begin()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    care.end()
    assert gc.isenabled()


async def test_busy_poll_looks_at_both_sockets_every_turn(memory: SharedMemory) -> None:
    poller, looks = BusyPoller(3), []
    care = LoopCare(LoopSection(busy_poll=True), memory, poller, lambda: looks.append(1))
    care.begin()
    for _ in range(50):
        await asyncio.sleep(0)
    care.end()
    assert count_turns(memory) == len(looks) >= 49
    assert 0 < int(memory.header_record()["loop_max_cycle_ns"][0]) < 10_000_000_000


async def test_a_turn_that_fails_is_followed_by_the_next(
    memory: SharedMemory, caplog: pytest.LogCaptureFixture
) -> None:
    poller = BusyPoller(1)

    def fail() -> None:
        raise ValueError("a defect")

    care = LoopCare(LoopSection(busy_poll=True), memory, poller, fail)
    care.begin()
    for _ in range(20):
        await asyncio.sleep(0)
    care.end()
    assert care.failed_turns == count_turns(memory) >= 19
    assert caplog.text.count("a turn of the busy poll failed") == 1
    assert caplog.text.count("ValueError: a defect") == 1
    assert f"{care.failed_turns} turns of the busy poll failed" in caplog.text


async def test_no_turn_comes_after_the_end(memory: SharedMemory) -> None:
    care = LoopCare(LoopSection(busy_poll=True), memory, BusyPoller(1), lambda: None)
    care.begin()
    await asyncio.sleep(0)
    care.end()
    await asyncio.sleep(0)
    turns = count_turns(memory)
    for _ in range(10):
        await asyncio.sleep(0)
    assert count_turns(memory) == turns


async def test_a_blocking_loop_is_left_to_sleep(memory: SharedMemory) -> None:
    care = LoopCare(LoopSection(), memory, None, lambda: pytest.fail("polled"))
    care.begin()
    for _ in range(10):
        await asyncio.sleep(0)
    care.end()
    assert count_turns(memory) == 0


@pytest.mark.parametrize(("core", "expected"), [(-1, []), (0, [0]), (5, [5])])
def test_only_a_core_that_was_named_is_pinned(
    memory: SharedMemory, monkeypatch: pytest.MonkeyPatch, core: int, expected: list[int]
) -> None:
    pinned: list[int] = []
    monkeypatch.setattr("engine.loop.pin_to_core", pinned.append)
    care = LoopCare(LoopSection(engine_core=core), memory, None, lambda: None)
    care.begin()
    care.end()
    assert pinned == expected
