"""One change of a book and its best prices, in the mix of the recordings, against other books.

Two other structures in C and SortedDict run here; hftbacktest, NautilusTrader and order-book in
processes of their own, on the same changes, with the clock around the same work.
"""

import ctypes
import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sortedcontainers import SortedDict

from bench.arc import DECODERS, make_table
from bench.compiler import compile_library
from bench.frames import FrameSet, generate_frames, recorded_frames
from bench.goal import Goal
from bench.harness import AbsentPeer, Benchmark, BenchmarkError, Contender, Measurement, Size, Trial
from bench.loops import hash_numbers, time_changes
from bench.peer_process import PeerProcess, open_peers
from ext.book import OrderBook
from ext.wire import FeedEventKind, FeedStatus, Side

PEERS = {
    "hftbacktest": "hftbacktest: ROI vector, compiled loop",
    "nautilus_trader": "NautilusTrader: OrderBook, deltas made before",
    "order-book": "order-book",
}
"""Packages, and how their contenders are shown."""

HELD_TO_US = {"generated", "coinbase_exchange", "coinbase_advanced"}
"""Where hftbacktest's prices must be ours after every change. In the other recordings a book may
cross between two changes of one frame (all bids before the asks, or both sides of a move): there
hftbacktest moves the other side out of the way, and its work is held to itself only."""

Level = tuple[int, int, int]
Rows = NDArray[np.int64]


class Replay:
    """Changes that were decoded before: snapshots by product, then (book, price, lots, side)."""

    def __init__(self, frames: FrameSet) -> None:
        self.name = frames.name
        self.snapshots: list[list[Level]] = [[] for _ in frames.products]
        self.rows: Rows = np.array(list(self._decode(frames)), np.int64)

    def _decode(self, frames: FrameSet) -> Iterator[tuple[int, int, int, int]]:
        decoder = DECODERS[frames.venue](make_table(frames.products))
        for payload in frames.payloads:
            if decoder.decode_bytes(payload) != FeedStatus.FEED_OK:
                continue
            deltas = decoder.deltas()
            for kind, book, first, count, _, _ in decoder.events():
                changed = deltas[first : first + count]
                if kind == FeedEventKind.SNAPSHOT and not self.snapshots[book]:
                    self.snapshots[book] = [(side, price, lots) for price, lots, side in changed]
                elif kind == FeedEventKind.UPDATE:
                    yield from ((book, *change) for change in changed)


def measure_book(replay: Replay) -> Measurement:
    """The compiled book."""
    books = []
    for levels in replay.snapshots:
        book = OrderBook()
        book.load(levels)
        books.append(book)
    total_ns, work_hash = time_changes(books, replay.rows)
    return Measurement(total_ns, len(replay.rows), work_hash)


def measure_sorted_dict(replay: Replay) -> Measurement:
    """One SortedDict a side, the usual book in Python."""
    books = []
    for levels in replay.snapshots:
        bids = SortedDict({price: lots for side, price, lots in levels if side == Side.BUY})
        asks = SortedDict({price: lots for side, price, lots in levels if side == Side.SELL})
        books.append((bids, asks))
    rows = [tuple(row) for row in replay.rows.tolist()]
    best = np.zeros((len(rows), 2), np.int64)
    prices: list[tuple[int, int]] = []
    keep = prices.append
    started_ns = time.perf_counter_ns()
    for index, price, lots, side in rows:
        bids, asks = books[index]
        levels_of_side = bids if side > 0 else asks
        if lots:
            levels_of_side[price] = lots
        else:
            levels_of_side.pop(price, None)
        keep((bids.peekitem(-1)[0] if bids else 0, asks.peekitem(0)[0] if asks else 0))
    total_ns = time.perf_counter_ns() - started_ns
    best[:] = prices
    return Measurement(total_ns, len(rows), hash_numbers(best.ravel()))


def measure_in_c(loop: Any, replay: Replay) -> Measurement:
    """One of the two other structures of ``bench/c/book_loops.c``."""
    loaded = [
        (~book, price, lots, side)
        for book, levels in enumerate(replay.snapshots)
        for side, price, lots in levels
    ]
    rows = np.concatenate([np.array(loaded, np.int64).reshape(-1, 4), replay.rows])
    work_hash = ctypes.c_uint64()
    total_ns = loop(
        rows.ctypes.data_as(ctypes.c_void_p),
        len(rows),
        len(replay.snapshots),
        ctypes.byref(work_hash),
    )
    if total_ns < 0:
        raise BenchmarkError(f"book {replay.name}: no memory for the books in C")
    return Measurement(total_ns, len(replay.rows), work_hash.value)


def make_structures(replay: Replay) -> Iterator[Contender]:
    """The structures that the ladder was chosen over, see ADR 0011."""
    library = ctypes.CDLL(str(compile_library("book_loops", "book_loops.c")))
    for name, loop in (("sorted array (C)", library.time_arrays), ("tree (C)", library.time_trees)):
        loop.restype = ctypes.c_int64
        loop.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
        yield Contender(name, functools.partial(measure_in_c, loop, replay), work="book")


def measure_peer(peer: PeerProcess, replay: Replay) -> Measurement:
    """Somebody else's book in its own process."""
    snapshot = [
        (book, price, lots, side)
        for book, levels in enumerate(replay.snapshots)
        for side, price, lots in levels
    ]
    run = peer.replay(np.array(snapshot, np.int64), replay.rows)
    return Measurement(run.total_ns, len(replay.rows), hash_numbers(run.best.ravel()))


def make_trial(frames: FrameSet, peers: Mapping[str, PeerProcess]) -> Trial:
    """The figure of one set of frames."""
    replay = Replay(frames)
    others = [
        Contender(
            name,
            functools.partial(measure_peer, peers[package], replay),
            work="book" if package != "hftbacktest" or replay.name in HELD_TO_US else "",
            package=package,
        )
        if package in peers
        else AbsentPeer(name, package)
        for package, name in PEERS.items()
    ]
    return Trial(
        f"book.{frames.name}",
        (
            Contender("engine: OrderBook", functools.partial(measure_book, replay), work="book"),
            *make_structures(replay),
            Contender(
                "SortedDict",
                functools.partial(measure_sorted_dict, replay),
                work="book",
                package="sortedcontainers",
            ),
            *others,
        ),
        baseline="SortedDict",
        goal=Goal(value=8, ratio_to={PEERS["hftbacktest"]: 0.25}),
    )


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """Generated changes, and those of every recording that is there."""
    generated = generate_frames(size.pick(smoke=100, real=10_000)).frame_set()
    recorded = recorded_frames(size.pick(smoke=100, real=10_000))
    with open_peers(*PEERS) as peers:
        yield [make_trial(frames, peers) for frames in (generated, *recorded)]


BENCHMARK = Benchmark("book", "one level change, then best bid and ask", prepare)
