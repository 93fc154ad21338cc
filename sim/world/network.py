"""The network of a world: connections that delay, cut, spoil and repeat what they carry.

A connection has two ends. What one end sends arrives in order and whole until a cut; a cut loses a
tail of either direction, and each end learns of it in its own time.
"""

import functools
import random
from collections.abc import Callable
from typing import Protocol

from sim.world.clock import WorldClock
from sim.world.faults import FaultPlan
from sim.world.schedule import Schedule, Trace

REFUSED_AFTER_NS = 400_000_000
"""At most: a refusal may be quick, or a timeout."""
ALL_CUT_SHARE = 0.4
"""Of the cuts of connections of which there are several."""


class End(Protocol):
    """One side of a connection."""

    def receive(self, data: bytes) -> None:
        """Bytes, or one frame of a feed, have arrived."""

    def lost(self, text: str) -> None:
        """The connection is gone; called once, and nothing arrives afterwards."""


class Line:
    """One direction of one connection: pieces arrive in order, each after its latency."""

    def __init__(self, network: "Network", name: str) -> None:
        self.name = name
        self.target: End | None = None
        self.in_flight = 0
        self._network = network
        self._newest_ns = 0
        self._end_ns: int | None = None

    def send(self, piece: bytes, text: str, *, delay_ns: int = 0, in_order: bool = True) -> None:
        """Sends one piece; ``text`` is its name in the trace."""
        network = self._network
        arrival_ns = network.clock.monotonic_ns() + network.draw_latency() + delay_ns
        if in_order:
            arrival_ns = self._newest_ns = max(arrival_ns, self._newest_ns)
        self.in_flight += 1
        network.schedule.at(arrival_ns, f"{self.name} {text}", lambda: self._arrive(piece))

    def end_at(self, time_ns: int) -> None:
        """Nothing that would arrive later than that arrives."""
        self._end_ns = min(time_ns, self._end_ns or time_ns)

    def last_arrival_ns(self) -> int:
        """When the last piece arrives that was sent so far."""
        return max(self._newest_ns, self._network.clock.monotonic_ns())

    def _arrive(self, piece: bytes) -> None:
        self.in_flight -= 1
        if self._end_ns is not None and self._network.clock.monotonic_ns() > self._end_ns:
            self._network.trace.note(f"{self.name} (that was lost)")
        elif self.target is not None:
            self.target.receive(piece)


class Connection:
    """One TCP connection between the engine and a door of the venue."""

    def __init__(self, network: "Network", kind: str, engine: End, venue: End) -> None:
        self.kind = kind
        self.to_venue = Line(network, f"{kind}: engine -> venue")
        self.to_engine = Line(network, f"{kind}: venue -> engine")
        self.to_venue.target, self.to_engine.target = venue, engine
        self._network = network

    @property
    def is_open(self) -> bool:
        """Whether either end still holds it."""
        return self.to_venue.target is not None or self.to_engine.target is not None

    @property
    def in_flight(self) -> int:
        """Pieces under way to an end that is still there."""
        return sum(
            line.in_flight for line in (self.to_venue, self.to_engine) if line.target is not None
        )

    def close_by_engine(self) -> None:
        """The engine closes: what it sent still arrives, then the venue is told."""
        self._close(self.to_engine, self.to_venue)

    def close_by_venue(self) -> None:
        """The venue closes: what it sent still arrives, then the engine is told."""
        self._close(self.to_venue, self.to_engine)

    def cut(self) -> None:
        """The line breaks now: a tail of either direction is lost, one end may hear much later."""
        network = self._network
        network.trace.note(f"{self.kind}: cut")
        late = network.rng.choice((self.to_venue, self.to_engine))
        for line in (self.to_venue, self.to_engine):
            now_ns = network.clock.monotonic_ns()
            end_ns = now_ns + network.rng.choice((0, network.draw_latency()))
            line.end_at(end_ns)
            if line is late:
                end_ns += network.rng.randint(0, network.plan.half_open_ns)
            network.schedule.at(end_ns, f"{line.name} is lost", functools.partial(_tell, line))

    def _close(self, mine: Line, other: Line) -> None:
        mine.target = None
        other.end_at(other.last_arrival_ns())
        self._network.schedule.at(
            other.last_arrival_ns(), f"{other.name} is closed", lambda: _tell(other)
        )


def _tell(line: Line) -> None:
    target, line.target = line.target, None
    if target is not None:
        target.lost("connection reset")


class Network:
    """Makes connections, and has what they need."""

    def __init__(
        self,
        clock: WorldClock,
        schedule: Schedule,
        trace: Trace,
        plan: FaultPlan,
        rng: random.Random,
    ) -> None:
        self.clock = clock
        self.schedule = schedule
        self.trace = trace
        self.plan = plan
        self.rng = rng
        self.connections: list[Connection] = []

    def draw_latency(self) -> int:
        """Of one piece, in nanoseconds; now and then a stall."""
        plan, rng = self.plan, self.rng
        latency_ns = plan.latency_ns
        if plan.jitter_ns:
            latency_ns += rng.randrange(plan.jitter_ns)
        if plan.stall_share and rng.random() < plan.stall_share:
            latency_ns += rng.randint(0, plan.stall_ns)
        return latency_ns

    def happens(self, share: float) -> bool:
        """Whether a fault of that share happens now."""
        return share > 0 and self.rng.random() < share

    def connect(
        self,
        kind: str,
        engine: End,
        accept: Callable[[Connection], End],
        on_connected: Callable[[Connection], None],
        on_refused: Callable[[str], None],
    ) -> None:
        """Connects, which takes a while and may fail. ``accept`` makes the venue's end."""
        if self.happens(self.plan.refuse_share):
            self.schedule.after(
                self.rng.randrange(REFUSED_AFTER_NS),
                f"{kind}: refused",
                lambda: on_refused("connection refused"),
            )
            return

        def finish() -> None:
            connection = Connection(self, kind, engine, _NOBODY)
            connection.to_venue.target = accept(connection)
            self.connections = [each for each in self.connections if each.is_open]
            self.connections.append(connection)
            on_connected(connection)

        self.schedule.after(2 * self.draw_latency(), f"{kind}: connected", finish)

    def cut_some(self, kind: str) -> None:
        """Cuts the newest open connection of that kind, if there is one."""
        for connection in reversed(self.connections):
            if connection.kind == kind and connection.is_open:
                connection.cut()
                return

    def cut_any(self, kind: str) -> None:
        """Cuts one of the open connections of that kind, or all of them at once."""
        found = [each for each in self.connections if each.kind == kind and each.is_open]
        if found and self.rng.random() >= ALL_CUT_SHARE:
            found = [self.rng.choice(found)]
        for connection in found:
            connection.cut()

    def in_flight(self) -> int:
        """Pieces under way."""
        return sum(each.in_flight for each in self.connections)


class _Nobody:
    def receive(self, data: bytes) -> None:
        """Nobody takes it."""

    def lost(self, text: str) -> None:
        """Nobody minds."""


_NOBODY = _Nobody()
