"""What people do to one strategy of a run: pause it, let it go on.

    trading ─ pause ─► PAUSED, working orders pulled ─ resume ─► trading
                         ▲ its breakers, the portfolio's limits

The pause is a breaker's, with a person for its cause: it is latched over restarts, position
management goes on, and other strategies trade on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from control.commands import CommandError
from engine.composition import Arc
from engine.engine_clock import EngineClock
from ext.dtypes import BREAKER_STATE
from ext.safety_records import Breaker, BreakerLevel
from journal.names import BREAKERS

SEPARATOR = "@"


@dataclass(frozen=True, slots=True)
class StrategyName:
    """How a person calls a strategy: ``jerico_maker``, ``jerico_maker@BTC-USD``, or its number."""

    number: int
    name: str
    symbol: str

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.name}{SEPARATOR}{self.symbol}"

    def is_called(self, text: str) -> bool:
        """Whether ``text`` can mean this one."""
        return text in (self.name, self.text, str(self.number))


def find_strategy(names: Sequence[StrategyName], text: str) -> StrategyName:
    """The one that is called so; CommandError when there is none, or more than one."""
    found = [each for each in names if each.is_called(text)]
    if len(found) == 1:
        return found[0]
    choice = ", ".join(f"{each.number} ({each.text})" for each in found or names)
    problem = f"strategy {text!r} is one of {len(found)}" if found else f"no strategy {text!r}"
    raise CommandError(f"{problem}; use one of {choice}")


class StrategyControl:
    """Pauses and resumes the strategies of one run; the answers are for the person who asked."""

    def __init__(self, arc: Arc, clock: EngineClock) -> None:
        self._pipeline = arc.pipeline
        self._clock = clock
        self._names = [
            StrategyName(number, each.name, each.instrument.symbol)
            for number, each in enumerate(arc.strategies)
        ]
        self._states = arc.memory.region("breakers_offset", BREAKER_STATE, len(self._names) + 1)

    def pause(self, text: str, reason: str) -> str:
        """No new orders of that strategy until a person resumes it; CommandError when nobody is
        called so."""
        strategy = find_strategy(self._names, text)
        was = self._stopped_by(strategy)
        cause = int(Breaker.BREAKER_OPERATOR)
        self._pipeline.pause_strategy(strategy.number, cause, self._clock.now_ns(), reason)
        if was == self._stopped_by(strategy):
            return f"{strategy.text} was PAUSED already, by {was}; a person has to resume it"
        return f"{strategy.text} is PAUSED: no new orders, its working orders are pulled"

    def resume(self, text: str, reason: str) -> str:
        """That strategy trades again; CommandError when nobody is called so."""
        strategy = find_strategy(self._names, text)
        was = self._stopped_by(strategy)
        if not was:
            return f"{strategy.text} is not paused"
        self._pipeline.resume_strategy(strategy.number, self._clock.now_ns(), reason)
        answer = f"{strategy.text} is resumed; it was paused by {was}"
        if was == BREAKERS[Breaker.BREAKER_PORTFOLIO]:
            answer += ", which stops it again while its limit is used up"
        return answer

    def _stopped_by(self, strategy: StrategyName) -> str:
        """Name of the breaker that has stopped it; empty: none."""
        state = self._states[strategy.number]
        is_stopped = state["level"] >= BreakerLevel.BREAKER_PAUSED
        return BREAKERS[int(state["cause"])] if is_stopped else ""
