"""Publishes messages on ZeroMQ: envelope, schedule, conflation. Never waits for a subscriber."""

from collections.abc import Iterator

import msgspec
import zmq

from ext.errors import ConfigError
from journal.entries import Structured
from journal.shared_reader import SharedReader
from monitor.events import EventBuilder
from monitor.messages import Message, RiskEvent, encode, topic_of
from monitor.snapshots import SnapshotBuilder
from monitor.status import RelayStatus, engine_gone

SEND_HIGH_WATER_MARK = 1_000  # messages kept per slow subscriber; more are dropped, not waited for
MAX_MESSAGE_BYTES = 4_096  # of what subscribers send us: subscriptions are short
SUBSCRIBED = b"\1"  # first byte of what XPUB receives, zmq_socket(3)
HEARTBEAT_INTERVAL_NS = 100_000_000
CONFLATED_INTERVAL_NS = 200_000_000
SLOW_INTERVAL_NS = 1_000_000_000  # counters, latency, and whatever has not changed
MAX_RISK_EVENTS_PER_SECOND = 20  # a strategy that is refused on every tick must not flood


class Publisher:
    """The relay's PUB socket and what is sent on it when. Used by one thread."""

    def __init__(
        self, endpoint: str, reader: SharedReader, status: RelayStatus, *, epoch: int
    ) -> None:
        """Binds ``endpoint``; raises ConfigError when it is not local or cannot be bound."""
        self._reader = reader
        self._status = status
        self._epoch = epoch
        self._snapshots = SnapshotBuilder(reader, status)
        self._events = EventBuilder(reader)
        self._sequences: dict[str, int] = {}
        self._published: dict[str, tuple[Message, int]] = {}
        self._due = {"heartbeat": 0, "conflated": 0, "slow": 0}
        self._risk_second = 0
        self._risk_count = 0
        self._risk_suppressed = 0
        _check_endpoint(endpoint)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.SNDHWM, SEND_HIGH_WATER_MARK)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        self._socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise ConfigError(
                f"cannot publish on {endpoint}: {error.strerror}; use a free ipc:///path or "
                "tcp://127.0.0.1:port"
            ) from error
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def publish_records(self, records: Structured, now_ns: int) -> None:
        """Publishes what the records tell; ``now_ns`` is wall clock."""
        for message in self._events.build(records):
            if not isinstance(message, RiskEvent) or self._admit_risk(message, now_ns):
                self._send(message, now_ns)

    def publish_due(self, now_ns: int) -> None:
        """Publishes the state messages whose time has come; ``now_ns`` is wall clock."""
        if self._is_due("heartbeat", HEARTBEAT_INTERVAL_NS, now_ns):
            if self._take_subscriptions():
                self._published.clear()
                self._due.update(conflated=0, slow=0)
            lives = not engine_gone(self._reader, now_ns)
            self._send(self._snapshots.heartbeat(now_ns, process_lives=lives), now_ns)
        if self._is_due("conflated", CONFLATED_INTERVAL_NS, now_ns):
            for message in self._conflated():
                self._send_changed(message, now_ns)
        if self._is_due("slow", SLOW_INTERVAL_NS, now_ns):
            self._send(self._snapshots.counters(), now_ns)
            self._send(self._snapshots.latency(), now_ns)

    def publish_all(self, now_ns: int) -> None:
        """Publishes every state message at once: the last word before the end."""
        self._published.clear()
        self._due = dict.fromkeys(self._due, 0)
        self.publish_due(now_ns)

    def close(self) -> None:
        """Closes the socket; messages not yet on the wire are dropped."""
        self._socket.close()
        self._context.term()

    def _conflated(self) -> Iterator[Message]:
        yield self._snapshots.positions()
        yield self._snapshots.open_orders()
        for index in range(len(self._reader.instruments)):
            book = self._snapshots.book(index)
            if book is not None:
                yield book

    def _send_changed(self, message: Message, now_ns: int) -> None:
        topic = topic_of(message)
        last, last_ns = self._published.get(topic, (None, 0))
        if message != last or not 0 <= now_ns - last_ns < SLOW_INTERVAL_NS:
            self._published[topic] = (message, now_ns)
            self._send(msgspec.structs.replace(message), now_ns)

    def _send(self, message: Message, now_ns: int) -> None:
        topic = topic_of(message)
        sequence = self._sequences[topic] = self._sequences.get(topic, 0) + 1
        message.src = self._reader.engine_name
        message.epoch = self._epoch
        message.engine_start_ns = self._reader.start_time_ns
        message.topic_seq = sequence
        message.t_engine_ns = message.t_engine_ns or self._reader.word("heartbeat_ns")
        message.t_relay_ns = now_ns
        self._socket.send_multipart([topic.encode(), encode(message)])
        self._status.published_messages += 1

    def _admit_risk(self, message: RiskEvent, now_ns: int) -> bool:
        second = now_ns // 1_000_000_000
        if second != self._risk_second:
            self._risk_second, self._risk_count = second, 0
        self._risk_count += 1
        if self._risk_count > MAX_RISK_EVENTS_PER_SECOND:
            self._risk_suppressed += 1
            return False
        message.suppressed, self._risk_suppressed = self._risk_suppressed, 0
        return True

    def _is_due(self, name: str, interval_ns: int, now_ns: int) -> bool:
        # A clock set back must not silence the relay until it has caught up.
        if self._due[name] - interval_ns <= now_ns < self._due[name]:
            return False
        self._due[name] = now_ns + interval_ns
        return True

    def _take_subscriptions(self) -> bool:
        has_new = False
        while self._socket.poll(0):
            is_new = self._socket.recv().startswith(SUBSCRIBED)
            self._status.subscriptions += 1 if is_new else -1
            has_new = has_new or is_new
        return has_new


def _check_endpoint(endpoint: str) -> None:
    # What is published (positions, P&L) is neither encrypted nor authenticated.
    if endpoint.startswith(("ipc://", "tcp://127.0.0.1:", "tcp://[::1]:")):
        return
    raise ConfigError(
        f"cannot publish on {endpoint}: only this host may listen; use ipc:///path or "
        "tcp://127.0.0.1:port (and an SSH tunnel from elsewhere)"
    )
