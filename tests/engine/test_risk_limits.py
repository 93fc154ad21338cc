"""Limits in whole numbers: the unit of a currency, and what it makes of amounts."""

from decimal import Decimal

import pytest

from engine.instruments import INT64_MAXIMUM, NO_LIMIT, Instrument, convert_limits
from engine.risk_limits import CurrencyUnit
from ext import risk_limits
from ext.errors import InstrumentError

BITCOIN = Instrument("BTC-USD", Decimal("0.01"), Decimal("0.00000001"))
SHIBA = Instrument("SHIB-USD", Decimal("0.00000001"), Decimal("1"))
EUROS = Instrument("BTC-EUR", Decimal("0.5"), Decimal("0.001"))


def test_a_step_of_each_instrument_is_a_whole_number() -> None:
    unit = CurrencyUnit("USD", [BITCOIN, SHIBA, EUROS])
    assert unit.decimals == 10
    assert (unit.step_value(BITCOIN), unit.step_value(SHIBA)) == (1, 100)
    euro = CurrencyUnit("EUR", [BITCOIN, SHIBA, EUROS])
    assert (euro.decimals, euro.step_value(EUROS)) == (4, 5)


def test_amounts_are_rounded_down_to_stay_limits() -> None:
    unit = CurrencyUnit("EUR", [EUROS])
    assert unit.count(Decimal("1.23459")) == 12_345
    assert unit.count(None) == NO_LIMIT


def test_the_largest_amount() -> None:
    unit = CurrencyUnit("USD", [BITCOIN])
    assert unit.count(unit.largest) == INT64_MAXIMUM - 1
    with pytest.raises(InstrumentError, match=r"at most 922337203\.6854775806"):
        unit.count(unit.largest + Decimal("0.0000000001"))
    with pytest.raises(InstrumentError, match="at most"):
        unit.count(Decimal("0.00000000001"))  # would be no limit at all


def test_a_step_that_is_too_large_beside_another() -> None:
    coarse = Instrument("A-USD", Decimal(10), Decimal(10**9))
    fine = Instrument("B-USD", Decimal("0.000000001"), Decimal("0.000000001"))
    assert CurrencyUnit("USD", [coarse]).step_value(coarse) == 10**10
    with pytest.raises(InstrumentError, match="too large to count together"):
        CurrencyUnit("USD", [coarse, fine]).step_value(coarse)


def test_smallest_notionals_are_rounded_up() -> None:
    limits = convert_limits(
        EUROS,
        max_order_quantity=Decimal(1),
        max_order_notional=Decimal("10.0009"),
        price_collar_percent=Decimal(1),
        max_position=Decimal(2),
        min_order_quantity=Decimal("0.002"),
        min_order_notional=Decimal("0.0011"),
        last_trade_collar_percent=Decimal("0.5"),
        max_open_notional=Decimal("20.0009"),
    )
    assert (limits.max_order_notional_steps, limits.max_open_notional_steps) == (20_001, 40_001)
    assert (limits.min_order_lots, limits.min_order_notional_steps) == (2, 3)
    assert limits.last_trade_collar_parts_per_million == 5_000


def test_both_sides_mean_the_same_by_no_limit() -> None:
    assert risk_limits.NO_LIMIT == NO_LIMIT
