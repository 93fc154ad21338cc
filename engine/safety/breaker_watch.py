"""Tells what the breakers have done: in the log, in the journal, and to who kills the engine.

The arc has stopped new risk and pulled the orders by itself when this comes to look.
"""

import json
import logging
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from engine.composition import Arc
from engine.safety.breaker_limits import ENGINE, limits_of
from ext.dtypes import BREAKER_STATE
from ext.safety_records import Breaker, BreakerLevel
from journal.names import BREAKER_LEVELS, BREAKERS

WARN_LEVELS = {
    BreakerLevel.BREAKER_WARNED: logging.WARNING,
    BreakerLevel.BREAKER_QUIET: logging.INFO,
}

_log = logging.getLogger("engine.breakers")


class KillHook(Protocol):
    """What ends all trading at once: ``Supervisor.kill``."""

    def __call__(self, reason: str, source: str, inputs: str) -> None:
        """``reason`` in words, ``source`` is "breaker", ``inputs`` the values as JSON."""


def read_use(arc: Arc) -> list[str]:
    """A line for each strategy, and the engine, that uses something of its limits."""
    states = arc.memory.region("breakers_offset", BREAKER_STATE, len(arc.strategies) + 1)
    lines = []
    for index in (*range(len(arc.strategies)), ENGINE):
        state = states[index]
        words = [
            f"{name} {int(state['use_permille'][kind]) / 10:.1f} %"
            for kind, name in BREAKERS.items()
            if state["use_permille"][kind]
        ]
        if state["level"]:
            words.insert(0, BREAKER_LEVELS[int(state["level"])])
        if words:
            lines.append(f"{_name_of(arc, index)}: {', '.join(words)}")
    return lines


def _name_of(arc: Arc, index: int) -> str:
    if index == ENGINE:
        return "the engine"
    strategy = arc.strategies[index]
    return f"{strategy.name} on {strategy.instrument.symbol}"


class BreakerWatch:
    """Tells of each level that has changed; ``poll`` it some times a second.

    ``on_state`` gets the reason why the engine's own breakers have stopped it, "" when they let it
    go on.
    """

    def __init__(self, arc: Arc, on_state: Callable[[str], None], on_kill: KillHook) -> None:
        self._arc = arc
        self._on_state = on_state
        self._on_kill = on_kill
        self._is_engine_stopped = False
        self._states = arc.memory.region("breakers_offset", BREAKER_STATE, len(arc.strategies) + 1)

    def poll(self, now_ns: int) -> None:
        """Tells what has changed since the last call."""
        for index in self._arc.pipeline.breakers.take_notices():
            state = self._states[index]
            inputs = json.dumps(self.inputs_of(index), sort_keys=True)
            self._arc.pipeline.tell_breaker(index, now_ns, inputs)
            level = BreakerLevel(int(state["level"]))
            reason = self.describe(index)
            _log.log(WARN_LEVELS.get(level, logging.ERROR), "%s", reason)
            if index == ENGINE:
                self._tell_engine(level, reason, inputs)

    def inputs_of(self, index: int) -> dict[str, Any]:
        """The values behind a level: what is kept of the breakers, and the limits."""
        state = self._states[index]
        limits = limits_of(self._arc.config, index)
        kept = {name: state[name].item() for name in BREAKER_STATE.names or () if name[0] != "u"}
        allowed = {
            name: float(value) if value is not None else None
            for name in ("daily_loss", "drawdown", "losses_in_row", "max_fills", "max_rejects")
            for value in [getattr(limits, name)]
        }
        return {
            "who": _name_of(self._arc, index),
            "breaker": BREAKERS.get(int(state["cause"]), ""),
            "level": BREAKER_LEVELS[int(state["level"])],
            "state": kept,
            "limits": allowed,
        }

    def describe(self, index: int) -> str:
        """One line: who, what, value, limit, what happens next, how to resume."""
        state, who = self._states[index], _name_of(self._arc, index)
        level = BreakerLevel(int(state["level"]))
        if level == BreakerLevel.BREAKER_QUIET:
            return f"breakers of {who} are quiet again"
        cause = int(state["cause"])
        value = self._value(index, state, cause)
        shown = f"breaker {BREAKERS.get(cause, 'no_breaker')} of {who}: {value}"
        if level == BreakerLevel.BREAKER_WARNED:
            return f"{shown}; at 90 % it is paused"
        if index == ENGINE and level == BreakerLevel.BREAKER_KILLED:
            return f"{shown}; the engine is killed, a person has to arm it again"
        stopped = f"{shown}; PAUSED: no new risk, its orders are pulled"
        if until_ns := int(state["paused_until_ns"]):
            seconds = (until_ns - int(state["raised_time_ns"])) / 1e9
            return f"{stopped}; it goes on by itself after {seconds:.0f} s"
        which = "" if index == ENGINE else f" --strategy {index}"
        how = f"wow-ctl resume{which}, or a start with --resume REASON"
        if level == BreakerLevel.BREAKER_KILLED and cause == Breaker.BREAKER_DAILY_LOSS:
            return f"{stopped}; the day's loss stays until the next day, then: {how}"
        if cause == Breaker.BREAKER_PORTFOLIO:
            return f"{stopped}, but for those that reduce; it goes on when less of it is used"
        return f"{stopped} until a person resumes: {how}"

    def _tell_engine(self, level: BreakerLevel, reason: str, inputs: str) -> None:
        is_stopped = level >= BreakerLevel.BREAKER_PAUSED
        if is_stopped or self._is_engine_stopped:
            self._on_state(reason if is_stopped else "")
        self._is_engine_stopped = is_stopped
        if level == BreakerLevel.BREAKER_KILLED:
            self._on_kill(reason, "breaker", inputs)

    def _value(self, index: int, state: np.void, cause: int) -> str:
        limits = limits_of(self._arc.config, index)
        if cause in (Breaker.BREAKER_DAILY_LOSS, Breaker.BREAKER_DRAWDOWN):
            is_daily = cause == Breaker.BREAKER_DAILY_LOSS
            start = state["day_start_net" if is_daily else "high_water_net"]
            limit = limits.daily_loss if is_daily else limits.drawdown
            loss = float(start) - float(state["net"])
            share = f" ({loss / float(limit):.1%})" if limit else ""
            return f"{loss:.2f} of {limit}{share}"
        if cause == Breaker.BREAKER_LOSSES_IN_ROW:
            return f"{int(state['losses_in_row'])} of {limits.losses_in_row}"
        if cause == Breaker.BREAKER_REPEATED_FILLS:
            return f"{limits.max_fills} fills within {limits.fills_window_ms} ms"
        if cause == Breaker.BREAKER_REJECT_RATE:
            return f"{limits.max_rejects} rejects within {limits.rejects_window_ms} ms"
        return "a person decided it" if cause == Breaker.BREAKER_OPERATOR else "see the line before"
