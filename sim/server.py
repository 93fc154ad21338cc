"""The venue as a process: a market, three doors, a clock, and the loop that moves them.

Venue time runs from the first step on, which waits until a client has subscribed to a book and
(unless told otherwise) logged on for order entry. It is never faster than wall time times the
speed, and time lost is not caught up: the wall interval between two steps is never shorter than
the venue interval.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from picows import WSCloseCode

from sim.credentials import Credentials
from sim.feed_door import FeedDoor
from sim.feed_session import FeedSession
from sim.fix_store import FixStore
from sim.ids import IdSource
from sim.ledger import Ledger
from sim.lockstep import Lockstep
from sim.market import Market
from sim.order_door import OrderDoor
from sim.profile import INITIAL_BALANCE
from sim.rest_door import RestDoor
from sim.times import NS_PER_SECOND
from sim.venues.coinbase_exchange_fix import FixSession
from sim.venues.coinbase_exchange_orders import OrderDesk
from sim.venues.coinbase_exchange_reports import Fees
from sim.venues.coinbase_exchange_rest import RestDesk

CLOSE_ANSWER_S = 1.0
CLIENTS_GONE_S = 10.0
# Snapshots wait for the logon, so that every run begins alike; but not for ever: a client may
# want to see books before it logs on.
FIRST_FRAMES_PATIENCE_S = 2.0
# Two steps are at least this far apart in venue time.
STEP_GAP_NS = 1_000

_log = logging.getLogger("sim.server")


@dataclass(frozen=True)
class VenueOptions:
    """How the venue runs. ``speed`` is venue seconds in a wall second, 0: as fast as it goes.

    ``tls`` is of a server, for all doors; None: they speak in plain text.
    ``initial_balance`` is what the client's profile has of each currency.
    """

    host: str = "127.0.0.1"
    feed_port: int = 0
    order_port: int = 0
    rest_port: int = 0
    seed: int = 1
    duration_s: float = 20.0
    speed: float = 1.0
    is_lockstep: bool = True
    needs_orders: bool = True
    credentials: Credentials = field(default_factory=Credentials)
    fees: Fees = field(default_factory=Fees)
    initial_balance: Decimal = INITIAL_BALANCE
    tls: ssl.SSLContext | None = None


class VenueClock:
    """Venue time in nanoseconds since the epoch."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def micro_step(self) -> None:
        """One microsecond on."""
        self.now_ns += 1_000


