"""The order session's transport in a world: what ``gateways.transport.OrderTransport`` does,
without a socket and without a loop. The contract is that of ``gateways/session.py``.
"""

from collections.abc import Callable
from typing import Any

from ext.order_sender import CapturingSender
from ext.wire import SessionState
from gateways.fix_message import Field
from gateways.session import Fatal, LogonRefused, OrderSession, SessionEvent, StateChanged
from gateways.transport import CANNOT_CONNECT, Backoff
from sim.world.clock import WorldClock
from sim.world.network import Connection, Network
from sim.world.order_wire import OrderWire
from sim.world.venue import Venue
from sim.world.wire_text import whole_messages

NANOSECONDS_PER_SECOND = 1_000_000_000
NEVER = 1 << 62
BACKOFF = Backoff(first_s=0.1, limit_s=2.0, refused_s=1.0)
"""Shorter than in production, so that a world of some seconds sees several connections."""


class WorldOrderTransport:
    """Connects the session to the venue's order door, and again whenever that ends.

    ``sent`` gets every message at the moment at which it leaves the engine, and 0: there is one
    connection at a time.
    """

    def __init__(
        self,
        network: Network,
        venue: Venue,
        sent: Callable[[bytes, int], None],
        session: OrderSession,
        make_listener: Callable[..., Any],
        sender: CapturingSender,
        *_: object,
        on_event: Callable[[SessionEvent], None],
        connect: object = None,
    ) -> None:
        self._network = network
        self._venue = venue
        self._sent = sent
        self._session = session
        self._sender = sender
        self._on_event = on_event
        self._listener = make_listener(self._take_message, self._take_garbled)
        self._connection: Connection | None = None
        self._wire: OrderWire | None = None
        self._delay_s = BACKOFF.first_s
        self._active_since_ns = 0
        self._is_refused = False
        self.is_stopping = False

    @property
    def has_unsent(self) -> bool:
        """Whether the compiled path has sent something that nobody has passed on yet."""
        return self._sender.size > 0

    @property
    def state_text(self) -> str:
        """For people: what the session is doing."""
        return self._session.state.name

    def start(self) -> None:
        """Begins to connect."""
        self._begin()

    def abandon(self, *, is_cut: bool) -> None:
        """The process is dead: the kernel closes its socket, or the host went down with it."""
        self.is_stopping = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.to_engine.target = None
            if is_cut:
                connection.cut()
            else:
                connection.close_by_engine()

    def send_application(self, message_type: str, fields: list[Field]) -> int:
        """Sends a cold message and returns its MsgSeqNum; ``UsageError`` unless ACTIVE."""
        sequence = self._session.send_application(message_type, fields, self._now_ns())
        self._drain()
        return sequence

    def log_out(self) -> None:
        """Starts an orderly end; no new connection after it."""
        self.is_stopping = True
        self._session.logout(self._now_ns(), "")
        self._drain()

    def receive(self, data: bytes) -> None:
        """Bytes of the venue."""
        self._listener.receive(data, self._network.clock.monotonic_ns())
        self._drain()

    def lost(self, text: str) -> None:
        """The connection is gone."""
        self._end(text)

    def tick(self) -> None:
        """Timers of the session."""
        if self._connection is not None:
            self._session.tick(self._now_ns())
            self._drain()

    def flush(self) -> None:
        """Passes on what the compiled path has sent; ends a connection that refused some."""
        data = self._sender.take()
        if data and self._connection is not None and self._wire is not None:
            self._sent(data, 0)
            self._wire.send(data)
        if self._sender.has_failed and self._connection is not None:
            self._connection.close_by_engine()
            self._end("an order could not be sent")

    def break_sends(self) -> None:
        """The socket takes nothing more from the compiled path; what it took is under way."""
        self.flush()
        self._sender.refuse_after(0)

    def crash_in_send(self, keep_share: float) -> None:
        """The process dies before all of what it has decided to send is in the socket."""
        messages = whole_messages(self._sender.take())
        kept = b"".join(messages[: int(len(messages) * keep_share)])
        if kept and self._wire is not None:
            self._sent(kept, 0)
            self._wire.send(kept)

    def _begin(self) -> None:
        self._is_refused = False
        self._active_since_ns = 0
        self._session.start(self._now_ns())
        self._drain()
        self._network.connect(
            "orders", self, self._venue.accept_orders, self._connected, self._refused
        )

    def _connected(self, connection: Connection) -> None:
        if self.is_stopping:
            connection.close_by_engine()
            return
        self._connection = connection
        self._wire = OrderWire(self._network, connection.to_venue, is_to_engine=False)
        self._sender.take()
        self._sender.refuse_after(NEVER)
        self._listener.reset()
        self._session.connected(self._now_ns())
        self._drain()

    def _refused(self, text: str) -> None:
        if self.is_stopping:
            return
        self._session.disconnected(self._now_ns(), f"{CANNOT_CONNECT}: {text}")
        self._drain()
        self._retry()

    def _end(self, text: str) -> None:
        if self._connection is None:
            return
        self._connection = None
        self._session.disconnected(self._now_ns(), text)
        self._drain()
        self._retry()

    def _retry(self) -> None:
        if self.is_stopping:
            return
        active_ns = self._now_ns() - self._active_since_ns if self._active_since_ns else 0
        if active_ns > BACKOFF.limit_s * NANOSECONDS_PER_SECOND:
            self._delay_s = BACKOFF.first_s
        delay_s = BACKOFF.refused_s if self._is_refused else self._delay_s
        self._delay_s = min(self._delay_s * 2, BACKOFF.limit_s)
        self._network.schedule.after(
            int(delay_s * NANOSECONDS_PER_SECOND), "orders: connects", self._begin_again
        )

    def _begin_again(self) -> None:
        if not self.is_stopping:
            self._begin()

    def _take_message(self, message: bytes) -> None:
        self._session.receive(message, self._now_ns())
        self._drain()

    def _take_garbled(self, reason: str, data: bytes) -> None:
        self._session.receive_garbled(reason, data, self._now_ns())
        self._drain()

    def _drain(self) -> None:
        # Bytes first: an event may make the engine send orders with the numbers after them.
        self.flush()
        for message in self._session.bytes_to_send():
            if self._connection is not None and self._wire is not None:
                self._sent(message, 0)
                self._wire.send(message)
        for event in self._session.events():
            self._note(event)
            self._on_event(event)
        self.flush()
        if self._session.is_close_requested and self._connection is not None:
            self._connection.close_by_engine()
            self._end("stopped")

    def _note(self, event: SessionEvent) -> None:
        match event:
            case StateChanged(new=SessionState.SESSION_ACTIVE):
                self._active_since_ns = self._active_since_ns or self._now_ns()
            case LogonRefused(is_retryable=is_retryable):
                self._is_refused = True
                self.is_stopping = self.is_stopping or not is_retryable
            case Fatal():
                self.is_stopping = True
            case _:
                pass

    def _now_ns(self) -> int:
        clock: WorldClock = self._network.clock
        now_ns = clock.monotonic_ns()
        self._session.wall_offset_ns = clock.wall_ns() - now_ns
        return now_ns
