"""A peer without sockets for FIX sessions, and plain stand-ins for the compiled edges.

Messages of the peer are built and read here by code of its own, so that a mistake in
``gateways.fix_message`` is not repeated in what it is tested with.
"""

import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from ext.fix_listener import FixListener
from ext.session_store import SessionStore
from ext.tcp_sender import TcpSender
from ext.wire import SessionState
from gateways.edges import ListenerFactory, Sender
from gateways.fix_dialect import FixDialect, PlainDialect, SessionRules
from gateways.fix_framer import FixFramer, Garbled
from gateways.fix_session import FixSession
from gateways.fix_timers import SessionLimits
from gateways.session import ApplicationMessage, SessionEvent

SECOND_NS = 1_000_000_000
START_NS = 5_000 * SECOND_NS  # of the monotonic clock
WALL_START_NS = 1_767_225_600 * SECOND_NS  # 20260101-00:00:00
START_TIME = "20260101-00:00:00.000"

Pairs = list[tuple[str, str]]


def build(begin_string: str, fields: Pairs) -> bytes:
    """A message with the right BodyLength and CheckSum; ``fields`` start with 35."""
    body = "".join(f"{tag}={value}\x01" for tag, value in fields)
    text = f"8={begin_string}\x019={len(body)}\x01{body}"
    total = 0
    for byte in text.encode():
        total = (total + byte) % 256
    return f"{text}10={total:03d}\x01".encode()


def read(message: bytes) -> dict[str, str]:
    """The fields of one message without data fields, after checking its length and sum."""
    pairs = [part.split("=", 1) for part in message.decode().split("\x01")[:-1]]
    fields = {tag: value for tag, value in reversed(pairs)}
    middle = [(tag, value) for tag, value in pairs if tag not in ("8", "9", "10")]
    assert build(fields["8"], middle) == message, message
    return fields


class TimedStore:
    """Stand-in for the compiled store."""

    def __init__(self) -> None:
        self.next_outgoing = self.next_incoming = 1
        self.is_active = False
        self.last_sent_ns = self.last_received_ns = 0
        self.kept: dict[int, bytes] = {}
        self.sent_ns: dict[int, int] = {}

    def save_outgoing(self, sequence: int, message: bytes, now_ns: int) -> None:
        self.kept[sequence] = message
        self.sent_ns[sequence] = now_ns

    def load_outgoing(self, sequence: int) -> bytes | None:
        return self.kept.get(sequence)

    def outgoing_sent_ns(self, sequence: int) -> int:
        return self.sent_ns.get(sequence, 0)

    def reset(self, now_ns: int) -> None:
        self.next_outgoing = self.next_incoming = 1
        self.kept.clear()
        self.sent_ns.clear()


