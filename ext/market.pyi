from typing import Self, final

from ext.book import OrderBook
from ext.instrument_table import InstrumentTable
from ext.shared_memory import SharedMemory

@final
class Market:
    def __new__(cls, table: InstrumentTable, memory: SharedMemory) -> Self: ...
    def take_notices(self) -> list[tuple[int, int, int]]: ...
    def book(self, instrument: int) -> OrderBook: ...
