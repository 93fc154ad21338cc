"""Matching engine of one product: price-time priority, every order kept at its place in the queue.

An order first meets the opposite side from the best price on, inside a price the oldest order
first, always at the resting order's price; what is left rests, expires (IOC, market) or was never
started (FOK). A replace keeps its place only when it makes the order smaller and nothing else
(Coinbase Exchange FIX, message G).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sortedcontainers import SortedDict

from sim.orders import (
    PUBLIC_OWNER,
    EventKind,
    Order,
    OrderEvent,
    OrderStatus,
    OrderType,
    RequestRefused,
    SelfTradeRule,
    Side,
    TimeInForce,
    close_event,
    event_of,
    self_trade_event,
    trade_event,
)


@dataclass(slots=True)
class Level:
    """One price: its orders, oldest first, and the sum of what they have open."""

    price_ticks: int
    open_lots: int = 0
    orders: dict[str, Order] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """One execution as the market data feed tells it; ``maker_side`` is the resting side."""

    trade_id: int
    sequence: int
    maker_order_id: str
    taker_order_id: str
    maker_side: Side
    price_ticks: int
    quantity_lots: int


class BookSide:
    """The levels of one side; sorted so that the best price comes first."""

    def __init__(self, side: Side) -> None:
        self.side = side
        # Keys are -price for bids and price for asks: index 0 is the best of either.
        self._levels: SortedDict[int, Level] = SortedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def best(self) -> Level | None:
        """The level with the best price, or ``None`` when the side is empty."""
        return self._levels.peekitem(0)[1] if self._levels else None

    def level(self, price_ticks: int) -> Level | None:
        """The level at ``price_ticks``, or ``None``."""
        level: Level | None = self._levels.get(-price_ticks * self.side)
        return level

    def levels(self) -> Iterator[Level]:
        """All levels, best first."""
        return iter(self._levels.values())

    def add(self, order: Order) -> None:
        """Puts ``order`` last in the queue of its price."""
        key = -order.price_ticks * self.side
        level = self._levels.get(key)
        if level is None:
            level = self._levels[key] = Level(order.price_ticks)
        level.orders[order.order_id] = order
        level.open_lots += order.open_lots

    def remove(self, order: Order) -> None:
        """Takes ``order`` out with what it has open."""
        level = self._levels[-order.price_ticks * self.side]
        del level.orders[order.order_id]
        self._take(level, order.open_lots)

    def reduce(self, order: Order, quantity_lots: int) -> None:
        """``order`` keeps its place and will have ``quantity_lots`` less open."""
        self._take(self._levels[-order.price_ticks * self.side], quantity_lots)

    def _take(self, level: Level, quantity_lots: int) -> None:
        level.open_lots -= quantity_lots
        if not level.orders:
            del self._levels[-level.price_ticks * self.side]


class MatchingEngine:
    """The market of one product. Times do not matter here: calls are in order of arrival.

    Events are made for orders with an owner; the public flow gets none. What the market data feed
    has to tell is collected and taken with ``take_changes`` and ``take_trades``.
    """

    def __init__(self, symbol: str, first_trade_id: int = 1, first_sequence: int = 1) -> None:
        self.symbol = symbol
        self.bids = BookSide(Side.BUY)
        self.asks = BookSide(Side.SELL)
        self.sequence = first_sequence
        self.last_trade_id = first_trade_id - 1
        self._touched: dict[tuple[Side, int], None] = {}
        self._trades: list[PublicTrade] = []

    def side(self, side: Side) -> BookSide:
        """The book side that orders of ``side`` rest on."""
        return self.bids if side is Side.BUY else self.asks

    def would_take(self, order: Order) -> bool:
        """Whether ``order`` would trade at once."""
        best = self.side(order.side.opposite).best()
        return best is not None and order.accepts_price(best.price_ticks)

    def submit(self, order: Order) -> list[OrderEvent]:
        """A new order: accepted and matched, or rejected; returns what happened, in order."""
        events: list[OrderEvent] = []
        if order.is_post_only and self.would_take(order):
            text = "post only"
            events.append(close_event(order, EventKind.REJECTED, OrderStatus.REJECTED, text))
            return events
        self.sequence += 1
        if order.owner != PUBLIC_OWNER:
            events.append(event_of(EventKind.ACCEPTED, order))
        if order.time_in_force is TimeInForce.FILL_OR_KILL and not self._can_fill(order):
            text = "fill or kill"
            events.append(close_event(order, EventKind.CANCELED, OrderStatus.CANCELED, text))
            return events
        self._match(order, events)
        self._settle_rest(order, events)
        return events

    def cancel(self, order: Order) -> list[OrderEvent]:
        """Takes an open order out; ``RequestRefused`` when it is not open any more."""
        if not order.status.is_open:
            raise RequestRefused("Order already done")
        self._remove(order)
        event = close_event(order, EventKind.CANCELED, OrderStatus.CANCELED)
        return [] if order.owner == PUBLIC_OWNER else [event]

    def replace(
        self, order: Order, quantity_lots: int, price_ticks: int, client_order_id: str
    ) -> list[OrderEvent]:
        """New total quantity and price of an open order; executed quantity counts as done.

        ``RequestRefused`` when the order is not open, the total does not exceed what was filled,
        or a post-only order would trade at the new price.
        """
        check_replace(order, quantity_lots)
        if order.is_post_only and self._would_take_at(order, price_ticks):
            raise RequestRefused("post only")
        is_decrease = price_ticks == order.price_ticks and quantity_lots < order.quantity_lots
        if is_decrease:
            self.side(order.side).reduce(order, order.quantity_lots - quantity_lots)
            self._touched[order.side, price_ticks] = None
        else:
            self._remove(order)
        order.quantity_lots = quantity_lots
        order.price_ticks = price_ticks
        order.client_order_id = client_order_id
        self.sequence += 1
        events = [event_of(EventKind.REPLACED, order)]
        if not is_decrease:
            self._match(order, events)
            self._settle_rest(order, events)
        return events

    def has_changes(self) -> bool:
        """Whether the feed has something to tell."""
        return bool(self._touched or self._trades)

    def take_changes(self) -> list[tuple[Side, int, int]]:
        """Touched levels since the last call: side, price in ticks, lots now there (0: gone)."""
        changes = []
        for side, price_ticks in self._touched:
            level = self.side(side).level(price_ticks)
            changes.append((side, price_ticks, level.open_lots if level else 0))
        self._touched.clear()
        return changes

    def take_trades(self) -> list[PublicTrade]:
        """Executions since the last call, in order."""
        trades, self._trades = self._trades, []
        return trades

    def _would_take_at(self, order: Order, price_ticks: int) -> bool:
        best = self.side(order.side.opposite).best()
        return best is not None and best.price_ticks * order.side <= price_ticks * order.side

    def _can_fill(self, order: Order) -> bool:
        wanted = order.open_lots
        for level in self.side(order.side.opposite).levels():
            if not order.accepts_price(level.price_ticks):
                break
            for resting in level.orders.values():
                if resting.owner != order.owner or order.owner == PUBLIC_OWNER:
                    wanted -= resting.open_lots
            if wanted <= 0:
                return True
        return False

    def _match(self, taker: Order, events: list[OrderEvent]) -> None:
        makers = self.side(taker.side.opposite)
        while taker.status.is_open:
            level = makers.best()
            if level is None or not taker.accepts_price(level.price_ticks):
                return
            maker = next(iter(level.orders.values()))
            if maker.owner == taker.owner != PUBLIC_OWNER:
                self._prevent_self_trade(taker, maker, events)
            else:
                self._trade(taker, maker, makers, events)

    def _trade(
        self, taker: Order, maker: Order, makers: BookSide, events: list[OrderEvent]
    ) -> None:
        quantity_lots = min(taker.open_lots, maker.open_lots)
        price_ticks = maker.price_ticks
        if quantity_lots == maker.open_lots:
            makers.remove(maker)
        else:
            makers.reduce(maker, quantity_lots)
        self._touched[maker.side, price_ticks] = None
        self.last_trade_id += 1
        self.sequence += 2  # the match and the done or change that goes with it
        trade_id = self.last_trade_id
        self._trades.append(
            PublicTrade(
                trade_id=trade_id,
                sequence=self.sequence,
                maker_order_id=maker.order_id,
                taker_order_id=taker.order_id,
                maker_side=maker.side,
                price_ticks=price_ticks,
                quantity_lots=quantity_lots,
            )
        )
        for order, is_taker in ((maker, False), (taker, True)):
            if order.owner == PUBLIC_OWNER:
                order.fill(price_ticks, quantity_lots)
            else:
                events.append(trade_event(order, price_ticks, quantity_lots, trade_id, is_taker))

    def _prevent_self_trade(self, taker: Order, maker: Order, events: list[OrderEvent]) -> None:
        if taker.self_trade_rule is not SelfTradeRule.CANCEL_AGGRESSOR:
            self._remove(maker)
            events.append(self_trade_event(maker))
        if taker.self_trade_rule is not SelfTradeRule.CANCEL_RESTING:
            events.append(self_trade_event(taker))

    def _settle_rest(self, order: Order, events: list[OrderEvent]) -> None:
        if not order.status.is_open:
            return
        is_resting = (
            order.order_type is OrderType.LIMIT
            and order.time_in_force is TimeInForce.GOOD_TILL_CANCEL
        )
        if is_resting:
            self.side(order.side).add(order)
            self._touched[order.side, order.price_ticks] = None
            return
        event = close_event(order, EventKind.EXPIRED, OrderStatus.EXPIRED)
        if order.owner != PUBLIC_OWNER:
            events.append(event)

    def _remove(self, order: Order) -> None:
        self.side(order.side).remove(order)
        self._touched[order.side, order.price_ticks] = None
        self.sequence += 1


def check_replace(order: Order, quantity_lots: int) -> None:
    """The conditions every market puts on a replace; ``RequestRefused`` says which one failed."""
    if not order.status.is_open:
        raise RequestRefused("Order already done")
    if quantity_lots <= order.filled_lots:
        raise RequestRefused("New order quantity is not above the filled quantity")
