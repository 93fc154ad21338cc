"""A stand-in for the engine: the real shared memory, filled with NumPy instead of the hot path."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ext.bounds import Bound
from ext.dtypes import BLOB, BOOK_VIEW, ORDER, POSITION, RECORD
from ext.latency_histogram import BUCKETS, bucket_index
from ext.shared_memory import SharedMemory
from ext.wire import BookState, EngineState, ExecutionType, OrderState, RecordKind, Side, Step
from journal.entries import MARKET, ORDERS, PAYLOAD_OFFSET, Stream, slots_of

INSTRUMENTS = [("BTC-USD", "0.01", "0.00000001"), ("ETH-USD", "0.05", "0.001")]
STRATEGIES = ["jerico_maker", "jerico_trend"]
RING_SLOTS = int(Bound.RING_SLOTS)
MARKET_SLOTS = 4096


class EngineStandIn:
    """Writes what the engine writes, in the same order: sequence last, version odd meanwhile."""

    def __init__(self, path: Path, mode: str = "simulated") -> None:
        self.path = path
        self.start_time_ns = time.time_ns()
        self.memory = SharedMemory(
            str(path), INSTRUMENTS, STRATEGIES, "demo", mode, self.start_time_ns, MARKET_SLOTS
        )
        self.header = self.memory.header_record()[0]
        self.books = self._region("books_offset", BOOK_VIEW, len(INSTRUMENTS))
        self.positions = self._region("positions_offset", POSITION, len(STRATEGIES))
        self.orders = self._region("orders_offset", ORDER, int(Bound.MAX_ORDERS))
        self.ring = self._region("ring_offset", RECORD, RING_SLOTS)
        self.market_ring = self._region("market_ring_offset", RECORD, MARKET_SLOTS)
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

    def blob(self, stream: Stream, data: bytes, **fields: Any) -> int:
        """An entry with bytes; returns the number of its head's slot."""
        ring = self.ring if stream == ORDERS else self.market_ring
        word = "write_sequence" if stream == ORDERS else "market_write_sequence"
        written, count = int(self.header[word]), slots_of(len(data))
        slots = np.zeros(count, RECORD)
        head = slots.view(BLOB)[:1]
        for name, value in {"instrument": -1, "strategy": -1, **fields}.items():
            head[name] = value
        head["byte_count"] = len(data)
        raw = slots.view(np.uint8)
        raw[PAYLOAD_OFFSET : PAYLOAD_OFFSET + len(data)] = np.frombuffer(data, np.uint8)
        head["sequence"] = written + 1
        ring[(written + np.arange(count)) % len(ring)] = slots
        self.header[word] = written + count
        return written + 1

    def frame(self, data: bytes, **fields: Any) -> int:
        """A market data frame that came in now."""
        after = int(self.header["write_sequence"])
        return self.blob(
            MARKET, data, **{"kind": RecordKind.RECORD_FRAME, "after_sequence": after, **fields}
        )

    def report(self, data: bytes, **fields: Any) -> int:
        """A message of the order session that came in now."""
        return self.blob(ORDERS, data, **{"kind": RecordKind.RECORD_REPORT, **fields})

    def trade(self, **fields: Any) -> int:
        """A trade of the venue, in front of its frame."""
        written = int(self.header["market_write_sequence"])
        slot = self.market_ring[written % MARKET_SLOTS]
        self.market_ring[written % MARKET_SLOTS] = np.zeros((), RECORD)
        slot["kind"], slot["strategy"] = RecordKind.RECORD_TRADE, -1
        for name, value in fields.items():
            slot[name] = value
        slot["sequence"] = written + 1
        self.header["market_write_sequence"] = written + 1
        return written + 1

    def records(self, count: int) -> None:
        """Many accepted decisions at once, which are not published."""
        first = int(self.header["write_sequence"])
        sequences = np.arange(first + 1, first + count + 1)[-RING_SLOTS:]
        slots = (sequences - 1) % RING_SLOTS
        batch = np.zeros(len(sequences), RECORD)
        batch["kind"] = RecordKind.RECORD_DECISION
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


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it is so; ten seconds at most."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited for 10 s"
        time.sleep(0.005)  # tidy-ok: waits for another process or thread
