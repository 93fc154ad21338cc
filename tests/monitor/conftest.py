"""A stand-in for the engine: the real shared memory, filled with NumPy instead of the hot path."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ext.bounds import Bound
from ext.dtypes import BOOK_VIEW, ORDER, POSITION, RECORD
from ext.latency_histogram import BUCKETS, bucket_index
from ext.shared_memory import SharedMemory
from ext.wire import BookState, EngineState, ExecutionType, OrderState, RecordKind, Side, Step
from monitor.client import MonitorClient

INSTRUMENTS = [("BTC-USD", "0.01", "0.00000001"), ("ETH-USD", "0.05", "0.001")]
STRATEGIES = ["jerico_maker", "jerico_trend"]
RING_SLOTS = int(Bound.RING_SLOTS)


class EngineStandIn:
    """Writes what the engine writes, in the same order: sequence last, version odd meanwhile."""

    def __init__(self, path: Path, mode: str = "simulated") -> None:
        self.path = path
        self.start_time_ns = time.time_ns()
        self.memory = SharedMemory(
            str(path), INSTRUMENTS, STRATEGIES, "demo", mode, self.start_time_ns
        )
        self.header = self.memory.header_record()[0]
        self.books = self._region("books_offset", BOOK_VIEW, len(INSTRUMENTS))
        self.positions = self._region("positions_offset", POSITION, len(STRATEGIES))
        self.orders = self._region("orders_offset", ORDER, int(Bound.MAX_ORDERS))
        self.ring = self._region("ring_offset", RECORD, RING_SLOTS)
        counts = self._region(
            "histograms_offset", np.dtype(np.int64), int(Step.STEP_COUNT) * BUCKETS
        )
        self.histograms = counts.reshape(-1, BUCKETS)
        self.beat()
        self.set_state(EngineState.ENGINE_RUNNING, "started")

    def _region(self, name: str, dtype: np.dtype[Any], count: int) -> np.ndarray[Any, Any]:
        return self.memory.region(name, dtype, count)

    def beat(self, now_ns: int | None = None) -> None:
        self.header["heartbeat_ns"] = time.time_ns() if now_ns is None else now_ns

    def set_state(self, state: EngineState, reason: str) -> None:
        self.memory.set_state(int(state), reason)

    def kill(self) -> None:
        """Looks like kill -9 ten seconds ago: no such process, no heartbeat, state as it was."""
        self.header["process_id"] = 2**22 + 1  # above the largest pid_max
        self.header["start_time_ns"] = time.time_ns() - 10_000_000_000
        self.beat(time.time_ns() - 10_000_000_000)

    def record(self, **fields: Any) -> int:
        sequence = int(self.header["write_sequence"]) + 1
        self.ring[(sequence - 1) % RING_SLOTS] = np.zeros((), RECORD)
        slot = self.ring[(sequence - 1) % RING_SLOTS]
        for name, value in {"instrument": -1, "strategy": -1, **fields}.items():
            slot[name] = value
        slot["sequence"] = sequence
        self.header["write_sequence"] = sequence
        return sequence

    def records(self, count: int) -> None:
        """Many trades of the venue at once."""
        first = int(self.header["write_sequence"])
        sequences = np.arange(first + 1, first + count + 1)[-RING_SLOTS:]
        slots = (sequences - 1) % RING_SLOTS
        batch = np.zeros(len(sequences), RECORD)
        batch["kind"] = RecordKind.RECORD_TRADE
        batch["price_ticks"] = sequences
        batch["sequence"] = sequences
        self.ring[slots] = batch
        self.header["write_sequence"] = first + count

    def fill(self, price_ticks: int = 6_512_345, quantity_lots: int = 250_000) -> int:
        return self.record(
            kind=RecordKind.RECORD_EXECUTION,
            time_ns=self.start_time_ns + 5,
            instrument=0,
            strategy=0,
            code=ExecutionType.EXEC_TRADE,
            detail=OrderState.PARTIALLY_FILLED,
            side=Side.BUY,
            order_number=100,
            price_ticks=price_ticks,
            quantity_lots=quantity_lots,
            filled_lots=quantity_lots,
            leaves_lots=750_000,
            position_lots=3_000_000,
            best_bid_ticks=price_ticks - 1,
            fee_nano=1_500_000_000,
        )

    def book(self, instrument: int = 0, state: BookState = BookState.LIVE) -> np.void:
        view: np.void = self.books[instrument]
        view["version"] += 1
        view["state"] = state
        view["instrument"] = instrument
        view["update_count"] += 1
        view["bid_levels"] = view["ask_levels"] = 3
        view["total_bid_levels"], view["total_ask_levels"] = 812, 744
        view["bid_ticks"][:3] = 6_512_345, 6_512_344, 6_512_340
        view["ask_ticks"][:3] = 6_512_347, 6_512_348, 6_512_350
        view["bid_lots"][:3] = 10_000_000, 20_000_000, 1
        view["ask_lots"][:3] = 5_000_000, 200_000_000, 3
        view["receive_time_ns"] = time.time_ns()
        view["version"] += 1
        return view

    def position(self, strategy: int = 0, lots: int = 3_000_000) -> np.void:
        view: np.void = self.positions[strategy]
        view["version"] += 1
        view["strategy"] = view["instrument"] = strategy
        view["position_lots"] = lots
        view["average_price_ticks"] = 6_512_246.0
        view["realised_pnl"], view["fees"], view["fill_count"] = 12.34, 1.5, 7
        view["version"] += 1
        return view

    def order(
        self, slot: int, number: int, state: OrderState = OrderState.NEW, side: Side = Side.BUY
    ) -> np.void:
        order: np.void = self.orders[slot]
        order["order_number"], order["state"], order["side"] = number, state, side
        order["price_ticks"], order["quantity_lots"] = 6_512_344, 10_000_000
        order["leaves_lots"], order["filled_lots"] = 7_500_000, 2_500_000
        order["venue_order_id"] = b"venue-1"
        return order

    def latency(self, step: Step, *values_ns: int) -> None:
        for value_ns in values_ns:
            self.histograms[int(step), bucket_index(value_ns)] += 1


@pytest.fixture
def engine(tmp_path: Path) -> EngineStandIn:
    return EngineStandIn(tmp_path / "demo.shm")


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    # Relative to the shortest name there is: the path of a Unix socket has at most 107 bytes.
    return f"ipc://{os.path.relpath(tmp_path / 'pub')}"


@pytest.fixture
def client(endpoint: str) -> Iterator[MonitorClient]:
    monitor_client = MonitorClient(endpoint)
    yield monitor_client
    monitor_client.close()


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "waited for 10 s"
            time.sleep(0.005)  # tidy-ok: waits for another process or thread

    return wait
