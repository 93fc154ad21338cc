from typing import final

@final
class RiskGate:
    is_paused: bool
    def set_engine_limits(
        self,
        max_messages_per_second: int,
        cancel_reserve: int,
        stale_after_ns: int,
        duplicate_window_ns: int,
        max_feed_delay_ns: int = 0,
    ) -> None: ...
    def set_instrument_limits(
        self,
        instrument: int,
        max_order_lots: int,
        max_order_notional: int,
        price_collar_ppm: int,
        max_position_lots: int,
    ) -> None: ...
    def forbid(self, instrument: int) -> None: ...
    def add_strategy(self, instrument: int) -> None: ...
