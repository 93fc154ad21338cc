"""A canary run: some products, and limits that are never above the part that was asked for."""

import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.canary import AMOUNTS, COUNTS, LOTS, canary_lines, is_canary, scale_limits
from engine.gate_setup import make_gate
from engine.settings.config import EngineConfig, load_config, make_instruments, make_limits
from engine.settings.config_warnings import find_warnings
from ext.errors import ConfigError
from tests.engine.test_jurisdiction import LIVE, NEW_YORK

WriteConfig = Callable[..., Path]
CANARY = 'canary.symbols=["BTC-USD"]'
EXTRA = {
    "[risk]": "[breakers]\ndaily_loss = 200\ndrawdown = 333.33\n"
    '[[currency]]\nname = "USD"\nmax_open_notional = 9000\nmax_gross_exposure = 8001\n'
    "max_net_exposure = 7000.5\n[risk]\nmax_open_orders = 150",
    "max_position = 0.2": "max_position = 0.2\nmax_open_notional = 900\nmax_open_orders = 7",
}


@pytest.fixture
def load(write_config: WriteConfig) -> Callable[..., EngineConfig]:
    def make(*overrides: str) -> EngineConfig:
        return load_config(write_config(EXTRA), (*LIVE, *NEW_YORK, *overrides))

    return make


Load = Callable[..., EngineConfig]


def test_one_percent_of_everything_and_only_its_products(load: Load) -> None:
    config = load(CANARY)
    assert is_canary(config)
    scaled = scale_limits(config)
    bitcoin, ether = scaled.instruments
    assert (bitcoin.tradable, ether.tradable) == (True, False)
    assert bitcoin.limits.max_order_quantity == Decimal("0.0005")
    assert bitcoin.limits.max_order_notional == Decimal(50)
    assert bitcoin.limits.max_position == Decimal("0.002")
    assert bitcoin.limits.max_open_notional == Decimal(9)
    assert bitcoin.limits.max_open_orders == 1, "a part of 7 is none: one"
    assert bitcoin.limits.price_collar_percent == config.instruments[0].limits.price_collar_percent
    (currency,) = scaled.currencies
    assert currency.max_open_notional == Decimal(90)
    assert currency.max_gross_exposure == Decimal("80.01")
    assert scaled.risk.max_open_orders == 1
    assert scaled.breakers.daily_loss == Decimal(2)
    assert scaled.breakers.drawdown == Decimal("3.3333")
    assert scaled.risk.max_orders_per_second == config.risk.max_orders_per_second
    assert list(canary_lines(config)) == ["CANARY: only BTC-USD, at 1 percent of the limits"]


def test_without_symbols_and_in_other_modes_nothing_is_scaled(
    load: Load, write_config: WriteConfig
) -> None:
    config = load("canary.limit_percent=1")
    assert not is_canary(config)
    assert scale_limits(config) is config
    simulated = load_config(write_config(), [CANARY])
    assert scale_limits(simulated) is simulated
    assert list(canary_lines(simulated)) == []
    assert "[canary]: only live mode scales limits, so it is not used" in find_warnings(simulated)


@pytest.mark.parametrize("seed", range(200))
def test_no_scaled_limit_exceeds_its_part(load: Load, seed: int) -> None:
    rng = random.Random(seed)
    percent = Decimal(rng.randrange(1, 10_001)).scaleb(-2)
    quantity = Decimal(rng.randrange(10_000, 10**8)).scaleb(-8)
    position = Decimal(rng.randrange(10_000, 10**8)).scaleb(-8)
    notional = Decimal(rng.randrange(1, 10**8)).scaleb(-rng.randrange(0, 5))
    config = load(
        CANARY,
        f"canary.limit_percent={percent}",
        f"instrument.BTC-USD.limits.max_order_quantity={quantity}",
        f"instrument.BTC-USD.limits.max_position={position}",
        f"instrument.BTC-USD.limits.max_order_notional={notional}",
    )
    scaled = scale_limits(config)
    pairs: list[tuple[Any, Any]] = [
        (config.instruments[0].limits, scaled.instruments[0].limits),
        (config.currencies[0], scaled.currencies[0]),
        (config.risk, scaled.risk),
        (config.breakers, scaled.breakers),
    ]
    for whole, part in pairs:
        for name in (*AMOUNTS, *COUNTS):
            before, after = getattr(whole, name, None), getattr(part, name, None)
            assert (before is None) == (after is None), name
            if before is None or after is None:
                continue
            ceiling = (
                max(Decimal(1), before * percent / 100)
                if name in COUNTS
                else (before * percent / 100)
            )
            assert 0 < after <= ceiling, name
            lost = Decimal("0.00000001") if name in LOTS else 1 if name in COUNTS else Decimal(0)
            assert before * percent / 100 - after <= lost, f"{name} lost more than a step"
    lots = make_limits(scaled)[0]
    instrument = make_instruments(scaled)[0]
    assert instrument.lots_to_quantity(lots.max_order_lots) <= quantity * percent / 100
    make_gate(scaled, ())


def test_every_limit_of_amounts_is_known_to_the_canary(load: Load) -> None:
    """A new limit has to be put among those that are scaled, or here with a reason."""
    not_scaled = {
        "max_orders_per_second",  # a cancel has to leave in time
        "max_orders_per_ten_seconds",
        "max_feed_delay_ms",  # an age
        "max_trade_age_ms",
        "max_fills",  # breakers of behaviour, not of size
        "max_rejects",
        "max_errors",
        "max_tick_to_order_us",
        "max_acknowledge_ms",
        "max_clock_error_ms",
        "max_outage_seconds",
    }
    config = load(CANARY)
    sections = (
        config.risk,
        config.instruments[0].limits,
        config.currencies[0],
        config.strategies[0].limits,
        config.breakers,
    )
    found = {
        field.name
        for section in sections
        for field in msgspec.structs.fields(type(section))
        if field.name.startswith("max_")
    }
    assert found - not_scaled == {*AMOUNTS, *COUNTS} - {"daily_loss", "drawdown"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ['canary.symbols=["BTC-USDT"]'],
            '[canary] symbols names "BTC-USDT", which no [[instrument]] has; did you mean BTC-USD?',
        ),
        (
            [CANARY, "canary.limit_percent=101"],
            '[canary] limit_percent was 101; use a decimal above 0, at most 100, as in "1"',
        ),
        (
            [CANARY, "canary.limit_percent=0.00001"],
            "[canary] limit_percent was 0.00001, which leaves BTC-USD a max_order_quantity below"
            " one lot",
        ),
        (
            [CANARY, "canary.limit_percent=0"],
            '[canary] limit_percent was 0; use a decimal above 0, at most 100, as in "1"',
        ),
    ],
)
def test_what_cannot_be_a_canary(load: Load, overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(*overrides)
    assert message.removeprefix("[canary] ") in str(caught.value)


def test_all_of_it_is_the_limit_itself(load: Load) -> None:
    config = load('canary.symbols=["BTC-USD", "ETH-USD"]', "canary.limit_percent=100")
    assert make_limits(scale_limits(config)) == make_limits(config)
