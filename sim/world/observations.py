"""What a world saw, as the checkers need it: both sides of every order, fill and message.

Nothing here is told by the engine but what it put on the wire; the venue's record is the truth.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ext.bounds import Bound
from ext.safety_records import GuardReason
from sim.orders import Order
from sim.world.engine import WorldEngine
from sim.world.sent_text import LOGON, PLACE, REPLACE, SentReader, SentText
from sim.world.venue import VenueRecord

SLOTS = int(Bound.MAX_ORDERS)


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One message, or request by REST, as it left the engine."""

    run: int
    text: SentText
    connection: int
    """By REST the number of the connection in this run; FIX: 0."""
    was_paused: bool
    """Whether the engine was PAUSED already when the event began that sent it."""
    was_behind: bool
    """Whether its journal was behind already, see ``sim.world.relay``."""
    strategy: int
    """Whose order it is about; -1: none."""
    was_stopped: bool
    """Whether breakers had stopped that strategy already, and still do."""
    may_reduce: bool
    """Whether it was the portfolio that had, and nothing else: its own orders may reduce."""
    is_exit: bool
    """Whether position management or a FLATTEN sent it: it closes what is there."""
    is_flatten: bool
    time_ns: int
    """When it left, by the engine's own clock."""
    decided_ns: int
    """When the engine decided on it, by that clock; earlier where it had to wait, 0: nobody knows
    how long a cancel has waited."""
    was_active: bool
    """Whether the order session was up when the event began."""
    was_killed: bool
    """Whether somebody had killed it already, and nobody had rearmed it."""

    @property
    def is_old(self) -> bool:
        """Whether it was decided, recorded and counted before the event in which it left: a
        repeat, or one that waited for a connection."""
        return self.text.is_repeat or self.decided_ns < self.time_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """How the engine was when an event began, as ``SentMessage`` tells it of what left then."""

    is_paused: bool = False
    is_behind: bool = False
    is_active: bool = False
    is_killed: bool = False
    stopped_until_ns: dict[int, int] = field(default_factory=dict)
    """See ``WorldEngine.stopped_until_ns``."""
    may_reduce: frozenset[int] = frozenset()
    """Strategies that only the portfolio stops: what reduces may leave."""
    waiting_count: int = 0
    """Requests that waited for a connection."""


class Observations:
    """Of all runs of a world. Arrays are indexed by the slot of an order in the engine's table."""

    def __init__(self, record: VenueRecord, make_reader: Callable[[], SentReader]) -> None:
        self.record = record
        self.sent: list[SentMessage] = []
        self.number_of_id: dict[str, int] = {}
        """Order number of every client id of an order, those of replaces included."""
        self.number_of_order: dict[str, int] = {}
        """The same by the venue's order id."""
        self.strategy_of: dict[int, int] = {}
        """Strategy of an order number."""
        self.open_orders: dict[str, Order] = {}
        """Orders that the venue holds open, by its order id."""
        self.slot_number = np.zeros(SLOTS, np.int64)
        self.venue_filled = np.zeros(SLOTS, np.int64)
        self.slots_used = 1
        self.connections = 0
        """Sessions of FIX, or connections that a request by REST left on."""
        self._make_reader = make_reader
        self._reader = make_reader()
        self._seen_connections: set[int] = set()
        self._taken = 0
        self._fills = 0

    def begin_run(self) -> None:
        """Another engine has started: what the last one sent half of has no end."""
        self._reader = self._make_reader()
        self._seen_connections.clear()

    def note_sent(
        self,
        engine: WorldEngine,
        data: bytes,
        connection: int,
        before: Before,
    ) -> None:
        """Bytes that leave the engine on a connection."""
        now_ns = engine.clock.now_ns()
        if connection and connection not in self._seen_connections:
            self._seen_connections.add(connection)
            self.connections += 1
        for text in self._reader.feed(data, connection):
            self.connections += text.kind == LOGON
            if text.kind == PLACE and text.client_id not in self.number_of_id:
                self._note_order(engine, text.client_id)
            elif text.kind == REPLACE:
                original = self.number_of_id.get(text.order_id)
                if original is not None:
                    self.number_of_id.setdefault(text.client_id, original)
            number = self.number_of_id.get(text.client_id or text.order_id, 0)
            strategy = self.strategy_of.get(number, -1)
            until_ns = before.stopped_until_ns.get(strategy)
            was_stopped = until_ns is not None and (until_ns == 0 or now_ns < until_ns)
            slot = number % SLOTS
            reason = int(engine.orders["reason"][slot])
            decided_ns = 0 if before.waiting_count else now_ns
            is_known = int(engine.orders["order_number"][slot]) == number > 0
            if text.kind == PLACE and is_known and not text.is_repeat:
                decided_ns = int(engine.orders["sent_time_ns"][slot])
            self.sent.append(
                SentMessage(
                    run=engine.run,
                    text=text,
                    connection=connection,
                    was_paused=before.is_paused,
                    was_behind=before.is_behind,
                    strategy=strategy,
                    was_stopped=was_stopped,
                    may_reduce=strategy in before.may_reduce,
                    is_exit=reason < 0,
                    is_flatten=reason == -GuardReason.EXIT_FLATTEN,
                    time_ns=now_ns,
                    decided_ns=decided_ns,
                    was_active=before.is_active,
                    was_killed=before.is_killed,
                )
            )

    def _note_order(self, engine: WorldEngine, client_id: str) -> None:
        number = engine.pipeline.orders.request_number(client_id)
        slot = number % SLOTS
        self.number_of_id[client_id] = number
        self.strategy_of[number] = int(engine.orders["strategy"][slot])
        self.slot_number[slot] = number
        self.venue_filled[slot] = 0
        self.slots_used = max(self.slots_used, slot + 1)

    def filled_at_venue(self, engine: WorldEngine) -> np.ndarray:
        """What the venue has filled of the order in each slot that is in use; 0 of those that it
        never got."""
        end = self.slots_used
        is_known = engine.orders["order_number"][:end] == self.slot_number[:end]
        return np.where(is_known, self.venue_filled[:end], 0)

    def progress(self) -> tuple[int, int, int]:
        """What the venue accepted, filled and holds open: its orders move with these."""
        return self._taken, self._fills, len(self.open_orders)

    def follow(self) -> list[tuple[Order, int]]:
        """Takes in what is new at the venue; what it accepted, see ``VenueRecord.taken``."""
        record = self.record
        taken = record.taken[self._taken :]
        self._taken = len(record.taken)
        for order, _ in taken:
            known = self.number_of_id.get(order.client_order_id)
            if known is not None:
                self.number_of_order[order.order_id] = known
            self.open_orders[order.order_id] = order
        for fill in record.fill_list[self._fills :]:
            number = self.number_of_order.get(fill.order.order_id, 0)
            if number and self.slot_number[number % SLOTS] == number:
                self.venue_filled[number % SLOTS] += fill.quantity_lots
        self._fills = len(record.fill_list)
        closed = [key for key, order in self.open_orders.items() if not order.status.is_open]
        for key in closed:
            del self.open_orders[key]
        return taken
