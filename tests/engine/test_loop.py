"""Care of the loop: collection off while it runs, turns counted, nothing left behind."""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.loop import LoopCare
from engine.placement import ThreadPlacement
from engine.settings.config_schema import LoopSection
from ext.busy_poll import BusyPoller
from ext.loop_source import LoopSource
from ext.shared_memory import SharedMemory
from tuning.core_plan import plan_cores


@pytest.fixture
def memory() -> SharedMemory:
    return SharedMemory(None, [("BTC-USD", "0.01", "0.01")], [])


def stall(seconds: float) -> None:
    """Holds the loop, as a slow callback does."""
    time.sleep(seconds)  # tidy-ok: the stall


def count_turns(memory: SharedMemory) -> int:
    return int(memory.header_record()["loop_cycles"][0])


@pytest.fixture
def make_care(memory: SharedMemory) -> Iterator[Callable[..., LoopCare]]:
    """``make_care(poller, poll_orders, busy_poll=True)``; ended at the end of the test."""
    cares: list[LoopCare] = []

    def make(
        poller: BusyPoller | None = None,
        poll_orders: Callable[[], object] = lambda: None,
        **section: Any,
    ) -> LoopCare:
        def poll() -> None:
            poll_orders()

        plan = plan_cores(-1, -1, [0])
        cares.append(LoopCare(LoopSection(**section), memory, plan, poller, poll))
        return cares[-1]

    yield make
    for care in cares:
        care.end()
    gc.unfreeze()
    gc.enable()


Make = Callable[..., LoopCare]


def test_the_collector_is_off_between_begin_and_end(make_care: Make) -> None:
    care = make_care()
    care.begin()
    assert not gc.isenabled()
    care.end()
    assert gc.isenabled()
    care.end()


def test_the_core_is_taken_before_the_warm_up_and_the_freeze_comes_last(
    make_care: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    monkeypatch.setattr(ThreadPlacement, "take_core", lambda _: steps.append("core"))
    care = make_care()
    monkeypatch.setattr(care.collector, "begin", lambda: steps.append("freeze"))

    def warm_up() -> None:
        steps.append("warm up")

    care.begin(warm_up)
    assert steps == ["core", "warm up", "freeze"]


async def test_busy_poll_looks_at_both_sockets_every_turn(
    memory: SharedMemory, make_care: Make
) -> None:
    looks: list[int] = []
    poller = BusyPoller(3)
    care = make_care(poller, lambda: looks.append(1), busy_poll=True)
    care.begin()
    for _ in range(50):
        await asyncio.sleep(0)
    care.end()
    assert count_turns(memory) == len(looks) == poller.poll_count >= 49
    assert 0 < int(memory.header_record()["loop_max_cycle_ns"][0]) < 10_000_000_000


async def test_a_turn_that_fails_is_followed_by_the_next(
    memory: SharedMemory, make_care: Make, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ValueError("a defect")

    care = make_care(BusyPoller(1), fail, busy_poll=True)
    care.begin()
    for _ in range(20):
        await asyncio.sleep(0)
    care.end()
    assert care.failed_turns == count_turns(memory) >= 19
    assert caplog.text.count("a turn of the busy poll failed") == 1
    assert caplog.text.count("ValueError: a defect") == 1
    assert f"{care.failed_turns} turns of the busy poll failed" in caplog.text


async def test_no_turn_comes_after_the_end(memory: SharedMemory, make_care: Make) -> None:
    care = make_care(BusyPoller(1), busy_poll=True)
    care.begin()
    await asyncio.sleep(0)
    care.end()
    await asyncio.sleep(0)
    turns = count_turns(memory)
    for _ in range(10):
        await asyncio.sleep(0)
    assert count_turns(memory) == turns


async def test_a_blocking_loop_is_left_to_sleep(memory: SharedMemory, make_care: Make) -> None:
    care = make_care(None, lambda: pytest.fail("polled"))
    care.begin()
    for _ in range(10):
        await asyncio.sleep(0)
    care.end()
    assert count_turns(memory) == 0


async def test_a_stall_is_logged_with_the_callback_that_took_the_time(
    make_care: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Once for all that came since the last look."""
    care = make_care(BusyPoller(1), busy_poll=True, stall_threshold_us=30_000)
    care.begin()
    await asyncio.sleep(0)
    for source in (LoopSource.LOOP_ORDER_REPORTS, LoopSource.LOOP_BACKGROUND):
        before = care.meter.enter(source)
        stall(0.05 if source == LoopSource.LOOP_BACKGROUND else 0.04)
        care.meter.leave(before)
        await asyncio.sleep(0)
    care.check()
    care.check()
    assert caplog.text.count("the loop stalled 2 times") == 1
    assert "most of it in: background" in caplog.text


async def test_a_callback_of_nobody_stalls_a_busy_loop_too(
    make_care: Make, caplog: pytest.LogCaptureFixture
) -> None:
    care = make_care(BusyPoller(1), busy_poll=True, stall_threshold_us=30_000)
    care.begin()
    await asyncio.sleep(0)
    stall(0.05)
    await asyncio.sleep(0)
    care.check()
    assert "the loop stalled 1 times" in caplog.text
    assert "most of it in: other" in caplog.text


class Warmed:
    """Counts what is asked of it."""

    def __init__(self) -> None:
        self.pulses = 0
        self.closed = 0

    def pulse(self) -> None:
        self.pulses += 1

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("busy_poll", [False, True])
async def test_the_arc_is_kept_warm_when_asked_to(make_care: Make, busy_poll: bool) -> None:
    warmed = Warmed()
    poller = BusyPoller(1) if busy_poll else None
    care = make_care(poller, busy_poll=busy_poll, keep_warm_ms=1)
    care.begin(lambda: warmed)
    for _ in range(1000):
        if warmed.pulses > 2:
            break
        await asyncio.sleep(0.001)
    assert warmed.pulses > 2
    care.end()
    assert warmed.closed == 1


async def test_it_is_let_go_after_the_warm_up_otherwise(make_care: Make) -> None:
    warmed = Warmed()
    care = make_care(BusyPoller(1), busy_poll=True)
    care.begin(lambda: warmed)
    await asyncio.sleep(0.01)
    assert (warmed.pulses, warmed.closed) == (0, 1)
