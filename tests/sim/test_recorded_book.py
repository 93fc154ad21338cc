"""The fill model against a recorded book, rule by rule."""

from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.orders import (
    Order,
    OrderEvent,
    OrderStatus,
    OrderType,
    RequestRefused,
    SelfTradeRule,
    Side,
    TimeInForce,
)
from sim.recorded_book import RecordedBook

BUY, SELL = Side.BUY, Side.SELL
ids = count(1)


def order(side: Side, price: int, lots: int, **more: Any) -> Order:
    """A client's limit order."""
    return Order(f"order-{next(ids)}", 1, "X-Y", side, price, lots, **more)


@pytest.fixture
def book() -> RecordedBook:
    """Bids 99 x 10, 98 x 20; asks 101 x 10, 102 x 20."""
    book = RecordedBook()
    book.apply_snapshot({BUY: [(99, 10), (98, 20)], SELL: [(101, 10), (102, 20)]})
    return book


def fills(events: list[OrderEvent]) -> list[tuple[int, int]]:
    """(price, lots) of the executions."""
    return [(event.last_ticks, event.last_lots) for event in events if event.last_lots]


def test_marketable_order_takes_recorded_levels_at_their_prices(book: RecordedBook) -> None:
    taker = order(BUY, 102, 15)
    assert fills(book.submit(taker)) == [(101, 10), (102, 5)]
    assert taker.status is OrderStatus.FILLED
    assert book.levels(SELL) == [(101, 10), (102, 20)], "the recorded book does not change"


