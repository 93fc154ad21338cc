from typing import Self, final

from ext.instrument_table import InstrumentTable
from ext.order_encoder import OrderEncoder
from ext.orders import OrderTable

BEGIN_STRINGS: tuple[str, ...]

@final
class FixOrderEncoder(OrderEncoder):
    def __new__(
        cls,
        table: InstrumentTable,
        orders: OrderTable,
        begin_string: str,
        sender_comp_id: str,
        target_comp_id: str,
        self_trade_rule: str = "",
    ) -> Self: ...
    def encode_request(
        self,
        kind: int,
        instrument: int,
        side: int,
        price_ticks: int,
        quantity_lots: int,
        request_number: int,
        sequence: int,
        wall_ns: int,
        original_number: int = 0,
        time_in_force: int = 1,
        post_only: bool = False,
        venue_order_id: str = "",
    ) -> bytes: ...
