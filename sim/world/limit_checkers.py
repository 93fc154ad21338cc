"""Every limit of the config, held against what reached the venue.

Sums over open orders are exact: what is open at the venue is open for the engine too, which counts
it at its worst. Worth is not: prices move between the check and the venue, see ``PRICE_SLACK``.
"""

import bisect
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine.settings.config import make_instruments, make_limits
from engine.trading_hours import combine_hours
from sim.orders import Order, Side
from sim.world.checkers import Checker, SentChecker
from sim.world.market import FIRST_PRICE_TICKS
from sim.world.observations import SentMessage
from sim.world.sent_text import NEW_RISK, REQUESTS

if TYPE_CHECKING:
    from sim.world.world import World

SECOND_NS = 1_000_000_000
SLEW_NS = 1_000_000
"""The engine's clock runs by at most 500 parts per million fast or slow."""
PRICE_SLACK = 1.02
"""Positions are valued at the price that markets start with; no world moves it by two per cent."""


class LimitsHoldAtTheVenue(Checker):
    """No order is larger than allowed, and nobody can be filled beyond the largest position."""

    def __init__(self, world: "World") -> None:
        config = world.setup.config
        limits = make_limits(config)
        self._limits = {
            section.symbol: each for section, each in zip(config.instruments, limits, strict=True)
        }

    def check(self, world: "World") -> None:
        """Looks at what the venue accepted in this event, and at all that is open."""
        for order, lots in world.taken:
            limits = self._limits[order.symbol]
            shown = f"{order.side.name} {lots} lots of {order.symbol} at {order.price_ticks}"
            self.require(lots <= limits.max_order_lots, f"{shown}: max_order_quantity")
            # Of a replace that a fill overtook less is open.
            is_enough = order.quantity_lots >= limits.min_order_lots
            self.require(is_enough, f"{shown}: min_order_quantity")
            notional = lots * order.price_ticks
            self.require(
                notional <= limits.max_order_notional_steps, f"{shown}: max_order_notional"
            )
        if not world.taken or world.lost_orders:
            return  # nobody can hold a limit against orders that no journal tells of
        reach = {(symbol, side): 0 for symbol in self._limits for side in Side}
        for order in world.observations.open_orders.values():
            reach[order.symbol, order.side] += order.leaves_lots
        for (symbol, side), open_lots in reach.items():
            held = side * world.observations.record.position_lots.get(symbol, 0)
            limit = self._limits[symbol].max_position_lots
            text = f"{symbol} could reach {held + open_lots} lots of side {side.name}: max_position"
            self.require(held + open_lots <= limit, text)


class OpenLimitsHoldAtTheVenue(Checker):
    """Count and notional of what is open, of each product and of all."""

    def __init__(self, world: "World") -> None:
        config = world.setup.config
        limits = make_limits(config)
        self._limits = {
            section.symbol: each for section, each in zip(config.instruments, limits, strict=True)
        }
        self._worth = {each.symbol: each.step_worth for each in make_instruments(config)}
        self._count = config.risk.max_open_orders
        self._notional = config.currencies[0].max_open_notional

    def check(self, world: "World") -> None:
        """Looks when the venue has accepted something."""
        if not world.taken or world.lost_orders:
            return
        orders = world.observations.open_orders.values()
        self.require(len(orders) <= self._count, f"{len(orders)} orders are open: max_open_orders")
        worth = sum(
            self._worth[each.symbol] * each.price_ticks * each.leaves_lots for each in orders
        )
        text = f"orders for {worth} are open: max_open_notional of the currency"
        self.require(self._notional is None or worth <= self._notional, text)
        for symbol, limits in self._limits.items():
            here = [each for each in orders if each.symbol == symbol]
            text = f"{len(here)} orders of {symbol} are open: max_open_orders"
            self.require(len(here) <= limits.max_open_orders, text)
            notional = sum(each.price_ticks * each.leaves_lots for each in here)
            text = f"{notional} steps of {symbol} are open: max_open_notional"
            self.require(notional <= limits.max_open_notional_steps, text)


