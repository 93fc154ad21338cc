"""Relations that the limits must hold: rates and their reserves, hours, sums in 64 bits."""

from collections.abc import Sequence

from engine.instruments import Instrument
from engine.risk_limits import MAX_CURRENCY_SECTIONS, CurrencyUnit
from engine.settings.config_problems import KeyPath, Problems, find_nearest
from engine.settings.config_trading import (
    CurrencySection,
    InstrumentSection,
    RiskSection,
    StrategySection,
)
from engine.trading_hours import combine_hours, parse_trading_hours
from ext.errors import ConfigError, InstrumentError

_CURRENCY_LIMITS = ("max_open_notional", "max_gross_exposure", "max_net_exposure")


def check_rates(risk: RiskSection, problems: Problems) -> None:
    """A reserve for cancels leaves room for orders."""
    rates = {
        "cancel_reserve": "max_orders_per_second",
        "cancel_reserve_per_ten_seconds": "max_orders_per_ten_seconds",
    }
    for reserve_name, rate_name in rates.items():
        reserve, rate = getattr(risk, reserve_name), getattr(risk, rate_name)
        if reserve >= rate and (rate or reserve):
            problems.add_value(
                ("risk", reserve_name),
                reserve,
                f"less than {rate_name}, which is {rate}, or no order could be placed",
            )


def check_trading_hours(
    risk: RiskSection,
    instruments: Sequence[InstrumentSection | None],
    problems: Problems,
) -> None:
    """Every text is one, and each product has hours left that the gate can hold."""
    try:
        parse_trading_hours(risk.trading_hours)
    except ConfigError as error:
        problems.add(("risk", "trading_hours"), str(error))
        return
    for index, section in enumerate(instruments):
        if section is None:
            continue
        try:
            combine_hours(risk.trading_hours, section.trading_hours)
        except ConfigError as error:
            problems.add(("instrument", index, "trading_hours"), str(error))


def check_currencies(
    sections: Sequence[CurrencySection | None],
    instruments: Sequence[InstrumentSection | None],
    strategies: Sequence[StrategySection | None] | None,
    problems: Problems,
) -> None:
    """Each names a quote currency of this config once, and its limits fit in 64 bits, as do those
    of each strategy."""
    known = [
        Instrument(each.symbol, each.tick, each.lot, index)
        for index, each in enumerate(instruments)
        if each is not None
    ]
    if len(known) < len(instruments):
        return  # what is missing has been told, and the units are of all
    _check_names(sections, sorted({each.quote_currency for each in known}), problems)
    units = {each.quote_currency: CurrencyUnit(each.quote_currency, known) for each in known}
    for index, section in enumerate(sections):
        if section and section.name in units:
            for name in _CURRENCY_LIMITS:
                _check_count(units[section.name], section, name, ("currency", index), problems)
    for instrument in known:
        try:
            units[instrument.quote_currency].step_value(instrument)
        except InstrumentError as error:
            problems.add(("instrument", instrument.index, "tick"), str(error))
    for index, strategy in enumerate(strategies or ()):
        traded = next(
            (each for each in known if strategy and each.symbol == strategy.instrument), None
        )
        if strategy and traded:
            _check_strategy(index, strategy, traded, units[traded.quote_currency], problems)


def _check_names(
    sections: Sequence[CurrencySection | None], quotes: Sequence[str], problems: Problems
) -> None:
    if len(sections) > MAX_CURRENCY_SECTIONS:
        problems.add(
            ("currency",), f"has {len(sections)} tables; use at most {MAX_CURRENCY_SECTIONS}"
        )
    first_index: dict[str, int] = {}
    for index, section in enumerate(sections):
        if section is None:
            continue
        if section.name not in quotes:
            nearest = find_nearest(section.name, quotes)
            hint = f"did you mean {nearest}?" if nearest else f"use one of {', '.join(quotes)}"
            problems.add(
                ("currency", index, "name"),
                f'was "{section.name}", in which no [[instrument]] is quoted; {hint}',
            )
        elif (first := first_index.setdefault(section.name, index)) != index:
            problems.add(
                ("currency", index, "name"),
                f'was "{section.name}", as currency.{first} is already; name each once',
            )


def _check_strategy(
    index: int,
    section: StrategySection,
    instrument: Instrument,
    unit: CurrencyUnit,
    problems: Problems,
) -> None:
    place: KeyPath = ("strategy", index, "limits")
    limit = section.limits.max_position
    if limit is not None:
        try:
            instrument.quantity_to_lots(limit)
        except InstrumentError:
            problems.add_value(
                (*place, "max_position"), limit, f"a whole number of lots of {instrument.lot:f}"
            )
    _check_count(unit, section.limits, "max_gross_exposure", place, problems)


def _check_count(
    unit: CurrencyUnit, section: object, name: str, place: KeyPath, problems: Problems
) -> None:
    try:
        unit.count(getattr(section, name))
    except InstrumentError as error:
        problems.add_value((*place, name), getattr(section, name), str(error))
