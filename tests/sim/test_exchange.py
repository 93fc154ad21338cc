"""Matching engine: priority, conditions, replace, self trade; and what must hold always."""

from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.exchange import MatchingEngine
from sim.orders import (
    PUBLIC_OWNER,
    EventKind,
    Order,
    OrderEvent,
    OrderStatus,
    OrderType,
    RequestRefused,
    SelfTradeRule,
    Side,
    TimeInForce,
)

BUY, SELL = Side.BUY, Side.SELL
ids = count(1)


def order(side: Side, price: int, lots: int, owner: int = 1, **more: Any) -> Order:
    """A limit order that trades with everybody unless ``more`` says otherwise."""
    return Order(f"order-{next(ids)}", owner, "X-Y", side, price, lots, **more)


def kinds(events: list[OrderEvent]) -> list[str]:
    """Short form of what happened."""
    return [event.kind.name for event in events]


@pytest.fixture
def engine() -> MatchingEngine:
    """An empty market."""
    return MatchingEngine("X-Y")


def test_better_price_first_then_the_older_order(engine: MatchingEngine) -> None:
    old, new, better = order(SELL, 101, 5), order(SELL, 101, 5), order(SELL, 100, 5)
    for each in (old, new, better):
        engine.submit(each)
    taker = order(BUY, 101, 12, owner=2)
    engine.submit(taker)
    assert [trade.maker_order_id for trade in engine.take_trades()] == [
        better.order_id,
        old.order_id,
        new.order_id,
    ]
    assert (better.status, old.status) == (OrderStatus.FILLED, OrderStatus.FILLED)
    assert (new.status, new.leaves_lots) == (OrderStatus.PARTIALLY_FILLED, 3)
    assert taker.filled_ticks_lots == 100 * 5 + 101 * 7


def test_trades_are_at_the_resting_price_and_name_the_resting_side(engine: MatchingEngine) -> None:
    engine.submit(order(BUY, 99, 5))
    engine.submit(order(SELL, 90, 2, owner=2))
    (trade,) = engine.take_trades()
    assert (trade.price_ticks, trade.quantity_lots, trade.maker_side) == (99, 2, BUY)


def test_rest_of_a_limit_order_rests_and_changes_are_absolute(engine: MatchingEngine) -> None:
    engine.submit(order(SELL, 100, 5))
    engine.take_changes()
    taker = order(BUY, 100, 8, owner=2)
    assert kinds(engine.submit(taker)) == ["ACCEPTED", "TRADED", "TRADED"]
    assert engine.take_changes() == [(SELL, 100, 0), (BUY, 100, 3)]
    assert engine.take_changes() == []


