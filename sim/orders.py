"""Orders of the simulated venue and what can happen to them.

Every market (generated or recorded) takes ``Order`` and answers with a list of ``OrderEvent`` in
the order in which things happened; the order entry side turns them into reports.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum

PUBLIC_OWNER = 0
"""Owner of the synthetic flow's orders; order entry sessions have owners from 1."""


class Side(IntEnum):
    """Side of an order or of a book."""

    BUY = 1
    SELL = -1

    @property
    def opposite(self) -> "Side":
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def feed_text(self) -> str:
        """As the market data feed writes it."""
        return "buy" if self is Side.BUY else "sell"


class OrderType(Enum):
    """FIX OrdType(40) as far as this venue has it."""

    MARKET = "1"
    LIMIT = "2"


class TimeInForce(Enum):
    """FIX TimeInForce(59) as far as this venue has it."""

    GOOD_TILL_CANCEL = "1"
    IMMEDIATE_OR_CANCEL = "3"
    FILL_OR_KILL = "4"


class SelfTradeRule(Enum):
    """FIX SelfTradePrevention(7928, session default 8001): who goes when both sides are ours."""

    CANCEL_AGGRESSOR = "N"
    CANCEL_RESTING = "O"
    CANCEL_BOTH = "B"


class OrderStatus(Enum):
    """FIX OrdStatus(39)."""

    NEW = "0"
    PARTIALLY_FILLED = "1"
    FILLED = "2"
    CANCELED = "4"
    REJECTED = "8"
    EXPIRED = "C"

    @property
    def is_open(self) -> bool:
        """Whether the order can still trade."""
        return self in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


@dataclass(slots=True, eq=False)
class Order:
    """One order. ``price_ticks`` is 0 for market orders; quantities are lots."""

    order_id: str
    owner: int
    symbol: str
    side: Side
    price_ticks: int
    quantity_lots: int
    order_type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.GOOD_TILL_CANCEL
    is_post_only: bool = False
    self_trade_rule: SelfTradeRule = SelfTradeRule.CANCEL_AGGRESSOR
    client_order_id: str = ""
    filled_lots: int = 0
    filled_ticks_lots: int = 0
    """Sum of price times quantity of the fills, in ticks times lots."""
    status: OrderStatus = OrderStatus.NEW
    queue_ahead_lots: int = 0
    """Recorded markets only: what stood before this order at its price and has not traded."""
    is_of_rest: bool = False
    """Entered over REST: no order entry session has it, and only a drop copy tells of it."""
    created_time_ns: int = 0
    done_time_ns: int = 0
    reject_text: str = ""

    @property
    def open_lots(self) -> int:
        """What is left to trade, whether or not the order is still open."""
        return self.quantity_lots - self.filled_lots

    @property
    def leaves_lots(self) -> int:
        """FIX LeavesQty(151): zero once the order is done."""
        return self.open_lots if self.status.is_open else 0

    def accepts_price(self, price_ticks: int) -> bool:
        """Whether the order may trade at ``price_ticks``."""
        if self.order_type is OrderType.MARKET:
            return True
        return price_ticks * self.side <= self.price_ticks * self.side

    def fill(self, price_ticks: int, quantity_lots: int) -> None:
        """Books one execution and moves the status."""
        self.filled_lots += quantity_lots
        self.filled_ticks_lots += price_ticks * quantity_lots
        is_done = self.open_lots == 0
        self.status = OrderStatus.FILLED if is_done else OrderStatus.PARTIALLY_FILLED


class EventKind(Enum):
    """What happened; the value is FIX ExecType(150)."""

    ACCEPTED = "0"
    CANCELED = "4"
    REPLACED = "5"
    REJECTED = "8"
    EXPIRED = "C"
    TRADED = "F"


class RequestRefused(Exception):
    """A cancel or replace that the market does not do; ``str()`` is the reason for the client."""


@dataclass(slots=True)
class OrderEvent:
    """One thing that happened to one order, with the order's figures right after it."""

    kind: EventKind
    order: Order
    status: OrderStatus
    quantity_lots: int
    filled_lots: int
    filled_ticks_lots: int
    leaves_lots: int
    last_ticks: int = 0
    last_lots: int = 0
    trade_id: int = 0
    is_taker: bool = False
    is_self_trade: bool = False
    text: str = ""


def event_of(kind: EventKind, order: Order, text: str = "") -> OrderEvent:
    """An event that keeps the order's figures of this moment."""
    return OrderEvent(
        kind=kind,
        order=order,
        status=order.status,
        quantity_lots=order.quantity_lots,
        filled_lots=order.filled_lots,
        filled_ticks_lots=order.filled_ticks_lots,
        leaves_lots=order.leaves_lots,
        text=text,
    )


def trade_event(
    order: Order, price_ticks: int, quantity_lots: int, trade_id: int, is_taker: bool
) -> OrderEvent:
    """Books one execution on ``order`` and says so."""
    order.fill(price_ticks, quantity_lots)
    event = event_of(EventKind.TRADED, order)
    event.last_ticks = price_ticks
    event.last_lots = quantity_lots
    event.trade_id = trade_id
    event.is_taker = is_taker
    return event


def close_event(order: Order, kind: EventKind, status: OrderStatus, text: str = "") -> OrderEvent:
    """Ends ``order`` with ``status`` and says so."""
    order.status = status
    return event_of(kind, order, text)


def self_trade_event(order: Order) -> OrderEvent:
    """Cancels ``order`` because it would have traded with an order of its own owner."""
    event = close_event(order, EventKind.CANCELED, OrderStatus.CANCELED, "self trade prevention")
    event.is_self_trade = True
    return event
