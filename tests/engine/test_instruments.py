"""Exact conversion between decimals and whole steps."""

import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.instruments import (
    INT64_MAXIMUM,
    Instrument,
    collar_to_parts_per_million,
    convert_limits,
)
from ext.errors import InstrumentError

BTC = Instrument("BTC-USD", Decimal("0.01"), Decimal("0.00000001"))
STEPS = ["0.01", "0.05", "0.25", "1", "5", "10", "1E+3", "0.00000001", "0.000000000001", "0.0500"]


@pytest.mark.parametrize(
    ("tick", "price", "ticks", "shown"),
    [
        ("0.01", "65000.10", 6500010, "65000.10"),
        ("0.01", "65000.1", 6500010, "65000.10"),
        ("0.05", "100.15", 2003, "100.15"),
        ("0.25", "-0.75", -3, "-0.75"),
        ("5", "65005", 13001, "65005"),
        ("1E+3", "65000", 65, "65000"),
        ("0.0500", "1.05", 21, "1.05"),
        ("1E-8", "0.00001302", 1302, "0.00001302"),
        ("0.01", "0.00000", 0, "0.00"),
    ],
)
def test_prices(tick: str, price: str, ticks: int, shown: str) -> None:
    instrument = Instrument("X", Decimal(tick), Decimal(1))
    assert instrument.price_to_ticks(price) == ticks
    assert instrument.ticks_to_price(ticks) == Decimal(price)
    assert instrument.format_price(ticks) == shown


def test_quantities() -> None:
    assert BTC.quantity_to_lots("0.01") == 1_000_000
    assert BTC.quantity_to_lots(3) == 300_000_000
    assert BTC.lots_to_quantity(1) == Decimal("1E-8")
    assert BTC.format_quantity(1_000_000) == "0.01000000"


@given(st.sampled_from(STEPS), st.integers(-INT64_MAXIMUM, INT64_MAXIMUM))
def test_every_count_comes_back_through_its_text(step: str, count: int) -> None:
    instrument = Instrument("X", Decimal(step), Decimal(step))
    assert instrument.price_to_ticks(instrument.format_price(count)) == count
    assert instrument.quantity_to_lots(instrument.format_quantity(count)) == count


def test_the_decimal_context_of_the_caller_does_not_matter() -> None:
    with decimal.localcontext(prec=3):
        instrument = Instrument("X", Decimal("0.01234"), Decimal(1))
        assert instrument.price_to_ticks("12340000.01234") == 1_000_000_001
        assert instrument.format_price(1_000_000_001) == "12340000.01234"
        assert instrument.price_decimals == 5
        assert instrument.notional_to_steps(Decimal("1234000.0123")) == 100_000_000


@pytest.mark.parametrize(
    ("price", "message"),
    [
        ("0.015", "BTC-USD price 0.015 is not a whole number of ticks of 0.01"),
        (Decimal("-0.001"), "BTC-USD price -0.001 is not a whole number of ticks of 0.01"),
        ("1E-999999", "BTC-USD price 1E-999999 is not a whole number of ticks of 0.01"),
        ("ten", "BTC-USD price ten is not a decimal number"),
        ("", "BTC-USD price  is not a decimal number"),
        ("NaN", "BTC-USD price NaN is not a finite number"),
        ("Infinity", "BTC-USD price Infinity is not a finite number"),
        ("92233720368547758.08", f"is beyond {INT64_MAXIMUM} ticks"),
        ("1E+999999", f"BTC-USD price 1E+999999 is beyond {INT64_MAXIMUM} ticks"),
        ("-1E+20", f"BTC-USD price -1E+20 is beyond {INT64_MAXIMUM} ticks"),
    ],
)
def test_what_is_refused(price: str | Decimal, message: str) -> None:
    with pytest.raises(InstrumentError) as caught:
        BTC.price_to_ticks(price)
    assert message in str(caught.value)


def test_int64_is_the_bound() -> None:
    assert BTC.price_to_ticks("92233720368547758.07") == INT64_MAXIMUM
    assert BTC.price_to_ticks("-92233720368547758.07") == -INT64_MAXIMUM


@pytest.mark.parametrize("step", ["0", "-0.01", "NaN", "Infinity"])
def test_steps_are_above_zero(step: str) -> None:
    with pytest.raises(InstrumentError, match=f"X tick was {step}; use a decimal above 0"):
        Instrument("X", Decimal(step), Decimal(1))
    with pytest.raises(InstrumentError, match=f"X lot was {step}; use a decimal above 0"):
        Instrument("X", Decimal(1), Decimal(step))


def test_limits_in_whole_steps() -> None:
    limits = convert_limits(BTC, Decimal("0.05"), Decimal(5000), Decimal("0.25"), Decimal("0.2"))
    assert limits.max_order_lots == 5_000_000
    assert limits.max_order_notional_steps == 5000 * 10**10
    assert limits.price_collar_parts_per_million == 2500
    assert limits.max_position_lots == 20_000_000


def test_a_notional_between_two_steps_is_the_lower_one() -> None:
    instrument = Instrument("X", Decimal("0.5"), Decimal("0.2"))
    assert instrument.notional_to_steps(Decimal("0.39")) == 3


def test_notional_bound() -> None:
    assert BTC.largest_notional == Decimal("922337203.6854775807")
    assert BTC.notional_to_steps(BTC.largest_notional) == INT64_MAXIMUM
    with pytest.raises(InstrumentError, match=r"too large.*at most 922337203\.6854775807"):
        BTC.notional_to_steps(Decimal("922337203.6854775808"))


def test_collar_finer_than_a_millionth() -> None:
    assert collar_to_parts_per_million(Decimal("0.0001")) == 1
    with pytest.raises(InstrumentError, match=r"0\.00001 percent is finer than a millionth"):
        collar_to_parts_per_million(Decimal("0.00001"))
