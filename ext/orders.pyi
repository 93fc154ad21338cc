from enum import IntEnum
from typing import final

from ext.instrument_table import InstrumentTable
from ext.shared_memory import SharedMemory

class ReportResult(IntEnum):
    REPORT_APPLIED = 1
    REPORT_FILL = 2
    REPORT_DUPLICATE = 4
    REPORT_UNKNOWN_ORDER = 8
    REPORT_INCONSISTENT = 16
    REPORT_FIRST = 32

@final
class OrderTable:
    def __init__(
        self, memory: SharedMemory, table: InstrumentTable, run_seed: bytes | None = None
    ) -> None: ...
    def mark_unknown(self, now_ns: int) -> int: ...
    def open_orders(self) -> list[dict[str, object]]: ...
    def request_of_sequence(self, sequence: int) -> int: ...
    def forget_sequences(self) -> None: ...
    def client_order_id(self, number: int) -> str: ...
    def request_number(self, client_order_id: str) -> int: ...
