"""Pulses while it is quiet, none while the real arc sends, none after the end."""

import asyncio
import time

import pytest

from engine.warm.keep_warm import KeepWarm
from ext.loop_meter import LoopMeter
from ext.loop_source import LoopSource
from ext.shared_memory import SharedMemory


class Warmed:
    """Counts what is asked of it."""

    def __init__(self) -> None:
        self.pulses = 0
        self.is_closed = False

    def pulse(self) -> None:
        self.pulses += 1

    def close(self) -> None:
        self.is_closed = True


class Rig:
    def __init__(self, interval_ms: int) -> None:
        self.memory = SharedMemory(None, [("BTC-USD", "0.01", "0.01")], [])
        self.header = self.memory.header_record()
        self.meter = LoopMeter(self.memory, 10**15)
        self.warmed = Warmed()
        self.keep = KeepWarm(self.warmed, interval_ms, self.memory, self.meter)


@pytest.fixture
def rig() -> Rig:
    return Rig(interval_ms=1)


def poll_for(rig: Rig, seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        rig.keep.poll()


def test_busy_poll_pulses_at_the_interval(rig: Rig) -> None:
    poll_for(rig, 0.1)
    assert 3 <= rig.warmed.pulses <= 100
    assert int(rig.header["loop_cycles"][0]) == rig.warmed.pulses, "it is background time"


def test_real_orders_keep_the_arc_warm_by_themselves(rig: Rig) -> None:
    poll_for(rig, 0.02)
    before = rig.warmed.pulses
    end_s = time.monotonic() + 0.05
    while time.monotonic() < end_s:
        rig.header["requests_sent"] += 1
        rig.keep.poll()
    assert rig.warmed.pulses == before
    poll_for(rig, 0.05)
    assert rig.warmed.pulses > before


async def test_a_blocking_loop_pulses_by_a_timer(rig: Rig) -> None:
    rig.keep.begin()
    for _ in range(1000):
        if rig.warmed.pulses >= 3:
            break
        await asyncio.sleep(0.001)
    assert rig.warmed.pulses >= 3
    rig.keep.end()
    assert rig.warmed.is_closed
    pulses = rig.warmed.pulses
    await asyncio.sleep(0.02)
    assert rig.warmed.pulses == pulses


async def test_a_pulse_that_fails_is_the_last(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[int] = []

    def fail() -> None:
        failures.append(1)
        raise ValueError("a defect")

    monkeypatch.setattr(rig.warmed, "pulse", fail)
    rig.keep.begin()
    for _ in range(20):
        await asyncio.sleep(0.001)
        rig.keep.poll()
    rig.keep.end()
    assert len(failures) == 1
    assert caplog.text.count("ValueError: a defect") == 1
    assert rig.meter.enter(LoopSource.LOOP_BACKGROUND) == LoopSource.LOOP_IDLE
