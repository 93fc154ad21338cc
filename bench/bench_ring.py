"""One record into the ring of the shared memory, against struct into a mapped file."""

import mmap
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.frames import PRODUCT
from bench.goal import Goal
from bench.harness import SEED, Benchmark, BenchmarkError, Contender, Measurement, Size, Trial
from bench.loops import hash_numbers
from bench.step_loops import time_records
from ext.bounds import Bound
from ext.dtypes import RECORD
from ext.shared_memory import SharedMemory
from ext.wire import RecordKind, Side

Records = np.ndarray[Any, np.dtype[Any]]
Rows = NDArray[np.int64]
"""Price in ticks, quantity in lots, side of the taker, trade id, exchange time."""

SLOTS = int(Bound.RING_SLOTS)
IN_MEMORY = Path("/dev/shm")  # where the engine keeps it
_PACKED = struct.Struct("<3q6i10q")  # the fields of RECORD


def make_rows(count: int) -> Rows:
    """Trades of one instrument."""
    source = np.random.default_rng(SEED)
    return np.column_stack(
        (
            source.integers(6_300_000, 6_500_000, count),
            source.integers(1, 1_000, count),
            source.choice([Side.BUY, Side.SELL], count),
            np.arange(1, count + 1),
            1_767_623_400_000_000_000 + np.arange(count),
        )
    )


def hash_records(records: Records) -> int:
    """The hash of what stands in the ring, in the order of the sequence."""
    kept = np.sort(records[records["sequence"] > 0], order="sequence")
    names = ("price_ticks", "quantity_lots", "side", "reference", "exchange_time_ns", "time_ns")
    columns = [kept["sequence"], *(kept[name].astype(np.int64) for name in names)]
    return hash_numbers(np.column_stack(columns).ravel())


def hash_rows(rows: Rows) -> int:
    """The right answer: the newest rows that the ring has room for, numbered from 1."""
    kept = rows[-SLOTS:]
    sequence = np.arange(len(rows) - len(kept), len(rows)) + 1
    return hash_numbers(np.column_stack((sequence, kept, kept[:, -1])).ravel())


def measure_ring(directory: Path, rows: Rows) -> Measurement:
    """The compiled ring in a file of its own; nobody reads, so nothing is dropped."""
    path = directory / "bench.shm"
    memory = SharedMemory(
        str(path), [(PRODUCT.symbol, PRODUCT.tick, PRODUCT.lot)], [], market_ring_slots=SLOTS
    )
    total_ns = time_records(memory, rows)
    if memory.counters()["dropped_market_records"]:
        raise BenchmarkError("ring: records were dropped")
    work_hash = hash_records(memory.region("market_ring_offset", RECORD, SLOTS))
    path.unlink()
    return Measurement(total_ns, len(rows), work_hash)


def measure_struct(directory: Path, rows: Rows) -> Measurement:
    """``struct.pack_into`` of the same fields into a mapped file of the same size."""
    trades = [tuple(row) for row in rows.tolist()]
    with (directory / "struct").open("w+b") as file:
        file.truncate(SLOTS * RECORD.itemsize)
        memory = mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        kind, size, pack = int(RecordKind.RECORD_TRADE), RECORD.itemsize, _PACKED.pack_into
        started_ns = time.perf_counter_ns()
        for sequence, (price, lots, side, trade_id, now_ns) in enumerate(trades, 1):
            pack(
                *(
                    memory,
                    (sequence - 1) % SLOTS * size,
                    sequence,
                    now_ns,
                    now_ns,
                    kind,
                    0,
                    -1,
                    0,
                    0,
                    side,
                    0,
                ),
                *(price, lots, 0, 0, 0, 0, 0, 0, trade_id),
            )
        total_ns = time.perf_counter_ns() - started_ns
        records = np.frombuffer(memory[:], RECORD)
    return Measurement(total_ns, len(rows), hash_records(records))


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """The ring comes around three times at the real size."""
    rows = make_rows(size.pick(smoke=1_000, real=3 * SLOTS + 1_000))
    parent = IN_MEMORY if IN_MEMORY.is_dir() else None
    with TemporaryDirectory(prefix="wow-bench-", dir=parent) as name:
        directory = Path(name)
        right = hash_rows(rows)
        yield [
            Trial(
                "ring",
                (
                    Contender(
                        "engine: record into the ring",
                        partial(measure_ring, directory, rows),
                        expected_hash=right,
                    ),
                    Contender(
                        "struct.pack_into",
                        partial(measure_struct, directory, rows),
                        expected_hash=right,
                    ),
                ),
                baseline="struct.pack_into",
                goal=Goal(value=60),
            )
        ]


BENCHMARK = Benchmark("ring", "one record of 128 bytes into shared memory", prepare)
