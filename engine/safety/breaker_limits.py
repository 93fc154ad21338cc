"""The compiled breakers of a run, with the limits of its config."""

from collections.abc import Sequence
from decimal import Decimal

from engine.settings.config_breakers import StrategyBreakersTable
from engine.settings.config_schema import EngineConfig
from ext.breakers import Breakers
from ext.instrument_table import InstrumentTable
from ext.shared_memory import SharedMemory

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS

ENGINE = -1
"""Number of the engine where breakers go by the number of the strategy."""


def make_breakers(
    config: EngineConfig, instruments: Sequence[int], memory: SharedMemory, table: InstrumentTable
) -> Breakers:
    """Breakers of the strategies, whose instruments are given in their order, and of the engine."""
    breakers = Breakers(memory)
    for instrument in instruments:
        breakers.add_strategy(table, instrument)
    hours, minutes = config.breakers.day_starts_at.split(":")
    offset_ns = (int(hours) * 60 + int(minutes)) * MINUTE_NS
    breakers.set_day(offset_ns, config.breakers.consistent_marks)
    _set_limits(breakers, ENGINE, config.breakers)
    for index in range(breakers.count):
        _set_limits(breakers, index, limits_of(config, index))
    return breakers


def limits_of(config: EngineConfig, strategy: int) -> StrategyBreakersTable:
    """The limits of a strategy, -1: of the engine."""
    if strategy == ENGINE:
        return config.breakers
    return config.enabled_strategies[strategy].breakers or StrategyBreakersTable()


def _set_limits(breakers: Breakers, index: int, table: StrategyBreakersTable) -> None:
    breakers.set_limits(
        index,
        daily_loss=_money(table.daily_loss),
        drawdown=_money(table.drawdown),
        losses_in_row=table.losses_in_row,
        losses_cooldown_ns=table.losses_cooldown_seconds * SECOND_NS,
        is_counting_reductions=table.count_losses == "reducing_fills",
        max_fills=table.max_fills,
        fills_window_ns=table.fills_window_ms * MILLISECOND_NS,
        max_rejects=table.max_rejects,
        rejects_window_ns=table.rejects_window_ms * MILLISECOND_NS,
    )


def _money(amount: Decimal | None) -> float:
    return 0.0 if amount is None else float(amount)
