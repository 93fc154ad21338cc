"""Risk gate: hours, minima and the collars with what they are held against. Each at its limit."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ext.dtypes import BOOK_VIEW
from ext.wire import RecordKind, Side, Verdict

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
SECOND_NS = 1_000_000_000
DAY_S = 86_400
START_S = 14 * 3600 + 30 * 60  # of the week: the rig starts on a Monday at 14:30:00 UTC
PRICE = 50_000
WIDE = (1 << 40, 1 << 60, 1_000_000, 1 << 45)


def trade(rig: "OrderRig", price_ticks: int) -> None:
    """A trade of BTC-USD, now."""
    status = rig.frame(
        f'{{"type":"match","trade_id":1,"side":"sell","size":"1","price":"{rig.price(price_ticks)}"'
        ',"product_id":"BTC-USD","sequence":1,"time":"2026-01-05T14:30:00.000000Z"}'
    )
    assert status == 0


def at(rig: "OrderRig", second: int, nanosecond: int = 0) -> None:
    """The next order comes so many seconds after the start."""
    rig.now_ns = start_ns(rig) + second * SECOND_NS + nanosecond - 1


def start_ns(rig: "OrderRig") -> int:
    return int(rig.memory.header_record()["start_time_ns"][0])


# Hours.


@pytest.fixture
def rig(make_order_rig: MakeRig) -> "OrderRig":
    """Books stay fresh for years."""
    return make_order_rig(engine_limits=(1024, 0, 10**17, 0))


def test_hours_at_their_ends(rig: "OrderRig") -> None:
    number = rig.place(Side.BUY, PRICE, 1)
    rig.report(number, "0", "0")
    rig.gate.set_trading_hours(0, [(START_S + 10, START_S + 20), (START_S + 30, START_S + 31)])
    for second, nanosecond, verdict in (
        (9, SECOND_NS - 1, Verdict.OUTSIDE_HOURS),
        (10, 0, Verdict.ACCEPTED),
        (19, SECOND_NS - 1, Verdict.ACCEPTED),
        (20, 0, Verdict.OUTSIDE_HOURS),
        (30, 0, Verdict.ACCEPTED),
        (31, 0, Verdict.OUTSIDE_HOURS),
        (7 * DAY_S + 10, -1, Verdict.OUTSIDE_HOURS),
        (7 * DAY_S + 10, 0, Verdict.ACCEPTED),
        (70 * DAY_S + 20, 0, Verdict.OUTSIDE_HOURS),
    ):
        at(rig, second, nanosecond)
        assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == verdict, (second, nanosecond)
    assert rig.verdict(rig.replace(number, PRICE, 2)) == Verdict.OUTSIDE_HOURS
    assert rig.verdict(rig.cancel(number)) == Verdict.ACCEPTED


@pytest.mark.parametrize("day", range(7))
def test_hours_of_each_day(rig: "OrderRig", day: int) -> None:
    rig.gate.set_trading_hours(0, [(day * DAY_S, (day + 1) * DAY_S)])
    for other in range(7):
        for second in (0, DAY_S - 1):
            at(rig, other * DAY_S - START_S + 7 * DAY_S + second)
            expected = Verdict.ACCEPTED if other == day else Verdict.OUTSIDE_HOURS
            assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == expected, (other, second)


def test_hours_that_go_over_sunday(rig: "OrderRig") -> None:
    rig.gate.set_trading_hours(0, [(0, 60), (7 * DAY_S - 60, 7 * DAY_S)])
    monday_s = 7 * DAY_S - START_S
    for second, verdict in (
        (-61, Verdict.OUTSIDE_HOURS),
        (-60, Verdict.ACCEPTED),
        (0, Verdict.ACCEPTED),
        (59, Verdict.ACCEPTED),
        (60, Verdict.OUTSIDE_HOURS),
    ):
        at(rig, monday_s + second)
        assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == verdict, second


def test_hours_are_of_an_instrument(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(0, 1))
    rig.gate.set_trading_hours(0, [(0, 1)])
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.OUTSIDE_HOURS
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1), strategy=1) == Verdict.ACCEPTED
    rig.gate.set_trading_hours(0, [])
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.ACCEPTED


def test_a_time_before_the_epoch_is_outside(order_rig: "OrderRig") -> None:
    rig = order_rig
    rig.gate.set_trading_hours(0, [(0, 7 * DAY_S)])
    rig.records()
    rig.scripts[0].waiting.append(rig.new(Side.BUY, PRICE, 1))
    rig.pipeline.call_timers(-5)
    for record in rig.records(RecordKind.RECORD_DECISION):
        assert record["code"] == Verdict.OUTSIDE_HOURS


# Minima.


def test_the_smallest_quantity(order_rig: "OrderRig") -> None:
    rig = order_rig
    rig.gate.set_instrument_limits(0, *WIDE, min_order_lots=10)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 9)) == Verdict.BELOW_MINIMUM
    number = rig.place(Side.BUY, PRICE, 10)
    rig.report(number, "0", "0")
    assert rig.verdict(rig.replace(number, PRICE, 9)) == Verdict.BELOW_MINIMUM
    assert rig.verdict(rig.replace(number, PRICE, 11)) == Verdict.ACCEPTED


def test_the_smallest_notional(order_rig: "OrderRig") -> None:
    rig = order_rig
    rig.gate.set_instrument_limits(0, *WIDE, min_order_notional=10 * PRICE)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 10)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 9)) == Verdict.BELOW_MINIMUM
    assert rig.verdict(rig.new(Side.BUY, PRICE - 1, 10)) == Verdict.BELOW_MINIMUM


# What a price is held against.


@pytest.mark.parametrize("side", list(Side))
def test_the_last_trade_at_its_limit(order_rig: "OrderRig", side: Side) -> None:
    rig = order_rig
    rig.gate.set_instrument_limits(0, *WIDE, last_trade_collar_ppm=2_000)
    assert rig.verdict(rig.new(side, PRICE, 1)) == Verdict.PRICE_COLLAR, "there was none"
    trade(rig, 40_000)
    assert rig.verdict(rig.new(side, 40_080, 1)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(side, 40_081, 1)) == Verdict.PRICE_COLLAR
    assert rig.verdict(rig.new(side, 39_920, 1)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(side, 39_919, 1)) == Verdict.PRICE_COLLAR
    trade(rig, 40_010)
    assert rig.verdict(rig.new(side, 39_929, 1)) == Verdict.PRICE_COLLAR, "the newest counts"


def test_the_age_of_the_last_trade(order_rig: "OrderRig") -> None:
    rig = order_rig
    rig.gate.set_engine_limits(1024, 0, 10**15, 0, max_trade_age_ns=SECOND_NS)
    rig.gate.set_instrument_limits(0, *WIDE, last_trade_collar_ppm=2_000)
    trade(rig, PRICE)
    rig.now_ns += SECOND_NS - 1
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.PRICE_COLLAR
    rig.gate.set_instrument_limits(0, *WIDE)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.ACCEPTED, "nobody asks for it"


@pytest.mark.parametrize(
    ("bid", "ask"),
    [(50_010, 50_010), (50_011, 50_010), (0, 50_010), (-5, 50_010), (2**62, 2**62 + 5)],
)
def test_a_crossed_or_broken_mid_is_no_reference(
    make_order_rig: MakeRig, bid: int, ask: int
) -> None:
    """The market makes such a book STALE; the gate does not rely on that."""
    rig = make_order_rig(instrument_limits=(10, 2**63 - 1, 2**40, 100))
    book = rig.memory.region("books_offset", BOOK_VIEW, 1)
    book["bid_ticks"][0, 0], book["ask_ticks"][0, 0] = bid, ask
    assert rig.verdict(rig.new(Side.BUY, 50_000, 1)) == Verdict.PRICE_COLLAR
