from typing import Self

from typing_extensions import disjoint_base

from ext.book import OrderBook
from ext.breakers import Breakers
from ext.feed_decoder import FeedDecoder
from ext.instrument_table import InstrumentTable
from ext.kernels import StrategyTable
from ext.order_encoder import OrderEncoder
from ext.order_sender import OrderSender
from ext.orders import OrderTable
from ext.position_guard import PositionGuard
from ext.risk import RiskGate
from ext.session_store import SessionStore
from ext.shared_memory import SharedMemory

@disjoint_base
class PipelineParts:
    def __new__(
        cls,
        table: InstrumentTable,
        decoder: FeedDecoder,
        memory: SharedMemory | None = None,
        strategies: StrategyTable | None = None,
        orders: OrderTable | None = None,
        gate: RiskGate | None = None,
        encoder: OrderEncoder | None = None,
        sender: OrderSender | None = None,
        store: SessionStore | None = None,
        breakers: Breakers | None = None,
        guard: PositionGuard | None = None,
        is_sending: bool = True,
        step_interval: int = 1,
        is_conflating: bool = False,
        is_recording: bool = False,
    ) -> Self: ...
    @property
    def table(self) -> InstrumentTable: ...
    @property
    def decoder(self) -> FeedDecoder: ...
    @property
    def memory(self) -> SharedMemory: ...
    @property
    def strategies(self) -> StrategyTable: ...
    @property
    def orders(self) -> OrderTable: ...
    @property
    def gate(self) -> RiskGate: ...
    @property
    def breakers(self) -> Breakers: ...
    @property
    def guard(self) -> PositionGuard: ...
    @property
    def has_notices(self) -> bool: ...
    @property
    def is_killed(self) -> bool: ...
    def take_notices(self) -> tuple[list[tuple[int, int, int]], bool]: ...
    def last_frame_time_ns(self) -> int: ...
    def last_product_time_ns(self, instrument: int) -> int: ...
    def book(self, instrument: int) -> OrderBook: ...
    def counters(self) -> dict[str, int]: ...
