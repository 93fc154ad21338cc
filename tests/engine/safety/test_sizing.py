"""Sizes of orders, exactly, in plain Python and compiled."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from numba import njit

from engine.safety import sizing

TICK_VALUE = 0.01 * 0.0001  # a cent on a ten-thousandth
HUGE = 1 << 60
CASES: list[tuple[Callable[..., Any], tuple[Any, ...], float]] = [
    (sizing.fixed_lots, (500, 1000), 500),
    (sizing.fixed_lots, (5000, 1000), 1000),
    (sizing.fixed_lots, (-1, 1000), 0),
    # 2 % of 10,000 is 200; a lot at 50,000.00 is worth 5.
    (sizing.equity_lots, (10_000.0, 2.0, 5_000_000.0, TICK_VALUE, HUGE), 40),
    (sizing.equity_lots, (10_024.0, 2.0, 5_000_000.0, TICK_VALUE, HUGE), 40),
    (sizing.equity_lots, (10_250.0, 2.0, 5_000_000.0, TICK_VALUE, HUGE), 41),
    # 1 % of 10,000 is 100; a stop 100.00 away costs 0.01 a lot.
    (sizing.risk_lots, (10_000.0, 1.0, 10_000.0, TICK_VALUE, HUGE), 10_000),
    (sizing.risk_lots, (10_000.0, 1.0, 10_000.0, TICK_VALUE, 777), 777),
    (sizing.volatility_lots, (10_000.0, 1.0, 5_000.0, 2.0, TICK_VALUE, HUGE), 10_000),
    (sizing.kelly_share, (0.6, 1.0, 1.0, 1.0), 0.2),
    (sizing.kelly_share, (0.6, 1.0, 0.5, 1.0), 0.1),
    (sizing.kelly_share, (0.9, 2.0, 1.0, 0.25), 0.25),
    (sizing.kelly_share, (0.4, 1.0, 1.0, 1.0), 0.0),
    (sizing.kelly_share, (1.5, 1.0, 1.0, 1.0), 0.0),
    (sizing.kelly_share, (math.nan, 1.0, 1.0, 1.0), 0.0),
    (sizing.kelly_share, (0.6, 0.0, 1.0, 1.0), 0.0),
    (sizing.kelly_lots, (10_000.0, 0.6, 1.0, 0.5, 0.05, 5_000_000.0, TICK_VALUE, HUGE), 100),
    (sizing.kelly_lots, (10_000.0, 0.4, 1.0, 0.5, 0.05, 5_000_000.0, TICK_VALUE, HUGE), 0),
    (sizing.whole_lots, (0.3, 0.1, HUGE), 3),
    (sizing.whole_lots, (0.299, 0.1, HUGE), 2),
    (sizing.whole_lots, (1e300, 1e-300, 12), 12),  # more than any limit is the limit
]


@pytest.mark.parametrize(("function", "arguments", "expected"), CASES)
def test_sizes(function: Callable[..., Any], arguments: tuple[Any, ...], expected: float) -> None:
    assert function(*arguments) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 0.0, -1.0])
@pytest.mark.parametrize("place", range(4))
def test_what_cannot_be_reckoned_with_is_no_order(bad: float, place: int) -> None:
    arguments: list[Any] = [10_000.0, 1.0, 5_000.0, TICK_VALUE]
    arguments[place] = bad
    equity, percent, ticks, value = arguments
    assert sizing.equity_lots(equity, percent, ticks, value, 1000) == 0
    assert sizing.risk_lots(equity, percent, ticks, value, 1000) == 0
    assert sizing.volatility_lots(equity, percent, ticks, 1.0, value, 1000) == 0


@pytest.mark.slow
def test_compiled_they_say_the_same() -> None:
    @njit
    def call() -> Any:
        return (
            sizing.equity_lots(10_250.0, 2.0, 5_000_000.0, 1e-6, 1000),
            sizing.risk_lots(10_000.0, 1.0, 10_000.0, 1e-6, 777),
            sizing.volatility_lots(10_000.0, 1.0, 5_000.0, 2.0, 1e-6, 20_000),
            sizing.kelly_lots(10_000.0, 0.6, 1.0, 0.5, 0.05, 5_000_000.0, 1e-6, 1000),
            sizing.fixed_lots(5, 3),
        )

    assert call() == (41, 777, 10_000, 100, 3)
