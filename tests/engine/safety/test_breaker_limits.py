"""From the config to the limits of the compiled breakers."""

from collections.abc import Callable

import pytest

from engine.composition import Arc
from engine.safety.breaker_limits import ENGINE, limits_of
from engine.settings.config import EngineConfig
from ext.dtypes import BREAKER_STATE
from ext.errors import ConfigError

NOW_NS = 1_800_000_000_000_000_000
DAY_NS = 86_400_000_000_000


def test_each_strategy_has_its_own(load_demo: Callable[..., EngineConfig]) -> None:
    config = load_demo("strategy.1.breakers.daily_loss=12.5", "breakers.drawdown=99")
    assert str(limits_of(config, 0).daily_loss) == "250"
    assert str(limits_of(config, 1).daily_loss) == "12.5"
    assert str(limits_of(config, ENGINE).drawdown) == "99"


def test_a_day_begins_when_the_config_says(
    make_arc: Callable[..., Arc], feed_book: Callable[[Arc, int], None]
) -> None:
    arc = make_arc(
        "breakers.day_starts_at=22:30",
        "strategy.0.breakers.daily_loss=1",
        is_trading=True,
    )
    feed_book(arc, NOW_NS)
    state = arc.memory.region("breakers_offset", BREAKER_STATE, 3)[0]
    assert state["day"] == (NOW_NS - (22 * 60 + 30) * 60 * 10**9) // DAY_NS


@pytest.mark.parametrize("value", ["24:00", "7:30", "12:60", "noon"])
def test_a_time_that_is_none(load_demo: Callable[..., EngineConfig], value: str) -> None:
    with pytest.raises(ConfigError, match=r"breakers.day_starts_at was .*use \"HH:MM\""):
        load_demo(f"breakers.day_starts_at={value}")


def test_money_of_two_currencies_is_not_added_up(load_demo: Callable[..., EngineConfig]) -> None:
    with pytest.raises(ConfigError, match=r"breakers.daily_loss was 5; use no limit of"):
        load_demo("breakers.daily_loss=5", "instrument.1.symbol=ETH-EUR",
                  "strategy.1.instrument=ETH-EUR")  # fmt: skip
