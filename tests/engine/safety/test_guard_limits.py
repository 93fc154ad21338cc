"""From the config to the limits of the compiled position management."""

from collections.abc import Callable

import pytest

from engine.composition import Arc
from engine.safety.guard_limits import read_distance
from engine.settings.config import EngineConfig
from ext.dtypes import GUARD_STATE, POSITION
from ext.errors import ConfigError

NOW_NS = 1_800_000_000_000_000_000
LoadDemo = Callable[..., EngineConfig]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("150 ticks", {"ticks": 150.0}),
        ("0.8 %", {"share": 0.008}),
        ("2 atr", {"ranges": 2.0}),
        ("1.5 r", {"risks": 1.5}),
    ],
)
def test_distances(text: str | None, expected: dict[str, float] | None) -> None:
    assert read_distance(text) == (None if expected is None else pytest.approx(expected))


def test_what_is_no_distance() -> None:
    with pytest.raises(ConfigError, match="'far'"):
        read_distance("far")


def test_the_config_reaches_the_arc(
    make_arc: Callable[..., Arc], feed_book: Callable[[Arc, int], None]
) -> None:
    arc = make_arc(
        "strategy.0.management.stop_loss=0.5 %",
        "strategy.0.management.take_profit=['1 r', '2 r', '3 r']",
        is_trading=True,
    )
    arc.memory.region("positions_offset", POSITION, 2)["position_lots"][0] = 100
    arc.memory.region("positions_offset", POSITION, 2)["average_price_ticks"][0] = 6_500_000
    feed_book(arc, NOW_NS)
    state = arc.memory.region("guards_offset", GUARD_STATE, 2)[0]
    assert state["risk_ticks"] == pytest.approx(32_500)
    assert state["stop_ticks"] == 6_467_500


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("stop_loss=far",), 'stop_loss was "far"; use a number and its unit'),
        (("stop_loss=0 ticks",), 'stop_loss was "0 ticks"'),
        (("stop_loss=1 r",), "r only where stop_loss says in another unit"),
        (("trailing_stop=1 r",), "r only where stop_loss"),
        (("stop_loss=1 %", "take_profit=['1 r', 'x']"), 'take_profit was "x"'),
        (("take_profit=['1 %','2 %','3 %','4 %','5 %']",), "has more than 4 parts"),
        (("take_profit=['1 %']", "take_profit_percent=[50, 50]"), "1 whole numbers above 0"),
        (("take_profit=['1 %','2 %']", "take_profit_percent=[50, 51]"), "together at most 100"),
        (("exit_slippage_percent=1.5",), "at most the price_collar_percent of BTC-USD, which is 1"),
        (("min_reward_to_risk=2",), "0 without both stop_loss and take_profit"),
    ],
)
def test_what_does_not_fit_is_told(
    load_demo: LoadDemo, overrides: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message.replace("[", r"\[").replace("(", r"\(")):
        load_demo(*(f"strategy.0.management.{each}" for each in overrides))
