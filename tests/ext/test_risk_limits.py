"""What cannot be a limit is refused when it is set."""

import pytest

from ext.bounds import Bound
from ext.errors import UsageError
from ext.risk import RiskGate
from ext.risk_limits import NO_LIMIT

WEEK_S = 604_800


@pytest.mark.parametrize(
    "limits",
    [
        {"max_messages_per_ten_seconds": 0},
        {"max_messages_per_ten_seconds": Bound.MAX_LONG_RATE_WINDOW + 1},
        {"max_messages_per_ten_seconds": 5, "long_cancel_reserve": 5},
        {"long_cancel_reserve": -1},
        {"max_open_orders": 0},
        {"max_trade_age_ns": 0},
    ],
)
def test_engine_limits_that_cannot_be(limits: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=r" (were|was) "):
        RiskGate().set_engine_limits(10, 0, 1, 0, **limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "limits",
    [
        {"min_order_lots": -1},
        {"min_order_notional": -1},
        {"last_trade_collar_ppm": -1},
        {"max_open_orders": 0},
        {"max_open_notional": 0},
        {"step_value": 0},
        {"currency": -1},
        {"currency": Bound.MAX_CURRENCIES},
    ],
)
def test_instrument_limits_that_cannot_be(limits: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=r" (were|was) "):
        RiskGate().set_instrument_limits(0, 5, 5, 5, 5, **limits)


@pytest.mark.parametrize(
    "name", ["max_position_lots", "max_open_orders", "max_gross_value", "max_messages_per_second"]
)
def test_strategy_limits_that_cannot_be(name: str) -> None:
    for value in (0, -1):
        with pytest.raises(UsageError, match=r" (were|was) "):
            RiskGate().add_strategy(0, **{name: value})
    with pytest.raises(UsageError, match="instrument was 64; use 0 to 63"):
        RiskGate().add_strategy(64)


@pytest.mark.parametrize("name", ["max_open_value", "max_gross_value", "max_net_value"])
def test_currency_limits_that_cannot_be(name: str) -> None:
    for value in (0, -1):
        with pytest.raises(UsageError, match="limits of currency 0 were"):
            RiskGate().set_currency_limits(0, **{name: value})
    with pytest.raises(UsageError, match="currency was 8; use 0 to 7"):
        RiskGate().set_currency_limits(8)


@pytest.mark.parametrize(
    "windows",
    [
        [(5, 5)],
        [(6, 5)],
        [(-1, 5)],
        [(0, WEEK_S + 1)],
        [(10, 20), (15, 30)],
        [(10, 20), (0, 5)],
    ],
)
def test_hours_that_cannot_be(windows: list[tuple[int, int]]) -> None:
    with pytest.raises(UsageError, match="ascending seconds of the week"):
        RiskGate().set_trading_hours(0, windows)


def test_max_trading_windows() -> None:
    windows = [(2 * index, 2 * index + 1) for index in range(Bound.MAX_TRADING_WINDOWS + 1)]
    RiskGate().set_trading_hours(0, windows[:-1])
    with pytest.raises(UsageError, match="has 33 windows; use at most 32"):
        RiskGate().set_trading_hours(0, windows)


def test_no_limit_is_the_largest_number() -> None:
    assert NO_LIMIT == 2**63 - 1
