"""Cycles of the loop and stalls, with sleeps as the work: whose time it was, and how long."""

import time
from collections.abc import Callable

import pytest

from ext.errors import UsageError
from ext.loop_meter import LoopMeter
from ext.loop_source import LoopSource
from ext.shared_memory import SharedMemory

MILLISECOND_NS = 1_000_000
MARKET, REPORTS = LoopSource.LOOP_MARKET_DATA, LoopSource.LOOP_ORDER_REPORTS
FEED, BACKGROUND = LoopSource.LOOP_FEED_SESSION, LoopSource.LOOP_BACKGROUND
NONE = (0, 0, LoopSource.LOOP_IDLE)


class Rig:
    """A meter and what it publishes."""

    def __init__(self, threshold_ns: int) -> None:
        self.memory = SharedMemory(None, [("BTC-USD", "0.01", "0.01")], [])
        self.meter = LoopMeter(self.memory, threshold_ns)
        self.header = self.memory.header_record()

    def word(self, name: str) -> int:
        return int(self.header[name][0])

    def stalls(self) -> dict[LoopSource, int]:
        """Stalls by source, those that had any."""
        counts = self.header["loop_stalls_by_source"][0].tolist()
        return {LoopSource(index): count for index, count in enumerate(counts) if count}

    def work(self, source: LoopSource, milliseconds: float) -> None:
        before = self.meter.enter(source)
        busy(milliseconds)
        self.meter.leave(before)


def busy(milliseconds: float) -> None:
    """At least so long, whatever the scheduler does."""
    end_ns = time.monotonic_ns() + int(milliseconds * MILLISECOND_NS)
    while time.monotonic_ns() < end_ns:
        pass


@pytest.fixture
def make_rig() -> Callable[..., Rig]:
    def make(threshold_ms: float = 5.0) -> Rig:
        return Rig(int(threshold_ms * MILLISECOND_NS))

    return make


def test_each_callback_of_a_blocking_loop_is_a_cycle(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(threshold_ms=10_000)
    for source in (MARKET, REPORTS, BACKGROUND):
        rig.work(source, 0.1)
    assert rig.word("loop_cycles") == 3
    assert rig.word("loop_max_cycle_ns") >= MILLISECOND_NS // 10
    assert (rig.word("loop_stalls"), rig.stalls(), rig.meter.take_stalls()) == (0, {}, NONE)


def test_sleep_between_callbacks_is_nobody_s(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(threshold_ms=10_000)
    rig.work(MARKET, 0.0)
    time.sleep(0.05)  # tidy-ok: the loop's own sleep
    rig.work(REPORTS, 0.0)
    assert rig.word("loop_max_cycle_ns") < 50 * MILLISECOND_NS


def test_a_stall_names_what_took_most_of_it(make_rig: Callable[..., Rig]) -> None:
    """A control frame inside of a read: the session's time, not the market data's."""
    rig = make_rig(threshold_ms=20)
    outer = rig.meter.enter(MARKET)
    busy(5)
    inner = rig.meter.enter(FEED)
    busy(60)
    rig.meter.leave(inner)
    rig.meter.leave(outer)
    assert rig.word("loop_cycles") == 1
    assert rig.stalls() == {FEED: 1}
    assert rig.word("loop_max_cycle_source") == FEED
    assert rig.word("loop_max_cycle_ns") >= 65 * MILLISECOND_NS
    count, longest_ns, source = rig.meter.take_stalls()
    assert (count, longest_ns, source) == (1, rig.word("loop_max_cycle_ns"), FEED)
    assert rig.meter.take_stalls() == NONE


def test_the_longest_of_several_stalls_is_told(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(threshold_ms=1)
    rig.work(BACKGROUND, 2)
    rig.work(REPORTS, 100)
    rig.work(MARKET, 3)
    assert rig.stalls() == {BACKGROUND: 1, REPORTS: 1, MARKET: 1}
    count, longest_ns, source = rig.meter.take_stalls()
    assert (count, source) == (3, REPORTS)
    assert longest_ns >= 100 * MILLISECOND_NS


def test_a_turn_of_busy_poll_is_one_cycle(make_rig: Callable[..., Rig]) -> None:
    """What nobody claims is the loop's; spinning on empty sockets is not counted."""
    rig = make_rig(threshold_ms=40)
    rig.meter.begin_poll()
    busy(50)  # nothing comes
    rig.work(MARKET, 5)
    rig.meter.end_poll()
    rig.work(BACKGROUND, 5)
    rig.meter.begin_poll()
    cycle_ns = rig.word("loop_max_cycle_ns")
    assert cycle_ns >= 10 * MILLISECOND_NS
    assert rig.word("loop_cycles") == 2
    stalls_before = rig.word("loop_stalls")
    rig.meter.end_poll()
    busy(80)  # a callback of somebody else's
    rig.meter.begin_poll()
    assert rig.word("loop_stalls") == stalls_before + 1
    assert rig.stalls()[LoopSource.LOOP_OTHER] == 1
    assert rig.word("loop_max_cycle_source") == LoopSource.LOOP_OTHER


def test_callbacks_are_cycles_again_after_busy_poll(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(threshold_ms=10_000)
    rig.meter.begin_poll()
    rig.meter.end_poll()
    rig.work(MARKET, 0)
    assert rig.word("loop_cycles") == 1
    rig.meter.end_polling()
    rig.work(MARKET, 0)
    assert rig.word("loop_cycles") == 2


def test_nonsense_is_refused(make_rig: Callable[..., Rig]) -> None:
    with pytest.raises(UsageError, match="threshold_ns was 0"):
        make_rig(threshold_ms=0)
    rig = make_rig()
    for source in (-1, LoopSource.LOOP_SOURCE_COUNT):
        with pytest.raises(UsageError, match="use a LoopSource"):
            rig.meter.enter(source)
