from enum import IntEnum
from typing import Self, final

from ext.instrument_table import InstrumentTable
from ext.requests import RequestTable
from ext.shared_memory import SharedMemory

class ReportResult(IntEnum):
    REPORT_APPLIED = 1
    REPORT_FILL = 2
    REPORT_DUPLICATE = 4
    REPORT_UNKNOWN_ORDER = 8
    REPORT_INCONSISTENT = 16
    REPORT_FIRST = 32

def draw_run_prefix(seed: bytes | None = None) -> bytes: ...

@final
class OrderTable:
    def __new__(
        cls, memory: SharedMemory, table: InstrumentTable, run_seed: bytes | None = None
    ) -> Self: ...
    def mark_unknown(self, now_ns: int) -> int: ...
    def expire_pending(self, now_ns: int, limit_ns: int) -> int: ...
    def open_orders(self) -> list[dict[str, object]]: ...
    @property
    def requests(self) -> RequestTable: ...
    def client_order_id(self, number: int) -> str: ...
    def request_number(self, client_order_id: str) -> int: ...
