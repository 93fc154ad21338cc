from enum import IntEnum
from typing import Self, final

from ext.instrument_table import InstrumentTable
from ext.orders import OrderTable

class AnswerStatus(IntEnum):
    ANSWER_REPORT = 0
    ANSWER_OTHER = 1
    ANSWER_UNDECIDED = 2
    ANSWER_BAD_JSON = 3
    ANSWER_BAD_NUMBER = 4
    ANSWER_MISSING_FIELD = 5
    ANSWER_BAD_CODE = 6

@final
class BinanceReportDecoder:
    def __new__(cls, table: InstrumentTable, orders: OrderTable) -> Self: ...
    @property
    def foreign_fees(self) -> int: ...
    def decode_message(self, message: bytes) -> tuple[AnswerStatus, dict[str, object]]: ...
