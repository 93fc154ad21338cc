"""Relations of [breakers] to what is traded."""

from collections.abc import Sequence

from engine.config_breakers import BreakersSection
from engine.config_problems import Problems
from engine.config_trading import StrategySection


def check_breakers(
    breakers: BreakersSection,
    strategies: Sequence[StrategySection | None] | None,
    problems: Problems,
) -> None:
    """The engine's limits in money add strategies up: their products have one quote currency."""
    enabled = [each for each in strategies or () if each is not None and each.enabled]
    currencies = sorted({each.instrument.rpartition("-")[2] for each in enabled})
    for name in ("daily_loss", "drawdown"):
        value = getattr(breakers, name)
        if value is not None and len(currencies) > 1:
            problems.add_value(
                ("breakers", name),
                value,
                f"no limit of the engine with strategies in {' and '.join(currencies)}: give each"
                f" its own, [strategy.breakers] {name}",
            )
