"""Risk gate: what is open of ours already. Each limit at its boundary and one beyond."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ext.order_history import OrderHistory
from ext.wire import RecordKind, Side, Verdict

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
SECOND_NS = 1_000_000_000
PRICE = 50_000
WIDE = (1 << 40, 1 << 60, 1_000_000, 1 << 45)


@pytest.fixture
def rig(make_order_rig: MakeRig) -> "OrderRig":
    """Two strategies in BTC-USD, one in ETH-USD; no order of ours may meet another."""
    rig = make_order_rig(strategies=(0, 0, 1))
    rig.gate.set_engine_limits(1024, 0, 10**15, 0, prevents_self_match=True)
    return rig


# Self-match.


@pytest.mark.parametrize("side", list(Side))
def test_self_match_at_its_price(rig: "OrderRig", side: Side) -> None:
    other = Side(-side)
    rig.place(side, PRICE, 5)
    assert rig.verdict(rig.new(other, PRICE, 1), strategy=1) == Verdict.SELF_MATCH
    assert rig.verdict(rig.new(other, PRICE - side, 1)) == Verdict.SELF_MATCH
    assert rig.verdict(rig.new(other, PRICE + side, 1)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(side, PRICE, 1)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(other, PRICE, 1), strategy=2) == Verdict.ACCEPTED, "not its product"


def test_self_match_with_every_state_that_may_fill(rig: "OrderRig") -> None:
    number = rig.place(Side.BUY, PRICE, 5)
    sell = rig.new(Side.SELL, PRICE, 1)
    assert rig.verdict(sell) == Verdict.SELF_MATCH, "pending new"
    rig.report(number, "0", "0")
    assert rig.verdict(sell) == Verdict.SELF_MATCH, "new"
    rig.fill(number, PRICE, 2)
    assert rig.verdict(sell) == Verdict.SELF_MATCH, "partially filled"
    rig.request(rig.cancel(number))
    assert rig.verdict(sell) == Verdict.SELF_MATCH, "pending cancel"
    rig.order_table.mark_unknown(rig.now_ns)
    assert rig.verdict(sell) == Verdict.SELF_MATCH, "UNKNOWN"
    rig.report(number, "4", "4", t14=rig.quantity(2))
    assert rig.verdict(sell) == Verdict.ACCEPTED, "canceled"


def test_self_match_with_both_prices_of_a_replace(rig: "OrderRig") -> None:
    number = rig.place(Side.SELL, PRICE + 100, 5)
    rig.report(number, "0", "0")
    buy = rig.new(Side.BUY, PRICE + 60, 1)
    assert rig.verdict(buy) == Verdict.ACCEPTED
    rig.request(rig.replace(number, PRICE + 61, 5))
    assert rig.verdict(rig.new(Side.BUY, PRICE + 61, 1)) == Verdict.SELF_MATCH, "the new price"
    assert rig.verdict(rig.new(Side.BUY, PRICE + 60, 1)) == Verdict.ACCEPTED
    other = rig.place(Side.SELL, PRICE + 62, 5)
    rig.report(other, "0", "0")
    rig.request(rig.replace(other, PRICE + 300, 5))
    rig.report(number, "4", "4")
    assert rig.verdict(rig.new(Side.BUY, PRICE + 62, 1)) == Verdict.SELF_MATCH, "the old price"


def test_a_replace_may_not_meet_our_own(rig: "OrderRig") -> None:
    rig.place(Side.SELL, PRICE + 10, 5)
    number = rig.place(Side.BUY, PRICE, 5)
    rig.report(number, "0", "0")
    assert rig.verdict(rig.replace(number, PRICE + 10, 5)) == Verdict.SELF_MATCH
    assert rig.verdict(rig.replace(number, PRICE + 9, 5)) == Verdict.ACCEPTED


def test_self_match_can_be_left_to_the_venue(make_order_rig: MakeRig) -> None:
    rig = make_order_rig()
    rig.place(Side.BUY, PRICE, 5)
    assert rig.verdict(rig.new(Side.SELL, PRICE, 5)) == Verdict.ACCEPTED


def test_both_sides_in_one_call(rig: "OrderRig") -> None:
    intents = rig.new(Side.BUY, PRICE, 5), rig.new(Side.SELL, PRICE, 5)
    assert rig.verdicts(*intents) == [Verdict.ACCEPTED, Verdict.SELF_MATCH]


# How many, and for how much.


def test_open_orders_of_the_strategy(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(strategies=(0, 0), strategy_limits=({"max_open_orders": 2}, {}))
    first = rig.place(Side.BUY, PRICE, 1)
    rig.place(Side.BUY, PRICE, 1)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.OPEN_ORDERS
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1), strategy=1) == Verdict.ACCEPTED
    rig.report(first, "0", "0")
    assert rig.verdict(rig.replace(first, PRICE, 2)) == Verdict.ACCEPTED, "none is added"
    rig.report(first, "4", "4")
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.ACCEPTED


def test_open_orders_of_the_instrument(rig: "OrderRig") -> None:
    rig.gate.set_instrument_limits(0, *WIDE, max_open_orders=2)
    rig.place(Side.BUY, PRICE, 1)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1), strategy=1) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1), strategy=1) == Verdict.OPEN_ORDERS
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.OPEN_ORDERS
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1), strategy=2) == Verdict.ACCEPTED


def test_open_orders_of_the_engine(rig: "OrderRig") -> None:
    rig.gate.set_engine_limits(1024, 0, 10**15, 0, max_open_orders=3)
    for strategy in range(3):
        assert rig.verdict(rig.new(Side.BUY, PRICE, 1), strategy) == Verdict.ACCEPTED
    for strategy in range(3):
        assert rig.verdict(rig.new(Side.BUY, PRICE, 1), strategy) == Verdict.OPEN_ORDERS


def test_open_notional_of_the_instrument(rig: "OrderRig") -> None:
    rig.gate.set_instrument_limits(0, *WIDE, max_open_notional=10 * PRICE)
    number = rig.place(Side.BUY, PRICE, 6)
    rig.report(number, "0", "0")
    assert rig.verdict(rig.new(Side.SELL, PRICE + 20, 4), strategy=1) == Verdict.OPEN_NOTIONAL
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.OPEN_NOTIONAL
    assert rig.verdict(rig.replace(number, PRICE, 11)) == Verdict.OPEN_NOTIONAL
    assert rig.verdict(rig.new(Side.BUY, PRICE, 4), strategy=1) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1), strategy=2) == Verdict.ACCEPTED
    rig.fill(number, PRICE, 2)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 2)) == Verdict.ACCEPTED, "a fill frees its part"
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.OPEN_NOTIONAL


def test_open_notional_of_a_replace_is_the_larger(rig: "OrderRig") -> None:
    rig.gate.set_instrument_limits(0, *WIDE, max_open_notional=10 * PRICE)
    number = rig.place(Side.BUY, PRICE, 8)
    rig.report(number, "0", "0")
    rig.request(rig.replace(number, PRICE, 2))
    assert rig.verdict(rig.new(Side.BUY, PRICE, 3), strategy=1) == Verdict.OPEN_NOTIONAL
    assert rig.verdict(rig.new(Side.BUY, PRICE, 2), strategy=1) == Verdict.ACCEPTED


def test_open_notional_of_the_currency(rig: "OrderRig") -> None:
    """One step of ETH-USD is worth 125,000 of BTC-USD: a tick of 25 by a lot of 50,000."""
    rig.gate.set_instrument_limits(1, *WIDE, step_value=125_000)
    rig.gate.set_currency_limits(0, max_open_value=125_000 * PRICE + 4 * PRICE)
    rig.place(Side.BUY, PRICE, 1, strategy=2)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.OPEN_NOTIONAL
    assert rig.verdict(rig.new(Side.BUY, PRICE, 4)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1), strategy=2) == Verdict.OPEN_NOTIONAL


def test_another_currency_adds_nothing(rig: "OrderRig") -> None:
    rig.gate.set_instrument_limits(1, *WIDE, currency=1)
    rig.gate.set_currency_limits(0, max_open_value=4 * PRICE)
    rig.place(Side.BUY, PRICE, 1000, strategy=2)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 5)) == Verdict.OPEN_NOTIONAL
    assert rig.verdict(rig.new(Side.BUY, PRICE, 4)) == Verdict.ACCEPTED


def test_open_notional_that_cannot_be_counted(make_order_rig: MakeRig) -> None:
    largest = 2**63 - 1
    rig = make_order_rig(
        instruments=[("BTC-USD", "1", "1")], instrument_limits=(largest, largest, 10**9, largest)
    )
    rig.set_book(1, 2)
    rig.gate.set_instrument_limits(
        0, largest, largest, 10**9, largest, max_open_notional=largest - 1
    )
    assert rig.verdict(rig.new(Side.BUY, 1, largest - 2)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.SELL, 3, 2**61)) == Verdict.OPEN_NOTIONAL
    assert rig.verdict(rig.new(Side.BUY, 1, 1)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.SELL, 3, 1)) == Verdict.OPEN_NOTIONAL


@pytest.mark.parametrize(
    ("verdict", "limits"),
    [
        (Verdict.SELF_MATCH, {}),
        (Verdict.OPEN_ORDERS, {"max_open_orders": 1}),
        (Verdict.OPEN_NOTIONAL, {"max_open_notional": PRICE * 5}),
        (Verdict.BELOW_MINIMUM, {"min_order_lots": 2}),
    ],
)
def test_a_cancel_is_never_held_back(
    rig: "OrderRig", verdict: Verdict, limits: dict[str, int]
) -> None:
    """And the reason of what is refused stands in the journal."""
    number = rig.place(Side.BUY, PRICE, 5)
    rig.gate.set_instrument_limits(0, *WIDE, **limits)
    rig.records()
    away = 0 if verdict == Verdict.SELF_MATCH else 20
    rig.submit(rig.new(Side.SELL, PRICE + away, 1))
    (decision,) = rig.records(RecordKind.RECORD_DECISION)
    assert decision["code"] == verdict
    assert rig.position()["last_reject"] == verdict
    assert rig.verdict(rig.cancel(number)) == Verdict.ACCEPTED


def test_what_a_restart_has_taken_over_counts(make_order_rig: MakeRig) -> None:
    """Totals are made anew from the orders."""
    before = make_order_rig(strategies=(0, 0))
    number = before.place(Side.BUY, PRICE, 6)
    before.report(number, "0", "0")
    before.request(before.replace(number, PRICE + 3, 4))
    rig = make_order_rig(strategies=(0, 0))
    history = OrderHistory(rig.order_table)
    history.load(OrderHistory(before.order_table).save())
    history.show_positions(2)
    rig.gate.set_engine_limits(1024, 0, 10**15, 0, prevents_self_match=True)
    rig.gate.set_instrument_limits(0, *WIDE, max_open_notional=7 * PRICE, max_open_orders=2)
    assert rig.verdict(rig.new(Side.SELL, PRICE + 3, 1)) == Verdict.SELF_MATCH
    assert rig.verdict(rig.new(Side.BUY, PRICE, 2), strategy=1) == Verdict.OPEN_NOTIONAL
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1), strategy=1) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, 1, 1), strategy=1) == Verdict.OPEN_ORDERS
    history.show_positions(2)
    assert rig.verdict(rig.new(Side.BUY, 1, 1), strategy=1) == Verdict.OPEN_ORDERS
