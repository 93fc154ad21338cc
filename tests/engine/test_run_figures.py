"""The figures of a run against plain arithmetic."""

import math
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.composition import Arc
from engine.processes import VenueSummary
from engine.runs.run_figures import (
    QUANTILES,
    find_differences,
    quote_currency,
    read_books,
    read_steps,
    read_strategies,
)
from ext.dtypes import BOOK_VIEW, POSITION
from ext.shared_memory import SharedMemory
from ext.wire import Step, Verdict

NOW_NS = 1_800_000_000_000_000_000


def set_position(arc: Arc, index: int = 0, **fields: float) -> None:
    position = arc.memory.region("positions_offset", POSITION, len(arc.strategies))[index]
    for name, value in fields.items():
        position[name] = value


def set_touch(arc: Arc, bid_ticks: int, ask_ticks: int, index: int = 0) -> None:
    book = arc.memory.region("books_offset", BOOK_VIEW, len(arc.instruments))[index]
    book["bid_levels"] = book["ask_levels"] = 1
    book["bid_ticks"][0], book["ask_ticks"][0] = bid_ticks, ask_ticks


def venue(fills: int = 0, **positions: str) -> VenueSummary:
    named = {symbol.replace("_", "-"): Decimal(text) for symbol, text in positions.items()}
    return VenueSummary(0, fills, 0, named, "0" * 64)


def test_a_step_without_a_count_is_left_out(
    make_arc: Callable[..., Arc], count_step: Callable[..., None]
) -> None:
    arc = make_arc()
    assert read_steps(arc) == []
    count_step(arc.memory, Step.STEP_SEND, 5_000)
    (step,) = read_steps(arc)
    assert (step.name, step.count) == ("send", 1)


def test_every_step_has_a_name(
    make_arc: Callable[..., Arc], count_step: Callable[..., None]
) -> None:
    arc = make_arc()
    for step in Step:
        if step.name != "STEP_COUNT":
            count_step(arc.memory, step, 1)
    names = [figures.name for figures in read_steps(arc)]
    assert len(names) == len(set(names)) == sum(step.name != "STEP_COUNT" for step in Step)


def test_percentiles_of_known_values(
    make_arc: Callable[..., Arc], count_step: Callable[..., None]
) -> None:
    arc = make_arc()
    count_step(arc.memory, Step.STEP_DECODE, *([10] * 98), 20, 30)
    (step,) = read_steps(arc)
    assert step.microseconds == (0.010, 0.020, 0.030, 0.030)  # below 32 ns a bucket is exact


# Longer than 100 s is one bucket: nothing on the path takes that.
@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 100_000_000_000), min_size=1, max_size=60))
def test_a_percentile_is_never_below_the_truth_and_little_above(
    count_step: Callable[..., None], values: list[int]
) -> None:
    memory = SharedMemory(None, [("BTC-USD", "0.01", "0.01")], [])
    count_step(memory, Step.STEP_SEND, *values)
    (step,) = read_steps(cast(Arc, SimpleNamespace(memory=memory)))
    ranked = sorted(values)
    for quantile, microseconds in zip(QUANTILES, step.microseconds, strict=True):
        truth = ranked[max(1, math.ceil(quantile * len(ranked))) - 1]
        assert truth <= round(microseconds * 1e3) <= truth * (1 + 1 / 31) + 1


def test_a_position_is_valued_at_the_mid(make_arc: Callable[..., Arc]) -> None:
    arc = make_arc(is_trading=True)
    set_touch(arc, 6_500_000, 6_500_200)
    set_position(
        arc,
        position_lots=-3_000_000,  # 0.03 BTC
        average_price_ticks=6_510_100.0,
        realised_pnl=2.5,
        fees=1.25,
        signal_count=7,
        order_count=5,
        fill_count=4,
        reject_count=2,
        last_reject=Verdict.PRICE_COLLAR,
    )

    figures = read_strategies(arc)[0]

    assert (figures.name, figures.symbol, figures.quote) == ("jerico_maker", "BTC-USD", "USD")
    assert figures.position == Decimal("-0.03")
    assert figures.average_price == "65,101.00"
    # Sold at 65101, the mid is 65001: 100 better on 0.03 BTC.
    assert figures.unrealised == pytest.approx(3.0)
    assert figures.net == pytest.approx(2.5 + 3.0 - 1.25)
    assert (figures.signals, figures.orders, figures.fills, figures.rejects) == (7, 5, 4, 2)
    assert figures.last_reject == "price_collar"


