"""Exact text to steps and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.products import Product, StepSize, decimal_from_text

BTC = Product.from_text("BTC-USD", "0.01", "0.00000001")


@pytest.mark.parametrize(
    ("step", "text", "count"),
    [
        ("0.01", "65000.01", 6500001),
        ("0.01", "65000", 6500000),
        ("0.05", "1.15", 23),
        ("0.00000001", "0.00000001", 1),
        ("25", "75", 3),
        ("0.5", "1.50", 3),
    ],
)
def test_counts_whole_steps(step: str, text: str, count: int) -> None:
    assert StepSize.from_text(step).count(text) == count


def test_off_step_is_refused_never_rounded() -> None:
    with pytest.raises(ValueError, match=r"65000\.001 is not a multiple of 0\.01"):
        BTC.price.count("65000.001")


@pytest.mark.parametrize(
    "text", ["", ".", "1e3", "+1", "-1", "1,0", "1.2.3", " 1", "nan", "9" * 41]
)
def test_text_that_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a decimal"):
        decimal_from_text(text)


@pytest.mark.parametrize("step", ["0", "0.00"])
def test_step_of_zero_is_refused(step: str) -> None:
    with pytest.raises(ValueError, match="above zero"):
        StepSize.from_text(step)


def test_text_has_all_decimals_and_trimmed_none_too_many() -> None:
    assert BTC.quantity.text(1_000_000) == "0.01000000"
    assert BTC.quantity.text(0) == "0.00000000"
    assert BTC.quantity.trimmed(1_000_000) == "0.01"
    assert BTC.quantity.trimmed(100_000_000) == "1"
    assert StepSize.from_text("10").trimmed(10) == "100"


@given(
    count=st.integers(0, 10**15), step=st.sampled_from(["0.01", "0.05", "0.00000001", "1", "25"])
)
def test_text_reads_back(count: int, step: str) -> None:
    size = StepSize.from_text(step)
    assert size.count(size.text(count)) == count
    assert size.count(size.trimmed(count)) == count


def test_notional_is_exact() -> None:
    assert str(BTC.notional(6_500_001, 1).normalize()) == "0.0006500001"
    assert BTC.quote_currency == "USD"
