"""The config of the engine in a world: one text, and what differs from seed to seed."""

import functools
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

from engine.composition import compile_strategies
from engine.kernel.kernels import CompiledStrategy
from engine.settings.config import EngineConfig, load_config

FIX_DOOR = 'port = "simulator"'
REST_DOOR = 'protocol = "rest"\nrest_url = "simulator"'
CONFIG = """
[engine]
name = "world"
mode = "simulated"

[simulator]
start = true

[feed]
venue = "coinbase_exchange"
url = "simulator"
key = "demo:key"
secret = "demo:secret"
passphrase = "demo:passphrase"

[order_entry]
DOOR
key = "demo:key"
secret = "demo:secret"
passphrase = "demo:passphrase"

[risk]
max_orders_per_second = 100
cancel_reserve = 40
max_orders_per_ten_seconds = 500
cancel_reserve_per_ten_seconds = 250
max_open_orders = 12
max_trade_age_ms = 60000

[[currency]]
name = "USD"
max_open_notional = 40
max_gross_exposure = 45
max_net_exposure = 35

[[instrument]]
symbol = "BTC-USD"
tick = "0.01"
lot = "0.00000001"
[instrument.limits]
max_order_quantity = "0.07"
max_order_notional = 12
price_collar_percent = 2
max_position = "0.16"
min_order_quantity = "0.000001"
last_trade_collar_percent = 2
max_open_orders = 8
max_open_notional = 25

[[instrument]]
symbol = "ETH-USD"
tick = "0.01"
lot = "0.00000001"
trading_hours = ["mon 14:00-14:30:04", "mon 14:30:05-15:00"]
[instrument.limits]
max_order_quantity = "0.5"
max_order_notional = 14
price_collar_percent = 2
max_position = "0.35"
max_open_orders = 7
max_open_notional = 30

[[strategy]]
class = "sim.world.hostile:Hostile"
instrument = "BTC-USD"

[[strategy]]
class = "jerico_maker"
instrument = "BTC-USD"
params = {quantity = "0.02", max_position = "0.1", cooldown_ms = 20}

[[strategy]]
class = "sim.world.hostile:Hostile"
instrument = "ETH-USD"
params = {quantity = "0.15", eagerness = 35}
limits = {max_position = "0.38", max_gross_exposure = 39, max_orders_per_second = 60}

[telemetry]
relay = false
step_timing_interval = 0
"""


@dataclass(frozen=True, slots=True)
class EngineSetup:
    """Config and compiled strategies; the same for every engine that one world makes."""

    config: EngineConfig
    strategies: tuple[CompiledStrategy, ...]


BREAKERS: tuple[tuple[str, ...], ...] = (
    (),
    (),
    (
        "strategy.0.breakers.losses_in_row=2",
        "strategy.0.breakers.losses_cooldown_seconds=1",
        "strategy.0.breakers.count_losses=reducing_fills",
    ),
    ("strategy.0.breakers.daily_loss=0.004", "strategy.1.breakers.drawdown=0.002"),
    ("strategy.2.breakers.max_fills=4", "strategy.2.breakers.fills_window_ms=1000"),
    (
        "breakers.losses_in_row=2",
        "breakers.losses_cooldown_seconds=1",
        "strategy.2.breakers.drawdown=0.02",
    ),
    ("strategy.2.breakers.max_rejects=2", "strategy.0.breakers.losses_in_row=2"),
)
"""What may trip; in money very little, for a world lasts some seconds."""
MANAGEMENT: tuple[tuple[str, ...], ...] = (
    (),
    (),
    (
        "stop_loss=3 ticks",
        "take_profit=['1 r', '2 r']",
        "break_even_after=1 r",
        "max_entries=4",
    ),
    ("trailing_stop=0.05 %", "max_hold_seconds=1"),
    (
        "stop_loss=8 ticks",
        "take_profit=['1 ticks', '2 ticks', '4 ticks']",
        "take_profit_percent=[50, 30, 20]",
    ),
    ("stop_loss=9 ticks", "trailing_stop=7 ticks", "break_even_after=1 ticks"),
    ("stop_loss=4 ticks", "max_hold_seconds=2"),
)
"""What closes the positions of one strategy by itself, within some ticks."""
PORTFOLIO: tuple[tuple[str, ...], ...] = (
    (),
    (),
    (),
    ("portfolio.group=[{name='coins', instruments=['BTC-USD','ETH-USD'], max_exposure=22}]",),
    ("portfolio.max_margin=5", "portfolio.margin_percent=25"),
    ("portfolio.max_heat=3",),
    (
        "portfolio.max_correlated_exposure=14",
        "portfolio.correlation_interval_seconds=1",
        "portfolio.correlation_samples=3",
        "portfolio.group=[{name='ether', instruments=['ETH-USD'], max_exposure=16}]",
    ),
)
"""Limits of all positions and open orders together, within the reach of some worlds."""
STRATEGIES = 3
SETUPS_KEPT = 512
"""Each takes some milliseconds to make and some kilobytes to keep."""


def draw_rest_setup(rng: random.Random) -> EngineSetup:
    """A setup whose orders go by REST: connections, questions, patience, and what trips."""
    overrides = (
        f"order_entry.connections={rng.choice((1, 2, 4))}",
        f"order_entry.poll_ms={rng.choice((100, 250, 500))}",
        f"order_entry.answer_timeout_ms={rng.choice((500, 1000, 3000))}",
        f"feed.conflate={rng.choice(('true', 'false'))}",
        f"risk.max_orders_per_second={rng.choice((6, 8))}",
        f"risk.cancel_reserve={rng.choice((1, 3))}",
        "risk.max_orders_per_ten_seconds=70",
        "risk.cancel_reserve_per_ten_seconds=25",
        *rng.choice(BREAKERS),
        *_draw_safety(rng),
    )
    return _make_setup(REST_DOOR, overrides)


def draw_setup(rng: random.Random) -> EngineSetup:
    """A setup: what a lost connection does to orders, how frames are read, how many may be sent,
    what trips, what closes positions, what they may come to together."""
    overrides = (
        f"order_entry.cancel_on_disconnect={rng.choice(('session', 'off'))}",
        f"order_entry.heartbeat_seconds={rng.choice((1, 5, 10))}",
        f"feed.conflate={rng.choice(('true', 'false'))}",
        f"risk.max_orders_per_second={rng.choice((60, 100, 200))}",
        *rng.choice(BREAKERS),
        *_draw_safety(rng),
    )
    return _make_setup(FIX_DOOR, overrides)


def _draw_safety(rng: random.Random) -> tuple[str, ...]:
    management = tuple(
        f"strategy.{index}.management.{override}"
        for index in range(STRATEGIES)
        for override in rng.choice(MANAGEMENT)
    )
    return management + rng.choice(PORTFOLIO)


@functools.lru_cache(SETUPS_KEPT)
def _make_setup(door: str, overrides: tuple[str, ...]) -> EngineSetup:
    return make_setup(CONFIG.replace("DOOR", door), overrides)


def make_setup(text: str, overrides: tuple[str, ...] = ()) -> EngineSetup:
    """The config that ``text`` is, with its strategies compiled."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        config = load_config(Path(file.name), overrides)
    return EngineSetup(config, compile_strategies(config, lambda _: None))