class ExposureHoldsAtTheVenue(Checker):
    """Worth of all positions, with every open order filled."""

    def __init__(self, world: "World") -> None:
        config = world.setup.config
        self._worth = {
            each.symbol: float(each.step_worth) * FIRST_PRICE_TICKS
            for each in make_instruments(config)
        }
        self._limits = config.currencies[0]

    def check(self, world: "World") -> None:
        """Looks when the venue has accepted something."""
        if not world.taken or world.lost_orders:
            return
        held = world.observations.record.position_lots
        open_lots = {(symbol, side): 0 for symbol in self._worth for side in Side}
        for order in world.observations.open_orders.values():
            open_lots[order.symbol, order.side] += order.leaves_lots
        gross = longs = shorts = 0.0
        for symbol, worth in self._worth.items():
            long = held.get(symbol, 0) + open_lots[symbol, Side.BUY]
            short = open_lots[symbol, Side.SELL] - held.get(symbol, 0)
            gross += max(long, short) * worth
            longs += long * worth
            shorts += short * worth
        most = float(self._limits.max_gross_exposure or 0) * PRICE_SLACK
        self.require(gross <= most, f"positions could be worth {gross}: max_gross_exposure")
        most = float(self._limits.max_net_exposure or 0) * PRICE_SLACK
        net = max(longs, shorts)
        self.require(net <= most, f"positions could come to {net}: max_net_exposure")


class NobodyTradesWithHimself(Checker):
    """No order that the venue accepts meets an open one of ours."""

    def check(self, world: "World") -> None:
        """Looks at what the venue accepted in this event."""
        if world.lost_orders:
            return
        for order, _ in world.taken:
            for other in world.observations.open_orders.values():
                self.require(
                    not _is_match(order, other),
                    f"{order.side.name} {order.symbol} at {order.price_ticks} meets our own"
                    f" {other.client_order_id} at {other.price_ticks}",
                )


class RatesHold(SentChecker):
    """Requests of a run in a second and in ten; new risk leaves the reserve to cancels."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        risk = world.setup.config.risk
        self._rates = (
            (SECOND_NS, risk.max_orders_per_second, risk.cancel_reserve),
            (
                10 * SECOND_NS,
                risk.max_orders_per_ten_seconds,
                risk.cancel_reserve_per_ten_seconds,
            ),
        )
        self._run = -1
        self._times: list[list[int]] = []

    def check_message(self, message: SentMessage) -> None:
        """Counts D, F and G, each when it was decided on."""
        if message.text.kind not in REQUESTS or message.text.is_repeat or not message.decided_ns:
            return
        if message.run != self._run:  # what the last process had sent is not remembered
            self._run = message.run
            self._times = [[] for _ in self._rates]
        is_risk = message.text.kind in NEW_RISK
        for (window_ns, most, reserve), times in zip(self._rates, self._times, strict=True):
            bisect.insort(times, message.decided_ns)
            begin = bisect.bisect_right(times, message.decided_ns - window_ns + SLEW_NS)
            count = bisect.bisect_right(times, message.decided_ns) - begin
            allowed = most - reserve if is_risk else most
            text = f"{count} requests in {window_ns} ns, {allowed} are allowed"
            self.require(count <= allowed, text)


class HoursHold(SentChecker):
    """New risk leaves in the hours of its product only."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        config = world.setup.config
        self._hours = {
            each.symbol: combine_hours(config.risk.trading_hours, each.trading_hours)
            for each in config.instruments
        }

    def check_message(self, message: SentMessage) -> None:
        """Looks at the calendar."""
        symbol, time_ns = message.text.symbol, message.decided_ns
        hours = self._hours.get(symbol)
        if message.text.kind not in NEW_RISK or message.text.is_repeat or not hours:
            return
        is_inside = any(_is_within(hours, time_ns + off_ns) for off_ns in (-SLEW_NS, SLEW_NS))
        self.require(is_inside, f"{symbol} was ordered at {time_ns}, outside its hours")


def _is_within(hours: list[tuple[int, int]], time_ns: int) -> bool:
    moment = datetime.fromtimestamp(time_ns // SECOND_NS, UTC)
    midnight = moment.replace(hour=0, minute=0, second=0)
    second = moment.weekday() * 86_400 + (moment - midnight).seconds
    return any(opens_s <= second < closes_s for opens_s, closes_s in hours)


def _is_match(order: Order, other: Order) -> bool:
    if other.symbol != order.symbol or other.side == order.side:
        return False
    return order.side * order.price_ticks >= order.side * other.price_ticks
