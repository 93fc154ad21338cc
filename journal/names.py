"""Names of the kernel's codes as journal and monitor show them."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Literal

from ext import wire
from ext.loop_source import LoopSource
from ext.safety_records import Breaker, BreakerLevel

SideName = Literal["BUY", "SELL", ""]


def _names(members: Iterable[IntEnum], prefix: str = "", suffix: str = "") -> dict[int, str]:
    return {
        int(member): member.name.removeprefix(prefix).removesuffix(suffix) for member in members
    }


BOOK_STATES = _names(wire.BookState)
STALE_REASONS = _names(wire.StaleReason)
ENGINE_STATES = _names(wire.EngineState, "ENGINE_", "_STATE")
SESSION_STATES = _names(wire.SessionState, "SESSION_")
ORDER_STATES = _names(wire.OrderState)
EXECUTION_TYPES = _names(wire.ExecutionType, "EXEC_")
INTENT_KINDS = _names(wire.IntentKind, suffix="_ORDER")
VERDICTS = _names(wire.Verdict)
BREAKER_LEVELS = _names(BreakerLevel, "BREAKER_")
BREAKERS = {
    int(each): each.name.removeprefix("BREAKER_").lower()
    for each in Breaker
    if each not in (Breaker.NO_BREAKER, Breaker.BREAKER_COUNT)
}
STEPS = [
    step.name.removeprefix("STEP_").lower().replace("_", " ")
    for step in wire.Step
    if step != wire.Step.STEP_COUNT
]
LOOP_SOURCES = [
    source.name.removeprefix("LOOP_").lower().replace("_", " ")
    for source in LoopSource
    if source != LoopSource.LOOP_SOURCE_COUNT
]
# RECORD_SESSION.detail; appended to, never renumbered.
SESSIONS = {0: "market data", 1: "order entry"}


def name_of(names: dict[int, str], code: int) -> str:
    """Name of a code; the number itself for one that this version does not know."""
    return names.get(code, str(code))


def side_name(side: int) -> SideName:
    """BUY or SELL; "" for a record that has no side."""
    if side == wire.Side.BUY:
        return "BUY"
    return "SELL" if side == wire.Side.SELL else ""
