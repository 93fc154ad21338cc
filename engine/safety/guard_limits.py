"""The compiled position management of a run, with the limits of its config."""

import re

from engine.instruments import InstrumentLimits
from engine.safety.breaker_limits import SECOND_NS
from engine.settings.config_management import DISTANCE_PATTERN, ManagementTable
from engine.settings.config_schema import EngineConfig
from ext.errors import ConfigError
from ext.position_guard import PositionGuard
from ext.shared_memory import SharedMemory

PARTS_PER_PERCENT = 10_000  # parts per million
UNIT_FIELDS = {"ticks": ("ticks", 1.0), "%": ("share", 0.01), "atr": ("ranges", 1.0)}
UNIT_FIELDS["r"] = ("risks", 1.0)


def make_guard(
    config: EngineConfig,
    instruments: list[int],
    limits: tuple[InstrumentLimits, ...],
    memory: SharedMemory,
) -> PositionGuard:
    """Position management of the strategies, whose instruments are given in their order."""
    guard = PositionGuard(memory)
    sections = config.enabled_strategies
    for index, (instrument, section) in enumerate(zip(instruments, sections, strict=False)):
        table = section.management
        if table is not None:
            collar_ppm = limits[instrument].price_collar_parts_per_million
            _set_limits(guard, index, table, collar_ppm)
    return guard


def read_distance(text: str | None) -> dict[str, float] | None:
    """A distance of the config as ``PositionGuard`` takes it: "0.8 %" is a share of 0.008.

    Raises ConfigError for what is none; the config was checked before.
    """
    if text is None:
        return None
    found = re.match(DISTANCE_PATTERN, text)
    if found is None:
        raise ConfigError(f"distance was {text!r}; use a number and ticks, %, atr or r")
    name, scale = UNIT_FIELDS[found[2]]
    return {name: float(found[1]) * scale}


def _set_limits(guard: PositionGuard, index: int, table: ManagementTable, collar_ppm: int) -> None:
    slippage = table.exit_slippage_percent
    count = len(table.take_profit)
    parts = [percent * 10 for percent in table.take_profit_percent]
    if not parts:  # equal ones, and the last takes what the division leaves
        parts = [1000 // count] * count if count else []
        parts[-1:] = [1000 - sum(parts[:-1])] if count else []
    distances = [read_distance(text) or {} for text in table.take_profit]
    guard.set_limits(
        index,
        stop=read_distance(table.stop_loss),
        trailing=read_distance(table.trailing_stop),
        break_even_after=read_distance(table.break_even_after),
        targets=tuple(zip(distances, parts, strict=True)),
        max_hold_ns=table.max_hold_seconds * SECOND_NS,
        max_entries=table.max_entries,
        min_reward_to_risk=table.min_reward_to_risk,
        slippage_ppm=collar_ppm if slippage is None else int(slippage * PARTS_PER_PERCENT),
        range_bar_ns=table.range_bar_seconds * SECOND_NS,
        range_period=table.range_period,
    )