class Rig:
    """A session, its store and a peer whose clock and numbers the test drives."""

    def __init__(self, dialect: FixDialect, limits: SessionLimits) -> None:
        self.rules = dialect.rules
        self.now_ns = START_NS
        self.store = TimedStore()
        self.session = FixSession(
            dialect, self.store, limits=limits, wall_offset_ns=WALL_START_NS - START_NS
        )
        self.next_sequence = 1
        self.raw: list[bytes] = []
        self.events: list[SessionEvent] = []

    def message(self, message_type: str, body: Pairs, header: dict[str, str | None]) -> bytes:
        fields: dict[str, str | None] = {
            "35": message_type,
            "34": str(self.next_sequence),
            "49": self.rules.target,
            "52": START_TIME,
            "56": self.rules.sender,
            **header,
        }
        begin_string = fields.pop("8", None) or self.rules.begin_string
        return build(begin_string, [(t, v) for t, v in fields.items() if v is not None] + body)

    def receive(
        self,
        message_type: str,
        body: Pairs | None = None,
        *,
        sequence: int | None = None,
        header: dict[str, str | None] | None = None,
    ) -> list[dict[str, str]]:
        """The peer sends one message; returns what the session sends back."""
        changed = dict(header or {})
        if sequence is not None:
            changed = {"34": str(sequence), **changed}
        message = self.message(message_type, body or [], changed)
        if sequence is None:
            self.next_sequence += 1
        return self.receive_raw(message)

    def receive_raw(self, message: bytes) -> list[dict[str, str]]:
        self.session.receive(message, self.now_ns)
        return self.sent()

    def report(
        self,
        execution_id: str,
        *,
        sequence: int | None = None,
        header: dict[str, str | None] | None = None,
    ) -> list[dict[str, str]]:
        """An ExecutionReport with what the session asks of one."""
        body = [("37", "V1"), ("17", execution_id), ("150", "0"), ("39", "0")]
        return self.receive("8", body, sequence=sequence, header=header)

    def sent(self) -> list[dict[str, str]]:
        raw = self.session.bytes_to_send()
        self.raw += raw
        self.events += self.session.events()
        return [read(message) for message in raw]

    def advance(self, seconds: float) -> list[dict[str, str]]:
        """Time passes in one step; returns what was due."""
        self.now_ns += int(seconds * SECOND_NS)
        self.session.tick(self.now_ns)
        return self.sent()

    def connect(self) -> list[dict[str, str]]:
        self.session.start(self.now_ns)
        self.session.connected(self.now_ns)
        return self.sent()

    def log_on(self, *extra: tuple[str, str]) -> list[dict[str, str]]:
        """Connects, and the peer accepts."""
        self.connect()
        reset = [("141", "Y")] if self.rules.reset_on_logon else []
        version = self.rules.application_version
        end = [] if version is None else [("1137", version)]
        return self.receive("A", [("98", "0"), ("108", "30"), *reset, *extra, *end])

    def drop(self) -> None:
        self.session.disconnected(self.now_ns, "dropped by the test")
        self.sent()

    def found(self, kind: type[SessionEvent]) -> list[SessionEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    def released(self) -> list[str]:
        """ExecIDs of the application messages that came out, in order."""
        return [
            read(event.message)["17"]
            for event in self.events
            if isinstance(event, ApplicationMessage)
        ]

    def state(self) -> SessionState:
        return self.session.state

    def is_closing(self) -> bool:
        return self.session.is_close_requested


@pytest.fixture
def make_rig() -> Callable[..., Rig]:
    """Rig(begin_string, limits, **rules of SessionRules); the logon is not verified by default."""

    def make(
        begin_string: str = "FIX.4.4", limits: SessionLimits | None = None, **rules: Any
    ) -> Rig:
        defaults = {"sender": "US", "target": "VENUE", "is_logon_verified": False}
        dialect = PlainDialect(SessionRules(begin_string=begin_string, **{**defaults, **rules}))
        return Rig(dialect, limits or SessionLimits())

    return make


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """Logged on over FIX.4.4, active, both sides at number 2, nothing waiting to be read."""
    rig = make_rig()
    rig.log_on()
    rig.events.clear()
    rig.raw.clear()
    return rig


class PlainSender:
    """Stand-in for the compiled sender; keeps what the kernel did not take."""

    def __init__(self) -> None:
        self.descriptor = -1
        self.waiting = b""
        self.is_blocked = False

    has_failed = False

    @property
    def has_pending(self) -> bool:
        return bool(self.waiting)

    def attach(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def detach(self) -> None:
        self.descriptor = -1
        self.waiting = b""

    def send(self, message: bytes) -> bool:
        self.waiting += message
        return True if self.is_blocked else self.flush()

    def flush(self) -> bool:
        if self.descriptor < 0:
            return False
        try:
            with socket.socket(fileno=os.dup(self.descriptor)) as connection:
                size = connection.send(self.waiting)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.waiting = self.waiting[size:]
        return True


class PlainListener:
    """Stand-in for the compiled listener that consumes nothing itself."""

    def __init__(
        self, on_message: Callable[[bytes], None], on_garbled: Callable[[str, bytes], None]
    ) -> None:
        self._framer = FixFramer()
        self._on_message = on_message
        self._on_garbled = on_garbled

    def read(self, descriptor: int) -> int:
        total = 0
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            while True:
                try:
                    data = connection.recv(65536, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    return total or -1
                if not data:
                    return 0
                total += len(data)
                for found in self._framer.receive(data):
                    if isinstance(found, Garbled):
                        self._on_garbled(found.reason, found.data)
                    else:
                        self._on_message(found)

    def reset(self) -> None:
        self._framer.reset()


def make_compiled_listener(
    on_message: Callable[[bytes], None], on_garbled: Callable[[str, bytes], None]
) -> FixListener:
    """Consumes nothing itself either: it has no pipeline."""
    return FixListener(SessionStore(None, "TEST"), None, None, on_message, on_garbled)


@pytest.fixture
def blocked_edges() -> tuple[PlainSender, ListenerFactory]:
    """A sender that leaves everything to ``flush``."""
    sender = PlainSender()
    sender.is_blocked = True
    return sender, PlainListener


@pytest.fixture(params=["plain", "compiled"])
def edges(request: pytest.FixtureRequest) -> tuple[Sender, ListenerFactory]:
    """A sender, and what makes a listener: the stand-ins, then the real ones."""
    if request.param == "plain":
        return PlainSender(), PlainListener
    return TcpSender(), make_compiled_listener
