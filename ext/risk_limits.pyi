from collections.abc import Sequence

from typing_extensions import disjoint_base

NO_LIMIT: int

@disjoint_base
class RiskLimits:
    def set_engine_limits(
        self,
        max_messages_per_second: int,
        cancel_reserve: int,
        stale_after_ns: int,
        duplicate_window_ns: int,
        max_feed_delay_ns: int = 0,
        *,
        max_messages_per_ten_seconds: int = ...,
        long_cancel_reserve: int = 0,
        max_open_orders: int = ...,
        max_trade_age_ns: int = ...,
        prevents_self_match: bool = False,
    ) -> None: ...
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
        max_open_orders: int = ...,
        max_open_notional: int = ...,
        currency: int = 0,
        step_value: int = 1,
    ) -> None: ...
    def forbid(self, instrument: int) -> None: ...
    def set_trading_hours(self, instrument: int, windows: Sequence[tuple[int, int]]) -> None: ...
    def add_strategy(
        self,
        instrument: int,
        *,
        max_position_lots: int = ...,
        max_open_orders: int = ...,
        max_messages_per_second: int = ...,
        max_gross_value: int = ...,
    ) -> None: ...
    def set_currency_limits(
        self,
        currency: int,
        *,
        max_open_value: int = ...,
        max_gross_value: int = ...,
        max_net_value: int = ...,
    ) -> None: ...
