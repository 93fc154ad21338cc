"""Seeded synthetic order flow of one product: what everybody else in the market does.

* A fair price moves through regimes: drifts up or down for a few seconds, or swings around an
  anchor. Trend strategies see the drifts, market makers the swings.
* Activity comes in bursts. Burst times are a Poisson process whose rate switches between quiet and
  busy; the number of operations in a burst has a heavy tail, tens within a millisecond now and
  then (a Hawkes process in its cluster form: parents and their offspring).
* Operations: passive orders at power-law distances from the fair price, cancels, market orders
  that lean with the regime, sweeps of quotes that the fair price has left behind (several levels
  change at once), and changes deep in the book.

Everything is drawn from one ``random.Random``; the same seed and the same client orders give the
same flow.
"""

import math
import random
from dataclasses import dataclass

from sim.exchange import Level, MatchingEngine
from sim.ids import IdSource
from sim.orders import PUBLIC_OWNER, Order, OrderEvent, Side, TimeInForce

NS_PER_SECOND = 1_000_000_000

QUIET_BURSTS_PER_SECOND = 25.0
BUSY_BURSTS_PER_SECOND = 150.0
QUIET_SECONDS_MEAN = 1.6
BUSY_SECONDS_MEAN = 0.5
REGIME_SECONDS_MEAN = 3.0
BURST_OPERATIONS_MAX = 60
# Operations of one burst lie this far apart at most: 60 of them stay within a millisecond.
OPERATION_GAP_NS_MAX = 16_000
# A market order takes at most this share of the ten best levels: the book is never emptied.
MARKET_ORDER_SHARE_MAX = 0.25
DEPTH_POWER = 1.6
PLACE_DISTANCE_SCALES_MAX = 3_000.0
DEEP_STEPS_MAX = 250
# Of quotes that the fair price has left behind this share is pulled in time, the rest is swept.
PULLED_SHARE = 0.6


@dataclass(frozen=True)
class FlowProfile:
    """Character of one product; distances in ticks, sizes in lots."""

    first_price_ticks: int
    touch_scale_ticks: float
    """Typical distance of a new passive order from the fair price."""
    drift_ticks_per_second: float
    volatility_ticks: float
    """Standard deviation of the fair price over one second."""
    median_lots: int
    lot_rounding: int
    """Most orders are a multiple of this many lots, as people's orders are."""
    orders_per_side: int
    deep_step_ticks: int
    """Spacing of the round prices on which deep orders like to rest."""


class FairPrice:
    """The price that the flow believes in, in ticks (a float: it is no price of the venue)."""

    def __init__(self, profile: FlowProfile, rng: random.Random) -> None:
        self.ticks = float(profile.first_price_ticks)
        self.drift = 0.0
        self._profile = profile
        self._rng = rng
        self._anchor = self.ticks
        self._pull = 0.0
        self._seconds_left = 0.0

    def advance(self, seconds: float) -> None:
        """Moves the fair price by ``seconds`` of venue time, at most a regime's length."""
        self._seconds_left -= seconds
        if self._seconds_left <= 0:
            self._change_regime()
        profile = self._profile
        noise = self._rng.gauss(0.0, profile.volatility_ticks) * math.sqrt(seconds)
        pull = (self._anchor - self.ticks) * min(1.0, self._pull * seconds)
        self.ticks += self.drift * seconds + pull + noise
        # The deepest bid must stay above zero whatever the drift did.
        self.ticks = max(self.ticks, 0.5 * profile.first_price_ticks)

    def _change_regime(self) -> None:
        rng = self._rng
        self._seconds_left = rng.expovariate(1.0 / REGIME_SECONDS_MEAN)
        self._anchor = self.ticks
        self._pull = 0.0
        self.drift = 0.0
        if rng.random() < 0.6:
            direction = 1.0 if rng.random() < 0.5 else -1.0
            self.drift = direction * self._profile.drift_ticks_per_second * rng.uniform(0.5, 1.5)
        else:
            self._pull = rng.uniform(0.5, 2.0)


