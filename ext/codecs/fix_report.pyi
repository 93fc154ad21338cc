from typing import Self, final

from ext.instrument_table import InstrumentTable
from ext.orders import OrderTable

@final
class FixReportDecoder:
    def __new__(
        cls,
        table: InstrumentTable,
        orders: OrderTable,
        sender_comp_id: str,
        target_comp_id: str,
    ) -> Self: ...
    def decode_message(
        self, message: bytes
    ) -> tuple[int, dict[str, object], dict[str, object]]: ...
