"""The risk gate of a run, with every limit of its config."""

from collections.abc import Iterable, Sequence

from engine.instruments import Instrument, InstrumentLimits
from engine.kernel.kernels import CompiledStrategy
from engine.rest.rest_parts import is_by_rest
from engine.risk_limits import WITHOUT_LIMITS, CurrencyUnit, convert_strategy
from engine.settings.config import EngineConfig, make_instruments, make_limits
from engine.trading_hours import combine_hours
from ext.bounds import Bound
from ext.risk import RiskGate
from ext.risk_limits import NO_LIMIT

MILLISECOND_NS = 1_000_000


def make_gate(
    config: EngineConfig, strategies: Sequence[CompiledStrategy], forbidden: Iterable[int] = ()
) -> RiskGate:
    """The gate for ``strategies``: the enabled ones of ``config``, or none of them. It takes no
    risk on the instruments with the indexes ``forbidden``."""
    gate = RiskGate()
    for index in forbidden:
        gate.forbid(index)
    gate.is_replace_refused = is_by_rest(config)
    set_limits(gate, config)
    units = _units(make_instruments(config))
    for strategy, section in zip(strategies, config.enabled_strategies, strict=False):
        instrument = strategy.instrument
        limits = convert_strategy(instrument, section, units[instrument.quote_currency])
        gate.add_strategy(
            instrument.index,
            max_position_lots=limits.max_position_lots,
            max_open_orders=limits.max_open_orders,
            max_messages_per_second=limits.max_messages_per_second,
            max_gross_value=limits.max_gross_value,
        )
    return gate


def set_limits(gate: RiskGate, config: EngineConfig) -> None:
    """Every limit but those of strategies."""
    instruments = make_instruments(config)
    units = _units(instruments)
    _set_engine_limits(gate, config)
    for index, section in enumerate(config.currencies):
        unit = units[section.name]
        gate.set_currency_limits(
            index,
            max_open_value=unit.count(section.max_open_notional),
            max_gross_value=unit.count(section.max_gross_exposure),
            max_net_value=unit.count(section.max_net_exposure),
        )
    for instrument, limits in zip(instruments, make_limits(config), strict=True):
        unit = units[instrument.quote_currency]
        _set_instrument_limits(gate, config, instrument, limits, unit)


def _units(instruments: Sequence[Instrument]) -> dict[str, CurrencyUnit]:
    quotes = {each.quote_currency for each in instruments}
    return {name: CurrencyUnit(name, instruments) for name in quotes}


def _set_engine_limits(gate: RiskGate, config: EngineConfig) -> None:
    risk = config.risk
    gate.set_engine_limits(
        risk.max_orders_per_second,
        risk.cancel_reserve,
        risk.stale_after_ms * MILLISECOND_NS,
        risk.duplicate_window_ms * MILLISECOND_NS,
        risk.max_feed_delay_ms * MILLISECOND_NS,
        max_messages_per_ten_seconds=(
            risk.max_orders_per_ten_seconds or int(Bound.MAX_LONG_RATE_WINDOW)
        ),
        long_cancel_reserve=risk.cancel_reserve_per_ten_seconds,
        max_open_orders=risk.max_open_orders,
        max_trade_age_ns=risk.max_trade_age_ms * MILLISECOND_NS or NO_LIMIT,
        prevents_self_match=risk.prevent_self_match,
    )


def _set_instrument_limits(
    gate: RiskGate,
    config: EngineConfig,
    instrument: Instrument,
    limits: InstrumentLimits,
    unit: CurrencyUnit,
) -> None:
    """Of a product that is not tradable none is set, so that the gate refuses every order."""
    section = config.instruments[instrument.index]
    names = [each.name for each in config.currencies]
    if not section.tradable:
        return
    gate.set_instrument_limits(
        instrument.index,
        limits.max_order_lots,
        limits.max_order_notional_steps,
        limits.price_collar_parts_per_million,
        limits.max_position_lots,
        min_order_lots=limits.min_order_lots,
        min_order_notional=limits.min_order_notional_steps,
        last_trade_collar_ppm=limits.last_trade_collar_parts_per_million,
        max_open_orders=limits.max_open_orders,
        max_open_notional=limits.max_open_notional_steps,
        currency=names.index(unit.name) if unit.name in names else WITHOUT_LIMITS,
        step_value=unit.step_value(instrument),
    )
    gate.set_trading_hours(
        instrument.index, combine_hours(config.risk.trading_hours, section.trading_hours)
    )
