"""Setting the limits of the risk gate, see the ``.pxd``."""

from libc.stdint cimport INT64_MAX, int64_t
from libc.string cimport memset

from collections.abc import Sequence

from ext.bounds cimport (
    MAX_CURRENCIES,
    MAX_INSTRUMENTS,
    MAX_LONG_RATE_WINDOW,
    MAX_RATE_WINDOW,
    MAX_STRATEGIES,
    MAX_TRADING_WINDOWS,
)
from ext.errors import UsageError
from ext.trading_hours cimport SECOND_NS, WEEK_S

NO_LIMIT = 2**63 - 1                # of an optional limit: no sum can exceed it


cdef class RiskLimits:
    """Base of ``RiskGate``: what it holds orders against. UsageError for what cannot be a limit."""

    def __cinit__(self) -> None:
        cdef int64_t index
        memset(&self.engine, 0, sizeof(self.engine))
        memset(self.limits, 0, sizeof(self.limits))
        memset(self.hours, 0, sizeof(self.hours))
        memset(self.strategies, 0, sizeof(self.strategies))
        for index in range(<int64_t>MAX_CURRENCIES):
            self.currencies[index].max_open_value = INT64_MAX
            self.currencies[index].max_gross_value = INT64_MAX
            self.currencies[index].max_net_value = INT64_MAX
            self.currencies[index].is_limited = self.currencies[index].has_worth_limit = False

    def set_engine_limits(
        self,
        max_messages_per_second: int,
        cancel_reserve: int,
        stale_after_ns: int,
        duplicate_window_ns: int,
        max_feed_delay_ns: int = 0,
        *,
        max_messages_per_ten_seconds: int = MAX_LONG_RATE_WINDOW,
        long_cancel_reserve: int = 0,
        max_open_orders: int = NO_LIMIT,
        max_trade_age_ns: int = NO_LIMIT,
        prevents_self_match: bool = False,
    ) -> None:
        """Limits over all orders; UsageError outside their ranges (see ``EngineLimits``)."""
        if max_feed_delay_ns < 0:
            raise UsageError(f"max_feed_delay_ns was {max_feed_delay_ns}; use 0 (off) or more")
        _check_rate(
            "max_messages_per_second", max_messages_per_second, MAX_RATE_WINDOW,
            "cancel_reserve", cancel_reserve
        )
        _check_rate(
            "max_messages_per_ten_seconds", max_messages_per_ten_seconds, MAX_LONG_RATE_WINDOW,
            "long_cancel_reserve", long_cancel_reserve
        )
        if stale_after_ns <= 0 or not 0 <= duplicate_window_ns <= SECOND_NS:
            raise UsageError(
                "stale_after_ns must be positive and duplicate_window_ns 0 to one second; were "
                f"{stale_after_ns} and {duplicate_window_ns}"
            )
        if max_open_orders <= 0 or max_trade_age_ns <= 0:
            raise UsageError(
                "max_open_orders and max_trade_age_ns must be positive; were "
                f"{max_open_orders} and {max_trade_age_ns}"
            )
        self.engine.max_messages_per_second = max_messages_per_second
        self.engine.cancel_reserve = cancel_reserve
        self.engine.max_messages_per_ten_seconds = max_messages_per_ten_seconds
        self.engine.long_cancel_reserve = long_cancel_reserve
        self.engine.stale_after_ns = stale_after_ns
        self.engine.duplicate_window_ns = duplicate_window_ns
        self.engine.max_feed_delay_ns = max_feed_delay_ns
        self.engine.max_open_orders = max_open_orders
        self.engine.max_trade_age_ns = max_trade_age_ns
        self.engine.prevents_self_match = prevents_self_match

    def set_instrument_limits(
        self,
        instrument: int,
        max_order_lots: int,
        max_order_notional: int,
        price_collar_ppm: int,
        max_position_lots: int,
        *,
        min_order_lots: int = 0,
        min_order_notional: int = 0,
        last_trade_collar_ppm: int = 0,
        max_open_orders: int = NO_LIMIT,
        max_open_notional: int = NO_LIMIT,
        currency: int = 0,
        step_value: int = 1,
    ) -> None:
        """Limits of one instrument, greater than zero but for the minima and the second collar;
        notional in ticks times lots."""
        cdef InstrumentLimits* limits
        _check_index("instrument", instrument, MAX_INSTRUMENTS)
        _check_index("currency", currency, MAX_CURRENCIES)
        values = (
            max_order_lots, max_order_notional, price_collar_ppm, max_position_lots,
            max_open_orders, max_open_notional, step_value
        )
        if min(values) <= 0:
            raise UsageError(f"limits of instrument {instrument} were {values}; use > 0")
        optional = (min_order_lots, min_order_notional, last_trade_collar_ppm)
        if min(optional) < 0:
            raise UsageError(f"minima of instrument {instrument} were {optional}; use 0 or more")
        limits = &self.limits[<int64_t>instrument]
        limits.max_order_lots = max_order_lots
        limits.min_order_lots = min_order_lots
        limits.max_order_notional = max_order_notional
        limits.min_order_notional = min_order_notional
        limits.price_collar_ppm = price_collar_ppm
        limits.last_trade_collar_ppm = last_trade_collar_ppm
        limits.max_position_lots = max_position_lots
        limits.max_open_orders = max_open_orders
        limits.max_open_notional = max_open_notional
        limits.currency = currency
        limits.step_value = step_value

    def forbid(self, instrument: int) -> None:
        """No new order or replace of an instrument passes from now on; its cancels do."""
        _check_index("instrument", instrument, MAX_INSTRUMENTS)
        self.limits[<int64_t>instrument].is_forbidden = True

    def set_trading_hours(self, instrument: int, windows: Sequence[tuple[int, int]]) -> None:
        """Windows of the UTC week as seconds since Monday 00:00, each before the next; the second
        number is the first second outside. Without any the product may be traded always."""
        cdef TradingHours* hours
        _check_index("instrument", instrument, MAX_INSTRUMENTS)
        if len(windows) > MAX_TRADING_WINDOWS:
            raise UsageError(
                f"instrument {instrument} has {len(windows)} windows; use at most "
                f"{int(MAX_TRADING_WINDOWS)}"
            )
        before = 0
        for opens_s, closes_s in windows:
            if not before <= opens_s < closes_s <= WEEK_S:
                raise UsageError(
                    f"windows of instrument {instrument} were {list(windows)}; use ascending "
                    f"seconds of the week, 0 to {int(WEEK_S)}"
                )
            before = closes_s
        hours = &self.hours[<int64_t>instrument]
        memset(hours, 0, sizeof(TradingHours))
        for opens_s, closes_s in windows:
            hours.opens_s[hours.count] = opens_s
            hours.closes_s[hours.count] = closes_s
            hours.count += 1

    def add_strategy(
        self,
        instrument: int,
        *,
        max_position_lots: int = NO_LIMIT,
        max_open_orders: int = NO_LIMIT,
        max_messages_per_second: int = MAX_RATE_WINDOW,
        max_gross_value: int = NO_LIMIT,
    ) -> None:
        """Strategies in the order of the strategy table: their positions add up."""
        cdef StrategyLimits* limits
        if self.strategy_count == MAX_STRATEGIES:
            raise UsageError(f"more than {MAX_STRATEGIES} strategies")
        _check_index("instrument", instrument, MAX_INSTRUMENTS)
        values = (max_position_lots, max_open_orders, max_gross_value)
        if min(values) <= 0:
            raise UsageError(f"limits of strategy {self.strategy_count} were {values}; use > 0")
        _check_rate(
            "max_messages_per_second", max_messages_per_second, MAX_RATE_WINDOW, "reserve", 0
        )
        limits = &self.strategies[self.strategy_count]
        limits.instrument = instrument
        limits.max_position_lots = max_position_lots
        limits.max_open_orders = max_open_orders
        limits.max_messages_per_second = max_messages_per_second
        limits.max_gross_value = max_gross_value
        self.strategy_count += 1

    def set_currency_limits(
        self,
        currency: int,
        *,
        max_open_value: int = NO_LIMIT,
        max_gross_value: int = NO_LIMIT,
        max_net_value: int = NO_LIMIT,
    ) -> None:
        """Limits of all instruments of one quote currency together, in its unit."""
        cdef CurrencyLimits* limits
        _check_index("currency", currency, MAX_CURRENCIES)
        values = (max_open_value, max_gross_value, max_net_value)
        if min(values) <= 0:
            raise UsageError(f"limits of currency {currency} were {values}; use > 0")
        limits = &self.currencies[<int64_t>currency]
        limits.max_open_value = max_open_value
        limits.max_gross_value = max_gross_value
        limits.max_net_value = max_net_value
        limits.is_limited = min(values) != NO_LIMIT
        limits.has_worth_limit = min(max_gross_value, max_net_value) != NO_LIMIT


def _check_index(name: str, value: int, count: int) -> None:
    if not 0 <= value < count:
        raise UsageError(f"{name} was {value}; use 0 to {count - 1}")


def _check_rate(name: str, most: int, largest: int, reserve_name: str, reserve: int) -> None:
    if not 1 <= most <= largest:
        raise UsageError(f"{name} was {most}; use 1 to {largest}")
    if not 0 <= reserve < most:
        raise UsageError(f"{reserve_name} was {reserve}; use 0 to {most - 1}")
