"""The strategies' hooks: called when they should be, with the right records, and bounded."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ext.bounds import Bound
from ext.dtypes import BAR, BOOK_VIEW, POSITION, TIMER, TRADE
from ext.errors import ConfigError, UsageError
from ext.kernels import HOOKS, StrategyTable
from ext.wire import Side

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
SECOND_NS = 1_000_000_000
START_NS = 1_767_623_400_000_000_000
EVENTS = {"on_book": None, "on_trade": TRADE, "on_bar": BAR, "on_fill": None, "on_timer": TIMER}


class Market:
    """A rig that says which hooks were called, and a feed of trades."""

    def __init__(self, rig: "OrderRig") -> None:
        self.rig = rig
        self.next_trade = 1
        self.taken()

    def taken(self, strategy: int = 0) -> list[tuple[str, Any]]:
        """(hook, event by field) of the calls since the last time."""
        seen = self.rig.scripts[strategy].seen
        found = [
            (name, None if event is None else {n: int(event[n]) for n in event.dtype.names})
            for name, event in seen
        ]
        seen.clear()
        return found

    def trade(self, time_ns: int, price_ticks: int, lots: int, symbol: str = "BTC-USD") -> None:
        """A trade whose taker bought."""
        moment = datetime.fromtimestamp(time_ns // SECOND_NS, UTC)
        time = f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % SECOND_NS // 1000:06d}Z"
        price, size = self.rig.price(price_ticks), self.rig.quantity(lots)
        status = self.rig.frame(
            f'{{"type":"match","trade_id":{self.next_trade},"side":"sell","size":"{size}",'
            f'"price":"{price}","product_id":"{symbol}","sequence":1,"time":"{time}"}}'
        )
        assert status == 0
        self.next_trade += 1


@pytest.fixture
def market(make_order_rig: MakeRig) -> Market:
    return Market(
        make_order_rig(events=EVENTS, bar_interval_ns=SECOND_NS, timer_interval_ns=SECOND_NS)
    )


def bars(market: Market) -> list[dict[str, int]]:
    return [event for name, event in market.taken() if name == "on_bar"]


def test_a_book_update_is_one_call(market: Market) -> None:
    market.rig.set_book(49_990, 50_000)
    assert market.taken() == [("on_book", None)]


def test_only_strategies_of_the_instrument_are_called(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(0, 1, 0), events={"on_book": None})
    calls = [len(script.seen) for script in rig.scripts]
    rig.set_book(49_990, 50_000, instrument=0)
    assert [len(script.seen) for script in rig.scripts] == [calls[0] + 1, calls[1], calls[2] + 1]
    rig.set_book(49_990, 50_000, instrument=1)
    assert [len(script.seen) for script in rig.scripts] == [n + 1 for n in calls]


def test_a_trade_is_handed_over(market: Market) -> None:
    market.rig.now_ns += 5
    market.trade(START_NS + 1000, 50_001, 7)
    assert market.taken() == [
        (
            "on_trade",
            {
                "price_ticks": 50_001,
                "quantity_lots": 7,
                "aggressor_side": Side.BUY,
                "trade_id": 1,
                "exchange_time_ns": START_NS + 1000,
                "receive_time_ns": market.rig.now_ns,
            },
        )
    ]


def test_the_records_are_those_of_the_strategy(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(1, 0, 1), events={"on_timer": None})
    rig.pipeline.call_timers(rig.now_ns)
    books = rig.memory.region("books_offset", BOOK_VIEW, 2)
    states = set()
    for index in range(3):
        state, book, position = rig.scripts[index].arguments[-1]
        assert not books.ctypes.data <= book < books.ctypes.data + books.nbytes
        assert not 0 <= position - rig.positions.ctypes.data < rig.positions.nbytes
        states.add(state)
    assert len(states) == 3, "the state is the strategy's own, book and position are copies"
    assert [int(position["instrument"]) for position in rig.positions] == [1, 0, 1]
    assert [int(position["strategy"]) for position in rig.positions] == [0, 1, 2]
    assert rig.positions.dtype == POSITION


def test_hooks_sleep_while_the_book_is_not_live(market: Market) -> None:
    market.rig.pipeline.mark_stale(0, 1, market.rig.now_ns)
    market.trade(START_NS, 50_001, 7)
    market.rig.pipeline.call_timers(market.rig.now_ns + 10 * SECOND_NS)
    update = '{"type":"l2update","product_id":"BTC-USD","changes":[["buy","1.00","1"]],'
    market.rig.frame(update + '"time":"2026-01-05T14:30:00Z"}')
    assert market.taken() == []
    market.rig.set_book(50_000, 50_010)
    assert market.taken() == [("on_book", None)]


# Bars.


def test_a_bar_ends_with_the_first_trade_behind_it(market: Market) -> None:
    for shift_ns, price, lots in ((0, 100, 1), (10, 103, 2), (20, 99, 3), (999_999_000, 101, 4)):
        market.trade(START_NS + shift_ns, price, lots)
    assert bars(market) == []
    market.trade(START_NS + SECOND_NS, 110, 5)
    assert bars(market) == [
        {
            "start_time_ns": START_NS,
            "interval_ns": SECOND_NS,
            "open_ticks": 100,
            "high_ticks": 103,
            "low_ticks": 99,
            "close_ticks": 101,
            "volume_lots": 10,
            "trade_count": 4,
        }
    ]


def test_the_trade_comes_before_the_bar_that_it_ends(market: Market) -> None:
    market.trade(START_NS, 100, 1)
    market.taken()
    market.trade(START_NS + SECOND_NS, 101, 1)
    assert [name for name, _ in market.taken()] == ["on_trade", "on_bar"]


def test_empty_intervals_make_no_bar(market: Market) -> None:
    market.trade(START_NS, 100, 1)
    market.trade(START_NS + 7 * SECOND_NS, 101, 1)
    assert [bar["start_time_ns"] for bar in bars(market)] == [START_NS]
    market.trade(START_NS + 8 * SECOND_NS, 102, 1)
    assert [bar["start_time_ns"] for bar in bars(market)] == [START_NS + 7 * SECOND_NS]


def test_a_late_trade_joins_the_bar_in_progress(market: Market) -> None:
    market.trade(START_NS + SECOND_NS, 100, 1)
    market.trade(START_NS + SECOND_NS - 1000, 90, 1)
    market.trade(START_NS + 2 * SECOND_NS, 100, 1)
    (bar,) = bars(market)
    assert (bar["start_time_ns"], bar["low_ticks"]) == (START_NS + SECOND_NS, 90)
    assert (bar["close_ticks"], bar["trade_count"]) == (90, 2)


@pytest.mark.parametrize("seed", range(5))
def test_bars_are_those_of_a_plain_loop(market: Market, seed: int) -> None:
    chance = random.Random(seed)
    time_ns = START_NS
    groups: dict[int, list[tuple[int, int]]] = {}
    found = []
    for _ in range(500):
        time_ns += chance.choice((0, 1000, 10**8, 7 * 10**8, 3 * 10**9))
        price, lots = chance.randint(1, 10**6), chance.randint(1, 1000)
        groups.setdefault(time_ns // SECOND_NS * SECOND_NS, []).append((price, lots))
        market.trade(time_ns, price, lots)
        found += bars(market)
    expected = [
        {
            "start_time_ns": start_ns,
            "interval_ns": SECOND_NS,
            "open_ticks": trades[0][0],
            "high_ticks": max(price for price, _ in trades),
            "low_ticks": min(price for price, _ in trades),
            "close_ticks": trades[-1][0],
            "volume_lots": sum(lots for _, lots in trades),
            "trade_count": len(trades),
        }
        for start_ns, trades in groups.items()
    ]
    assert found == expected[:-1], "the last one has not ended"


# Timers.


def test_timers(market: Market) -> None:
    called = []
    for tenths in range(35):
        now_ns = START_NS + tenths * SECOND_NS // 10
        market.rig.pipeline.call_timers(now_ns)
        called += [(tenths, event["now_ns"] == now_ns) for _, event in market.taken()]
    assert called == [(0, True), (10, True), (20, True), (30, True)]


def test_a_late_timer_is_called_once(market: Market) -> None:
    market.rig.pipeline.call_timers(START_NS)
    market.rig.pipeline.call_timers(START_NS + 10 * SECOND_NS)
    market.rig.pipeline.call_timers(START_NS + 10 * SECOND_NS + 1)
    assert len(market.taken()) == 2


# Intents.


def test_intents_of_one_call_are_dropped_beyond_their_bound(order_rig: "OrderRig") -> None:
    wanted = [order_rig.new(Side.BUY, 50_000, lots) for lots in range(1, 11)]
    sent = order_rig.submit(*wanted)
    assert len(sent) == Bound.MAX_INTENTS_PER_CALL
    assert [message[38] for message in sent] == [order_rig.quantity(n) for n in range(1, 9)]
    assert order_rig.counters()["dropped_intents"] == 2
    assert order_rig.submit() == [], "nothing of the last call is left"
    assert order_rig.counters()["dropped_intents"] == 2


@pytest.mark.parametrize("hook", ["on_book", "on_trade", "on_bar", "on_timer"])
def test_every_hook_may_trade(make_order_rig: MakeRig, hook: str) -> None:
    rig = make_order_rig(events={hook: None}, bar_interval_ns=SECOND_NS)
    market = Market(rig)
    market.trade(START_NS, 50_000, 1)
    rig.scripts[0].waiting.append(rig.new(Side.SELL, 50_001, 3))
    market.trade(START_NS + SECOND_NS, 50_000, 1)
    rig.pipeline.call_timers(rig.now_ns)
    rig.set_book(49_990, 50_000)
    (message,) = rig.sent()
    assert (message[54], message[44], message[38]) == ("2", "500.01", "0.0003")


# The table.


def test_strategies_are_numbered(order_rig: "OrderRig") -> None:
    table = StrategyTable()
    state = np.zeros(1, np.int64)
    numbers = [table.add(0, state, {}) for _ in range(Bound.MAX_STRATEGIES)]
    assert numbers == list(range(Bound.MAX_STRATEGIES))
    assert table.count == len(numbers)
    with pytest.raises(ConfigError, match="more than 16 strategies"):
        table.add(0, state, {})


@pytest.mark.parametrize(
    ("addresses", "message"),
    [
        ({"on_tick": 1}, r"unknown hooks \['on_tick'\]; use on_book, on_trade"),
        ({"on_bar": 1}, "on_bar needs bar_interval_ns > 0"),
        ({"on_timer": 1}, "on_timer needs timer_interval_ns > 0"),
    ],
)
def test_hooks_that_cannot_be(addresses: dict[str, int], message: str) -> None:
    table = StrategyTable()
    with pytest.raises(UsageError, match=message):
        table.add(0, np.zeros(1, np.int64), addresses)
    assert table.count == 0
    assert set(EVENTS) == set(HOOKS)
