"""A small market with a short book: cheap to run, and every order of ours is near the touch.

Implements ``sim.market.Market`` over the venue's matching engine. Others place, cancel and take at
random, so that what we do meets fills, races and empty levels all the time.
"""

import random
from collections.abc import Sequence

from sim.exchange import MatchingEngine
from sim.generated import EPOCH_NS
from sim.ids import IdSource
from sim.market import FeedFrame
from sim.orders import PUBLIC_OWNER, Order, OrderEvent, Side, TimeInForce
from sim.products import Product
from sim.venues.coinbase_exchange_frames import (
    HEARTBEAT,
    LEVEL2,
    MATCHES,
    book_levels,
    heartbeat_frame,
    match_frame,
    snapshot_frame,
    update_frame,
)

FIRST_PRICE_TICKS = 10_000
UNIT_LOTS = 1_000_000
"""Others trade whole multiples of this."""
LARGEST_UNITS = 12
REACH_TICKS = 9
THIN_ORDERS = 6
CROWDED_ORDERS = 14


class Crowd:
    """Everybody else in one product."""

    def __init__(self, engine: MatchingEngine, ids: IdSource, rng: random.Random) -> None:
        self.engine = engine
        self._ids = ids
        self._rng = rng
        self._resting: dict[Side, list[Order]] = {side: [] for side in Side}
        self._fair_ticks = FIRST_PRICE_TICKS

    def act(self) -> list[OrderEvent]:
        """One thing that somebody does; what it did to client orders."""
        rng = self._rng
        self._fair_ticks += rng.choice((-1, 0, 0, 0, 1))
        side = rng.choice((Side.BUY, Side.SELL))
        resting = [order for order in self._resting[side] if order.status.is_open]
        self._resting[side] = resting
        if len(resting) < THIN_ORDERS or rng.random() < 0.35:
            return self._place(side)
        if len(resting) > CROWDED_ORDERS or rng.random() < 0.55:
            return self.engine.cancel(rng.choice(resting))
        return self._take(side)

    def refill(self) -> None:
        """No side is ever empty."""
        for side in Side:
            while len(self.engine.side(side)) < 2:
                self._place(side)

    def _place(self, side: Side) -> list[OrderEvent]:
        price_ticks = self._fair_ticks - side * self._rng.randint(1, REACH_TICKS)
        opposite = self.engine.side(side.opposite).best()
        if opposite is not None:
            limit_ticks = opposite.price_ticks - side
            if side * price_ticks > side * limit_ticks:  # not all at one price: see refill
                price_ticks = limit_ticks - side * self._rng.randrange(REACH_TICKS)
        order = self._order(side, price_ticks, TimeInForce.GOOD_TILL_CANCEL)
        events = self.engine.submit(order)
        if order.status.is_open:
            self._resting[side].append(order)
        return events

    def _take(self, side: Side) -> list[OrderEvent]:
        best = self.engine.side(side.opposite).best()
        if best is None:
            return []
        price_ticks = best.price_ticks + side * self._rng.randrange(3)
        return self.engine.submit(self._order(side, price_ticks, TimeInForce.IMMEDIATE_OR_CANCEL))

    def _order(self, side: Side, price_ticks: int, time_in_force: TimeInForce) -> Order:
        return Order(
            order_id=self._ids.uuid(),
            owner=PUBLIC_OWNER,
            symbol=self.engine.symbol,
            side=side,
            price_ticks=price_ticks,
            quantity_lots=self._rng.randint(1, LARGEST_UNITS) * UNIT_LOTS,
            time_in_force=time_in_force,
        )


class SmallMarket:
    """Implements ``sim.market.Market``; moved by ``run_step``, at times that the world decides."""

    channels = frozenset({LEVEL2, MATCHES, HEARTBEAT})

    def __init__(self, seed: int, symbols: Sequence[str]) -> None:
        self.products = {
            symbol: Product.from_text(symbol, "0.01", "0.00000001") for symbol in symbols
        }
        self.trade_count = 0
        self._rng = random.Random(f"{seed}:market")
        self._crowds: dict[str, Crowd] = {}
        for symbol in symbols:
            engine = MatchingEngine(symbol, first_trade_id=1_000_001, first_sequence=50_000_001)
            crowd = Crowd(engine, IdSource(f"{seed}:{symbol}:ids"), self._rng)
            crowd.refill()
            for _ in range(4 * THIN_ORDERS):
                crowd.act()
            engine.take_changes()
            engine.take_trades()
            self._crowds[symbol] = crowd
        self._events: list[OrderEvent] = []
        self._frames: list[FeedFrame] = []

    def start_time_ns(self) -> int:
        """The start of every generated market."""
        return EPOCH_NS

    def next_time_ns(self) -> int | None:
        """None: the world decides."""
        return None

    def run_step(self, now_ns: int) -> int:
        """Somebody does something."""
        symbol = self._rng.choice(list(self._crowds))
        self._events += self._crowds[symbol].act()
        self._publish(symbol, now_ns)
        return now_ns

    def beat(self, now_ns: int) -> None:
        """The heartbeat frames of all products, once a second."""
        for symbol, crowd in self._crowds.items():
            engine = crowd.engine
            self._frames.append(
                heartbeat_frame(
                    self.products[symbol], engine.sequence, engine.last_trade_id, now_ns
                )
            )

    def submit(self, order: Order, now_ns: int) -> list[OrderEvent]:
        """A client's new order."""
        events = self._crowds[order.symbol].engine.submit(order)
        self._publish(order.symbol, now_ns)
        return events

    def cancel(self, order: Order, now_ns: int) -> list[OrderEvent]:
        """``RequestRefused`` when the order is not open."""
        events = self._crowds[order.symbol].engine.cancel(order)
        self._publish(order.symbol, now_ns)
        return events

    def replace(
        self, order: Order, quantity_lots: int, price_ticks: int, client_order_id: str, now_ns: int
    ) -> list[OrderEvent]:
        """``RequestRefused`` when it cannot be done."""
        engine = self._crowds[order.symbol].engine
        events = engine.replace(order, quantity_lots, price_ticks, client_order_id)
        self._publish(order.symbol, now_ns)
        return events

    def take_events(self) -> list[OrderEvent]:
        """What the steps since the last call did to client orders."""
        events, self._events = self._events, []
        return events

    def take_frames(self) -> list[FeedFrame]:
        """Frames since the last call, in order."""
        frames, self._frames = self._frames, []
        return frames

    def has_frames(self) -> bool:
        """Whether ``take_frames`` would return something."""
        return bool(self._frames)

    def snapshot_frames(self, symbol: str) -> list[FeedFrame]:
        """The whole book of ``symbol``."""
        engine = self._crowds[symbol].engine
        asks, bids = book_levels(engine.asks), book_levels(engine.bids)
        return [snapshot_frame(self.products[symbol], asks, bids)]

    def last_match_frames(self, symbol: str) -> list[FeedFrame]:
        """None: nobody asks for what was before."""
        return []

    def levels(self, symbol: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Bids and asks of ``symbol`` now, (ticks, lots), best first."""
        engine = self._crowds[symbol].engine
        return book_levels(engine.bids), book_levels(engine.asks)

    def _publish(self, symbol: str, now_ns: int) -> None:
        crowd, product = self._crowds[symbol], self.products[symbol]
        crowd.refill()
        for trade in crowd.engine.take_trades():
            self.trade_count += 1
            self._frames.append(match_frame(product, trade, now_ns))
        changes = crowd.engine.take_changes()
        if changes:
            self._frames.append(update_frame(product, changes, now_ns))
