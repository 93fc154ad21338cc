"""A pinned engine as its neighbours see it: threads read from outside, the same ledger as without.

Busy poll, conflation and pulses change how fast orders go, and never which.
"""

# tidy-ok: covers the processes together

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ext.wire import BookState
from tuning.affinity import format_cores
from tuning.threads import ThreadPlace, list_threads, read_thread

if TYPE_CHECKING:
    from tests.integration.commands import Engine

LENGTH = "simulator.duration_seconds=4"
CORES = sorted(os.sched_getaffinity(0))

pytestmark = pytest.mark.skipif(len(CORES) < 2, reason="needs two cores")


class Runs(NamedTuple):
    """One run as it comes, and one with all the care there is, looked at while it ran."""

    plain: "Engine"
    cared: "Engine"
    threads: list[ThreadPlace]
    relay_threads: list[ThreadPlace]
    process_id: int


@pytest.fixture(scope="module")
def runs(start_engine: "Callable[..., Engine]") -> Runs:
    plain = start_engine(LENGTH)
    assert plain.wait() == 0, plain.everything
    cared = start_engine(
        LENGTH,
        f"loop.engine_core={CORES[-1]}",
        "loop.busy_poll=true",
        "loop.spin_count=20",
        "loop.keep_warm_ms=5",
        "loop.stall_threshold_us=10",
        f"telemetry.relay_core={CORES[0]}",
    )
    cared.wait_for_book(BookState.LIVE)
    process_id = cared.memory.process_id
    threads, relay = threads_of(process_id), threads_of(cared.child("wow-relay"))
    assert cared.wait() == 0, cared.everything
    return Runs(plain, cared, threads, relay, process_id)


def threads_of(process_id: int) -> list[ThreadPlace]:
    tasks = Path(f"/proc/{process_id}/task")
    found = [read_thread(thread_id, tasks) for thread_id in list_threads(tasks)]
    return [place for place in found if place is not None]


@pytest.mark.slow
def test_the_hot_thread_is_alone_on_its_core(runs: Runs) -> None:
    core = CORES[-1]
    assert [place.thread_id for place in runs.threads if core in place.cores] == [runs.process_id]
    (hot,) = [place for place in runs.threads if place.thread_id == runs.process_id]
    assert hot.cores == {core}
    assert hot.last_core == core
    assert len(runs.threads) > 4, "writers, numeric libraries, the loop's pool"


@pytest.mark.slow
def test_the_relay_is_on_its_own(runs: Runs) -> None:
    assert {place.cores for place in runs.relay_threads} == {frozenset({CORES[0]})}


@pytest.mark.slow
def test_the_banner_shows_what_is_so(runs: Runs) -> None:
    assert f"loop on core {CORES[-1]} to itself; " in runs.cared.output
    assert f" threads beside it, on {format_cores(CORES[:-1])} (as /proc" in runs.cared.output
    assert "garbage collector off, " in runs.cared.output
    assert ", not pinned" in runs.plain.output


@pytest.mark.slow
def test_the_orders_are_the_same(runs: Runs) -> None:
    assert runs.cared.figure("fills") > 0
    assert runs.cared.ledger == runs.plain.ledger
    assert runs.cared.venue_count == runs.plain.venue_count


@pytest.mark.slow
def test_the_summary_tells_of_the_loop(runs: Runs) -> None:
    assert f"Loop: core {CORES[-1]}; " in runs.cared.summary
    assert "0 garbage collections" in runs.cared.summary
    assert runs.cared.figure("stalls above 0.01 ms") > 0
    assert "market data" in runs.cared.summary.partition("stalls above")[2]
    assert "the loop stalled" in runs.cared.log
    assert "Look at" not in runs.cared.summary
