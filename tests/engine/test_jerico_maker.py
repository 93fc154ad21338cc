"""The rules of the market maker, one by one, then all of them over a random market."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from engine.strategies.jerico_maker import PULL_BOOK, PULL_POSITION, PULL_SECOND, JericoMaker
from engine.strategy import BookState, OrderState, Side
from engine.strategy_testing import Intent, StrategyBench
from ext.errors import ConfigError
from ext.wire import IntentKind, OrderType, TimeInForce

BIDS = [(10_000, 50), (9_999, 10)]
ASKS = [(10_010, 50), (10_011, 10)]
SECOND_NS = 1_000_000_000
PENDING = [
    OrderState.PENDING_NEW,
    OrderState.PENDING_CANCEL,
    OrderState.PENDING_REPLACE,
    OrderState.UNKNOWN,
    OrderState.SUSPENDED,
]


@pytest.fixture
def make_bench() -> Callable[..., StrategyBench]:
    def make(**overrides: Any) -> StrategyBench:
        parameters: dict[str, Any] = {
            "quantity": "0.10",
            "max_position": "0.30",
            "half_spread_ticks": 2.0,
            "skew_ticks": 3.0,
            "requote_ticks": 2,
            "cooldown_ms": 100,
        }
        return StrategyBench(JericoMaker, **{**parameters, **overrides})

    return make


@pytest.fixture
def bench(make_bench: Callable[..., StrategyBench]) -> StrategyBench:
    return make_bench()


def prices(intents: list[Intent]) -> dict[int, int]:
    return {intent.side: intent.price_ticks for intent in intents}


def test_quotes_both_sides_around_the_microprice(bench: StrategyBench) -> None:
    bid, ask = bench.book(BIDS, ASKS)
    assert (bid.side, bid.price_ticks, ask.side, ask.price_ticks) == (1, 10_003, -1, 10_007)
    for quote in (bid, ask):
        assert quote.kind == IntentKind.NEW_ORDER
        assert quote.order_type == OrderType.LIMIT
        assert quote.time_in_force == TimeInForce.GOOD_TILL_CANCEL
        assert quote.post_only == 1
        assert quote.quantity_lots == 10


def test_leans_to_the_side_with_less_quantity(bench: StrategyBench) -> None:
    assert prices(bench.book([(10_000, 90)], [(10_010, 10)])) == {1: 10_007, -1: 10_011}


@pytest.mark.parametrize(
    ("position_lots", "expected"),
    [(15, {1: 10_001, -1: 10_006}), (-15, {1: 10_004, -1: 10_009})],
)
def test_skews_against_the_position(
    bench: StrategyBench, position_lots: int, expected: dict[int, int]
) -> None:
    bench.position.position_lots = position_lots
    assert prices(bench.book(BIDS, ASKS)) == expected


def test_never_crosses_the_touch(make_bench: Callable[..., StrategyBench]) -> None:
    bench = make_bench(half_spread_ticks=0.5, skew_ticks=1000.0)
    bench.position.position_lots = -29
    assert prices(bench.book(BIDS, ASKS))[Side.BUY] == 10_009
    bench.position.position_lots = 29
    assert prices(bench.book(BIDS, ASKS, step_ns=SECOND_NS))[Side.SELL] == 10_001


def test_a_price_is_at_least_one_tick(make_bench: Callable[..., StrategyBench]) -> None:
    bench = make_bench(half_spread_ticks=50.0)
    assert prices(bench.book([(3, 5)], [(4, 5)]))[Side.BUY] == 1


@pytest.mark.parametrize(("position_lots", "side"), [(30, Side.BUY), (-30, Side.SELL)])
def test_pulls_the_side_that_would_pass_the_limit(
    bench: StrategyBench, position_lots: int, side: Side
) -> None:
    order = bench.add_order(side, 10_000, 10)
    bench.position.position_lots = position_lots
    pulled = [intent for intent in bench.book(BIDS, ASKS) if intent.reason == PULL_POSITION]
    assert [(p.kind, p.order_number) for p in pulled] == [(IntentKind.CANCEL_ORDER, 1)]
    order.state = OrderState.PENDING_CANCEL
    assert side not in prices(bench.book(BIDS, ASKS, step_ns=SECOND_NS))


def test_quotes_no_more_than_the_limit_leaves(bench: StrategyBench) -> None:
    bench.position.position_lots = 26
    bid, ask = bench.book(BIDS, ASKS)
    assert (bid.quantity_lots, ask.quantity_lots) == (4, 10)


def test_replaces_a_quote_larger_than_the_limit_leaves(bench: StrategyBench) -> None:
    bench.add_order(Side.BUY, 10_000, 10)
    bench.position.position_lots = 26
    bid = bench.book(BIDS, ASKS)[0]
    assert (bid.kind, bid.order_number, bid.quantity_lots) == (IntentKind.REPLACE_ORDER, 1, 4)


@pytest.mark.parametrize(("price_ticks", "is_replaced"), [(10_002, False), (10_001, True)])
def test_replaces_only_when_off_by_requote_ticks(
    bench: StrategyBench, price_ticks: int, is_replaced: bool
) -> None:
    bench.add_order(Side.BUY, price_ticks, 10, order_number=77)
    bench.add_order(Side.SELL, 10_007, 10)
    intents = bench.book(BIDS, ASKS)
    assert [(i.kind, i.order_number, i.price_ticks, i.quantity_lots) for i in intents] == (
        [(IntentKind.REPLACE_ORDER, 77, 10_003, 10)] if is_replaced else []
    )


def test_cancels_where_nothing_can_be_replaced(make_bench: Callable[..., StrategyBench]) -> None:
    bench = make_bench(replaces=False)
    bench.add_order(Side.BUY, 9_990, 10, order_number=77)
    bench.add_order(Side.SELL, 10_007, 10)
    (intent,) = bench.book(BIDS, ASKS)
    assert (intent.kind, intent.order_number) == (IntentKind.CANCEL_ORDER, 77)
    assert bench.book(BIDS, ASKS) == [], "the side rests after its request"


@pytest.mark.parametrize("state", PENDING)
def test_leaves_an_order_with_a_pending_request_alone(
    bench: StrategyBench, state: OrderState
) -> None:
    bench.add_order(Side.BUY, 9_000, 10, state=state)
    bench.add_order(Side.SELL, 11_000, 10, state=state)
    assert bench.book(BIDS, ASKS) == []
    assert bench.book(BIDS, ASKS, state=BookState.STALE, step_ns=SECOND_NS) == []


def test_rests_after_a_request_in_exchange_time(bench: StrategyBench) -> None:
    assert len(bench.book(BIDS, ASKS)) == 2
    bench.set_book(BIDS, ASKS, step_ns=99_999_999)
    bench.book_view.receive_time_ns += 3600 * SECOND_NS
    assert bench.call("on_book") == []
    assert len(bench.book(BIDS, ASKS, step_ns=1)) == 2


def test_rests_on_the_side_that_was_filled(bench: StrategyBench) -> None:
    bench.set_book(BIDS, ASKS)
    bench.fill(Side.SELL, 10_007, 10)
    assert list(prices(bench.book(BIDS, ASKS))) == [Side.BUY]
    bench.clear_orders()
    assert Side.SELL in prices(bench.book(BIDS, ASKS, step_ns=100_000_000))


def test_goes_on_when_the_exchange_clock_jumps_back(bench: StrategyBench) -> None:
    bench.book(BIDS, ASKS)
    assert len(bench.book(BIDS, ASKS, step_ns=-3600 * SECOND_NS)) == 2


@pytest.mark.parametrize("state", [state for state in BookState if state != BookState.LIVE])
def test_pulls_and_never_quotes_on_a_book_that_is_not_live(
    bench: StrategyBench, state: BookState
) -> None:
    assert bench.book(BIDS, ASKS, state=state) == []
    bench.add_order(Side.BUY, 10_003, 10)
    bench.add_order(Side.SELL, 10_007, 10)
    intents = bench.book(BIDS, ASKS, state=state)
    assert [(i.kind, i.order_number, i.reason) for i in intents] == [
        (IntentKind.CANCEL_ORDER, 1, PULL_BOOK),
        (IntentKind.CANCEL_ORDER, 2, PULL_BOOK),
    ]
    assert bench.book(BIDS, ASKS, state=state) == [], "refused cancels must not be repeated at once"


@pytest.mark.parametrize(("bids", "asks"), [([], ASKS), (BIDS, [])])
def test_pulls_when_a_side_is_empty(
    bench: StrategyBench, bids: list[tuple[int, int]], asks: list[tuple[int, int]]
) -> None:
    bench.add_order(Side.BUY, 10_003, 10)
    assert [i.reason for i in bench.book(bids, asks)] == [PULL_BOOK]


def test_cancels_a_second_order_on_a_side(bench: StrategyBench) -> None:
    bench.add_order(Side.BUY, 10_003, 10)
    bench.add_order(Side.BUY, 10_002, 10)
    bench.add_order(Side.SELL, 10_007, 10)
    [pulled] = bench.book(BIDS, ASKS)
    assert (pulled.order_number, pulled.reason) == (2, PULL_SECOND)


def test_quantity_above_the_position_limit_is_refused(
    make_bench: Callable[..., StrategyBench],
) -> None:
    with pytest.raises(ConfigError, match="quantity was more than max_position"):
        make_bench(quantity="0.31")


@pytest.mark.parametrize("seed", range(5))
def test_rules_hold_over_a_random_market(
    make_bench: Callable[..., StrategyBench], seed: int
) -> None:
    """An exchange of a few lines answers each request after a random number of books."""
    random_ = random.Random(seed)
    bench = make_bench(requote_ticks=1, cooldown_ms=random_.choice([0, 5]))
    bid_ticks = 10_000
    request_count = 0
    for _ in range(2000):
        bid_ticks += random_.randint(-2, 2)
        spread = random_.randint(1, 5)
        bids = [(bid_ticks, random_.randint(1, 90))]
        asks = [(bid_ticks + spread, random_.randint(1, 90))]
        state = random_.choice([BookState.LIVE] * 9 + [BookState.STALE])
        before = {order.order_number: order.state for order in working(bench)}
        intents = bench.book(bids, asks, state=state)
        check_rules(bench, intents, before, bids[0][0], asks[0][0], state)
        register(bench, intents, request_count)
        request_count += len(intents)
        settle(bench, random_)
        assert abs(bench.position.position_lots) <= 30
    assert request_count > 200


def working(bench: StrategyBench) -> list[Any]:
    return [bench.position.working[i] for i in range(bench.position.working_count)]


def check_rules(
    bench: StrategyBench,
    intents: list[Intent],
    before: dict[int, int],
    best_bid: int,
    best_ask: int,
    state: BookState,
) -> None:
    sides = [order.side for order in working(bench)]
    numbers = [intent.order_number for intent in intents if intent.order_number]
    assert len(set(numbers)) == len(numbers)
    assert all(before[n] in (OrderState.NEW, OrderState.PARTIALLY_FILLED) for n in numbers)
    for intent in intents:
        if intent.kind == IntentKind.CANCEL_ORDER:
            continue
        assert state == BookState.LIVE
        side = side_of(bench, intent)
        assert intent.price_ticks < best_ask if side == Side.BUY else intent.price_ticks > best_bid
        assert side * bench.position.position_lots + intent.quantity_lots <= 30
        if intent.kind == IntentKind.NEW_ORDER:
            assert intent.post_only == 1
            assert side not in sides


def side_of(bench: StrategyBench, intent: Intent) -> int:
    if intent.kind == IntentKind.NEW_ORDER:
        return int(intent.side)
    [order] = [o for o in working(bench) if o.order_number == intent.order_number]
    return int(order.side)


def register(bench: StrategyBench, intents: list[Intent], request_count: int) -> None:
    for intent in intents:
        if intent.kind == IntentKind.NEW_ORDER:
            request_count += 1
            bench.add_order(
                intent.side,
                intent.price_ticks,
                intent.quantity_lots,
                order_number=1000 + request_count,
                state=OrderState.PENDING_NEW,
            )
            continue
        for order in working(bench):
            if order.order_number == intent.order_number:
                is_cancel = intent.kind == IntentKind.CANCEL_ORDER
                order.state = OrderState.PENDING_CANCEL if is_cancel else OrderState.PENDING_REPLACE
                if not is_cancel:
                    order.price_ticks = intent.price_ticks
                    order.leaves_lots = intent.quantity_lots


def settle(bench: StrategyBench, random_: random.Random) -> None:
    orders = [
        (o.order_number, o.side, o.state, o.price_ticks, o.leaves_lots) for o in working(bench)
    ]
    bench.clear_orders()
    for number, side, state, price_ticks, leaves_lots in orders:
        answer = random_.random()
        if state == OrderState.PENDING_CANCEL and answer < 0.5:
            continue
        if answer < 0.5:
            state = OrderState.NEW
        if state == OrderState.NEW and answer < 0.2:
            filled_lots = random_.randint(1, leaves_lots)
            bench.fill(side, price_ticks, filled_lots)
            leaves_lots -= filled_lots
            state = OrderState.PARTIALLY_FILLED
        if leaves_lots:
            bench.add_order(side, price_ticks, leaves_lots, order_number=number, state=state)
