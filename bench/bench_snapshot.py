"""A snapshot of 46,000 levels: bytes to book, against ``orjson.loads`` and filling SortedDicts.

The largest frame a venue sends, and the one that a book waits for after every gap.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import numpy as np
import orjson

from bench.arc import DECODERS, make_table
from bench.frames import PRODUCT, recorded_snapshot
from bench.goal import Goal
from bench.harness import SEED, Benchmark, BenchmarkError, Contender, Measurement, Size, Trial
from bench.loops import hash_numbers, time_calls
from bench.python_books import PythonBooks
from bench.step_loops import time_books
from ext.feed_decoder import PADDING
from ext.pipeline import Pipeline
from feeds.recording_survey import Product

VENUE = "coinbase_advanced"
LEVELS = 46_000  # of both sides
START_TIME_NS = 1_767_623_400_000_000_000  # 2026-01-05 14:30 UTC
PYTHON_BOOKS = "orjson.loads + SortedDict"

_MID_TICKS = 6_400_000
_LOTS_PER_UNIT = 100_000_000


class Snapshot(NamedTuple):
    """One frame of the Advanced Trade feed with a whole book, and its product."""

    name: str
    product: Product
    payload: bytes


def generate_snapshot(levels: int, seed: int = SEED) -> Snapshot:
    """Prices get sparser away from the mid, as they do in a deep book; best levels first."""
    source = random.Random(seed)
    updates = []
    for side, sign in (("bid", -1), ("offer", 1)):
        offset = 0
        for depth in range(levels // 2):
            offset += 1 + source.randrange(1 + depth // 500)
            price, lots = _MID_TICKS + sign * offset, source.randint(1, 5 * _LOTS_PER_UNIT)
            updates.append(
                {
                    "side": side,
                    "event_time": "1970-01-01T00:00:00Z",
                    "price_level": f"{price // 100}.{price % 100:02d}",
                    "new_quantity": f"{lots // _LOTS_PER_UNIT}.{lots % _LOTS_PER_UNIT:08d}",
                }
            )
    event = {"type": "snapshot", "product_id": PRODUCT.symbol, "updates": updates}
    frame = {
        "channel": "l2_data",
        "client_id": "",
        "timestamp": "2026-01-05T14:30:00.000000000Z",
        "sequence_num": 0,
        "events": [event],
    }
    return Snapshot("generated", PRODUCT, orjson.dumps(frame))


class Loads:
    """Our contender: the same snapshot again and again, each on a fresh subscription."""

    def __init__(self, snapshot: Snapshot, repeats: int) -> None:
        self._payload = [snapshot.payload + PADDING]
        self._samples = np.zeros(repeats, np.int64)
        table = make_table([snapshot.product])
        self._pipeline = Pipeline(table, DECODERS[VENUE](table), is_timing=False)

    def run(self) -> Measurement:
        """BenchmarkError when a snapshot was refused."""
        best = np.zeros((1, 2), np.int64)
        for number in range(len(self._samples)):
            self._pipeline.connection_lost(START_TIME_NS)
            self._pipeline.subscribed(START_TIME_NS)
            sample = self._samples[number : number + 1]
            bad = self._pipeline.counters()["bad_frames"]
            time_books(self._pipeline, self._payload, START_TIME_NS, sample, best)
            if self._pipeline.counters()["bad_frames"] != bad or not best.all():
                raise BenchmarkError("snapshot: the frame was refused")
        book = self._pipeline.book(0)
        levels = [*book.levels(True), *book.levels(False)]
        samples = self._samples.copy()
        return Measurement(int(samples.sum()), len(samples), hash_levels(levels), samples)


def hash_levels(levels: Sequence[tuple[int, int]]) -> int:
    """The hash of a whole book: ticks and lots, bids and then asks, each best first."""
    return hash_numbers(np.array(levels, np.int64).ravel())


def measure_python(snapshot: Snapshot, repeats: int) -> Measurement:
    """The usual books: the frame is parsed, and two SortedDicts are made of it."""
    books = PythonBooks(VENUE)
    samples = np.zeros(repeats, np.int64)
    total_ns = time_calls(books.receive, [snapshot.payload] * repeats, samples)
    tick, lot = float(snapshot.product.tick), float(snapshot.product.lot)
    bids, asks = books.books[snapshot.product.symbol]
    levels = [
        (round(price / tick), round(float(quantity) / lot))
        for price, quantity in (*reversed(bids.items()), *asks.items())
    ]
    return Measurement(total_ns, repeats, hash_levels(levels), samples)


def make_trial(snapshot: Snapshot, repeats: int) -> Trial:
    """The figure of one snapshot."""
    return Trial(
        f"snapshot.{snapshot.name}",
        (
            Contender(
                "engine: bytes to book", Loads(snapshot, repeats).run, work=f"book {snapshot.name}"
            ),
            Contender(
                PYTHON_BOOKS,
                partial(measure_python, snapshot, repeats),
                work=f"book {snapshot.name}",
                package="sortedcontainers",
            ),
        ),
        baseline=PYTHON_BOOKS,
        goal=Goal(p50_ratio=0.33),
    )


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """A generated snapshot, and the recorded one when it is there."""
    snapshots = [generate_snapshot(size.pick(smoke=1_000, real=LEVELS))]
    found = recorded_snapshot(VENUE) if size is Size.REAL else None
    if found is not None:
        snapshots.append(Snapshot("recorded", *found))
    repeats = size.pick(smoke=2, real=10)
    yield [make_trial(snapshot, repeats) for snapshot in snapshots]


BENCHMARK = Benchmark("snapshot", "a snapshot of 46,000 levels: bytes to book", prepare)
