"""Reads the engine's shared memory while the engine writes it, or after it has died.

Nothing here takes a lock that the engine knows of. Counters are single aligned words. Books and
positions carry a seqlock version: copied, and copied again if the writer was there meanwhile. The
rings are read by ``journal.ring``. Plain loads suffice on x86, whose stores become visible in
order. Only ``attach``, ``acknowledge`` and ``report_journal`` write, and only the words of the
relay.
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
    BREAKER_STATE,
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
from journal.decimals import DecimalStep
from journal.entries import MARKET, ORDERS, STREAMS, Stream, Structured
from journal.processes import process_lives
from journal.ring import MAX_BATCH, Ring

SEQLOCK_TRIES = 100  # a write takes well under a microsecond; only a dead writer stays odd

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
    "failed_sends",
    "general_frames",
    "conflated_updates",
    "loop_cycles",
    "loop_stalls",
    "garbage_collections",
)

_WORD_OF = {
    name: field[1] // 8
    for name, field in (SHARED_HEADER.fields or {}).items()
    if field[0] == np.int64
}

_READ_WORDS: dict[Stream, str] = {ORDERS: "read_sequence", MARKET: "market_read_sequence"}

OPEN_STATES = [
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
"""Of orders that may still trade."""


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
        """Opens ``path``; ``writable`` is for the relay, the rings' only consumer.

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
        self._breakers = self._array(BREAKER_STATE, "breakers_offset", strategies + 1)
        self._orders = self._array(ORDER, "orders_offset", int(Bound.MAX_ORDERS))
        self._rings = {
            ORDERS: self._ring(ORDERS, "", int(Bound.RING_SLOTS)),
            MARKET: self._ring(MARKET, "market_", self.word("market_ring_slots")),
        }
        cells = int(Step.STEP_COUNT) * int(Bound.HISTOGRAM_BUCKETS)
        histograms: NDArray[np.int64] = self._array(np.dtype("i8"), "histograms_offset", cells)
        self._histograms = histograms.reshape(int(Step.STEP_COUNT), -1)
        self.engine_name = self.text("engine_name")
        self.mode = self.text("mode")
        self.start_time_ns = self.word("start_time_ns")
        self.process_id = self.word("process_id")
        self.strategies = [name["name"].decode() for name in names[instruments:]]
        self.instruments = [self._instrument(name) for name in names[:instruments]]

    def header(self) -> NDArray[Any]:
        """The header itself, one record; writable where the memory is.

        Whoever has attached must not open the file again: closing any descriptor of it in this
        process would give the lock of ``attach`` back (fcntl(2)).
        """
        return np.frombuffer(self._map, SHARED_HEADER, 1)

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

    def breakers(self) -> Structured:
        """Copies of the breakers of each strategy, then the engine's; words of one moment each."""
        return self._breakers.copy()

    def open_orders(self) -> Structured:
        """Copies of the orders that may still trade, oldest first.

        Orders carry no version: one that is changing right now may show fields of two moments.
        The journal has the exact history.
        """
        states = np.array(self._orders["state"])
        found = self._orders[np.isin(states, OPEN_STATES)]
        return found[np.argsort(found["order_number"], kind="stable")]

    def histograms(self) -> NDArray[np.int64]:
        """Copy of the latency counts, one row per Step."""
        return self._histograms.copy()

    def slots_after(
        self, stream: Stream, sequence: int, limit: int = MAX_BATCH
    ) -> tuple[Structured, int]:
        """Copies of whole entries of a ring that follow slot ``sequence``, and how many slots in
        front of them were lost; see ``Ring.copy_after``."""
        return self._rings[stream].copy_after(sequence, limit, is_held=self._attached)

    def written(self, stream: Stream) -> int:
        """Slots of a ring that have been written since the start."""
        return self._rings[stream].written

    def oldest_time_ns(self, stream: Stream, sequence: int) -> int:
        """Receive time of the record behind slot ``sequence``; 0 when there is none."""
        return self._rings[stream].time_after(sequence)

    def ring_slots(self, stream: Stream) -> int:
        """Size of a ring."""
        return self._rings[stream].size

    def attach(self) -> None:
        """Becomes the rings' consumer: it continues behind ``acknowledged``.

        The engine then keeps slots until they are acknowledged. Raises UsageError when the
        memory was opened read-only, ConfigError when another relay is attached.
        """
        if not self._writable:
            raise UsageError("attach() needs SharedReader(path, writable=True)")
        self._lock()
        # This order: a writer that sees a reader must see where it is.
        for stream in STREAMS:
            start = self.acknowledged(stream)
            if not self.word("reader_attached"):
                start = self._rings[stream].safe_start(start)
            self._write(_READ_WORDS[stream], start)
        self._write("reader_attached", 1)
        self._attached = True

    def acknowledged(self, stream: Stream) -> int:
        """Slots of a ring that were given back to the writer."""
        return self.word(_READ_WORDS[stream])

    def acknowledge(self, stream: Stream, sequence: int) -> None:
        """Gives the slots of a ring up to ``sequence`` back to the writer."""
        if not self._attached:
            raise UsageError("acknowledge() needs attach() first")
        self._write(_READ_WORDS[stream], sequence)

    def report_journal(self, *, is_failing: bool, synced_sequence: int) -> None:
        """Tells the engine whether order records are stored, and how many slots are on the disk."""
        if not self._attached:
            raise UsageError("report_journal() needs attach() first")
        self._write("synced_sequence", synced_sequence)
        self._write("journal_failing", int(is_failing))

    def beat(self, now_ns: int) -> None:
        """Tells the engine that the relay's loop goes round; ``now_ns`` is wall clock."""
        if not self._attached:
            raise UsageError("beat() needs attach() first")
        self._write("relay_heartbeat_ns", now_ns)

    def detach(self) -> None:
        """Leaves the rings: the engine overwrites old slots again instead of keeping them."""
        if self._attached:
            self._write("reader_attached", 0)
            self._attached = False

    def engine_lives(self) -> bool:
        """Whether the process that made this memory still runs."""
        return process_lives(self.process_id, self.start_time_ns)

    def heartbeat_age_ns(self, now_ns: int) -> int:
        """Wall clock nanoseconds since the engine's loop wrote its heartbeat, or since its start
        when it has not yet; not below 0."""
        return max(0, now_ns - max(self.word("heartbeat_ns"), self.start_time_ns))

    def close(self) -> None:
        """Frees the rings for the next relay; views handed out stay valid. A reader that has not
        detached still holds the engine back, until the next one goes on where it was."""
        self._attached = False
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

    def _ring(self, stream: Stream, prefix: str, slots: int) -> Ring:
        if slots < 1:
            raise ConfigError(f"{self.path}: the ring of the {stream} has {slots} slots")
        array = self._array(RECORD, f"{prefix}ring_offset", slots)
        return Ring(array, lambda: self.word(f"{prefix}write_sequence"))

    def _write(self, name: str, value: int) -> None:
        self._words[_WORD_OF[name]] = value

    def _lock(self) -> None:
        # A record lock on the cursor word: the kernel frees it when the relay dies.
        offset = _WORD_OF["read_sequence"] * 8
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 8, offset)
        except OSError as error:
            raise ConfigError(
                f"{self.path}: another relay reads this engine's rings; stop it first"
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
