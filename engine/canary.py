"""A live run with a part of everything: some products, and every limit of amounts scaled down.

Controlled deployment with preset limits: RTS 6 (EU 2017/589) article 8.
"""

from collections.abc import Iterator, Sequence
from decimal import ROUND_DOWN, Context, Decimal
from typing import TypeVar

import msgspec
from msgspec import Struct

from engine.settings.config_modes import CanarySection
from engine.settings.config_problems import Problems, find_nearest
from engine.settings.config_schema import EngineConfig
from engine.settings.config_trading import InstrumentSection

HUNDRED = Decimal(100)
AMOUNTS = (
    "max_order_quantity",
    "max_order_notional",
    "max_position",
    "max_open_notional",
    "max_gross_exposure",
    "max_net_exposure",
    "daily_loss",
    "drawdown",
)
"""Limits of amounts, wherever they stand. Prices, ages and rates of messages are not scaled: a
collar is no risk that grows, and a cancel has to leave in time."""
LOTS = ("max_order_quantity", "max_position")
COUNTS = ("max_open_orders",)
"""Scaled too, but never below one order."""

# Wide enough for a limit of 36 digits times a percentage of as many.
_EXACT = Context(prec=100)

_Section = TypeVar("_Section", bound=Struct)


def is_canary(config: EngineConfig) -> bool:
    """Whether this run is one."""
    return config.engine.mode == "live" and bool(config.canary.symbols)


def scale_limits(config: EngineConfig) -> EngineConfig:
    """The config with the limits that the gate is to hold: those of the file, or in a canary run a
    part of them, rounded down; products that are not its own cannot be traded."""
    if not is_canary(config):
        return config
    canary, percent = config.canary, config.canary.limit_percent
    instruments = tuple(
        msgspec.structs.replace(
            section,
            limits=_scale(section.limits, percent, section.lot),
            tradable=section.tradable and section.symbol in canary.symbols,
        )
        for section in config.instruments
    )
    lots = {section.symbol: section.lot for section in config.instruments}
    return msgspec.structs.replace(
        config,
        risk=_scale(config.risk, percent, None),
        breakers=_scale(config.breakers, percent, None),
        instruments=instruments,
        currencies=tuple(_scale(each, percent, None) for each in config.currencies),
        strategies=tuple(
            msgspec.structs.replace(
                each,
                limits=_scale(each.limits, percent, lots.get(each.instrument)),
                breakers=each.breakers and _scale(each.breakers, percent, None),
            )
            for each in config.strategies
        ),
    )


def canary_lines(config: EngineConfig) -> Iterator[str]:
    """What the banner says; nothing when it is none."""
    if is_canary(config):
        canary = config.canary
        yield (
            f"CANARY: only {', '.join(canary.symbols)}, at {canary.limit_percent:f} percent of the"
            " limits"
        )


def check_canary(
    canary: CanarySection,
    instruments: Sequence[InstrumentSection | None],
    problems: Problems,
) -> None:
    """Adds what no canary run could begin with: unknown symbols, and limits that leave nothing."""
    known = [section.symbol for section in instruments if section]
    for symbol in canary.symbols:
        if symbol not in known:
            nearest = find_nearest(symbol, known)
            hint = f"did you mean {nearest}?" if nearest else f"use some of {', '.join(known)}"
            text = f'names "{symbol}", which no [[instrument]] has; {hint}'
            problems.add(("canary", "symbols"), text)
    percent = canary.limit_percent
    if percent > HUNDRED:
        allowed = 'a decimal above 0, at most 100, as in "1"'
        problems.add_value(("canary", "limit_percent"), percent, allowed)
    for section in instruments:
        if section is None or section.symbol not in canary.symbols:
            continue
        scaled = _scale(section.limits, percent, section.lot)
        for name in LOTS:
            if getattr(scaled, name) <= 0:
                text = f"was {percent:f}, which leaves {section.symbol} a {name} below one lot"
                problems.add(("canary", "limit_percent"), text)


def _scale(section: _Section, percent: Decimal, lot: Decimal | None) -> _Section:
    """A section with its limits scaled; quantities in whole lots, rounded down."""
    changes: dict[str, object] = {}
    for field in msgspec.structs.fields(type(section)):
        value = getattr(section, field.name)
        if field.name in AMOUNTS and isinstance(value, Decimal):
            scaled = _EXACT.divide(_EXACT.multiply(value, percent), HUNDRED)
            if field.name in LOTS and lot is not None:
                scaled = _EXACT.multiply(_EXACT.divide_int(scaled, lot), lot)
            changes[field.name] = min(value, scaled)
        elif field.name in COUNTS and isinstance(value, int):
            part = _EXACT.divide(_EXACT.multiply(Decimal(value), percent), HUNDRED)
            changes[field.name] = max(1, int(part.to_integral_value(ROUND_DOWN)))
    return msgspec.structs.replace(section, **changes)
