from typing import Self, final

from ext.instrument_table import InstrumentTable
from ext.order_encoder import OrderEncoder
from ext.orders import OrderTable

MAX_RECEIVE_WINDOW_MS: int
SELF_TRADE_MODES: tuple[str, ...]

@final
class BinanceOrderEncoder(OrderEncoder):
    def __new__(
        cls,
        table: InstrumentTable,
        orders: OrderTable,
        receive_window_ms: int = 5000,
        self_trade_mode: str = "",
    ) -> Self: ...
    def encode_request(
        self,
        kind: int,
        instrument: int,
        side: int,
        price_ticks: int,
        quantity_lots: int,
        request_number: int,
        wall_ns: int,
        original_number: int = 0,
        time_in_force: int = 1,
        post_only: bool = False,
        order_price_ticks: int = 0,
        order_quantity_lots: int = 0,
        order_filled_lots: int = 0,
    ) -> bytes: ...
