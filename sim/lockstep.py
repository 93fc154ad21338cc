"""Lock-step: venue time stands still until the client has reacted to everything it was sent.

That makes a run repeatable: what a client orders depends on what it saw, never on how fast either
side happened to be. The rules are

1. market data goes out, then a PING; the PONG comes after the client processed all of it, and the
   orders it sent meanwhile are in the order entry socket by then;
2. orders are taken in the order of the socket, at a venue time that does not move;
3. reports go out, then a TestRequest; its Heartbeat comes after the client processed the reports;
4. the two are never under way at the same time, and they alternate until nothing is left to send.

The clock moves by a microsecond between the exchanges, so that cause is earlier than effect.
"""

import logging
from typing import Protocol

from sim.feed_door import FeedDoor
from sim.market import Market
from sim.order_door import OrderDoor

BARRIER_TIMEOUT_S = 2.0
# A client that answers every report with an order would keep the clock standing for ever.
EXCHANGES_MAX = 1000

_log = logging.getLogger("sim.lockstep")


class Clock(Protocol):
    """Venue time."""

    def micro_step(self) -> None:
        """One microsecond on."""


class Lockstep:
    """Runs the exchanges of one step until both sides are quiet."""

    def __init__(self, market: Market, feed: FeedDoor, orders: OrderDoor, clock: Clock) -> None:
        self._market = market
        self._feed = feed
        self._orders = orders
        self._clock = clock

    async def settle(self) -> None:
        """Returns when nothing is left to send and the client has seen all of it."""
        for _ in range(EXCHANGES_MAX):
            self._orders.drain()
            if self._orders.has_reports_to_send():
                self._clock.micro_step()
                self._orders.flush()
                await self._orders.barrier(BARRIER_TIMEOUT_S)
                continue
            self._orders.flush()
            if not self._market.has_frames():
                return
            self._clock.micro_step()
            self._feed.publish(self._market.take_frames())
            await self._feed.barrier(BARRIER_TIMEOUT_S)
        _log.warning("client still orders after %d exchanges: the clock goes on", EXCHANGES_MAX)
