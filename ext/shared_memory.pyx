"""Makes the shared memory of an engine, see the ``.pxd``; readers stand in ``monitor``."""

import mmap
import os
from pathlib import Path

cimport cython
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

import numpy as np

from ext import dtypes
from ext.bounds cimport HISTOGRAM_BUCKETS, MAX_ORDERS, RING_SLOTS, TEXT_BYTES
from ext.clock import read_wall_ns
from ext.errors import ConfigError, UsageError
from ext.safety_records cimport BreakerState, GuardState
from ext.wire cimport (
    ENGINE_STOPPED,
    RECORD_SESSION,
    RECORD_TEXT,
    STEP_COUNT,
    Blob,
    BookView,
    Order,
    Position,
    Record,
    SharedHeader,
)

PAGE_BYTES = 4096
PRIVATE_MARKET_SLOTS = 4096
"""Of a market ring that nobody reads: tests, tools, the warm-up."""

LIVING_NS = 2_000_000_000
"""An engine whose heartbeat is younger than this lives; it beats every 100 ms."""


@cython.final
cdef class SharedMemory:
    """Shared memory of one run: ``names`` are (name, tick, lot) of instruments and strategies.

    ``path`` None keeps it in this process (tests, tools). ``market_ring_slots`` is a power of two.
    ``is_resident`` False leaves the pages to their first use: for what is repeated and thrown away.
    Raises ConfigError when the file cannot be made, naming it.
    """

    def __cinit__(
        self,
        path: str | None,
        instruments: list[tuple[str, str, str]],
        strategies: list[str],
        engine_name: str = "",
        mode: str = "",
        start_time_ns: int = 0,
        market_ring_slots: int = PRIVATE_MARKET_SLOTS,
        is_resident: bool = True,
    ) -> None:
        _check_slots(market_ring_slots)
        regions = {
            "names_offset": dtypes.NAME.itemsize * (len(instruments) + len(strategies)),
            "books_offset": sizeof(BookView) * max(1, len(instruments)),
            "positions_offset": sizeof(Position) * max(1, len(strategies)),
            "orders_offset": sizeof(Order) * MAX_ORDERS,
            "breakers_offset": sizeof(BreakerState) * (len(strategies) + 1),
            "guards_offset": sizeof(GuardState) * max(1, len(strategies)),
            "histograms_offset": sizeof(int64_t) * HISTOGRAM_BUCKETS * STEP_COUNT,
            "ring_offset": sizeof(Record) * RING_SLOTS,
            "market_ring_offset": sizeof(Record) * market_ring_slots,
        }
        offsets = {}
        total_bytes = PAGE_BYTES
        for name, size in regions.items():
            offsets[name] = total_bytes
            total_bytes += -(-size // PAGE_BYTES) * PAGE_BYTES
        self.path = path or ""
        self.memory = _map_file(path, total_bytes, is_resident)
        header = np.frombuffer(self.memory, dtypes.SHARED_HEADER, 1)
        values = {
            "layout_hash": dtypes.layout_hash(),
            "process_id": os.getpid(),
            "start_time_ns": start_time_ns,
            "instrument_count": len(instruments),
            "strategy_count": len(strategies),
            "total_bytes": total_bytes,
            "market_ring_slots": market_ring_slots,
            "engine_core": -1,
            "engine_name": engine_name.encode()[:31],
            "mode": mode.encode()[:15],
            **offsets,
        }
        for name, value in values.items():
            header[name] = value
        names = np.frombuffer(
            self.memory,
            dtypes.NAME,
            len(instruments) + len(strategies),
            offsets["names_offset"],
        )
        for row, fields in enumerate([*instruments, *((name, "", "") for name in strategies)]):
            names[row] = tuple(field.encode() for field in fields)
        cdef char[::1] view = self.memory
        cdef char* start = &view[0]
        self.header = <SharedHeader*>start
        self.books = <BookView*>(start + <int64_t>offsets["books_offset"])
        self.positions = <Position*>(start + <int64_t>offsets["positions_offset"])
        self.orders = <Order*>(start + <int64_t>offsets["orders_offset"])
        self.breakers = <BreakerState*>(start + <int64_t>offsets["breakers_offset"])
        self.guards = <GuardState*>(start + <int64_t>offsets["guards_offset"])
        self.histograms = <int64_t*>(start + <int64_t>offsets["histograms_offset"])
        self.ring = <Record*>(start + <int64_t>offsets["ring_offset"])
        self.market_ring = <Record*>(start + <int64_t>offsets["market_ring_offset"])
        self.market_slots = market_ring_slots
        header["magic"] = dtypes.SHARED_MAGIC      # last: readers wait for it

    cdef void publish_text(self, int64_t now_ns, int32_t severity, bytes text) noexcept:
        cdef Record* record = self.claim(now_ns, False)
        cdef const char* start = text
        if record == NULL:
            return
        record.kind = RECORD_TEXT
        record.code = severity
        memcpy(&record.order_number, start, min(len(text), TEXT_BYTES))
        self.publish(record)

    def write_text(self, now_ns: int, severity: int, text: str) -> None:
        """Puts a line into the ring: severity as in ``logging``, cut at TEXT_BYTES bytes."""
        self.publish_text(now_ns, severity, text.encode())

    def write_session(self, now_ns: int, session: int, state: int) -> None:
        """Records the new SessionState of market data (``session`` 0) or order entry (1)."""
        cdef Record* record = self.claim(now_ns, False)
        if record != NULL:
            record.kind = RECORD_SESSION
            record.code = state
            record.detail = session
            self.publish(record)

    def write_blob(
        self,
        now_ns: int,
        kind: int,
        payload: bytes,
        *,
        strategy: int = -1,
        code: int = 0,
        detail: int = 0,
        reference: int = 0,
    ) -> bool:
        """Puts an order record with bytes into the ring; False when there was no room."""
        cdef const char* start = payload
        cdef Blob* blob = self.claim_blob(now_ns, len(payload))
        if blob == NULL:
            return False
        blob.kind = kind
        blob.strategy = strategy
        blob.code = code
        blob.detail = detail
        blob.reference = reference
        self.put(0, start, len(payload))
        self.publish_blob(blob)
        return True

    def region(self, name: str, dtype: np.dtype, count: int) -> np.ndarray:
        """NumPy view of ``count`` records of a region such as ``"positions_offset"``."""
        header = np.frombuffer(self.memory, dtypes.SHARED_HEADER, 1)
        return np.frombuffer(self.memory, dtype, count, int(header[name][0]))

    def header_record(self) -> np.ndarray:
        """NumPy view of the header: one record of ``dtypes.SHARED_HEADER``, writable."""
        return np.frombuffer(self.memory, dtypes.SHARED_HEADER, 1)

    def counters(self) -> dict[str, int]:
        """The integer fields of the header by name."""
        header = self.header_record()
        return {
            name: int(header[name][0])
            for name in header.dtype.names
            if header.dtype[name].kind == "i"
        }

    def histogram(self, step: int) -> np.ndarray:
        """Copy of the buckets of one Step: int64[HISTOGRAM_BUCKETS]."""
        rows = self.region("histograms_offset", np.dtype(np.int64), STEP_COUNT * HISTOGRAM_BUCKETS)
        return rows.reshape(STEP_COUNT, HISTOGRAM_BUCKETS)[step].copy()

    def clear_histograms(self) -> None:
        """Forgets the latencies so far, such as those of the warm-up."""
        memset(self.histograms, 0, sizeof(int64_t) * HISTOGRAM_BUCKETS * STEP_COUNT)

    def set_state(self, state: int, reason: str) -> None:
        """Publishes the EngineState and why."""
        header = self.header_record()
        header["state_reason"] = reason.encode()[:127]
        header["engine_state"] = state


def _check_slots(slots: int) -> None:
    if slots < 2 or slots & (slots - 1):
        raise UsageError(f"market_ring_slots was {slots}; use a power of two, at least 2")


def _map_file(path: str | None, total_bytes: int, is_resident: bool) -> mmap.mmap:
    # Every page is there before the first record: a page fault costs 2.5 us.
    flags = mmap.MAP_SHARED | (mmap.MAP_POPULATE if is_resident else 0)
    if path is None:
        return mmap.mmap(-1, total_bytes, flags)
    _refuse_living_engine(path)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).unlink(missing_ok=True)     # a reader of the last run keeps its own pages
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, total_bytes)
            return mmap.mmap(descriptor, total_bytes, flags)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(
            f"shared memory {path} of {total_bytes} bytes could not be made: {error.strerror}; "
            "check [telemetry] shared_memory_directory and its free space"
        ) from error


def _refuse_living_engine(path: str) -> None:
    """ConfigError when the file is the memory of an engine that still beats."""
    try:
        first_page = Path(path).read_bytes()[: dtypes.SHARED_HEADER.itemsize]
    except OSError:
        return
    if len(first_page) < dtypes.SHARED_HEADER.itemsize:
        return
    header = np.frombuffer(first_page, dtypes.SHARED_HEADER, 1)[0]
    is_ours = header["magic"] == dtypes.SHARED_MAGIC and header["process_id"] != os.getpid()
    if not is_ours or header["engine_state"] == ENGINE_STOPPED \
            or not _process_exists(int(header["process_id"])):
        return
    if abs(read_wall_ns() - int(header["heartbeat_ns"])) < LIVING_NS:
        raise ConfigError(
            f"shared memory {path} is that of a running engine, process {header['process_id']}; "
            "stop it first, or use another [engine] name"
        )


def _process_exists(process_id: int) -> bool:
    """Whether there is a process of that number: a killed one may have beaten just now."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True                 # somebody else's
    return True
