"""A recorded book that client orders trade against without changing it: the fill model.

The recorded market never heard of our orders, so its frames stay as they are and we reckon:

* A marketable order takes the recorded levels from the best on, each at the level's price. What it
  took stays taken (``consumed``) until the recording next updates that level.
* The rest of a limit order rests. It remembers what stood at its price when it came: the queue
  ahead. Nothing ahead can be more than what is displayed, so a smaller display shortens the queue.
* A resting order fills at its own price when a recorded level of the other side appears at its
  price or beyond (as much as that level has), or when a recorded trade of its side happens at a
  worse price for us (as much as traded), or at its price after the queue ahead has traded.

Optimistic: nobody reacts to us. Pessimistic: cancels ahead of us that leave the display at or
above the remembered queue do not move us up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sortedcontainers import SortedDict

from sim.exchange import check_replace
from sim.orders import (
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


class RecordedBook:
    """One product. ``events`` collects what recorded frames did to client orders."""

    def __init__(self) -> None:
        self.events: list[OrderEvent] = []
        self.is_known = False
        """Whether a snapshot has been seen."""
        # Keys are -price for bids and price for asks: index 0 is the best of either.
        self._levels: dict[Side, SortedDict[int, int]] = {side: SortedDict() for side in Side}
        self._consumed: dict[tuple[Side, int], int] = {}
        self._resting: dict[Side, list[Order]] = {side: [] for side in Side}
        self._last_trade_id = 0

    def levels(self, side: Side) -> list[tuple[int, int]]:
        """Recorded (price in ticks, lots), best first; what we consumed is still in it."""
        return [(-key * side, lots) for key, lots in self._levels[side].items()]

    def best_ticks(self, side: Side) -> int | None:
        """Best recorded price of ``side``, or ``None``."""
        levels = self._levels[side]
        return -levels.peekitem(0)[0] * side if levels else None

    def apply_snapshot(self, levels: Mapping[Side, Iterable[tuple[int, int]]]) -> None:
        """The whole recorded book: (price in ticks, lots) of each side."""
        self._consumed.clear()
        for side, pairs in levels.items():
            self._levels[side] = SortedDict(
                {-price_ticks * side: lots for price_ticks, lots in pairs if lots}
            )
        self.is_known = True
        for side in Side:
            for order in self._resting[side]:
                self._shorten_queue(order)
            for key in list(self._levels[side]):
                if not self._fill_against(side, -key * side):
                    break

    def apply_change(self, side: Side, price_ticks: int, quantity_lots: int) -> None:
        """One recorded level: ``quantity_lots`` are there now, 0 removes it."""
        self._consumed.pop((side, price_ticks), None)
        if quantity_lots:
            self._levels[side][-price_ticks * side] = quantity_lots
        else:
            self._levels[side].pop(-price_ticks * side, None)
        for order in self._resting[side]:
            if order.price_ticks == price_ticks:
                self._shorten_queue(order)
        self._fill_against(side, price_ticks)

    def apply_trade(self, maker_side: Side, price_ticks: int, quantity_lots: int) -> None:
        """A recorded execution against a resting order of ``maker_side``."""
        left_lots = quantity_lots
        for order in list(self._resting[maker_side]):
            if order.price_ticks * maker_side < price_ticks * maker_side:
                break  # sorted best price first: the trade did not reach this one
            reach_lots = left_lots
            if order.price_ticks == price_ticks:
                reach_lots = min(left_lots, quantity_lots - order.queue_ahead_lots)
                order.queue_ahead_lots = max(0, order.queue_ahead_lots - quantity_lots)
            fill_lots = min(order.open_lots, reach_lots)
            if fill_lots > 0:
                left_lots -= fill_lots
                self._fill(order, order.price_ticks, fill_lots, self.events, is_taker=False)

    def submit(self, order: Order) -> list[OrderEvent]:
        """A client's new order; the same answers as ``MatchingEngine.submit``."""
        events: list[OrderEvent] = []
        if order.is_post_only and self._would_take(order, order.price_ticks):
            text = "post only"
            return [close_event(order, EventKind.REJECTED, OrderStatus.REJECTED, text)]
        events.append(event_of(EventKind.ACCEPTED, order))
        if order.time_in_force is TimeInForce.FILL_OR_KILL and not self._can_fill(order):
            text = "fill or kill"
            events.append(close_event(order, EventKind.CANCELED, OrderStatus.CANCELED, text))
            return events
        self._match(order, events)
        self._settle_rest(order, events)
        return events

    def cancel(self, order: Order) -> list[OrderEvent]:
        """``RequestRefused`` when the order is not open."""
        if not order.status.is_open:
            raise RequestRefused("Order already done")
        self._resting[order.side].remove(order)
        return [close_event(order, EventKind.CANCELED, OrderStatus.CANCELED)]

    def replace(
        self, order: Order, quantity_lots: int, price_ticks: int, client_order_id: str
    ) -> list[OrderEvent]:
        """New total quantity and price; a pure decrease keeps the place in the queue."""
        check_replace(order, quantity_lots)
        if order.is_post_only and self._would_take(order, price_ticks):
            raise RequestRefused("post only")
        is_decrease = price_ticks == order.price_ticks and quantity_lots < order.quantity_lots
        if not is_decrease:
            self._resting[order.side].remove(order)
        order.quantity_lots = quantity_lots
        order.price_ticks = price_ticks
        order.client_order_id = client_order_id
        events = [event_of(EventKind.REPLACED, order)]
        if not is_decrease:
            self._match(order, events)
            self._settle_rest(order, events)
        return events

    def _available(self, side: Side, price_ticks: int) -> int:
        displayed: int = self._levels[side].get(-price_ticks * side, 0)
        return max(0, displayed - self._consumed.get((side, price_ticks), 0))

    def _would_take(self, order: Order, price_ticks: int) -> bool:
        probe = replace(order, price_ticks=price_ticks)
        return self._next_price(probe) is not None or self._own_opposite(probe) is not None

    def _next_price(self, taker: Order) -> int | None:
        # The best price of the other side that still has something for this order.
        side = taker.side.opposite
        for key in self._levels[side]:
            price_ticks: int = -key * side
            if not taker.accepts_price(price_ticks):
                return None
            if self._available(side, price_ticks) > 0:
                return price_ticks
        return None

    def _own_opposite(self, taker: Order) -> Order | None:
        resting = self._resting[taker.side.opposite]
        return resting[0] if resting and taker.accepts_price(resting[0].price_ticks) else None

    def _can_fill(self, order: Order) -> bool:
        side = order.side.opposite
        wanted = order.open_lots
        for key in self._levels[side]:
            price_ticks = -key * side
            if wanted <= 0 or not order.accepts_price(price_ticks):
                break
            wanted -= self._available(side, price_ticks)
        return wanted <= 0

    def _match(self, taker: Order, events: list[OrderEvent]) -> None:
        side = taker.side.opposite
        while taker.status.is_open:
            price_ticks = self._next_price(taker)
            own = self._own_opposite(taker)
            if own is not None and (
                price_ticks is None or own.price_ticks * taker.side <= price_ticks * taker.side
            ):
                self._prevent_self_trade(taker, own, events)
                continue
            if price_ticks is None:
                return
            fill_lots = min(taker.open_lots, self._available(side, price_ticks))
            self._consume(side, price_ticks, fill_lots)
            self._fill(taker, price_ticks, fill_lots, events, is_taker=True)

    def _prevent_self_trade(self, taker: Order, own: Order, events: list[OrderEvent]) -> None:
        if taker.self_trade_rule is not SelfTradeRule.CANCEL_AGGRESSOR:
            self._resting[own.side].remove(own)
            events.append(self_trade_event(own))
        if taker.self_trade_rule is not SelfTradeRule.CANCEL_RESTING:
            events.append(self_trade_event(taker))

    def _settle_rest(self, order: Order, events: list[OrderEvent]) -> None:
        if not order.status.is_open:
            return
        if (
            order.order_type is OrderType.MARKET
            or order.time_in_force is not TimeInForce.GOOD_TILL_CANCEL
        ):
            events.append(close_event(order, EventKind.EXPIRED, OrderStatus.EXPIRED))
            return
        order.queue_ahead_lots = self._available(order.side, order.price_ticks)
        resting = self._resting[order.side]
        resting.append(order)
        resting.sort(key=lambda each: -each.price_ticks * each.side)  # stable: time priority

    def _shorten_queue(self, order: Order) -> None:
        displayed = self._levels[order.side].get(-order.price_ticks * order.side, 0)
        order.queue_ahead_lots = min(order.queue_ahead_lots, displayed)

    def _fill_against(self, side: Side, price_ticks: int) -> bool:
        # Resting orders that the recorded level (side, price) reaches; True when there was one.
        reached = False
        for order in list(self._resting[side.opposite]):
            if not order.accepts_price(price_ticks):
                break
            reached = True
            fill_lots = min(order.open_lots, self._available(side, price_ticks))
            if fill_lots > 0:
                self._consume(side, price_ticks, fill_lots)
                self._fill(order, order.price_ticks, fill_lots, self.events, is_taker=False)
        return reached

    def _consume(self, side: Side, price_ticks: int, quantity_lots: int) -> None:
        taken = self._consumed.get((side, price_ticks), 0)
        self._consumed[side, price_ticks] = taken + quantity_lots

    def _fill(
        self,
        order: Order,
        price_ticks: int,
        quantity_lots: int,
        events: list[OrderEvent],
        *,
        is_taker: bool,
    ) -> None:
        self._last_trade_id += 1
        events.append(trade_event(order, price_ticks, quantity_lots, self._last_trade_id, is_taker))
        if not order.status.is_open and not is_taker:
            self._resting[order.side].remove(order)
