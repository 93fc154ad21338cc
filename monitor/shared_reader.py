"""Reads the engine's shared memory while the engine writes it, or after it has died.

Nothing here takes a lock that the engine knows of. Counters are single aligned words. Books and
positions carry a seqlock version: copied, and copied again if the writer was there meanwhile.
Ring records carry their sequence, written last. Plain loads suffice on x86, whose stores become
visible in order. Only ``attach`` and ``acknowledge`` write, and only the two cursor fields.
"""

import fcntl
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ext.bounds import Bound
from ext.dtypes import (
    BOOK_VIEW,
    NAME,
    ORDER,
    POSITION,
    RECORD,
    SHARED_HEADER,
    SHARED_MAGIC,
    layout_hash,
)
from ext.errors import ConfigError, UsageError
from ext.wire import OrderState, Step
from monitor.decimals import DecimalStep
from monitor.processes import process_lives

RING_SLOTS = int(Bound.RING_SLOTS)
SEQLOCK_TRIES = 100  # a write takes well under a microsecond; only a dead writer stays odd
# Records that a writer may still overwrite while a reader attaches to a ring it has lapped.
ATTACH_MARGIN = 1_024
MAX_BATCH = 8_192  # records copied at once: 1 MiB

Structured = NDArray[np.void]

COUNTERS = (
    "dropped_market_records",
    "dropped_order_records",
    "frames",
    "frame_bytes",
    "control_frames",
    "bad_frames",
    "deltas",
    "trades",
    "gaps",
    "stale_count",
    "crossed_count",
    "intents",
    "accepted",
    "rejected",
    "orders_sent",
    "requests_sent",
    "reports",
    "fills",
    "duplicate_fills",
    "unknown_reports",
    "dropped_intents",
    "conflated_updates",
    "loop_cycles",
    "loop_stalls",
    "garbage_collections",
)

_NO_RECORDS: Structured = np.empty(0, RECORD)

_WORD_OF = {
    name: field[1] // 8
    for name, field in (SHARED_HEADER.fields or {}).items()
    if field[0] == np.int64
}

_OPEN_STATES = [
    int(state)
    for state in (
        OrderState.PENDING_NEW,
        OrderState.NEW,
        OrderState.PARTIALLY_FILLED,
        OrderState.PENDING_CANCEL,
        OrderState.PENDING_REPLACE,
        OrderState.SUSPENDED,
        OrderState.UNKNOWN,
    )
]


@dataclass(frozen=True, slots=True)
class Instrument:
    """Symbol and step sizes, from the NAME record that the engine wrote at start."""

    symbol: str
    tick: DecimalStep
    lot: DecimalStep

    @classmethod
    def unknown(cls) -> "Instrument":
        """Stands in where a record names no instrument: counts are shown as they are."""
        return cls("", DecimalStep("1"), DecimalStep("1"))


