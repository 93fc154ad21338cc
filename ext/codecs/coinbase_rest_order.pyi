from typing import Self, final

from ext.instrument_table import InstrumentTable
from ext.order_encoder import OrderEncoder
from ext.orders import OrderTable

SELF_TRADE_RULES: tuple[str, ...]

@final
class CoinbaseRestOrderEncoder(OrderEncoder):
    def __new__(
        cls,
        table: InstrumentTable,
        orders: OrderTable,
        host: str,
        key: str,
        secret: str = "",
        passphrase: str = "",
        self_trade_rule: str = "cn",
    ) -> Self: ...
    @property
    def wall_ns(self) -> int: ...
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
        is_sealed: bool = True,
    ) -> bytes: ...
