"""Each key of the config reaches the compiled gate: an order that just passes is refused by the
gate of a config in which that key alone is tighter."""

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from engine.gate_setup import set_limits
from engine.risk_limits import WITHOUT_LIMITS
from engine.settings.config import EngineConfig
from engine.settings.config_trading import CurrencySection
from ext.risk import RiskGate

LoadDemo = Callable[..., EngineConfig]


class RecordingGate:
    """Keeps what the gate is told."""

    def __init__(self) -> None:
        self.told: dict[str, dict[object, object]] = {}

    def set_engine_limits(self, *values: int, **named: int) -> None:
        self.told["engine"] = join(values, named)

    def set_instrument_limits(self, instrument: int, *values: int, **named: int) -> None:
        self.told[f"instrument {instrument}"] = join(values, named)

    def set_trading_hours(self, instrument: int, windows: list[tuple[int, int]]) -> None:
        self.told[f"hours {instrument}"] = {"windows": windows}

    def set_currency_limits(self, currency: int, **named: int) -> None:
        self.told[f"currency {currency}"] = join((), named)


def join(values: tuple[int, ...], named: dict[str, int]) -> dict[object, object]:
    """Arguments by place or by name."""
    return {**dict(enumerate(values)), **named}  # type: ignore[dict-item]


def told(config: EngineConfig) -> dict[str, dict[object, object]]:
    gate = RecordingGate()
    set_limits(gate, config)  # type: ignore[arg-type]
    return gate.told


@pytest.mark.parametrize(
    ("override", "place", "name", "value"),
    [
        ("risk.max_orders_per_second=99", "engine", 0, 99),
        ("risk.cancel_reserve=3", "engine", 1, 3),
        ("risk.stale_after_ms=77", "engine", 2, 77_000_000),
        ("risk.duplicate_window_ms=5", "engine", 3, 5_000_000),
        ("risk.max_feed_delay_ms=6", "engine", 4, 6_000_000),
        ("risk.max_orders_per_ten_seconds=88", "engine", "max_messages_per_ten_seconds", 88),
        ("risk.max_open_orders=4", "engine", "max_open_orders", 4),
        ("risk.max_trade_age_ms=9", "engine", "max_trade_age_ns", 9_000_000),
        ("risk.prevent_self_match=false", "engine", "prevents_self_match", False),
        ("instrument.1.limits.max_order_quantity=0.5", "instrument 1", 0, 50_000_000),
        ("instrument.1.limits.max_order_notional=3", "instrument 1", 1, 3 * 10**10),
        ("instrument.1.limits.price_collar_percent=0.5", "instrument 1", 2, 5_000),
        ("instrument.1.limits.max_position=3", "instrument 1", 3, 300_000_000),
        ("instrument.1.limits.min_order_quantity=0.1", "instrument 1", "min_order_lots", 10**7),
        (
            "instrument.1.limits.min_order_notional=2",
            "instrument 1",
            "min_order_notional",
            2 * 10**10,
        ),
        (
            "instrument.1.limits.last_trade_collar_percent=2",
            "instrument 1",
            "last_trade_collar_ppm",
            20_000,
        ),
        ("instrument.1.limits.max_open_orders=3", "instrument 1", "max_open_orders", 3),
        (
            "instrument.1.limits.max_open_notional=3",
            "instrument 1",
            "max_open_notional",
            3 * 10**10,
        ),
        ("risk.trading_hours=['mon 00:00-00:01']", "hours 1", "windows", [(0, 60)]),
        ("instrument.1.trading_hours=['mon 00:00-00:02']", "hours 1", "windows", [(0, 120)]),
    ],
)
def test_a_key_reaches_the_gate(
    load_demo: LoadDemo, override: str, place: str, name: object, value: object
) -> None:
    assert told(load_demo(override))[place][name] == value
    assert told(load_demo())[place][name] != value


def test_the_reserve_of_ten_seconds(load_demo: LoadDemo) -> None:
    config = load_demo(
        "risk.max_orders_per_ten_seconds=88", "risk.cancel_reserve_per_ten_seconds=7"
    )
    assert told(config)["engine"]["long_cancel_reserve"] == 7


def test_the_limits_of_a_currency(load_demo: LoadDemo) -> None:
    """One tick on one lot is 1e-10 of it."""
    section = CurrencySection(
        name="USD",
        max_open_notional=Decimal(9),
        max_gross_exposure=Decimal(8),
        max_net_exposure=Decimal(7),
    )
    config = msgspec.structs.replace(load_demo(), currencies=(section,))
    limits = {"max_open_value": 9, "max_gross_value": 8, "max_net_value": 7}
    assert told(config)["currency 0"] == {name: each * 10**10 for name, each in limits.items()}
    assert told(config)["instrument 1"]["currency"] == 0
    without = msgspec.structs.replace(load_demo(), currencies=())
    assert told(without)["instrument 1"]["currency"] == WITHOUT_LIMITS


def test_a_product_that_is_not_tradable_has_no_limits(load_demo: LoadDemo) -> None:
    config = load_demo()
    first, second = config.instruments
    config = msgspec.structs.replace(
        config, instruments=(first, msgspec.structs.replace(second, tradable=False))
    )
    assert "instrument 1" not in told(config)
    assert "instrument 0" in told(config)


def test_a_real_gate_takes_them(load_demo: LoadDemo) -> None:
    set_limits(RiskGate(), load_demo())