def test_immediate_or_cancel_expires_its_rest(engine: MatchingEngine) -> None:
    engine.submit(order(SELL, 100, 5))
    taker = order(BUY, 100, 8, owner=2, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    assert kinds(engine.submit(taker))[-1] == "EXPIRED"
    assert (taker.status, taker.filled_lots, taker.leaves_lots) == (OrderStatus.EXPIRED, 5, 0)
    assert len(engine.bids) == 0


def test_market_order_takes_any_price_and_never_rests(engine: MatchingEngine) -> None:
    engine.submit(order(SELL, 100, 5))
    engine.submit(order(SELL, 900, 5))
    taker = order(BUY, 0, 20, owner=2, order_type=OrderType.MARKET)
    engine.submit(taker)
    assert (taker.status, taker.filled_lots) == (OrderStatus.EXPIRED, 10)
    assert len(engine.bids) == len(engine.asks) == 0


@pytest.mark.parametrize(("lots", "status"), [(7, "FILLED"), (8, "CANCELED")])
def test_fill_or_kill_is_all_or_nothing(engine: MatchingEngine, lots: int, status: str) -> None:
    engine.submit(order(SELL, 100, 5))
    engine.submit(order(SELL, 101, 2))
    engine.submit(order(SELL, 102, 9))
    taker = order(BUY, 101, lots, owner=2, time_in_force=TimeInForce.FILL_OR_KILL)
    engine.submit(taker)
    assert taker.status.name == status
    assert taker.filled_lots in (0, lots)


def test_post_only_that_would_trade_is_rejected(engine: MatchingEngine) -> None:
    engine.submit(order(SELL, 100, 5))
    crossing = order(BUY, 100, 1, owner=2, is_post_only=True)
    assert kinds(engine.submit(crossing)) == ["REJECTED"]
    assert not crossing.status.is_open
    assert kinds(engine.submit(order(BUY, 99, 1, owner=2, is_post_only=True))) == ["ACCEPTED"]


def test_decrease_keeps_the_place_in_the_queue(engine: MatchingEngine) -> None:
    first, second = order(SELL, 100, 5), order(SELL, 100, 5)
    engine.submit(first)
    engine.submit(second)
    assert kinds(engine.replace(first, 3, 100, "new-id")) == ["REPLACED"]
    engine.submit(order(BUY, 100, 3, owner=2))
    assert (first.status, second.filled_lots) == (OrderStatus.FILLED, 0)
    assert first.client_order_id == "new-id"


@pytest.mark.parametrize(("lots", "price"), [(6, 100), (5, 100), (5, 101), (3, 101)])
def test_any_other_replace_goes_to_the_back(engine: MatchingEngine, lots: int, price: int) -> None:
    first = order(SELL, 100, 5)
    second = order(SELL, price, 5)
    engine.submit(first)
    engine.submit(second)
    engine.replace(first, lots, price, "")
    engine.submit(order(BUY, price, 5, owner=2))
    assert (first.filled_lots, second.status) == (0, OrderStatus.FILLED)


def test_replace_total_counts_what_was_filled(engine: MatchingEngine) -> None:
    resting = order(SELL, 100, 10)
    engine.submit(resting)
    engine.submit(order(BUY, 100, 4, owner=2))
    engine.replace(resting, 6, 100, "")
    assert resting.leaves_lots == 2
    with pytest.raises(RequestRefused, match="not above the filled"):
        engine.replace(resting, 4, 100, "")


def test_replace_to_a_crossing_price_trades(engine: MatchingEngine) -> None:
    engine.submit(order(SELL, 100, 5, owner=2))
    resting = order(BUY, 90, 5)
    engine.submit(resting)
    assert kinds(engine.replace(resting, 5, 100, "")) == ["REPLACED", "TRADED", "TRADED"]


def test_post_only_replace_that_would_trade_changes_nothing(engine: MatchingEngine) -> None:
    engine.submit(order(SELL, 100, 5, owner=2))
    resting = order(BUY, 90, 5, is_post_only=True)
    engine.submit(resting)
    with pytest.raises(RequestRefused, match="post only"):
        engine.replace(resting, 5, 100, "new")
    assert (resting.price_ticks, resting.client_order_id) == (90, "")


def test_done_orders_can_not_be_canceled_or_replaced(engine: MatchingEngine) -> None:
    resting = order(BUY, 90, 5)
    engine.submit(resting)
    assert kinds(engine.cancel(resting)) == ["CANCELED"]
    with pytest.raises(RequestRefused, match="already done"):
        engine.cancel(resting)
    with pytest.raises(RequestRefused, match="already done"):
        engine.replace(resting, 9, 90, "")


@pytest.mark.parametrize(
    ("rule", "resting_is_open", "taker_is_open"),
    [
        (SelfTradeRule.CANCEL_AGGRESSOR, True, False),
        (SelfTradeRule.CANCEL_RESTING, False, True),
        (SelfTradeRule.CANCEL_BOTH, False, False),
    ],
)
def test_self_trade_is_prevented(
    engine: MatchingEngine, rule: SelfTradeRule, resting_is_open: bool, taker_is_open: bool
) -> None:
    own = order(SELL, 100, 5)
    engine.submit(own)
    taker = order(BUY, 100, 5, self_trade_rule=rule)
    events = engine.submit(taker)
    assert engine.take_trades() == []
    assert (own.status.is_open, taker.status.is_open) == (resting_is_open, taker_is_open)
    assert all(event.is_self_trade for event in events[1:])


def test_self_trade_takes_others_in_front_first(engine: MatchingEngine) -> None:
    engine.submit(order(SELL, 100, 2, owner=2))
    engine.submit(order(SELL, 100, 5))
    taker = order(BUY, 100, 5)
    engine.submit(taker)
    assert (taker.status, taker.filled_lots) == (OrderStatus.CANCELED, 2)


def test_public_flow_trades_with_itself_and_makes_no_events(engine: MatchingEngine) -> None:
    assert engine.submit(order(SELL, 100, 2, owner=PUBLIC_OWNER)) == []
    assert engine.submit(order(BUY, 100, 2, owner=PUBLIC_OWNER)) == []
    assert len(engine.take_trades()) == 1


ACTION = st.tuples(
    st.sampled_from(["submit", "submit", "submit", "cancel", "replace"]),
    st.sampled_from(Side),
    st.integers(95, 105),
    st.integers(1, 20),
    st.sampled_from([0, 1, 2]),
    st.sampled_from(TimeInForce),
    st.booleans(),
    st.sampled_from(SelfTradeRule),
)


@settings(max_examples=150, deadline=None)
@given(actions=st.lists(ACTION, max_size=40))
def test_book_is_never_crossed_and_quantity_is_conserved(actions: list[Any]) -> None:
    engine = MatchingEngine("X-Y")
    orders: list[Order] = []
    displayed: dict[tuple[Side, int], int] = {}
    traded = 0
    for step, (action, side, price, lots, owner, force, is_post_only, rule) in enumerate(actions):
        if action == "submit" or not orders:
            new = order(
                side, price, lots, owner,
                time_in_force=force, is_post_only=is_post_only, self_trade_rule=rule,
            )  # fmt: skip
            orders.append(new)
            engine.submit(new)
        else:
            target = orders[(step * 7 + lots) % len(orders)]
            try:
                if action == "cancel":
                    engine.cancel(target)
                else:
                    engine.replace(target, lots, price, "")
            except RequestRefused:
                pass
        traded += sum(trade.quantity_lots for trade in engine.take_trades())
        for level_side, level_price, level_lots in engine.take_changes():
            displayed[level_side, level_price] = level_lots
        bid, ask = engine.bids.best(), engine.asks.best()
        assert bid is None or ask is None or bid.price_ticks < ask.price_ticks
    assert sum(each.filled_lots for each in orders) == 2 * traded
    open_lots: dict[tuple[Side, int], int] = {}
    for each in orders:
        assert each.filled_lots <= each.quantity_lots
        if each.status.is_open:
            key = (each.side, each.price_ticks)
            open_lots[key] = open_lots.get(key, 0) + each.leaves_lots
    # What the feed was told, level by level, is what the open orders add up to.
    assert {key: lots for key, lots in displayed.items() if lots} == open_lots


def test_events_keep_the_figures_of_their_moment(engine: MatchingEngine) -> None:
    engine.submit(order(SELL, 100, 2, owner=2))
    engine.submit(order(SELL, 101, 3, owner=2))
    events = [each for each in engine.submit(order(BUY, 101, 5)) if each.order.owner == 1]
    assert [(each.kind, each.filled_lots, each.leaves_lots) for each in events] == [
        (EventKind.ACCEPTED, 0, 5),
        (EventKind.TRADED, 2, 3),
        (EventKind.TRADED, 5, 0),
    ]
