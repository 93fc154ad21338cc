"""Relations within [strategy.management], and to the instrument's limits."""

import re
from collections.abc import Sequence

from engine.settings.config_management import (
    DISTANCE,
    DISTANCE_PATTERN,
    MAX_TARGETS,
    ManagementTable,
)
from engine.settings.config_problems import KeyPath, Problems
from engine.settings.config_trading import InstrumentSection, StrategySection

DISTANCES = ("stop_loss", "trailing_stop", "break_even_after")


def check_management(
    strategies: Sequence[StrategySection | None],
    instruments: Sequence[InstrumentSection | None] | None,
    problems: Problems,
) -> None:
    """Every problem of each strategy's management."""
    collars = {each.symbol: each.limits.price_collar_percent for each in instruments or () if each}
    for index, section in enumerate(strategies):
        if section is None or section.management is None:
            continue
        place: KeyPath = ("strategy", index, "management")
        table = section.management
        _check_distances(place, table, problems)
        _check_targets(place, table, problems)
        slippage = table.exit_slippage_percent
        collar = collars.get(section.instrument)
        if slippage is not None and collar is not None and slippage > collar:
            problems.add_value(
                (*place, "exit_slippage_percent"),
                slippage,
                f"at most the price_collar_percent of {section.instrument}, which is {collar}",
            )
        if table.min_reward_to_risk and not (table.stop_loss and table.take_profit):
            problems.add_value(
                (*place, "min_reward_to_risk"),
                table.min_reward_to_risk,
                "0 without both stop_loss and take_profit",
            )


def _check_distances(place: KeyPath, table: ManagementTable, problems: Problems) -> None:
    given = [(name, getattr(table, name)) for name in DISTANCES]
    given += [("take_profit", text) for text in table.take_profit]
    for name, text in given:
        if text is None:
            continue
        found = re.match(DISTANCE_PATTERN, text)
        if found is None or float(found[1]) == 0:
            problems.add_value((*place, name), text, DISTANCE["allowed"])
        elif found[2] == "r" and (name == "stop_loss" or table.stop_loss is None):
            problems.add_value(
                (*place, name), text, "r only where stop_loss says in another unit what one r is"
            )


def _check_targets(place: KeyPath, table: ManagementTable, problems: Problems) -> None:
    if len(table.take_profit) > MAX_TARGETS:
        problems.add((*place, "take_profit"), f"has more than {MAX_TARGETS} parts")
    percents = table.take_profit_percent
    if not percents:
        return
    if len(percents) != len(table.take_profit) or min(percents) < 1 or sum(percents) > 100:
        problems.add_value(
            (*place, "take_profit_percent"),
            str(list(percents)),
            f"{len(table.take_profit)} whole numbers above 0, together at most 100",
        )
