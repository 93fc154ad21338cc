"""The generated market: a matching engine and a seeded flow for each product.

Everything follows from the seed and from what clients do: products have generators of their own,
so one does not move another, and venue time starts at a fixed moment.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sim.exchange import MatchingEngine, PublicTrade
from sim.flow import Flow, FlowProfile
from sim.ids import IdSource
from sim.market import FeedFrame
from sim.orders import Order, OrderEvent
from sim.products import Product
from sim.times import NS_PER_SECOND
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

EPOCH_NS = 1_767_623_400 * NS_PER_SECOND
"""Venue time of the start: 2026-01-05T14:30:00Z."""

_BITCOIN = FlowProfile(
    first_price_ticks=6_500_000,
    touch_scale_ticks=60.0,
    drift_ticks_per_second=260.0,
    volatility_ticks=180.0,
    median_lots=2_000_000,
    lot_rounding=10_000,
    orders_per_side=1200,
    deep_step_ticks=500,
)
_ETHER = FlowProfile(
    first_price_ticks=190_000,
    touch_scale_ticks=5.0,
    drift_ticks_per_second=14.0,
    volatility_ticks=7.0,
    median_lots=40_000_000,
    lot_rounding=1_000_000,
    orders_per_side=900,
    deep_step_ticks=50,
)
PROFILES: Mapping[str, FlowProfile] = {"BTC-USD": _BITCOIN, "ETH-USD": _ETHER}
"""Products that can be generated; all have a tick of 0.01 and a lot of 0.00000001."""


@dataclass
class _Place:
    """One product's market."""

    product: Product
    engine: MatchingEngine
    flow: Flow
    next_burst_ns: int
    last_burst_ns: int = EPOCH_NS
    last_trade: tuple[PublicTrade, int] | None = None


class GeneratedMarket:
    """Implements ``sim.market.Market`` with matching engines and synthetic flow."""

    channels = frozenset({LEVEL2, MATCHES, HEARTBEAT})

    def __init__(self, seed: int, symbols: Sequence[str]) -> None:
        self.products = {
            symbol: Product.from_text(symbol, "0.01", "0.00000001") for symbol in symbols
        }
        self._places = {symbol: self._open(seed, symbol) for symbol in symbols}
        self.trade_count = 0
        self._next_heartbeat_ns = EPOCH_NS + NS_PER_SECOND
        self._events: list[OrderEvent] = []
        self._frames: list[FeedFrame] = []

    def start_time_ns(self) -> int:
        """2026-01-05T14:30:00Z, whatever the date."""
        return EPOCH_NS

    def next_time_ns(self) -> int:
        """The next burst of any product, or the next heartbeat."""
        bursts = (place.next_burst_ns for place in self._places.values())
        return min(self._next_heartbeat_ns, *bursts)

    def run_step(self, now_ns: int) -> int:
        """One burst of one product, or the heartbeats of all."""
        if self.next_time_ns() == self._next_heartbeat_ns:
            self._next_heartbeat_ns += NS_PER_SECOND
            for place in self._places.values():
                engine = place.engine
                self._frames.append(
                    heartbeat_frame(place.product, engine.sequence, engine.last_trade_id, now_ns)
                )
            return now_ns
        place = min(self._places.values(), key=lambda each: each.next_burst_ns)
        return self._burst(place, now_ns)

    def submit(self, order: Order, now_ns: int) -> list[OrderEvent]:
        """A client's new order into the queue of its product."""
        place = self._places[order.symbol]
        events = place.engine.submit(order)
        self._publish(place, now_ns)
        return events

    def cancel(self, order: Order, now_ns: int) -> list[OrderEvent]:
        """``RequestRefused`` when the order is not open."""
        place = self._places[order.symbol]
        events = place.engine.cancel(order)
        self._publish(place, now_ns)
        return events

    def replace(
        self, order: Order, quantity_lots: int, price_ticks: int, client_order_id: str, now_ns: int
    ) -> list[OrderEvent]:
        """``RequestRefused`` when it cannot be done."""
        place = self._places[order.symbol]
        events = place.engine.replace(order, quantity_lots, price_ticks, client_order_id)
        self._publish(place, now_ns)
        return events

    def take_events(self) -> list[OrderEvent]:
        """What the flow did to client orders since the last call."""
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
        place = self._places[symbol]
        engine = place.engine
        return [snapshot_frame(place.product, book_levels(engine.asks), book_levels(engine.bids))]

    def last_match_frames(self, symbol: str) -> list[FeedFrame]:
        """The last trade of ``symbol``, if any."""
        place = self._places[symbol]
        if place.last_trade is None:
            return []
        trade, time_ns = place.last_trade
        return [match_frame(place.product, trade, time_ns, kind="last_match")]

    def _open(self, seed: int, symbol: str) -> _Place:
        rng = random.Random(f"{seed}:{symbol}:flow")
        engine = MatchingEngine(symbol, first_trade_id=1_000_001, first_sequence=50_000_001)
        flow = Flow(PROFILES[symbol], engine, IdSource(f"{seed}:{symbol}:ids"), rng)
        flow.seed_book()
        return _Place(self.products[symbol], engine, flow, EPOCH_NS + flow.next_gap_ns())

    def _burst(self, place: _Place, now_ns: int) -> int:
        flow = place.flow
        # Planned times, not the clock: what clients and other products do does not move the flow.
        planned_ns = place.next_burst_ns
        flow.fair.advance((planned_ns - place.last_burst_ns) / NS_PER_SECOND)
        place.last_burst_ns = planned_ns
        time_ns = now_ns
        for operation in range(flow.burst_size()):
            if operation:
                time_ns += flow.operation_gap_ns()
            flow.operate()
            self._publish(place, time_ns)
        self._events.extend(flow.events)
        flow.events.clear()
        place.next_burst_ns = planned_ns + flow.next_gap_ns()
        return time_ns

    def _publish(self, place: _Place, time_ns: int) -> None:
        # What a client takes out is put back before anybody sees it: no side is ever left thin.
        place.flow.refill()
        for trade in place.engine.take_trades():
            place.last_trade = (trade, time_ns)
            self.trade_count += 1
            self._frames.append(match_frame(place.product, trade, time_ns))
        changes = place.engine.take_changes()
        if changes:
            self._frames.append(update_frame(place.product, changes, time_ns))