class SharedReader:
    """A view of one engine's shared memory; see the module for what may change under it."""

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        """Opens ``path``; ``writable`` is for the relay, the ring's only consumer.

        Raises ConfigError when the file is absent, not an engine's, or of another version.
        """
        self.path = path
        self._writable = writable
        self._attached = False
        self._descriptor, self._map = _map_file(path, writable)
        self._header: np.void = np.frombuffer(self._map, SHARED_HEADER, 1)[0]
        self._words = memoryview(self._map)[: SHARED_HEADER.itemsize].cast("q")
        self._check()
        instruments = self.word("instrument_count")
        strategies = self.word("strategy_count")
        names = self._array(NAME, "names_offset", instruments + strategies)
        self._books = self._array(BOOK_VIEW, "books_offset", instruments)
        self._positions = self._array(POSITION, "positions_offset", strategies)
        self._orders = self._array(ORDER, "orders_offset", int(Bound.MAX_ORDERS))
        self._ring = self._array(RECORD, "ring_offset", RING_SLOTS)
        cells = int(Step.STEP_COUNT) * int(Bound.HISTOGRAM_BUCKETS)
        histograms: NDArray[np.int64] = self._array(np.dtype("i8"), "histograms_offset", cells)
        self._histograms = histograms.reshape(int(Step.STEP_COUNT), -1)
        self.engine_name = self.text("engine_name")
        self.mode = self.text("mode")
        self.start_time_ns = self.word("start_time_ns")
        self.process_id = self.word("process_id")
        self.strategies = [name["name"].decode() for name in names[instruments:]]
        self.instruments = [self._instrument(name) for name in names[:instruments]]

    def word(self, name: str) -> int:
        """One integer field of the header, now."""
        return self._words[_WORD_OF[name]]

    def text(self, name: str) -> str:
        """One text field of the header, now."""
        return bytes(self._header[name]).decode(errors="replace")

    def counters(self) -> dict[str, int]:
        """Every counter of the header, each read once; they are not of one instant."""
        return {name: self.word(name) for name in COUNTERS}

    def stalls_by_source(self) -> list[int]:
        """Stalls of the loop since the engine's start, one count per LoopSource."""
        return [int(count) for count in self._header["loop_stalls_by_source"]]

    def book(self, instrument: int) -> np.void | None:
        """Consistent copy of a BOOK_VIEW; None when it was being written at every try."""
        return self._consistent(self._books, instrument)

    def position(self, strategy: int) -> np.void | None:
        """Consistent copy of a POSITION; None when it was being written at every try."""
        return self._consistent(self._positions, strategy)

    def open_orders(self) -> Structured:
        """Copies of the orders that may still trade, oldest first.

        Orders carry no version: one that is changing right now may show fields of two moments.
        The journal has the exact history.
        """
        states = np.array(self._orders["state"])
        found = self._orders[np.isin(states, _OPEN_STATES)]
        return found[np.argsort(found["order_number"], kind="stable")]

    def histograms(self) -> NDArray[np.int64]:
        """Copy of the latency counts, one row per Step."""
        return self._histograms.copy()

    def records_after(self, sequence: int, limit: int = MAX_BATCH) -> tuple[Structured, int]:
        """Copies of at most ``limit`` records that follow ``sequence``, and how many were lost.

        Lost ones were overwritten before they could be copied; the first record returned then
        has a sequence above ``sequence + 1``.
        """
        written = self.word("write_sequence")
        start = max(sequence, written - RING_SLOTS)
        count = min(written - start, limit)
        if count <= 0:
            return _NO_RECORDS, 0
        records = self._copy_slots(start % RING_SLOTS, count)
        expected = np.arange(start + 1, start + count + 1)
        intact = records["sequence"] == expected
        if not self._attached:
            # Nobody holds the writer back: it may be in the slot behind its newest record.
            intact &= expected >= self.word("write_sequence") + 2 - RING_SLOTS
        kept = records[intact]
        return kept, start + count - sequence - len(kept)

    def attach(self) -> int:
        """Becomes the ring's consumer and returns the sequence after which it continues.

        The engine then keeps records until they are acknowledged. Raises UsageError when the
        memory was opened read-only, ConfigError when another relay is attached.
        """
        if not self._writable:
            raise UsageError("attach() needs SharedReader(path, writable=True)")
        self._lock()
        start = self.word("read_sequence")
        written = self.word("write_sequence")
        if not self.word("reader_attached") and written - start >= RING_SLOTS:
            start = written - RING_SLOTS + ATTACH_MARGIN
        # This order: a writer that sees a reader must see where it is.
        self._words[_WORD_OF["read_sequence"]] = start
        self._words[_WORD_OF["reader_attached"]] = 1
        self._attached = True
        return start

    def acknowledge(self, sequence: int) -> None:
        """Gives the slots up to ``sequence`` back to the writer."""
        if not self._attached:
            raise UsageError("acknowledge() needs attach() first")
        self._words[_WORD_OF["read_sequence"]] = sequence

    def detach(self) -> None:
        """Leaves the ring: the engine overwrites old records again instead of keeping them."""
        if self._attached:
            self._words[_WORD_OF["reader_attached"]] = 0
            self._attached = False

    def engine_lives(self) -> bool:
        """Whether the process that made this memory still runs."""
        return process_lives(self.process_id, self.start_time_ns)

    def heartbeat_age_ns(self, now_ns: int) -> int:
        """Wall clock nanoseconds since the engine's loop wrote its heartbeat, or since its start
        when it has not yet; not below 0."""
        return max(0, now_ns - max(self.word("heartbeat_ns"), self.start_time_ns))

    def close(self) -> None:
        """Detaches and frees the ring for the next relay; views handed out stay valid."""
        self.detach()
        os.close(self._descriptor)

    def _check(self) -> None:
        magic = bytes(self._header["magic"])
        if magic != SHARED_MAGIC:
            raise ConfigError(
                f"{self.path}: starts with {magic!r}; an engine's shared memory starts with "
                f"{SHARED_MAGIC!r}"
            )
        if self.word("layout_hash") != layout_hash():
            raise ConfigError(
                f"{self.path}: written by another version of the engine (layout "
                f"{self.word('layout_hash'):x}, this is {layout_hash():x}); use its tools"
            )
        if not 0 < self.word("total_bytes") <= len(self._map):
            raise ConfigError(
                f"{self.path}: {len(self._map)} bytes long, its header says "
                f"{self.word('total_bytes')}; it is cut short or still being made"
            )

    def _array(self, dtype: np.dtype[Any], offset_name: str, count: int) -> NDArray[Any]:
        offset = self.word(offset_name)
        if count < 0 or offset < 0 or offset + count * dtype.itemsize > len(self._map):
            raise ConfigError(f"{self.path}: {offset_name} {offset} points outside of the file")
        return np.frombuffer(self._map, dtype, count, offset)

    def _instrument(self, name: np.void) -> Instrument:
        symbol = name["name"].decode()
        try:
            steps = [DecimalStep(name[field].decode()) for field in ("tick", "lot")]
        except UsageError as error:
            raise ConfigError(f"{self.path}: instrument {symbol}: {error}") from error
        return Instrument(symbol, *steps)

    def _consistent(self, array: Structured, index: int) -> np.void | None:
        for _ in range(SEQLOCK_TRIES):
            before = int(array[index]["version"])
            copy: np.void = array[index].copy()
            if before % 2 == 0 and before == int(array[index]["version"]):
                return copy
        return None

    def _copy_slots(self, first: int, count: int) -> Structured:
        until_wrap = RING_SLOTS - first
        if count <= until_wrap:
            return self._ring[first : first + count].copy()
        return np.concatenate((self._ring[first:], self._ring[: count - until_wrap]))

    def _lock(self) -> None:
        # A record lock on the cursor word: the kernel frees it when the relay dies.
        offset = _WORD_OF["read_sequence"] * 8
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 8, offset)
        except OSError as error:
            raise ConfigError(
                f"{self.path}: another relay reads this engine's ring; stop it first"
            ) from error


def _map_file(path: Path, writable: bool) -> tuple[int, mmap.mmap]:
    try:
        descriptor = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}; give the file that the engine names at start"
        ) from error
    size = os.fstat(descriptor).st_size
    if size < SHARED_HEADER.itemsize:
        os.close(descriptor)
        raise ConfigError(f"{path}: {size} bytes long, too short for an engine's shared memory")
    access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
    return descriptor, mmap.mmap(descriptor, size, access=access)
