"""Numbers as people read them."""

import pytest

from bench.report import format_value


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "ns", "0 ns"),
        (7.964, "ns", "7.96 ns"),
        (999, "ns", "999 ns"),
        (1_000, "ns", "1 µs"),
        (15_808.5, "ns", "15.8 µs"),
        (123_456, "ns", "123 µs"),
        (999_400, "ns", "999 µs"),
        (5_960_000, "ns", "5.96 ms"),
        (2_500_000_000, "ns", "2.5 s"),
        (0, "blocks", "0 blocks"),
    ],
)
def test_values_have_three_digits_and_a_unit(value: float, unit: str, text: str) -> None:
    assert format_value(value, unit) == text
