"""The rules of the trend follower, one by one."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from engine.strategies.jerico_trend import ENTRY, EXIT, JericoTrend
from engine.strategy import BookState, OrderState, Side
from engine.strategy_testing import Intent, StrategyBench
from ext.errors import ConfigError
from ext.wire import IntentKind, TimeInForce

SAMPLE_NS = 10_000_000
RISE = [10_000 + 3 * i for i in range(1, 40)]
FALL = [10_000 - 3 * i for i in range(1, 40)]


@pytest.fixture
def make_bench() -> Callable[..., StrategyBench]:
    def make(**overrides: Any) -> StrategyBench:
        parameters: dict[str, Any] = {
            "fast": 3,
            "slow": 9,
            "rsi_period": 5,
            "rsi_high": 100.0,
            "rsi_low": 0.0,
            "lean": 0.0,
            "quantity": "0.10",
            "max_position": "0.25",
            "sample_ms": 10,
            "entry_ms": 60_000,
            "cooldown_ms": 0,
        }
        return StrategyBench(JericoTrend, **{**parameters, **overrides})

    return make


def play(
    bench: StrategyBench, mids: Iterable[int], bid_lots: int = 50, ask_lots: int = 50
) -> list[Intent]:
    """Samples the prices and fills every order at once and in full."""
    intents = []
    for mid in mids:
        bids, asks = [(mid - 1, bid_lots)], [(mid + 1, ask_lots)]
        for intent in bench.book(bids, asks, step_ns=SAMPLE_NS):
            intents.append(intent)
            bench.position.position_lots += intent.side * intent.quantity_lots
    return intents


def warm_up(bench: StrategyBench, direction: int) -> None:
    intents = play(bench, [10_000 - 30 * direction + 3 * direction * i for i in range(11)])
    assert intents == [], "a trend that was there before us is no cross"


def test_buys_on_a_cross_upwards_in_slices_up_to_the_maximum(
    make_bench: Callable[..., StrategyBench],
) -> None:
    bench = make_bench()
    warm_up(bench, -1)
    intents = play(bench, RISE)
    assert [(i.side, i.quantity_lots, i.reason) for i in intents] == [
        (Side.BUY, 10, ENTRY),
        (Side.BUY, 10, ENTRY),
        (Side.BUY, 5, ENTRY),
    ]
    assert all(i.kind == IntentKind.NEW_ORDER and i.post_only == 0 for i in intents)
    assert all(i.time_in_force == TimeInForce.IMMEDIATE_OR_CANCEL for i in intents)


def test_leaves_in_slices_and_turns_on_the_opposite_cross(
    make_bench: Callable[..., StrategyBench],
) -> None:
    bench = make_bench()
    warm_up(bench, -1)
    play(bench, RISE)
    assert bench.position.position_lots == 25
    intents = play(bench, [10_120 - 5 * i for i in range(40)])
    assert [(i.side, i.quantity_lots, i.reason) for i in intents] == [
        *[(Side.SELL, 10, EXIT), (Side.SELL, 10, EXIT), (Side.SELL, 5, EXIT)],
        *[(Side.SELL, 10, ENTRY), (Side.SELL, 10, ENTRY), (Side.SELL, 5, ENTRY)],
    ]


def test_price_is_marketable_by_the_reach(make_bench: Callable[..., StrategyBench]) -> None:
    bench = make_bench(reach_ticks=4)
    warm_up(bench, -1)
    for mid in RISE:
        intents = bench.book([(mid - 1, 50)], [(mid + 1, 50)], step_ns=SAMPLE_NS)
        if intents:
            assert intents[0].price_ticks == mid + 1 + 4
            break
    else:
        pytest.fail("no order")


def test_a_selling_price_is_at_least_one_tick(make_bench: Callable[..., StrategyBench]) -> None:
    bench = make_bench(reach_ticks=1_000_000)
    warm_up(bench, 1)
    assert play(bench, FALL)[0].price_ticks == 1


def test_overbought_and_oversold_markets_are_not_entered(
    make_bench: Callable[..., StrategyBench],
) -> None:
    for direction, path in ((-1, RISE), (1, FALL)):
        bench = make_bench(rsi_high=60.0, rsi_low=40.0)
        warm_up(bench, direction)
        assert play(bench, path) == []


def test_book_must_lean_the_same_way(make_bench: Callable[..., StrategyBench]) -> None:
    for lots, count in (((50, 50), 0), ((60, 40), 3)):
        bench = make_bench(lean=0.2)
        warm_up(bench, -1)
        assert len(play(bench, RISE, *lots)) == count
    bench = make_bench(lean=0.2)
    warm_up(bench, 1)
    assert len(play(bench, FALL, 40, 60)) == 3


def test_exit_ignores_the_filters(make_bench: Callable[..., StrategyBench]) -> None:
    bench = make_bench(lean=1.0)
    warm_up(bench, -1)
    bench.position.position_lots = -7
    intents = play(bench, RISE)
    assert [(i.side, i.quantity_lots, i.reason) for i in intents] == [(Side.BUY, 7, EXIT)]


def test_entry_ends_some_time_after_the_cross(make_bench: Callable[..., StrategyBench]) -> None:
    bench = make_bench(entry_ms=20, max_position="100")
    warm_up(bench, -1)
    assert len(play(bench, RISE)) == 2


def test_orders_are_a_cooldown_apart(make_bench: Callable[..., StrategyBench]) -> None:
    bench = make_bench(cooldown_ms=100, max_position="100")
    warm_up(bench, -1)
    assert len(play(bench, RISE)) <= len(RISE) // 10 + 1


def test_one_order_at_a_time(make_bench: Callable[..., StrategyBench]) -> None:
    bench = make_bench()
    warm_up(bench, -1)
    bench.add_order(Side.BUY, 10_000, 1, state=OrderState.PENDING_NEW)
    assert play(bench, RISE) == []
    bench.clear_orders()
    assert len(play(bench, [10_200, 10_210])) == 2


def test_samples_in_exchange_time(make_bench: Callable[..., StrategyBench]) -> None:
    bench = make_bench()
    for i in range(100):
        bench.book([(10_000 + i, 5)], [(10_002 + i, 5)], step_ns=SAMPLE_NS // 10)
    assert bench.state.slow.count == 9
    assert bench.state.sampled_ns == bench.now_ns - 9 * SAMPLE_NS // 10


def test_goes_on_when_the_exchange_clock_jumps_back(
    make_bench: Callable[..., StrategyBench],
) -> None:
    bench = make_bench()
    bench.book([(10_000, 5)], [(10_002, 5)])
    bench.book([(10_000, 5)], [(10_002, 5)], step_ns=-3600 * 10**9)
    assert bench.state.slow.count == 2


def test_takes_nothing_in_from_a_book_that_is_not_live_or_has_an_empty_side(
    make_bench: Callable[..., StrategyBench],
) -> None:
    bench = make_bench()
    bench.book([(1, 1)], [(2, 1)], state=BookState.STALE, step_ns=SAMPLE_NS)
    bench.book([], [(2, 1)], step_ns=SAMPLE_NS)
    bench.book([(1, 1)], [], step_ns=SAMPLE_NS)
    assert bench.state.slow.count == 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"fast": 9}, "parameters of jerico_trend: fast was 9; use less than slow, 9"),
        ({"quantity": "0.26"}, "quantity was more than max_position"),
        ({"rsi_high": 101.0}, "rsi_high of jerico_trend was 101.0; use a number from 50 to 100"),
    ],
)
def test_parameters_that_contradict_each_other(
    make_bench: Callable[..., StrategyBench], overrides: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_bench(**overrides)
