"""One strategy, paused and resumed by a person, and how it is called."""

from collections.abc import Callable

import pytest

from control.commands import CommandError
from engine.composition import Arc
from engine.engine_clock import EngineClock
from engine.levels.strategy_control import StrategyControl, StrategyName, find_strategy
from ext.dtypes import BREAKER_STATE
from ext.safety_records import Breaker, BreakerLevel

MAKER, OTHER_MAKER, TREND = (
    StrategyName(0, "maker", "BTC-USD"),
    StrategyName(1, "maker", "ETH-USD"),
    StrategyName(2, "trend", "BTC-USD"),
)
NAMES = (MAKER, OTHER_MAKER, TREND)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("trend", TREND), ("maker@ETH-USD", OTHER_MAKER), ("0", MAKER), ("2", TREND)],
)
def test_it_is_found_by_what_is_clear(text: str, expected: StrategyName) -> None:
    assert find_strategy(NAMES, text) == expected


def test_what_is_not_clear_says_the_choice() -> None:
    with pytest.raises(CommandError, match=r"'maker' is one of 2; use one of 0 \(maker@BTC-USD\)"):
        find_strategy(NAMES, "maker")
    with pytest.raises(CommandError, match=r"no strategy 'x'; .* 2 \(trend@BTC-USD\)$"):
        find_strategy(NAMES, "x")


@pytest.fixture
def arc(make_arc: Callable[..., Arc]) -> Arc:
    return make_arc(is_trading=True)


@pytest.fixture
def control(arc: Arc) -> StrategyControl:
    return StrategyControl(arc, EngineClock(arc.memory))


def test_a_pause_is_a_latched_breaker(arc: Arc, control: StrategyControl) -> None:
    assert "its working orders are pulled" in control.pause("jerico_maker", "odd")
    state = arc.memory.region("breakers_offset", BREAKER_STATE, len(arc.strategies) + 1)[0]
    assert state["level"] == BreakerLevel.BREAKER_PAUSED
    assert state["cause"] == Breaker.BREAKER_OPERATOR
    assert state["paused_until_ns"] == 0
    assert "was PAUSED already, by operator" in control.pause("jerico_maker", "odd")
    assert "resumed; it was paused by operator" in control.resume("jerico_maker", "looked")
    assert state["level"] == BreakerLevel.BREAKER_QUIET
    assert control.resume("jerico_maker", "looked") == "jerico_maker@BTC-USD is not paused"


def test_a_person_takes_over_what_would_end_by_itself(arc: Arc, control: StrategyControl) -> None:
    arc.pipeline.pause_strategy(0, Breaker.BREAKER_PORTFOLIO, 1, "full")
    assert "which stops it again while" in control.resume("0", "looked")
    arc.pipeline.pause_strategy(0, Breaker.BREAKER_PORTFOLIO, 1, "full")
    assert "is PAUSED: no new orders" in control.pause("0", "odd")
    arc.pipeline.resume_strategy(0, 2, "room", int(Breaker.BREAKER_PORTFOLIO))
    assert "paused by operator" in control.resume("0", "looked")
