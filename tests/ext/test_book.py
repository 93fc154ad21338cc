"""The order book against sorted dictionaries, through every kind of snapshot and change."""

import random
from collections.abc import Sequence

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sortedcontainers import SortedDict

from ext.book import OrderBook
from ext.bounds import Bound
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.dtypes import BOOK_VIEW
from ext.feed_decoder import FeedDecoder
from ext.instrument_table import InstrumentTable
from ext.pipeline import Pipeline
from ext.shared_memory import SharedMemory
from ext.wire import BookState, Side

BUY, SELL = int(Side.BUY), int(Side.SELL)
TIME = "2026-01-05T14:30:00Z"
MAX_LEVELS = int(Bound.MAX_LEVELS_PER_SIDE)
Row = tuple[int, int, int]
"""(side, price_ticks, quantity_lots)."""


class ReferenceBook:
    """Two sorted dictionaries; what a change means in the plainest words."""

    def __init__(self) -> None:
        self.sides = {BUY: SortedDict(), SELL: SortedDict()}

    def change(self, rows: Sequence[Row]) -> None:
        for side, price, lots in rows:
            if lots == 0:
                self.sides[side].pop(price, None)
            else:
                self.sides[side][price] = lots

    def load(self, rows: Sequence[Row]) -> None:
        for side in self.sides.values():
            side.clear()
        self.change(rows)

    def levels(self, is_bid: bool) -> list[tuple[int, int]]:
        items = list(self.sides[BUY if is_bid else SELL].items())
        return items[::-1] if is_bid else items

    @property
    def is_crossed(self) -> bool:
        bids, asks = self.levels(True), self.levels(False)
        return bool(bids and asks) and bids[0][0] >= asks[0][0]


def assert_equal(book: OrderBook, reference: ReferenceBook) -> None:
    for is_bid in (True, False):
        expected = reference.levels(is_bid)
        assert book.levels(is_bid) == expected
        assert book.level_count(is_bid) == len(expected)
        prices, lots = book.arrays(is_bid)
        assert prices.tolist() == [price for price, _ in expected]
        assert lots.tolist() == [quantity for _, quantity in expected]
        best = book.best_bid() if is_bid else book.best_ask()
        assert best == (expected[0] if expected else None)


PRICES = st.integers(1, 12)
ROWS = st.lists(st.tuples(st.sampled_from([BUY, SELL]), PRICES, st.integers(0, 3)), max_size=14)


class BookMachine(RuleBasedStateMachine):
    """Any snapshots and changes in any order, crossed ones included."""

    def __init__(self) -> None:
        super().__init__()
        self.book = OrderBook()
        self.reference = ReferenceBook()

    @rule(rows=ROWS)
    def load(self, rows: list[Row]) -> None:
        self.reference.load(rows)
        assert self.book.load(rows) is not self.reference.is_crossed

    @rule(rows=ROWS)
    def load_sorted(self, rows: list[Row]) -> None:
        """Best first within each side, without duplicates or zeros: the fast way in."""
        plain = ReferenceBook()
        plain.load(rows)
        best_first = [(BUY, *level) for level in plain.levels(True)]
        best_first += [(SELL, *level) for level in plain.levels(False)]
        self.load(best_first)

    @rule(rows=ROWS)
    def change(self, rows: list[Row]) -> None:
        self.reference.change(rows)
        assert self.book.change(rows) is not self.reference.is_crossed

    @invariant()
    def is_equal(self) -> None:
        assert_equal(self.book, self.reference)


BookMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestBookMachine = BookMachine.TestCase


@pytest.mark.parametrize("seed", range(4))
def test_deep_books(seed: int) -> None:
    """Thousands of levels, changes near the touch and far from it, in runs like a venue's."""
    source = random.Random(seed)
    book, reference = OrderBook(), ReferenceBook()
    rows = [(BUY, 50_000 - n, source.randint(1, 99)) for n in range(1, 3000)]
    rows += [(SELL, 50_000 + n, source.randint(1, 99)) for n in range(1, 3000)]
    if seed % 2:
        source.shuffle(rows)
    reference.load(rows)
    assert book.load(rows)
    for _ in range(300):
        rows = []
        for _ in range(source.randint(1, 40)):
            side = source.choice((BUY, SELL))
            far = int(source.paretovariate(0.4)) % 20_000 + 1
            lots = source.choice((0, 0, source.randint(1, 99)))
            rows.append((side, 50_000 - side * far, lots))
        reference.change(rows)
        assert book.change(rows)
    assert_equal(book, reference)