class Venue:
    """One run of the venue."""

    def __init__(
        self, market: Market, new_feed_session: Callable[[], FeedSession], options: VenueOptions
    ) -> None:
        self.ledger = Ledger()
        self._market = market
        self._options = options
        self._clock = VenueClock(market.start_time_ns())
        self._steps = 0
        self._activity = asyncio.Event()
        self._stopping = False
        store = FixStore()
        self._desk = OrderDesk(
            market,
            store,
            IdSource(f"{options.seed}:reports"),
            options.fees,
            self.ledger,
            lambda: self._clock.now_ns,
            options.initial_balance,
        )
        self._feed = FeedDoor(market, new_feed_session, self._on_activity, options.tls)
        self._orders = OrderDoor(
            lambda now_ns: FixSession(options.credentials, store, self._desk, now_ns),
            self._on_activity,
            options.tls,
        )
        rest = RestDesk(self._desk, market, options.credentials, options.fees)
        self._rest = RestDoor(rest.handle, self._on_activity, options.tls)
        self._lockstep = Lockstep(market, self._feed, self._orders, self._clock)

    async def start(self) -> dict[str, Any]:
        """Opens the doors; returns what a client has to know (the ready line)."""
        options = self._options
        feed_port = await self._feed.start(options.host, options.feed_port)
        order_port = self._orders.start(options.host, options.order_port)
        rest_port = await self._rest.start(options.host, options.rest_port)
        return {
            "event": "ready",
            "feed_url": f"{'wss' if options.tls else 'ws'}://{options.host}:{feed_port}",
            "fix_host": options.host,
            "fix_port": order_port,
            "rest_url": f"{'https' if options.tls else 'http'}://{options.host}:{rest_port}",
            "products": [each.description() for each in self._market.products.values()],
        }

    async def run(self) -> None:
        """The whole session; returns when it is over and the clients are gone."""
        try:
            await self._until_clients_are_ready()
            if not self._stopping:
                await self._play()
            await self._end()
        finally:
            self._orders.stop()
            self._feed.stop()
            await self._rest.stop()

    def stop(self) -> None:
        """Ends the session early: no more steps, clients are told and may leave."""
        self._stopping = True
        self._activity.set()

    def summary(self) -> dict[str, Any]:
        """What happened, for the summary line."""
        elapsed_ns = self._clock.now_ns - self._market.start_time_ns()
        return {
            "event": "summary",
            "venue_seconds": round(elapsed_ns / NS_PER_SECOND, 6),
            "steps": self._steps,
            "frames": self._feed.frames_sent,
            "trades": self._market.trade_count,
            "open_orders": len(self._desk.profile.open_orders()),
            **self.ledger.summary(),
        }

    def _on_activity(self) -> None:
        # Lock-step answers in its own time; otherwise everything goes out at once.
        self._activity.set()
        if not self._options.is_lockstep:
            self._send_all()

    def _send_all(self) -> None:
        self._orders.flush()
        self._feed.publish(self._market.take_frames())

    async def _settle(self) -> None:
        self._activity.clear()
        if self._options.is_lockstep:
            await self._lockstep.settle()
        else:
            self._send_all()

    async def _until_clients_are_ready(self) -> None:
        _log.info("waiting for a client")
        while not (self._stopping or self._are_clients_ready()):
            timeout_s = FIRST_FRAMES_PATIENCE_S if self._feed.has_subscriber else None
            try:
                await asyncio.wait_for(self._activity.wait(), timeout_s)
            except TimeoutError:
                _log.info("no logon yet: first frames go out, the clock stands")
                self._feed.open()
            await self._settle()
        if self._stopping:
            return
        # What the client sent right behind its subscribe and Logon still belongs to the start.
        if self._options.is_lockstep:
            await self._feed.barrier(CLOSE_ANSWER_S)
            await self._orders.barrier(CLOSE_ANSWER_S)
        self._feed.open()
        if self._options.is_lockstep:
            await self._feed.barrier(CLOSE_ANSWER_S)
        await self._settle()

    def _has_order_clients(self) -> bool:
        """Whether somebody who places orders is still there; REST may be asked by others too."""
        has_rest_orders = any(order.is_of_rest for order in self._desk.profile.orders())
        return self._orders.has_connections or (has_rest_orders and self._rest.has_connections)

    def _are_clients_ready(self) -> bool:
        is_logged_on = self._desk.is_logged_on or not self._options.needs_orders
        return self._feed.has_subscriber and is_logged_on

    async def _play(self) -> None:
        options, market, clock = self._options, self._market, self._clock
        start_ns = market.start_time_ns()
        end_ns = start_ns + round(options.duration_s * NS_PER_SECOND)
        _log.info("clients are ready: %g s of venue time begin", options.duration_s)
        previous_ns, previous_wall_s = start_ns, time.monotonic()
        while not self._stopping:
            planned_ns = market.next_time_ns()
            if planned_ns is None or planned_ns > end_ns:
                break
            if options.speed:
                venue_s = max(0, planned_ns - previous_ns) / NS_PER_SECOND
                await self._wait_until(previous_wall_s + venue_s / options.speed)
            previous_ns, previous_wall_s = planned_ns, time.monotonic()
            clock.now_ns = max(planned_ns, clock.now_ns + STEP_GAP_NS)
            clock.now_ns = market.run_step(clock.now_ns)
            self._steps += 1
            self._desk.publish(market.take_events())
            await self._settle()
            if not options.is_lockstep:
                await self._feed.until_writable()
                await asyncio.sleep(0)

    async def _wait_until(self, wall_s: float) -> None:
        # Clients may speak between steps (timers, a logout): they are answered meanwhile.
        while not self._stopping:
            left_s = wall_s - time.monotonic()
            if left_s <= 0:
                return
            try:
                await asyncio.wait_for(self._activity.wait(), left_s)
            except TimeoutError:
                return
            await self._settle()

    async def _end(self) -> None:
        _log.info("session is over: market data closes, clients may cancel and log out")
        await self._settle()
        if self._stopping:
            self._orders.logout("venue is going down")
        code = WSCloseCode.GOING_AWAY if self._stopping else WSCloseCode.OK
        await self._feed.close(code, "end of session", timeout_s=CLOSE_ANSWER_S)
        deadline_s = time.monotonic() + (CLOSE_ANSWER_S if self._stopping else CLIENTS_GONE_S)
        while self._has_order_clients() and time.monotonic() < deadline_s:
            await self._settle()
            try:
                await asyncio.wait_for(self._activity.wait(), 0.05)
            except TimeoutError:
                continue
