from typing import final

from ext.instrument_table import InstrumentTable
from ext.orders import OrderTable

@final
class FixReportDecoder:
    def __init__(
        self,
        table: InstrumentTable,
        orders: OrderTable,
        sender_comp_id: str,
        target_comp_id: str,
    ) -> None: ...
    def decode_message(
        self, message: bytes
    ) -> tuple[int, dict[str, object], dict[str, object]]: ...
