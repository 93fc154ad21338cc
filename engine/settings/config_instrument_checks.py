"""Relations that instruments and strategies must hold: counts, names, whole steps, int64."""

from collections.abc import Sequence
from decimal import Decimal

from engine.instruments import INT64_MAXIMUM, Instrument, collar_to_parts_per_million
from engine.settings.config_problems import KeyPath, Problems, find_nearest
from engine.settings.config_trading import InstrumentSection, LimitsTable, StrategySection
from ext.bounds import Bound
from ext.errors import InstrumentError
from ext.instrument_table import MAX_DECIMALS


def check_instruments(sections: Sequence[InstrumentSection | None], problems: Problems) -> None:
    """Count, unique symbols, steps that the kernel can hold, limits in whole steps."""
    if not 1 <= len(sections) <= Bound.MAX_INSTRUMENTS:
        problems.add(
            ("instrument",), f"has {len(sections)} tables; use 1 to {Bound.MAX_INSTRUMENTS:d}"
        )
    first_index: dict[str, int] = {}
    for index, section in enumerate(sections):
        if section is None:
            continue
        if (first := first_index.setdefault(section.symbol, index)) != index:
            problems.add(
                ("instrument", index, "symbol"),
                f'was "{section.symbol}", as instrument.{first} is already; name each product once',
            )
        instrument = Instrument(section.symbol, section.tick, section.lot, index)
        _check_steps(instrument, problems)
        _check_limits(instrument, section.limits, problems)


def check_strategies(
    sections: Sequence[StrategySection | None],
    instruments: Sequence[InstrumentSection | None] | None,
    problems: Problems,
) -> None:
    """Count, and that each names an instrument of this config."""
    enabled = sum(section is None or section.enabled for section in sections)
    if enabled > Bound.MAX_STRATEGIES:
        problems.add(
            ("strategy",), f"has {enabled} enabled tables; use at most {Bound.MAX_STRATEGIES:d}"
        )
    if instruments is None or None in instruments:
        return
    symbols = [instrument.symbol for instrument in instruments if instrument]
    for index, section in enumerate(sections):
        if section and section.instrument not in symbols:
            nearest = find_nearest(section.instrument, symbols)
            hint = f"did you mean {nearest}?" if nearest else f"use one of {', '.join(symbols)}"
            problems.add(
                ("strategy", index, "instrument"),
                f'was "{section.instrument}", which no [[instrument]] has; {hint}',
            )
        elif section and section.enabled and not _find(instruments, section).tradable:
            problems.add(
                ("strategy", index, "instrument"),
                f'was "{section.instrument}", which is not tradable; set enabled = false here,'
                " or tradable = true there",
            )


def _find(
    instruments: Sequence[InstrumentSection | None], strategy: StrategySection
) -> InstrumentSection:
    return next(each for each in instruments if each and each.symbol == strategy.instrument)


def _check_steps(instrument: Instrument, problems: Problems) -> None:
    decimals = {"tick": instrument.price_decimals, "lot": instrument.quantity_decimals}
    for name, count in decimals.items():
        if count > MAX_DECIMALS:
            problems.add_value(
                ("instrument", instrument.index, name),
                getattr(instrument, name),
                f"at most {MAX_DECIMALS} decimals",
            )


def _check_limits(instrument: Instrument, limits: LimitsTable, problems: Problems) -> None:
    place: KeyPath = ("instrument", instrument.index, "limits")
    for name in ("max_order_quantity", "max_position", "min_order_quantity"):
        quantity: Decimal | None = getattr(limits, name)
        if quantity is None:
            continue
        try:
            instrument.quantity_to_lots(quantity)
        except InstrumentError:
            allowed = f"a whole number of lots of {instrument.lot:f}"
            largest = instrument.lots_to_quantity(INT64_MAXIMUM)
            if quantity > largest:
                allowed = f"at most {largest:f}, the largest count of lots in 64 bits"
            problems.add_value((*place, name), quantity, allowed)
    for name in ("max_order_notional", "min_order_notional", "max_open_notional"):
        notional: Decimal | None = getattr(limits, name)
        if notional is not None and notional > instrument.largest_notional:
            problems.add_value(
                (*place, name),
                notional,
                f"at most {instrument.largest_notional:f}, the largest count of tick times lot"
                " in 64 bits",
            )
    for name in ("price_collar_percent", "last_trade_collar_percent"):
        collar: Decimal | None = getattr(limits, name)
        try:
            collar_to_parts_per_million(collar or Decimal(0))
        except InstrumentError:
            problems.add_value((*place, name), collar, "at most 4 decimals")
    for least_name, most_name in (
        ("min_order_quantity", "max_order_quantity"),
        ("min_order_notional", "max_order_notional"),
    ):
        least, most = getattr(limits, least_name), getattr(limits, most_name)
        if least is not None and least > most:
            allowed = f"at most {most_name}, which is {most:f}"
            problems.add_value((*place, least_name), least, allowed)
