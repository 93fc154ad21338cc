"""Risk gate: worth of positions, of a strategy and of a quote currency. Each limit at its boundary.

The mid is 50,005: a lot of BTC-USD is worth that many of the currency's unit.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ext.wire import Side, Verdict

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
PRICE, MID = 50_000, 50_005
WIDE = (1 << 40, 1 << 60, 1_000_000, 1 << 45)
LARGEST = 2**63 - 1


@pytest.fixture
def rig(make_order_rig: MakeRig) -> "OrderRig":
    """Two strategies in BTC-USD, one in ETH-USD, one in BTC-EUR."""
    rig = make_order_rig(
        instruments=[
            ("BTC-USD", "0.01", "0.0001"),
            ("ETH-USD", "0.01", "0.0002"),
            ("BTC-EUR", "0.01", "0.0001"),
        ],
        strategies=(0, 0, 1, 2),
    )
    rig.gate.set_instrument_limits(1, *WIDE, step_value=2)
    rig.gate.set_instrument_limits(2, *WIDE, currency=1)
    return rig


def hold(rig: "OrderRig", *lots: int) -> None:
    """The position of each strategy."""
    for index, each in enumerate(lots):
        rig.position(index)["position_lots"] = each


@pytest.mark.parametrize("side", list(Side))
def test_gross_exposure_at_its_limit(rig: "OrderRig", side: Side) -> None:
    rig.gate.set_currency_limits(0, max_gross_value=100 * MID)
    hold(rig, 30 * side, -20 * side, 10 * side, 10_000)
    assert rig.verdict(rig.new(side, PRICE, 31)) == Verdict.EXPOSURE, "30 + 20 + 2 * 10 + 31"
    assert rig.verdict(rig.new(side, PRICE, 16), strategy=2) == Verdict.EXPOSURE
    assert rig.verdict(rig.new(side, PRICE, 15), strategy=2) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(side, PRICE, 1)) == Verdict.EXPOSURE, "open orders count"
    assert rig.verdict(rig.new(side, PRICE, 10_000), strategy=3) == Verdict.ACCEPTED


@pytest.mark.parametrize("side", list(Side))
def test_gross_exposure_lets_positions_be_reduced(rig: "OrderRig", side: Side) -> None:
    """Fills, or the market, have brought it beyond the limit."""
    rig.gate.set_currency_limits(0, max_gross_value=10 * MID)
    hold(rig, 30 * side)
    other = Side(-side)
    assert rig.verdict(rig.new(side, PRICE, 1)) == Verdict.EXPOSURE
    assert rig.verdict(rig.new(other, PRICE, 31)) == Verdict.EXPOSURE, "beyond flat"
    assert rig.verdict(rig.new(other, PRICE, 20)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(other, PRICE, 11)) == Verdict.EXPOSURE, "with what is open already"
    assert rig.verdict(rig.new(other, PRICE, 10)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(side, PRICE, 1), strategy=1) == Verdict.EXPOSURE


@pytest.mark.parametrize("side", list(Side))
def test_net_exposure_at_its_limit(rig: "OrderRig", side: Side) -> None:
    rig.gate.set_currency_limits(0, max_net_value=100 * MID)
    hold(rig, 60 * side, -20 * side, 25 * side)  # 60 - 20 + 2 * 25 are 90
    assert rig.verdict(rig.new(side, PRICE, 11)) == Verdict.EXPOSURE
    assert rig.verdict(rig.new(side, PRICE, 6), strategy=2) == Verdict.EXPOSURE
    assert rig.verdict(rig.new(side, PRICE, 10), strategy=1) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(side, PRICE, 1), strategy=1) == Verdict.EXPOSURE
    other = Side(-side)
    assert rig.verdict(rig.new(other, PRICE, 191)) == Verdict.EXPOSURE, "not with the open order"
    assert rig.verdict(rig.new(other, PRICE, 190)) == Verdict.ACCEPTED


def test_net_exposure_that_is_exceeded_goes_down_only(rig: "OrderRig") -> None:
    rig.gate.set_currency_limits(0, max_net_value=10 * MID)
    hold(rig, 60, -20)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1), strategy=1) == Verdict.EXPOSURE
    assert rig.verdict(rig.new(Side.SELL, PRICE, 50)) == Verdict.ACCEPTED


@pytest.mark.parametrize("side", list(Side))
def test_exposure_of_the_strategy(make_order_rig: MakeRig, side: Side) -> None:
    rig = make_order_rig(strategies=(0, 0), strategy_limits=({"max_gross_value": 40 * MID}, {}))
    hold(rig, 30 * side)
    assert rig.verdict(rig.new(side, PRICE, 11)) == Verdict.EXPOSURE
    assert rig.verdict(rig.new(side, PRICE, 11), strategy=1) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(side, PRICE, 10)) == Verdict.ACCEPTED
    hold(rig, 300 * side)
    assert rig.verdict(rig.new(Side(-side), PRICE, 300)) == Verdict.ACCEPTED, "it reduces"
    assert rig.verdict(rig.new(Side(-side), PRICE, 1)) == Verdict.EXPOSURE


@pytest.mark.parametrize("side", list(Side))
def test_position_of_the_strategy(make_order_rig: MakeRig, side: Side) -> None:
    rig = make_order_rig(strategies=(0, 0), strategy_limits=({"max_position_lots": 40}, {}))
    hold(rig, 30 * side, 1000 * side)
    assert rig.verdict(rig.new(side, PRICE, 11)) == Verdict.POSITION_LIMIT
    number = rig.place(side, PRICE, 10)
    assert rig.verdict(rig.new(side, PRICE, 1)) == Verdict.POSITION_LIMIT
    assert rig.verdict(rig.new(side, PRICE, 11), strategy=1) == Verdict.ACCEPTED
    rig.report(number, "0", "0")
    assert rig.verdict(rig.replace(number, PRICE, 11)) == Verdict.POSITION_LIMIT
    assert rig.verdict(rig.replace(number, PRICE, 10)) == Verdict.ACCEPTED
    hold(rig, 300 * side)
    assert rig.verdict(rig.new(Side(-side), PRICE, 340)) == Verdict.ACCEPTED, "short of its limit"
    assert rig.verdict(rig.new(Side(-side), PRICE, 1)) == Verdict.POSITION_LIMIT


def test_a_replace_counts_at_its_larger(rig: "OrderRig") -> None:
    rig.gate.set_currency_limits(0, max_gross_value=100 * MID)
    number = rig.place(Side.BUY, PRICE, 60)
    rig.report(number, "0", "0")
    assert rig.verdict(rig.replace(number, PRICE, 101)) == Verdict.EXPOSURE
    assert rig.verdict(rig.replace(number, PRICE, 20)) == Verdict.ACCEPTED
    assert rig.verdict(rig.new(Side.BUY, PRICE, 41), strategy=1) == Verdict.EXPOSURE
    assert rig.verdict(rig.new(Side.BUY, PRICE, 40), strategy=1) == Verdict.ACCEPTED


def test_half_a_tick_of_the_mid_counts_whole(rig: "OrderRig") -> None:
    rig.gate.set_currency_limits(0, max_gross_value=10 * MID)
    rig.set_book(50_000, 50_009)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 10)) == Verdict.ACCEPTED, "at 50,004.5"
    rig.set_book(50_000, 50_011)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.EXPOSURE, "at 50,005.5"


def test_a_position_without_a_price_fails_closed(rig: "OrderRig") -> None:
    rig.gate.set_currency_limits(0, max_net_value=1 << 60)
    hold(rig, 5, 0, 7)
    empty = '{"type":"snapshot","product_id":"ETH-USD","bids":[["500.00","1"]],"asks":[]}'
    assert rig.frame(empty) == 0
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.EXPOSURE
    assert rig.verdict(rig.new(Side.SELL, PRICE, 6)) == Verdict.EXPOSURE
    assert rig.verdict(rig.new(Side.SELL, PRICE, 5)) == Verdict.ACCEPTED, "it reduces"
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1), strategy=3) == Verdict.ACCEPTED
    hold(rig, 5, 0, 0)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.ACCEPTED


def test_open_notional_alone_needs_no_price(rig: "OrderRig") -> None:
    rig.gate.set_currency_limits(0, max_open_value=1 << 60)
    hold(rig, 5, 0, 7)
    empty = '{"type":"snapshot","product_id":"ETH-USD","bids":[["500.00","1"]],"asks":[]}'
    assert rig.frame(empty) == 0
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.ACCEPTED


@pytest.mark.parametrize("held", [LARGEST, -LARGEST - 1, LARGEST // 2])
def test_worth_that_cannot_be_counted(rig: "OrderRig", held: int) -> None:
    rig.gate.set_currency_limits(0, max_gross_value=LARGEST - 1)
    hold(rig, 0, 0, held)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 1)) == Verdict.EXPOSURE
    rig.gate.set_currency_limits(0, max_net_value=LARGEST - 1)
    side = Side.BUY if held > 0 else Side.SELL
    assert rig.verdict(rig.new(side, PRICE, 1)) == Verdict.EXPOSURE
    assert rig.verdict(rig.new(Side(-side), PRICE, 1)) == Verdict.ACCEPTED


def test_exposure_is_valued_anew_with_each_book(rig: "OrderRig") -> None:
    rig.gate.set_currency_limits(0, max_gross_value=100 * MID)
    hold(rig, 90)
    assert rig.verdict(rig.new(Side.BUY, PRICE, 11)) == Verdict.EXPOSURE
    rig.set_book(40_000, 40_010)
    assert rig.verdict(rig.new(Side.BUY, 40_000, 34)) == Verdict.ACCEPTED
    rig.set_book(60_000, 60_010)
    assert rig.verdict(rig.new(Side.BUY, 60_000, 1)) == Verdict.EXPOSURE
    assert rig.verdict(rig.new(Side.SELL, 60_000, 90)) == Verdict.ACCEPTED