def test_hooks_that_raised_are_counted(make_arc: Callable[..., Arc]) -> None:
    arc = make_arc(is_trading=True)
    arc.strategies[0].state["failures"] = 12
    assert [figures.failures for figures in read_strategies(arc)] == [12, 0]


def test_a_flat_position_has_nothing_unrealised(make_arc: Callable[..., Arc]) -> None:
    figures = read_strategies(make_arc(is_trading=True))[0]
    assert figures.average_price == "-"
    assert figures.position == figures.unrealised == figures.net == 0
    assert figures.last_reject == ""


def test_without_a_book_a_position_has_no_value(make_arc: Callable[..., Arc]) -> None:
    arc = make_arc(is_trading=True)
    set_position(arc, position_lots=100, average_price_ticks=6_500_000.0)
    assert read_strategies(arc)[0].unrealised == 0


def test_without_strategies_there_are_none(make_arc: Callable[..., Arc]) -> None:
    assert read_strategies(make_arc()) == []


@pytest.mark.parametrize(
    ("symbol", "expected"), [("BTC-USD", "USD"), ("DASH-BTC", "BTC"), ("ODD", "ODD")]
)
def test_the_quote_currency(symbol: str, expected: str) -> None:
    assert quote_currency(symbol) == expected


def test_a_book_before_and_after_its_snapshot(
    make_arc: Callable[..., Arc], snapshot: Callable[..., bytes]
) -> None:
    arc = make_arc()
    before = read_books(arc)[0]
    assert (before.symbol, before.state) == ("BTC-USD", "CONNECTING")
    assert before.best_bid is before.best_ask is None

    arc.pipeline.subscribed(NOW_NS)
    arc.pipeline.receive(snapshot("BTC-USD"), NOW_NS)

    after = read_books(arc)[0]
    assert after.state == "LIVE"
    assert (after.best_bid, after.best_ask, after.levels) == ("64999.99", "65000.01", 2)


def test_a_stale_book_says_why(
    make_arc: Callable[..., Arc], snapshot: Callable[..., bytes]
) -> None:
    arc = make_arc()
    arc.pipeline.subscribed(NOW_NS)
    arc.pipeline.receive(snapshot("BTC-USD"), NOW_NS)
    arc.pipeline.connection_lost(NOW_NS)
    assert read_books(arc)[0].state == "STALE (disconnected)"


def test_the_venue_agrees(make_arc: Callable[..., Arc]) -> None:
    arc = make_arc(is_trading=True)
    assert find_differences(arc, venue()) == []
    set_position(arc, position_lots=-5_000_000)
    assert find_differences(arc, venue(BTC_USD="-0.05")) == []
    assert find_differences(arc, venue(BTC_USD="-0.05", ETH_USD="0")) == []


def test_the_venue_differs(make_arc: Callable[..., Arc]) -> None:
    arc = make_arc(is_trading=True)
    set_position(arc, position_lots=-5_000_000)
    arc.memory.header_record()["fills"] = 1_234
    assert find_differences(arc, venue(1_235, ETH_USD="0.2")) == [
        "1,235 fills, we have 1,234",
        "position 0 BTC-USD, we have -0.05000000",
        "position 0.2 ETH-USD, we have 0.00000000",
    ]


def test_strategies_of_one_product_are_added_up(make_arc: Callable[..., Arc]) -> None:
    arc = make_arc("strategy.jerico_trend.instrument=BTC-USD", is_trading=True)
    set_position(arc, 0, position_lots=3_000_000)
    set_position(arc, 1, position_lots=-1_000_000)
    assert find_differences(arc, venue(BTC_USD="0.02")) == []
