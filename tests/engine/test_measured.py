"""A measured task runs as it would unmeasured, and its steps are charged to its part."""

import asyncio
import time

import pytest

from engine.measured import MeasuredCoroutine
from ext.loop_meter import LoopMeter
from ext.loop_source import LoopSource
from ext.shared_memory import SharedMemory

BACKGROUND = LoopSource.LOOP_BACKGROUND


@pytest.fixture
def memory() -> SharedMemory:
    return SharedMemory(None, [("BTC-USD", "0.01", "0.01")], [])


@pytest.fixture
def meter(memory: SharedMemory) -> LoopMeter:
    return LoopMeter(memory, 20_000_000)


def stall(seconds: float) -> None:
    """Holds the loop, as a slow callback does."""
    time.sleep(seconds)  # tidy-ok: the stall


async def test_each_step_is_a_cycle(memory: SharedMemory, meter: LoopMeter) -> None:
    async def work() -> str:
        for _ in range(4):
            await asyncio.sleep(0)
        return "done"

    task = asyncio.get_running_loop().create_task(MeasuredCoroutine(work(), meter, BACKGROUND))
    assert await task == "done"
    assert int(memory.header_record()["loop_cycles"][0]) == 5


async def test_a_long_step_is_a_stall_and_a_long_wait_is_not(
    memory: SharedMemory, meter: LoopMeter
) -> None:
    async def work() -> None:
        await asyncio.sleep(0.06)
        stall(0.04)

    await MeasuredCoroutine(work(), meter, BACKGROUND)
    await asyncio.get_running_loop().create_task(MeasuredCoroutine(work(), meter, BACKGROUND))
    stalls = memory.header_record()["loop_stalls_by_source"][0].tolist()
    assert stalls[BACKGROUND] == sum(stalls) == 1, "awaited directly it is its caller's time"
    count, longest_ns, source = meter.take_stalls()
    assert (count, source) == (1, BACKGROUND)
    assert longest_ns >= 40_000_000


async def test_errors_and_cancellations_pass_through(meter: LoopMeter) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("a defect")

    seen = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    loop = asyncio.get_running_loop()
    with pytest.raises(ValueError, match="a defect"):
        await loop.create_task(MeasuredCoroutine(fail(), meter, BACKGROUND))
    task = loop.create_task(MeasuredCoroutine(wait(), meter, BACKGROUND))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled"]
    assert meter.enter(BACKGROUND) == LoopSource.LOOP_IDLE, "every step gave the time back"


def test_one_that_never_ran_can_be_closed(meter: LoopMeter) -> None:
    async def work() -> None:
        pytest.fail("ran")

    MeasuredCoroutine(work(), meter, BACKGROUND).close()
