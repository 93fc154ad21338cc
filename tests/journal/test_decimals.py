from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ext.errors import UsageError
from journal.decimals import DecimalStep, format_duration_ns, format_uptime


@given(
    st.sampled_from(["0.01", "0.05", "0.25", "5", "1", "0.00000001", "1E-8", "100", "2.50"]),
    st.integers(-(2**62), 2**62),
)
def test_text_is_exact(step: str, count: int) -> None:
    text = DecimalStep(step).format(count)
    assert Decimal(text) == Decimal(step) * count
    assert "E" not in text


@pytest.mark.parametrize(
    ("step", "count", "text"),
    [
        ("0.01", 6_512_345, "65123.45"),
        ("0.01", -5, "-0.05"),
        ("0.00000001", 1, "0.00000001"),
        ("0.05", 3, "0.15"),
        ("5", -3, "-15"),
        ("1E-8", 250_000, "0.00250000"),
    ],
)
def test_text_has_the_decimals_of_the_step(step: str, count: int, text: str) -> None:
    assert DecimalStep(step).format(count) == text


def test_an_average_is_two_decimals_finer() -> None:
    assert DecimalStep("0.01").format_average(6_512_345.25) == "65123.4525"


@pytest.mark.parametrize("text", ["", "0", "-0.01", "abc", "NaN", "Infinity"])
def test_what_is_no_step_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"not a positive decimal"):
        DecimalStep(text)


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.00 µs"),
        (9_994, "9.99 µs"),
        (9_996, "10.0 µs"),
        (99_960, "100 µs"),
        (12_345_678, "12.3 ms"),
        (1_073_741_823, "1.07 s"),
        (5_000_000_000_000, "5000 s"),
    ],
)
def test_durations(duration_ns: int, text: str) -> None:
    assert format_duration_ns(duration_ns) == text


def test_uptime() -> None:
    assert format_uptime(3_723 * 10**9 + 5) == "1:02:03"
    assert format_uptime(-5) == "0:00:00"
