"""Orders by REST in a world: what ``gateways.rest_order_transport`` does, without sockets and
without a loop. Session, sender and questions are the production ones.
"""

import functools
import re
from collections import Counter
from collections.abc import Callable, Sequence

from engine.rest.rest_order_entry import RestOrderEntry
from ext.order_sender import CapturingSender
from gateways.edges import Clock
from gateways.rest_order_session import RestOrderEvent, RestOrderSession
from gateways.transport import CANNOT_CONNECT
from sim.world.coroutine import Pause
from sim.world.network import Connection, Network
from sim.world.rest_door import split
from sim.world.venue import Venue

NANOSECONDS_PER_SECOND = 1_000_000_000
NEVER = 1 << 62
ALL_DEAD_SHARE = 0.3
ANSWER_BEGIN = re.compile(rb"HTTP/1\.1 [2-5]")


class WorldRestOrderEntry(RestOrderEntry):
    """Order entry by REST that sleeps in the time of its world."""

    async def _sleep(self, seconds: float) -> None:
        await Pause(int(seconds * NANOSECONDS_PER_SECOND))


class _Wire:
    """The engine's end of one connection. ``number`` counts those of a run from 1."""

    def __init__(self, transport: "WorldRestOrderTransport", index: int, number: int) -> None:
        self.index = index
        self.number = number
        self.connection: Connection | None = None
        self.heard = bytearray()
        self._transport = transport

    def receive(self, data: bytes) -> None:
        """Bytes of the venue."""
        self._transport.receive(self, data)

    def lost(self, text: str) -> None:
        """The connection is gone."""
        self._transport.lost(self, text)


class WorldRestOrderTransport:
    """Keeps the connections that the session asks for. ``sent`` gets every piece of a request as
    it leaves the engine, and the number of its connection."""

    def __init__(
        self,
        network: Network,
        venue: Venue,
        sent: Callable[[bytes, int], None],
        session: RestOrderSession,
        senders: Sequence[CapturingSender],
        *_: object,
        on_event: Callable[[RestOrderEvent], None],
        on_turn: Callable[[], None],
        clock: Clock,
        meter: object = None,
    ) -> None:
        self._network = network
        self._venue = venue
        self._sent = sent
        self._session = session
        self._senders = senders
        self._on_event = on_event
        self._on_turn = on_turn
        self._clock = clock
        self.answer_counts: Counter[int] = Counter()
        """Answers that have begun to come, by the number of the connection."""
        self._wires: dict[int, _Wire] = {}
        self._connected_count = 0
        self._is_dead = False

    @property
    def has_unsent(self) -> bool:
        """Whether the compiled path has sent something that nobody has passed on yet."""
        return any(sender.size for sender in self._senders)

    @property
    def state_text(self) -> str:
        """For people: what the session is doing."""
        return f"open on {self._session.open_count} connections"

    def start(self) -> None:
        """Begins to connect."""
        self.tick()

    def tick(self) -> None:
        """One turn of the wheel."""
        clock = self._clock
        self._session.tick(clock.monotonic_ns(), clock.wall_ns())
        self._drain()
        for index in self._session.to_connect(clock.monotonic_ns()):
            self._connected_count += 1
            wire = _Wire(self, index, self._connected_count)
            self._network.connect(
                "orders",
                wire,
                self._venue.accept_rest,
                functools.partial(self._connected, wire),
                functools.partial(self._refused, wire),
            )
        self._on_turn()

    def abandon(self, *, is_cut: bool) -> None:
        """The process is dead: the kernel closes its sockets, or the host went down with it."""
        self._is_dead = True
        for wire in self._wires.values():
            if wire.connection is not None:
                wire.connection.to_engine.target = None
                if is_cut:
                    wire.connection.cut()
                else:
                    wire.connection.close_by_engine()
        self._wires.clear()

    def flush(self) -> None:
        """Passes on what the compiled path has sent."""
        for index, sender in enumerate(self._senders):
            data = sender.take()
            if data and (wire := self._wires.get(index)) is not None:
                self._pass_on(wire, data)

    def break_sends(self) -> None:
        """A socket, or each of them, takes nothing more; what it took is under way."""
        self.flush()
        rng, indexes = self._network.rng, list(self._wires)
        if rng.random() >= ALL_DEAD_SHARE and indexes:
            indexes = [rng.choice(indexes)]
        for index in indexes:
            self._senders[index].refuse_after(0)

    def crash_in_send(self, keep_share: float) -> None:
        """The process dies before all of what it has decided to send is in its sockets: some
        requests are, of the next one a part."""
        taken = [(index, sender.take()) for index, sender in enumerate(self._senders)]
        waiting = [(index, data) for index, data in taken if data and index in self._wires]
        whole = int(len(waiting) * keep_share)
        for index, data in waiting[:whole]:
            self._pass_on(self._wires[index], data)
        for index, data in waiting[whole : whole + 1]:
            part = data[: self._network.rng.randrange(len(data))]
            if part:
                self._pass_on(self._wires[index], part)

    def receive(self, wire: _Wire, data: bytes) -> None:
        """Bytes of the venue."""
        clock = self._clock
        wire.heard += data
        self.answer_counts[wire.number] = len(ANSWER_BEGIN.findall(wire.heard))
        self._session.receive(wire.index, data, clock.monotonic_ns(), clock.wall_ns())
        self._drain()

    def lost(self, wire: _Wire, text: str) -> None:
        """The connection is gone."""
        if self._wires.get(wire.index) is wire:
            self._end(wire.index, text)

    def _pass_on(self, wire: _Wire, data: bytes) -> None:
        if wire.connection is None:
            return
        self._sent(data, wire.number)
        name = data[: data.index(b" HTTP")].decode() if b" HTTP" in data else "a part"
        for at, piece in enumerate(split(self._network, data), 1):
            wire.connection.to_venue.send(piece, f"{name} ({at})")

    def _connected(self, wire: _Wire, connection: Connection) -> None:
        if self._is_dead:
            connection.to_engine.target = None
            connection.close_by_engine()
            return
        wire.connection = connection
        self._wires[wire.index] = wire
        sender = self._senders[wire.index]
        sender.take()
        sender.refuse_after(NEVER)
        self._session.connected(wire.index, self._clock.monotonic_ns())
        self._drain()
        self._on_turn()

    def _refused(self, wire: _Wire, text: str) -> None:
        if not self._is_dead:
            self._end(wire.index, f"{CANNOT_CONNECT}: {text}")

    def _end(self, index: int, text: str) -> None:
        clock = self._clock
        self._session.ended(index, clock.monotonic_ns(), clock.wall_ns(), text)
        self._drain()

    def _drain(self) -> None:
        self.flush()
        for index in self._session.to_close():
            wire = self._wires.pop(index, None)
            if wire is not None and wire.connection is not None:
                wire.connection.close_by_engine()
        for event in self._session.events():
            self._on_event(event)
        self.flush()
