"""What a monitor knows of an engine, from ZeroMQ alone."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import zmq

from ext.errors import ConfigError
from monitor.messages import (
    Book,
    Counters,
    FillEvent,
    Heartbeat,
    Latency,
    Message,
    OpenOrders,
    OrderEvent,
    Positions,
    RiskEvent,
    StateEvent,
    TextEvent,
    decode,
)

STALE_NS = 1_000_000_000
RECEIVE_HIGH_WATER_MARK = 10_000
MAX_MESSAGE_BYTES = 4 << 20
MAX_MESSAGES_PER_POLL = 10_000
EVENTS_KEPT = 200
RECONNECT_MS, RECONNECT_MAX_MS = 100, 1_000

# Reports worth a line in the log; the ordinary ones show in the list of working orders.
REJECTIONS = ("REJECTED", "CANCEL_REJECT", "MESSAGE_REJECT")

Event = OrderEvent | FillEvent | RiskEvent | StateEvent | TextEvent


@dataclass
class EngineModel:
    """The newest message of each kind and the last events; ``apply`` is its only writer."""

    heartbeat: Heartbeat | None = None
    heartbeat_at_ns: int = 0  # monotonic
    counters: Counters | None = None
    rates: dict[str, float] = field(default_factory=dict)  # counters per second
    latency: Latency | None = None
    positions: Positions | None = None
    open_orders: OpenOrders | None = None
    books: dict[str, Book] = field(default_factory=dict)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    event_count: int = 0
    missed: int = 0  # messages dropped on the way, seen as jumps of topic_seq
    _epoch: int = 0
    _engine_start_ns: int = 0
    _sequences: dict[str, int] = field(default_factory=dict)
    _last_event: tuple[int, bool] = (0, False)

    def apply(self, topic: str, message: Message, monotonic_ns: int) -> None:
        """Takes one message in; ``monotonic_ns`` is when it was received."""
        self._check_sequence(topic, message)
        if message.engine_start_ns != self._engine_start_ns:
            self._forget(message.engine_start_ns)
        match message:
            case Heartbeat():
                self._apply_heartbeat(message, monotonic_ns)
            case Counters():
                self._apply_counters(message)
            case Latency():
                self.latency = message
            case Positions():
                self.positions = message
            case OpenOrders():
                self.open_orders = message
            case Book():
                self.books[message.instrument] = message
            case _:
                self._apply_event(message)

    def age_ns(self, monotonic_ns: int) -> int:
        """Age of what is known: of the last heartbeat here, plus the age it had at the relay."""
        if self.heartbeat is None:
            return 0
        return monotonic_ns - self.heartbeat_at_ns + self.heartbeat.heartbeat_age_ns

    def is_stale(self, monotonic_ns: int) -> bool:
        """Whether what is shown may no longer be true."""
        return self.age_ns(monotonic_ns) > STALE_NS

    def is_gone(self) -> bool:
        """Whether the engine's process ended without stopping."""
        last = self.heartbeat
        return last is not None and not last.process_lives and last.state != "STOPPED"

    def is_past(self, monotonic_ns: int) -> bool:
        """Whether what is shown is the last that was heard, not what is so now."""
        has_ended = self.heartbeat is not None and not self.heartbeat.process_lives
        return has_ended or self.is_stale(monotonic_ns)

    def _check_sequence(self, topic: str, message: Message) -> None:
        if message.epoch != self._epoch:
            self._epoch = message.epoch
            self._sequences.clear()
        last = self._sequences.get(topic, message.topic_seq - 1)
        self.missed += max(0, message.topic_seq - last - 1)
        self._sequences[topic] = message.topic_seq

    def _apply_heartbeat(self, message: Heartbeat, monotonic_ns: int) -> None:
        last, self.heartbeat = self.heartbeat, message
        is_gone = self.is_gone()
        if last is None or (last.state, last.process_lives) != (
            message.state,
            message.process_lives,
        ):
            self._keep(
                StateEvent(
                    t_engine_ns=message.t_relay_ns,
                    sequence=0,
                    subject="engine",
                    state="GONE" if is_gone else message.state,
                    reason=f"process {message.process_id} ended without stopping"
                    if is_gone
                    else message.reason,
                )
            )
        self.heartbeat_at_ns = monotonic_ns

    def _apply_counters(self, message: Counters) -> None:
        last = self.counters
        if last is not None and message.t_relay_ns > last.t_relay_ns:
            seconds = (message.t_relay_ns - last.t_relay_ns) / 1e9
            self.rates = {
                name: (value - last.values.get(name, value)) / seconds
                for name, value in message.values.items()
            }
        self.counters = message

    def _apply_event(self, message: Event) -> None:
        # A restarted relay publishes again what its predecessor may not have sent. One record
        # gives an order and then a fill.
        key = (message.sequence, isinstance(message, FillEvent))
        if key > self._last_event:
            self._last_event = key
            if not isinstance(message, OrderEvent) or message.event in REJECTIONS:
                self._keep(message)

    def _keep(self, event: Event) -> None:
        self.events.append(event)
        self.event_count += 1

    def _forget(self, engine_start_ns: int) -> None:
        self._engine_start_ns = engine_start_ns
        self.heartbeat = self.counters = self.latency = None
        self.positions = self.open_orders = None
        self.rates = {}
        self.books.clear()
        self._last_event = (0, False)


class MonitorClient:
    """SUB socket of a monitor: reconnects by itself, never blocks, is polled."""

    def __init__(self, endpoint: str, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """Raises ConfigError when ``endpoint`` is not one; nobody need listen there yet."""
        self.endpoint = endpoint
        self.model = EngineModel()
        self.bad_messages = 0
        self._clock = clock
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        for option, value in {
            zmq.LINGER: 0,
            zmq.RCVHWM: RECEIVE_HIGH_WATER_MARK,
            zmq.MAXMSGSIZE: MAX_MESSAGE_BYTES,
            zmq.RECONNECT_IVL: RECONNECT_MS,
            zmq.RECONNECT_IVL_MAX: RECONNECT_MAX_MS,
        }.items():
            self._socket.setsockopt(option, value)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        try:
            self._socket.connect(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise ConfigError(
                f"cannot connect to {endpoint!r}: {error.strerror}; use the endpoint that the "
                "relay publishes on, ipc:///path or tcp://host:port"
            ) from error

    def poll(self, timeout_ms: int = 0) -> int:
        """Takes in all messages that are here, waiting for the first; returns how many."""
        if not self._socket.poll(timeout_ms):
            return 0
        for count in range(MAX_MESSAGES_PER_POLL):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return count
            self._receive(frames)
        return MAX_MESSAGES_PER_POLL

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()
        self._context.term()

    def _receive(self, frames: list[bytes]) -> None:
        try:
            topic, payload = frames
            message = decode(topic.decode(), payload)
        except (ValueError, msgspec.DecodeError):
            self.bad_messages += 1
            return
        if message is not None:
            self.model.apply(topic.decode(), message, self._clock())