@given(st.lists(st.integers(1, 60), unique=True, max_size=40), st.randoms(use_true_random=False))
def test_every_level_can_be_found_and_removed(prices: list[int], source: random.Random) -> None:
    """Whatever the number of levels: the search gallops, then bisects."""
    for side in (BUY, SELL):
        book = OrderBook()
        assert book.load([(side, price, price) for price in prices])
        left = dict.fromkeys(prices, 0)
        for price in source.sample(prices, len(prices)):
            assert book.change([(side, price, 0), (side, 61, 0)])
            del left[price]
            assert sorted(p for p, _ in book.levels(side == BUY)) == sorted(left)


def test_last_of_a_duplicate_holds() -> None:
    book = OrderBook()
    assert book.load([(BUY, 5, 1), (BUY, 5, 2), (SELL, 9, 3), (SELL, 9, 0)])
    assert book.levels(True) == [(5, 2)]
    assert book.levels(False) == []


def test_removing_what_is_not_there() -> None:
    book = OrderBook()
    assert book.change([(BUY, 5, 0), (SELL, 5, 0)])
    assert book.load([(BUY, 5, 1)])
    assert book.change([(BUY, 4, 0), (BUY, 6, 0), (SELL, 5, 0)])
    assert book.levels(True) == [(5, 1)]


@pytest.mark.parametrize(
    ("bid", "ask", "is_good"), [(99, 100, True), (100, 100, False), (101, 100, False)]
)
def test_crossing(bid: int, ask: int, is_good: bool) -> None:
    assert OrderBook().load([(BUY, bid, 1), (SELL, ask, 1)]) is is_good
    book = OrderBook()
    assert book.load([(BUY, 1, 1), (SELL, ask, 1)])
    assert book.change([(BUY, bid, 1)]) is is_good
    book = OrderBook()
    assert book.load([(BUY, bid, 1), (SELL, 1000, 1)])
    assert book.change([(SELL, ask, 1)]) is is_good


def test_book_may_cross_within_a_frame() -> None:
    book = OrderBook()
    assert book.load([(BUY, 99, 1), (SELL, 100, 1)])
    assert book.change([(BUY, 105, 1), (SELL, 100, 0), (SELL, 106, 1)])
    assert (book.best_bid(), book.best_ask()) == ((105, 1), (106, 1))


def test_one_side_alone_is_not_crossed() -> None:
    book = OrderBook()
    assert book.load([(BUY, 100, 1)])
    assert (book.best_bid(), book.best_ask()) == ((100, 1), None)
    assert book.load([(SELL, 1, 1)])
    assert (book.best_bid(), book.best_ask()) == (None, (1, 1))
    assert book.load([])
    assert (book.best_bid(), book.best_ask()) == (None, None)


@pytest.mark.parametrize("side", [BUY, SELL])
def test_side_is_full_at_its_bound(side: int) -> None:
    full = [(side, 100_000 - side * n, 1) for n in range(MAX_LEVELS)]
    one_more = (side, 100_000 - side * MAX_LEVELS, 1)
    best_of_all = (side, 100_000 + side, 1)
    book = OrderBook()
    assert book.load(full)
    assert book.level_count(side == BUY) == MAX_LEVELS
    assert book.change([full[7], (side, 100_000, 0), (side, 100_000, 5)]), "no new level"
    assert (book.best_bid() if side == BUY else book.best_ask()) == (100_000, 5)
    for extra in (one_more, best_of_all):
        assert not book.change([extra])
        assert book.level_count(side == BUY) == MAX_LEVELS
        assert not OrderBook().load([*full, extra])
    assert book.change([(*full[-1][:2], 0), best_of_all]), "room again"
    assert not OrderBook().load([*full[::-1], one_more]), "unsorted ones too"
    assert OrderBook().load([*full, (-side, 100_000 + side, 1)]), "the other side has its own"


