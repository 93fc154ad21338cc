"""Order books of other projects, in a process of their own with their own interpreter.

    .venv-peers/bin/python bench/peer_books.py NAME

They want other versions of NumPy and uvloop than the engine, so they live beside it (`make peers`)
and this file imports nothing of ours. Each line on standard input names a file of changes and a
file for the answer, and is answered with the nanoseconds that the timed part took. The answer is
the best bid and ask in ticks after each change, 0 for an empty side.

A change is (book, price_ticks, quantity_lots, side), as in ``bench_book``; snapshots come first and
are not timed.
"""

import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_NAUTILUS_QUANTITY = 30_000_000_000_000  # its own limit; only whether it is 0 matters here
Rows = NDArray[np.int64]

ROI_SHARE = 0.1  # of the price on both sides: what hftbacktest's vector of levels has room for
TIMEOUT_NS = 10**15
STEP_NS = 1_000


class Task(NamedTuple):
    """What one run is about: ``snapshot`` and ``changes`` have the same columns."""

    snapshot: Rows
    changes: Rows

    @property
    def book_count(self) -> int:
        """How many books there are."""
        return int(max(self.snapshot[:, 0].max(), self.changes[:, 0].max())) + 1


def find_middle(rows: Rows) -> float:
    """Between the best bid and ask of the rows that add something."""
    added = rows[rows[:, 2] > 0]
    return float(added[added[:, 3] > 0, 1].max() + added[added[:, 3] < 0, 1].min()) / 2


Measure = Callable[[Task], tuple[int, Rows]]


def start_hftbacktest() -> Measure:
    """The region-of-interest vector inside a compiled event loop; local books alone."""
    import hftbacktest as hft
    from numba import njit

    @njit
    def advance(backtest: Any, count: int) -> None:
        for _ in range(count):
            backtest.wait_next_feed(False, TIMEOUT_NS)

    @njit
    def replay(backtest: Any, books: Any, best: Any) -> None:
        for index in range(len(books)):
            backtest.wait_next_feed(False, TIMEOUT_NS)
            depth = backtest.depth(books[index])
            best[index, 0] = depth.best_bid_tick
            best[index, 1] = depth.best_ask_tick

    def make_events(rows: Rows, times_ns: Rows) -> Any:
        events = np.zeros(len(rows), hft.event_dtype)
        side = np.where(rows[:, 3] > 0, hft.BUY_EVENT, hft.SELL_EVENT)
        events["ev"] = side | hft.DEPTH_EVENT | hft.LOCAL_EVENT
        events["exch_ts"] = events["local_ts"] = times_ns
        events["px"], events["qty"] = rows[:, 1], rows[:, 2]
        return events

    def make_asset(events: Any, middle: float) -> Any:
        asset = hft.BacktestAsset().data([events]).linear_asset(1.0)
        asset = asset.constant_order_latency(0, 0).risk_adverse_queue_model()
        asset = asset.no_partial_fill_exchange().trading_value_fee_model(0.0, 0.0)
        return (
            asset.tick_size(1.0)
            .lot_size(1.0)
            .roi_lb(float(round(middle * (1 - ROI_SHARE))))
            .roi_ub(float(round(middle * (1 + ROI_SHARE))))
        )

    def measure(task: Task) -> tuple[int, Rows]:
        rows = np.concatenate((task.snapshot, task.changes))
        times_ns = STEP_NS * (1 + np.arange(len(rows)))
        of_book = [rows[:, 0] == book for book in range(task.book_count)]
        events = [make_events(rows[chosen], times_ns[chosen]) for chosen in of_book]
        middles = [find_middle(rows[chosen]) for chosen in of_book]
        # It keeps no reference to the events: they have to outlive it.
        backtest = hft.ROIVectorMarketDepthBacktest(list(map(make_asset, events, middles)))
        books = task.changes[:, 0].astype(np.uint64)
        best = np.zeros((len(books), 2), np.int64)
        advance(backtest, len(task.snapshot))
        replay(backtest, books[:0], best)  # compiled before the clock starts
        started_ns = time.perf_counter_ns()
        replay(backtest, books, best)
        return time.perf_counter_ns() - started_ns, best

    return measure


def start_nautilus() -> Measure:
    """The Cython book of NautilusTrader; its delta objects are made before."""
    from nautilus_trader.core.rust.model import BookAction, BookType, OrderSide
    from nautilus_trader.model.book import OrderBook
    from nautilus_trader.model.data import BookOrder, OrderBookDelta
    from nautilus_trader.model.identifiers import InstrumentId
    from nautilus_trader.model.objects import Price, Quantity

    def make_delta(instrument: Any, row: tuple[int, int, int, int]) -> Any:
        _, price, quantity, side = row
        order = BookOrder(
            OrderSide.BUY if side > 0 else OrderSide.SELL,
            Price(price, 0),
            Quantity(min(quantity, MAX_NAUTILUS_QUANTITY), 0),
            price,
        )
        action = BookAction.UPDATE if quantity else BookAction.DELETE
        return OrderBookDelta(instrument, action, order, 0, 0, 0, 0)

    def measure(task: Task) -> tuple[int, Rows]:
        names = [InstrumentId.from_str(f"B{book}.V") for book in range(task.book_count)]
        books = [OrderBook(name, BookType.L2_MBP) for name in names]
        for row in map(tuple, task.snapshot.tolist()):
            books[row[0]].apply_delta(make_delta(names[row[0]], row))
        prepared = [
            (books[row[0]], make_delta(names[row[0]], row))
            for row in map(tuple, task.changes.tolist())
        ]
        prices: list[tuple[Any, Any]] = []
        keep = prices.append
        started_ns = time.perf_counter_ns()
        for book, delta in prepared:
            book.apply_delta(delta)
            keep((book.best_bid_price(), book.best_ask_price()))
        total_ns = time.perf_counter_ns() - started_ns
        best = [[0 if price is None else int(price) for price in pair] for pair in prices]
        return total_ns, np.array(best, np.int64)

    return measure


def start_order_book() -> Measure:
    """The C library of the package order-book, which cryptofeed uses; integer prices."""
    from order_book import OrderBook

    def measure(task: Task) -> tuple[int, Rows]:
        books = [OrderBook() for _ in range(task.book_count)]
        for book, price, quantity, side in task.snapshot.tolist():
            (books[book].bids if side > 0 else books[book].asks)[price] = quantity
        sides = [(book.bids, book.asks) for book in books]
        rows = [tuple(row) for row in task.changes.tolist()]
        prices: list[tuple[int, int]] = []
        keep = prices.append
        started_ns = time.perf_counter_ns()
        for index, price, quantity, side in rows:
            bids, asks = sides[index]
            levels = bids if side > 0 else asks
            if quantity:
                levels[price] = quantity
            elif price in levels:
                del levels[price]
            bid = bids.index(0)[0] if len(bids) else 0
            keep((bid, asks.index(0)[0] if len(asks) else 0))
        total_ns = time.perf_counter_ns() - started_ns
        return total_ns, np.array(prices, np.int64)

    return measure


STARTS: dict[str, Callable[[], Measure]] = {
    "hftbacktest": start_hftbacktest,
    "nautilus_trader": start_nautilus,
    "order-book": start_order_book,
}


def main() -> None:
    """Serves until standard input ends."""
    measure = STARTS[sys.argv[1]]()
    for line in sys.stdin:
        source, target = line.rstrip("\n").split("\t")
        with np.load(source) as arrays:
            task = Task(arrays["snapshot"], arrays["changes"])
        total_ns, best = measure(task)
        np.save(target, best)
        sys.stdout.write(f"{total_ns}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