def test_what_was_taken_stays_taken_until_the_level_is_updated(book: RecordedBook) -> None:
    book.submit(order(BUY, 101, 7, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL))
    again = order(BUY, 101, 7, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    assert fills(book.submit(again)) == [(101, 3)]
    assert again.status is OrderStatus.EXPIRED
    book.apply_change(SELL, 101, 10)
    assert fills(book.submit(order(BUY, 101, 7))) == [(101, 7)]


def test_market_order_takes_all_there_is(book: RecordedBook) -> None:
    taker = order(SELL, 0, 100, order_type=OrderType.MARKET)
    assert fills(book.submit(taker)) == [(99, 10), (98, 20)]
    assert taker.status is OrderStatus.EXPIRED


@pytest.mark.parametrize(("lots", "status"), [(30, "FILLED"), (31, "CANCELED")])
def test_fill_or_kill(book: RecordedBook, lots: int, status: str) -> None:
    taker = order(BUY, 102, lots, time_in_force=TimeInForce.FILL_OR_KILL)
    book.submit(taker)
    assert taker.status.name == status


def test_post_only(book: RecordedBook) -> None:
    assert book.submit(order(BUY, 101, 1, is_post_only=True))[0].text == "post only"
    resting = order(BUY, 100, 1, is_post_only=True)
    book.submit(resting)
    with pytest.raises(RequestRefused, match="post only"):
        book.replace(resting, 1, 101, "")


def test_resting_order_fills_when_the_recorded_other_side_reaches_it(book: RecordedBook) -> None:
    resting = order(BUY, 100, 5)
    book.submit(resting)
    book.apply_change(SELL, 100, 3)
    assert fills(book.events) == [(100, 3)]
    assert not book.events[0].is_taker
    book.events.clear()
    book.apply_change(SELL, 98, 9)
    assert fills(book.events) == [(100, 2)], "at our price, not at the recorded one"
    assert resting.status is OrderStatus.FILLED


def test_snapshot_that_reaches_a_resting_order_fills_it(book: RecordedBook) -> None:
    book.submit(order(BUY, 100, 5))
    book.apply_snapshot({BUY: [(97, 1)], SELL: [(99, 2), (100, 2), (101, 50)]})
    assert fills(book.events) == [(100, 2), (100, 2)]


def test_recorded_trade_through_our_price_fills_as_much_as_traded(book: RecordedBook) -> None:
    book.submit(order(BUY, 100, 5))
    book.apply_trade(BUY, 99, 2)
    assert fills(book.events) == [(100, 2)]
    book.apply_trade(SELL, 99, 9)
    assert fills(book.events) == [(100, 2)], "a trade against asks is none of ours"


def test_at_our_price_the_queue_ahead_trades_first(book: RecordedBook) -> None:
    resting = order(BUY, 99, 5)
    book.submit(resting)
    assert resting.queue_ahead_lots == 10
    book.apply_trade(BUY, 99, 6)
    assert (book.events, resting.queue_ahead_lots) == ([], 4)
    book.apply_trade(BUY, 99, 6)
    assert fills(book.events) == [(99, 2)]
    book.apply_trade(BUY, 99, 6)
    assert fills(book.events)[1:] == [(99, 3)]


def test_queue_ahead_is_never_more_than_what_is_displayed(book: RecordedBook) -> None:
    resting = order(BUY, 99, 5)
    book.submit(resting)
    book.apply_change(BUY, 99, 3)
    book.apply_change(BUY, 99, 30)
    assert resting.queue_ahead_lots == 3
    book.apply_change(BUY, 99, 0)
    assert resting.queue_ahead_lots == 0


def test_trade_is_shared_by_our_orders_best_price_first(book: RecordedBook) -> None:
    low, high = order(BUY, 99, 5), order(BUY, 100, 5)
    book.submit(low)
    book.submit(high)
    book.apply_trade(BUY, 99, 12)
    assert (high.filled_lots, low.filled_lots) == (5, 2)


def test_replace_keeps_the_place_for_a_pure_decrease_only(book: RecordedBook) -> None:
    resting = order(BUY, 99, 5)
    book.submit(resting)
    book.apply_trade(BUY, 99, 6)
    book.replace(resting, 4, 99, "a")
    assert (resting.queue_ahead_lots, resting.client_order_id) == (4, "a")
    book.replace(resting, 6, 99, "b")
    assert resting.queue_ahead_lots == 10
    assert [event.kind.name for event in book.replace(resting, 6, 101, "c")] == [
        "REPLACED",
        "TRADED",
    ]


def test_cancel(book: RecordedBook) -> None:
    resting = order(BUY, 99, 5)
    book.submit(resting)
    book.cancel(resting)
    book.apply_trade(BUY, 90, 50)
    assert book.events == []
    with pytest.raises(RequestRefused):
        book.cancel(resting)


@pytest.mark.parametrize(
    ("rule", "own_is_open", "taker_filled"),
    [
        (SelfTradeRule.CANCEL_AGGRESSOR, True, 0),
        (SelfTradeRule.CANCEL_RESTING, False, 5),
        (SelfTradeRule.CANCEL_BOTH, False, 0),
    ],
)
def test_self_trade(
    book: RecordedBook, rule: SelfTradeRule, own_is_open: bool, taker_filled: int
) -> None:
    own = order(SELL, 101, 5)
    book.submit(own)
    taker = order(BUY, 101, 5, self_trade_rule=rule)
    book.submit(taker)
    assert (own.status.is_open, taker.filled_lots) == (own_is_open, taker_filled)


STEP = st.tuples(
    st.sampled_from(["submit", "change", "trade", "cancel", "replace"]),
    st.sampled_from(Side),
    st.integers(95, 105),
    st.integers(0, 20),
)


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(STEP, max_size=40))
def test_orders_never_fill_beyond_their_quantity_or_price(steps: list[Any]) -> None:
    book = RecordedBook()
    book.apply_snapshot({BUY: [(99, 10)], SELL: [(101, 10)]})
    orders: list[Order] = []
    for index, (action, side, price, lots) in enumerate(steps):
        events: list[OrderEvent] = []
        target = orders[index % len(orders)] if orders else None
        if action == "submit":
            orders.append(order(side, price, lots + 1))
            events = book.submit(orders[-1])
        elif action == "change":
            book.apply_change(side, price, lots)
        elif action == "trade":
            book.apply_trade(side, price, lots)
        elif target is not None and target.status.is_open:
            if action == "cancel":
                events = book.cancel(target)
            elif lots > target.filled_lots:
                events = book.replace(target, lots, price, "")
        for event in [*events, *book.events]:
            if event.last_lots:
                assert event.order.accepts_price(event.last_ticks)
        book.events.clear()
    for each in orders:
        assert each.filled_lots <= each.quantity_lots
        assert (each.open_lots == 0) == (each.status is OrderStatus.FILLED)