def test_sides_of_equal_depth_do_not_share_memory() -> None:
    book = OrderBook()
    assert book.load([(BUY, n, n) for n in range(1, 50)] + [(SELL, n, n) for n in range(50, 99)])
    prices, lots = book.arrays(True)
    prices[:] = lots[:] = 0
    assert book.best_bid() == (49, 49)


# The view that strategies and other processes see.


def make_view(levels: Sequence[Row]) -> tuple[np.void, OrderBook]:
    """View after a snapshot that was applied as a frame."""
    table = InstrumentTable()
    table.add("BTC-USD", "0.01", "0.001")
    memory = SharedMemory(None, [("BTC-USD", "0.01", "0.001")], [])
    pipeline = Pipeline(table, FeedDecoder(table), memory, step_interval=0)
    book = pipeline.book(0)
    assert book.load(list(levels))
    pipeline.subscribed(17)
    return memory.region("books_offset", BOOK_VIEW, 1)[0], book


@pytest.mark.parametrize("depth", [0, 1, 9, 10, 11, 40])
def test_view_holds_the_best_levels(depth: int) -> None:
    bids = [(BUY, 1000 - n, n + 1) for n in range(depth)]
    asks = [(SELL, 1001 + n, n + 7) for n in range(2 * depth)]
    view, book = make_view(bids + asks)
    shown = int(Bound.BOOK_VIEW_LEVELS)
    bid_levels, ask_levels = int(view["bid_levels"]), int(view["ask_levels"])
    assert (bid_levels, ask_levels) == (min(depth, shown), min(2 * depth, shown))
    assert (view["total_bid_levels"], view["total_ask_levels"]) == (depth, 2 * depth)
    assert view["bid_ticks"][:bid_levels].tolist() == [p for _, p, _ in bids[:shown]]
    assert view["bid_lots"][:bid_levels].tolist() == [q for _, _, q in bids[:shown]]
    assert view["ask_ticks"][:ask_levels].tolist() == [p for _, p, _ in asks[:shown]]
    assert view["ask_lots"][:ask_levels].tolist() == [q for _, _, q in asks[:shown]]
    assert view["state"] == book.state == BookState.SYNCING
    assert view["receive_time_ns"] == 17
    assert (view["tick_size"], view["lot_size"]) == (0.01, 0.001)
    assert view["version"] % 2 == 0, "nobody is writing"
    assert view["version"] == 2 * book.update_count


CHANGES = st.lists(
    st.tuples(st.sampled_from(["buy", "sell"]), st.integers(0, 15), st.integers(0, 3)), min_size=1
)


@given(st.lists(CHANGES, max_size=30))
def test_view_follows_every_change(frames: list[list[tuple[str, int, int]]]) -> None:
    """Few prices, so that levels come and go at the edge of what the view shows."""
    table = InstrumentTable()
    table.add("BTC-USD", "0.01", "0.001")
    memory = SharedMemory(None, [("BTC-USD", "0.01", "0.001")], [])
    pipeline = Pipeline(table, CoinbaseExchangeFeed(table), memory, step_interval=0)
    pipeline.subscribed(1)
    view = memory.region("books_offset", BOOK_VIEW, 1)[0]
    sides = {
        "bids": [[f"{(1000 - at) / 100:.2f}", "0.009"] for at in range(12)],
        "asks": [[f"{(1001 + at) / 100:.2f}", "0.009"] for at in range(12)],
    }
    snapshot = {"type": "snapshot", "product_id": "BTC-USD", **sides}
    pipeline.receive(orjson.dumps(snapshot), 2)
    for changes in frames:
        rows = [
            [side, f"{(1000 - at if side == 'buy' else 1001 + at) / 100:.2f}", f"0.00{lots}"]
            for side, at, lots in changes
        ]
        update = {"type": "l2update", "product_id": "BTC-USD", "changes": rows, "time": TIME}
        pipeline.receive(orjson.dumps(update), 3)
        for is_bid, name in ((True, "bid"), (False, "ask")):
            shown = pipeline.book(0).levels(is_bid)[: int(Bound.BOOK_VIEW_LEVELS)]
            count = int(view[f"{name}_levels"])
            prices, lots = view[f"{name}_ticks"][:count], view[f"{name}_lots"][:count]
            assert list(zip(prices.tolist(), lots.tolist(), strict=True)) == shown
