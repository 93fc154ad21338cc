"""The ladder: levels beside it, above it and far below it, and a market that walks through it."""

import random

import pytest

from ext.book import OrderBook
from ext.wire import Side

LADDER_TICKS = 131_072  # of ext/book_side.pxd: the distances below are chosen around it
MIDDLE_TICKS = 10_000_000


class Reference:
    """Two dictionaries; the best first by sorting."""

    def __init__(self) -> None:
        self.sides: dict[int, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}

    def change(self, side: int, price_ticks: int, lots: int) -> None:
        if lots:
            self.sides[side][price_ticks] = lots
        else:
            self.sides[side].pop(price_ticks, None)

    def levels(self, side: int) -> list[tuple[int, int]]:
        return sorted(self.sides[side].items(), reverse=side == Side.BUY)


def assert_equal(book: OrderBook, reference: Reference) -> None:
    for side in (Side.BUY, Side.SELL):
        expected = reference.levels(side)
        assert book.levels(side == Side.BUY) == expected
        assert book.level_count(side == Side.BUY) == len(expected)
        best = book.best_bid() if side == Side.BUY else book.best_ask()
        assert best == (expected[0] if expected else None)


@pytest.mark.parametrize("seed", range(8))
def test_a_market_that_walks(seed: int) -> None:
    """Changes at every distance while the middle drifts many ladders up and down."""
    pick = random.Random(seed)
    book, reference = OrderBook(), Reference()
    middle = MIDDLE_TICKS
    for step in range(4000):
        middle += pick.choice((0, 0, 0, 1, -1, 40, -40, 30_000, -30_000))
        side = pick.choice((Side.BUY, Side.SELL))
        distance = pick.choice((5, 300, 20_000, LADDER_TICKS, 2_000_000))
        price_ticks = middle - side * pick.randrange(1, distance + 1)
        changes = [(int(side), price_ticks, pick.choice((0, 1, pick.randrange(1, 10**12))))]
        for other, levels in reference.sides.items():  # what the middle has walked over is gone
            crossed = [p for p in levels if other * (middle - p) <= 0]
            changes += [(int(other), p, 0) for p in crossed]
        if known := list(reference.sides[side]):
            changes.append((int(side), pick.choice(known), pick.choice((0, 7))))
        book.change(changes)
        for change in changes:
            reference.change(*change)
        if step % 16 == 0:
            assert_equal(book, reference)
    assert_equal(book, reference)


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_the_best_level_goes_and_the_next_is_far_below(side: Side) -> None:
    book, reference = OrderBook(), Reference()
    prices = [MIDDLE_TICKS - side * distance for distance in (0, LADDER_TICKS, 3 * LADDER_TICKS)]
    for price_ticks in prices:
        book.change([(int(side), price_ticks, 5)])
        reference.change(side, price_ticks, 5)
    assert_equal(book, reference)
    for price_ticks in prices:
        book.change([(int(side), price_ticks, 0)])
        reference.change(side, price_ticks, 0)
        assert_equal(book, reference)


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_better_level_above_the_ladder(side: Side) -> None:
    book, reference = OrderBook(), Reference()
    for distance in (0, 1, 50_000, LADDER_TICKS - 1, LADDER_TICKS, 10 * LADDER_TICKS):
        price_ticks = MIDDLE_TICKS + side * distance
        book.change([(int(side), price_ticks, distance + 1)])
        reference.change(side, price_ticks, distance + 1)
        assert_equal(book, reference)


def test_removing_what_is_not_there_anywhere() -> None:
    book = OrderBook()
    for price_ticks in (1, MIDDLE_TICKS, 2**62):
        assert book.change([(1, price_ticks, 0), (-1, price_ticks, 0)])
    assert book.change([(1, MIDDLE_TICKS, 3)])
    for distance in (1, LADDER_TICKS, -1, -LADDER_TICKS):
        assert book.change([(1, MIDDLE_TICKS + distance, 0)])
    assert book.levels(True) == [(MIDDLE_TICKS, 3)]


def test_prices_at_the_ends_of_the_range() -> None:
    book = OrderBook()
    book.change([(1, 1, 4), (1, 2**63 - 1, 5)])
    assert book.levels(True) == [(2**63 - 1, 5), (1, 4)]
    book.change([(1, 2**63 - 1, 0), (-1, 2**63 - 1, 6)])
    assert book.levels(True) == [(1, 4)]
    assert book.levels(False) == [(2**63 - 1, 6)]


@pytest.mark.parametrize("is_best_first", [True, False])
def test_a_snapshot_wider_than_the_ladder(is_best_first: bool) -> None:
    pick = random.Random(5)
    bids = sorted({MIDDLE_TICKS - pick.randrange(1, 4 * LADDER_TICKS) for _ in range(9000)})[::-1]
    asks = sorted({MIDDLE_TICKS + pick.randrange(1, 4 * LADDER_TICKS) for _ in range(9000)})
    rows = [(1, price, price % 97 + 1) for price in bids]
    rows += [(-1, price, price % 89 + 1) for price in asks]
    if not is_best_first:
        pick.shuffle(rows)
    book, reference = OrderBook(), Reference()
    assert book.load([(1, 7, 7)])
    assert book.load(rows)
    for side, price_ticks, lots in rows:
        reference.change(side, price_ticks, lots)
    assert_equal(book, reference)
