"""The loops over single steps do what they say, and their hashes are of the true result."""

from decimal import Decimal

import numpy as np
import pytest

from bench.arc import DECODERS, make_table
from bench.bench_indicators import make_books
from bench.bench_kernels import hash_bids
from bench.bench_orders import hash_rows as hash_orders
from bench.bench_orders import make_rows as make_orders
from bench.bench_ring import hash_records
from bench.bench_ring import hash_rows as hash_trades
from bench.bench_ring import make_rows as make_trades
from bench.bench_risk import BID_TICKS, REASONS, hash_verdicts, make_gate, make_rejected
from bench.frames import PRODUCT, generate_frames
from bench.loops import hash_numbers
from bench.order_every_frame import OrderEveryFrame
from bench.step_loops import (
    time_books,
    time_checks,
    time_decisions,
    time_hook,
    time_orders,
    time_records,
)
from engine.instruments import Instrument
from engine.kernel.kernels import CompiledStrategy, compile_strategy
from ext.dtypes import BOOK_VIEW, POSITION, RECORD
from ext.errors import UsageError
from ext.feed_decoder import PADDING
from ext.kernels import StrategyTable
from ext.orders import OrderTable
from ext.pipeline import Pipeline
from ext.shared_memory import SharedMemory
from ext.wire import BookState

NAMES = [(PRODUCT.symbol, PRODUCT.tick, PRODUCT.lot)]


@pytest.fixture(scope="module")
def strategy() -> CompiledStrategy:
    instrument = Instrument("BTC-USD", Decimal("0.01"), Decimal("0.00000001"))
    return compile_strategy(OrderEveryFrame, instrument)


def make_memory() -> SharedMemory:
    return SharedMemory(None, NAMES, ["bench"])


def test_a_hook_by_pointer_and_through_the_table_wants_the_same(strategy: CompiledStrategy) -> None:
    books = make_books(50)
    books["bid_levels"][7] = 0  # wants nothing there
    expected = hash_numbers(
        np.array(
            [
                number
                for book in books
                for number in ((1, 1, book["bid_ticks"][0]) if book["bid_levels"] else (0,))
            ],
            np.int64,
        )
    )
    assert expected != hash_bids(books)
    strategy.reset()
    assert time_hook(strategy.addresses["on_book"], strategy.state, books)[1] == expected
    table = StrategyTable()
    table.add(0, strategy.state, strategy.addresses, owner=strategy)
    assert time_decisions(table, books)[1] == expected


def test_books_of_another_kind_are_refused(strategy: CompiledStrategy) -> None:
    address = strategy.addresses["on_book"]
    for wrong in (np.zeros(1, POSITION), make_books(4)[::2], np.zeros(0, BOOK_VIEW)):
        with pytest.raises(UsageError, match="contiguous array of BOOK_VIEW records"):
            time_hook(address, strategy.state, wrong)


def test_a_table_without_a_hook_is_refused() -> None:
    with pytest.raises(UsageError, match="no strategy with on_book"):
        time_decisions(StrategyTable(), make_books(1))


def test_checks_give_the_verdicts_that_the_orders_earn() -> None:
    book = np.zeros(1, BOOK_VIEW)
    book["state"] = BookState.LIVE
    book["bid_levels"] = book["ask_levels"] = 1
    book["bid_ticks"][:, 0], book["ask_ticks"][:, 0] = BID_TICKS, BID_TICKS + 2
    orders = OrderTable(make_memory(), make_table([PRODUCT]))
    rows = make_rejected(600)
    assert time_checks(make_gate(), orders, book, rows)[1] == hash_verdicts(REASONS * 100)
    book["state"] = BookState.STALE
    assert time_checks(make_gate(), orders, book, rows)[1] != hash_verdicts(REASONS * 100)


def test_orders_end_in_the_position_that_their_fills_make() -> None:
    memory = make_memory()
    rows = make_orders(5_000)  # more than the table has slots
    assert time_orders(OrderTable(memory, make_table([PRODUCT])), rows)[1] == hash_orders(rows)
    position = memory.region("positions_offset", POSITION, 1)[0]
    assert position["position_lots"] == (rows[:, 0] * rows[:, 2]).sum()
    assert (position["fill_count"], position["working_count"]) == (10_000, 0)


def test_records_stand_in_the_ring() -> None:
    memory = SharedMemory(None, [("BTC-USD", "0.01", "0.01")], [], market_ring_slots=65_536)
    rows = make_trades(65_536 + 10)
    time_records(memory, rows)
    ring = memory.region("market_ring_offset", RECORD, 65_536)
    assert hash_records(ring) == hash_trades(rows)
    assert ring["sequence"].min() == 11
    ring["price_ticks"][5] += 1
    assert hash_records(ring) != hash_trades(rows)


def test_books_are_read_after_each_frame() -> None:
    frames = generate_frames(100)
    table = make_table([PRODUCT])
    pipeline = Pipeline(table, DECODERS["coinbase_exchange"](table), step_interval=0)
    pipeline.subscribed(0)
    payloads = [payload + PADDING for payload in (frames.snapshot, *frames.updates)]
    samples, best = np.zeros(101, np.int64), np.zeros((101, 2), np.int64)
    assert time_books(pipeline, payloads, 0, samples, best) == 101
    assert (samples > 0).all()
    bids = [round(float(price) * 100) for price, _ in frames.orders]
    assert best[1:, 0].tolist() == bids
    assert (best[:, 1] > best[:, 0]).all()
    with pytest.raises(UsageError, match="room for 100 and 101 frames; 101 are given"):
        time_books(pipeline, payloads, 0, samples[1:], best)
