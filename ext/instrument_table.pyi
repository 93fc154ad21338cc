from typing import final

MAX_DECIMALS: int
MAX_STEP: int

@final
class InstrumentTable:
    @property
    def count(self) -> int: ...
    def add(
        self,
        symbol: str,
        tick: str,
        lot: str,
        *,
        price_precision: int | None = None,
        quantity_precision: int | None = None,
        depth: int = 0,
    ) -> int: ...
    def symbol(self, index: int) -> str: ...
    def index(self, symbol: str) -> int: ...
    def __len__(self) -> int: ...
