"""The order leg of an engine in a world: production order entry on a transport of the world, by
FIX or by REST.
"""

import functools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from engine.composition import Arc, OrderParts
from engine.engine_clock import EngineClock
from engine.order_entry import OrderEntry
from engine.rest.rest_parts import RestOrderParts
from ext.session_store import SessionStore
from gateways.rest_transport import RestRates
from sim.world.coroutine import WorldTask
from sim.world.network import Network
from sim.world.order_transport import WorldOrderTransport
from sim.world.reconciliation import WorldRest
from sim.world.rest_transport import WorldRestOrderEntry, WorldRestOrderTransport
from sim.world.venue import Venue

Sent = Callable[[bytes, int], None]
"""Gets what leaves the engine, and the number of the connection that it leaves on; FIX: 0."""


@dataclass(frozen=True, slots=True)
class LegEdges:
    """What the leg tells the engine: see ``engine.order_entry``. ``on_error`` gets what ended its
    questions."""

    sent: Sent
    on_fatal: Callable[[str], None]
    on_pause: Callable[[str], None]
    on_notices: Callable[[int], None]
    on_error: Callable[[Exception], None]


class FixLeg:
    """Orders by FIX."""

    rates: RestRates | None = None
    waiting_count = 0
    """Requests that wait for a connection: none does."""

    def __init__(
        self, arc: Arc, clock: EngineClock, network: Network, venue: Venue, edges: LegEdges
    ) -> None:
        parts = arc.orders
        assert isinstance(parts, OrderParts)
        self.store: SessionStore = parts.store
        self.entry = OrderEntry(
            arc.config,
            "world",
            0,
            parts,
            arc.pipeline,
            clock,
            on_fatal=edges.on_fatal,
            on_pause=edges.on_pause,
            on_notices=edges.on_notices,
            make_transport=cast(
                Any, functools.partial(WorldOrderTransport, network, venue, edges.sent)
            ),
        )
        self.transport = cast(WorldOrderTransport, self.entry.transport)
        self.answer_counts: Counter[int] = Counter()
        """See the leg by REST."""

    def start(self) -> None:
        """Begins to connect."""
        self.transport.start()

    def abandon(self, *, is_cut: bool) -> None:
        """The process is dead, or its host too."""
        self.transport.abandon(is_cut=is_cut)


class RestLeg:
    """Orders by REST."""

    def __init__(
        self, arc: Arc, clock: EngineClock, network: Network, venue: Venue, edges: LegEdges
    ) -> None:
        parts = arc.orders
        assert isinstance(parts, RestOrderParts)
        self._parts = parts
        self.store: SessionStore = parts.store
        self.rates = RestRates(network.clock)
        self.entry = WorldRestOrderEntry(
            arc,
            "http://world",
            clock,
            on_fatal=edges.on_fatal,
            on_pause=edges.on_pause,
            questions=cast(Any, WorldRest(network, venue, self.rates)),
            make_transport=cast(
                Any, functools.partial(WorldRestOrderTransport, network, venue, edges.sent)
            ),
        )
        self.transport = cast(WorldRestOrderTransport, self.entry.transport)
        self._network = network
        self._on_error = edges.on_error
        self._task: WorldTask | None = None

    @property
    def waiting_count(self) -> int:
        """Requests that wait for a connection."""
        return self._parts.sender.waiting_count

    @property
    def answer_counts(self) -> Counter[int]:
        """Answers that have begun to come, by the number of the connection."""
        return self.transport.answer_counts

    def start(self) -> None:
        """Begins to connect, and to ask."""
        self.entry.begin()
        self._task = WorldTask(self._network.schedule, self.entry.keep_asking, self._on_error)
        self.transport.start()

    def abandon(self, *, is_cut: bool) -> None:
        """The process is dead, or its host too."""
        if self._task is not None:
            self._task.stop()
        self.transport.abandon(is_cut=is_cut)


def make_order_leg(
    arc: Arc, clock: EngineClock, network: Network, venue: Venue, edges: LegEdges
) -> FixLeg | RestLeg:
    """The leg that the arc is made for."""
    kind = RestLeg if isinstance(arc.orders, RestOrderParts) else FixLeg
    return kind(arc, clock, network, venue, edges)