class Flow:
    """Everybody else: keeps the book of ``engine`` populated and moving."""

    def __init__(
        self, profile: FlowProfile, engine: MatchingEngine, ids: IdSource, rng: random.Random
    ) -> None:
        self.fair = FairPrice(profile, rng)
        self.events: list[OrderEvent] = []
        """What the flow did to client orders; whoever reads it empties it."""
        self._profile = profile
        self._engine = engine
        self._ids = ids
        self._rng = rng
        self._orders: list[Order] = []
        self._is_busy = False
        self._activity_left_s = 0.0

    def seed_book(self) -> None:
        """Fills the book before the market opens."""
        for index in range(self._profile.orders_per_side):
            for side in Side:
                is_near = index % 3 == 0
                self._place(side, self._price_near(side) if is_near else self._deep_price(side))
        self.refill()
        self._engine.take_changes()

    def next_gap_ns(self) -> int:
        """Venue time until the next burst; at least one microsecond."""
        rng = self._rng
        seconds = 0.0
        while True:
            if self._activity_left_s <= 0:
                self._is_busy = not self._is_busy
                mean = BUSY_SECONDS_MEAN if self._is_busy else QUIET_SECONDS_MEAN
                self._activity_left_s = rng.expovariate(1.0 / mean)
            rate = BUSY_BURSTS_PER_SECOND if self._is_busy else QUIET_BURSTS_PER_SECOND
            gap = rng.expovariate(rate)
            if gap <= self._activity_left_s:
                self._activity_left_s -= gap
                return max(1_000, int((seconds + gap) * NS_PER_SECOND))
            # No burst before the rate switches: memoryless, so draw anew from there.
            seconds += self._activity_left_s
            self._activity_left_s = 0.0

    def burst_size(self) -> int:
        """Number of operations of one burst: mostly one, sometimes tens."""
        if self._rng.random() < 0.55:
            return 1
        return min(BURST_OPERATIONS_MAX, 1 + int(self._rng.paretovariate(1.1)))

    def operation_gap_ns(self) -> int:
        """Venue time between two operations of a burst."""
        return self._rng.randrange(1_000, OPERATION_GAP_NS_MAX)

    def operate(self) -> None:
        """One operation: one or several levels of the book change, and it stays uncrossed."""
        if self._sweep_stale_quotes():
            return
        choice = self._rng.random()
        if choice < 0.07:
            self._market_order()
        elif choice < 0.13:
            side = self._random_side()
            self._place(side, self._deep_price(side))
        elif choice < 0.13 + 0.87 * self._cancel_share():
            self._cancel_one()
        else:
            side = self._random_side()
            self._place(side, self._price_near(side))

    def refill(self) -> None:
        """No side is ever left thin, whatever clients took out of it."""
        thin = max(1, self._profile.orders_per_side // 10)
        for side in Side:
            book_side = self._engine.side(side)
            while len(book_side) < thin:
                self._place(side, self._deep_price(side))

    def _random_side(self) -> Side:
        return Side.BUY if self._rng.random() < 0.5 else Side.SELL

    def _cancel_share(self) -> float:
        # Half when the book has its usual number of orders, more when it has more.
        usual = 2 * self._profile.orders_per_side
        return min(0.85, max(0.1, 0.5 + 2.0 * (len(self._orders) - usual) / usual))

    def _price_near(self, side: Side) -> int:
        distance = self._profile.touch_scale_ticks * min(
            PLACE_DISTANCE_SCALES_MAX, self._rng.paretovariate(DEPTH_POWER) - 0.5
        )
        return self._inside(side, round(self.fair.ticks - side * distance))

    def _deep_price(self, side: Side) -> int:
        # Evenly over a few percent of the price; every other order on a round price.
        step = self._profile.deep_step_ticks
        price = round(self.fair.ticks) - side * self._rng.randrange(1, DEEP_STEPS_MAX * step)
        if self._rng.random() < 0.5:
            price -= price % step
        return self._inside(side, price)

    def _inside(self, side: Side, price_ticks: int) -> int:
        # Passive: one tick short of the other side at least, and never at or below zero.
        opposite = self._engine.side(side.opposite).best()
        if opposite is not None:
            limit = opposite.price_ticks - side
            price_ticks = min(price_ticks, limit) if side is Side.BUY else max(price_ticks, limit)
        return max(1, price_ticks)

    def _quantity(self) -> int:
        profile = self._profile
        lots = profile.median_lots * math.exp(self._rng.gauss(0.0, 1.3))
        if self._rng.random() < 0.75:
            return max(1, round(lots / profile.lot_rounding)) * profile.lot_rounding
        return max(1, int(lots))

    def _place(self, side: Side, price_ticks: int) -> None:
        order = self._submit(side, price_ticks, self._quantity(), TimeInForce.GOOD_TILL_CANCEL)
        if order.status.is_open:
            self._orders.append(order)

    def _submit(self, side: Side, price: int, lots: int, time_in_force: TimeInForce) -> Order:
        order = Order(
            order_id=self._ids.uuid(),
            owner=PUBLIC_OWNER,
            symbol=self._engine.symbol,
            side=side,
            price_ticks=price,
            quantity_lots=lots,
            time_in_force=time_in_force,
        )
        self.events.extend(self._engine.submit(order))
        return order

    def _cancel_one(self) -> None:
        # Of three random orders the one farthest off the fair price: stale quotes go first.
        candidates = [order for order in (self._pick() for _ in range(3)) if order is not None]
        if not candidates:
            return
        order = max(candidates, key=lambda each: abs(each.price_ticks - self._nearby(each)))
        if len(self._engine.side(order.side)) > 1:
            self._engine.cancel(order)

    def _nearby(self, order: Order) -> float:
        # Deep orders are patient: distance counts only in the neighbourhood of the touch.
        reach = 50.0 * self._profile.touch_scale_ticks
        is_near = abs(order.price_ticks - self.fair.ticks) < reach
        return self.fair.ticks if is_near else float(order.price_ticks)

    def _pick(self) -> Order | None:
        while self._orders:
            index = self._rng.randrange(len(self._orders))
            order = self._orders[index]
            if order.status.is_open:
                return order
            self._orders[index] = self._orders[-1]
            self._orders.pop()
        return None

    def _market_order(self) -> None:
        lean = 0.25 * max(-1.0, min(1.0, self.fair.drift / self._profile.drift_ticks_per_second))
        side = Side.BUY if self._rng.random() < 0.5 + lean else Side.SELL
        levels = self._engine.side(side.opposite)
        depth_lots = 0
        limit = 0
        for _, level in zip(range(10), levels.levels(), strict=False):
            depth_lots += level.open_lots
            limit = level.price_ticks
        lots = min(self._quantity(), int(depth_lots * MARKET_ORDER_SHARE_MAX))
        if lots > 0:
            self._submit(side, limit, lots, TimeInForce.IMMEDIATE_OR_CANCEL)

    def _sweep_stale_quotes(self) -> bool:
        for side in Side:
            best = self._engine.side(side.opposite).best()
            edge = self.fair.ticks - side * 0.4 * self._profile.touch_scale_ticks
            if best is None or best.price_ticks * side >= edge * side:
                continue
            if self._rng.random() < PULLED_SHARE and self._pull_first(best):
                return True
            limit = math.floor(edge) if side is Side.BUY else math.ceil(edge)
            stale_lots = 0
            for level in self._engine.side(side.opposite).levels():
                if level.price_ticks * side > limit * side:
                    break
                stale_lots += level.open_lots
            lots = max(1, int(stale_lots * self._rng.uniform(0.3, 1.0)))
            self._submit(side, limit, lots, TimeInForce.IMMEDIATE_OR_CANCEL)
            return True
        return False

    def _pull_first(self, level: Level) -> bool:
        order = next(iter(level.orders.values()))
        if order.owner != PUBLIC_OWNER:
            return False
        self._engine.cancel(order)
        return True
