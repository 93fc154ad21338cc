"""Relations of [breakers] and [portfolio] to what is traded."""

from collections.abc import Sequence

from engine.settings.config_breakers import BreakersSection
from engine.settings.config_portfolio import PortfolioSection
from engine.settings.config_problems import KeyPath, Problems
from engine.settings.config_trading import InstrumentSection, StrategySection


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


def check_portfolio(
    portfolio: PortfolioSection,
    instruments: Sequence[InstrumentSection | None],
    problems: Problems,
) -> None:
    """Groups of products that are there, and of one quote currency: money is not added up over
    two."""
    symbols = [each.symbol for each in instruments if each is not None]
    if None in instruments:
        return
    for index, group in enumerate(portfolio.groups):
        place: KeyPath = ("portfolio", "group", index, "instruments")
        unknown = [symbol for symbol in group.instruments if symbol not in symbols]
        if unknown:
            problems.add(place, f"names {', '.join(unknown)}, which no [[instrument]] has")
        _check_currencies(place, group.instruments, problems)
    for name in ("max_heat", "max_margin", "max_correlated_exposure"):
        if getattr(portfolio, name) is not None:
            _check_currencies(("portfolio", name), symbols, problems)


def _check_currencies(place: KeyPath, symbols: Sequence[str], problems: Problems) -> None:
    currencies = sorted({symbol.rpartition("-")[2] for symbol in symbols})
    if len(currencies) > 1:
        problems.add(place, f"adds up {' and '.join(currencies)}; use products of one currency")
