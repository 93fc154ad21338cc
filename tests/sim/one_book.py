"""A market of one matching engine without flow, whose clock stands."""

# tidy-ok: a helper of the tests of both order doors

from sim.exchange import MatchingEngine
from sim.market import FeedFrame
from sim.orders import Order, OrderEvent
from sim.products import Product
from sim.times import fix_time_ns

NOW_NS = fix_time_ns("20260105-14:30:00.000001")
BTC = Product.from_text("BTC-USD", "0.01", "0.00000001")


class OneBook:
    """A market of one matching engine without flow."""

    def __init__(self) -> None:
        self.products = {"BTC-USD": BTC}
        self.channels: frozenset[str] = frozenset()
        self.trade_count = 0
        self.engine = MatchingEngine("BTC-USD")

    def start_time_ns(self) -> int:
        return NOW_NS

    def next_time_ns(self) -> int | None:
        return None

    def run_step(self, now_ns: int) -> int:
        return now_ns

    def submit(self, order: Order, now_ns: int) -> list[OrderEvent]:
        return self.engine.submit(order)

    def cancel(self, order: Order, now_ns: int) -> list[OrderEvent]:
        return self.engine.cancel(order)

    def replace(
        self, order: Order, quantity_lots: int, price_ticks: int, client_order_id: str, now_ns: int
    ) -> list[OrderEvent]:
        return self.engine.replace(order, quantity_lots, price_ticks, client_order_id)

    def take_events(self) -> list[OrderEvent]:
        return []

    def take_frames(self) -> list[FeedFrame]:
        return []

    def has_frames(self) -> bool:
        return False

    def snapshot_frames(self, symbol: str) -> list[FeedFrame]:
        return []

    def last_match_frames(self, symbol: str) -> list[FeedFrame]:
        return []
