"""The contract of an order session, and what it tells the engine.

A session never touches a socket or a clock. Its transport connects, feeds it and obeys it::

    session.start(now_ns)               a connection is being made
    session.connected(now_ns)           it is up: the session logs on
    session.receive(message, now_ns)    one whole message from the venue
    session.bytes_to_send()             what must go out now, in this order
    session.events()                    what happened
    session.next_deadline_ns()          when to call tick at the latest
    session.tick(now_ns)                heartbeats and timeouts
    session.is_close_requested          close the connection once everything is sent
    session.disconnected(now_ns)        it is gone, whoever closed it

``now_ns`` is monotonic; the wall clock is ``now_ns + session.wall_offset_ns``. ``bytes_to_send``
must be emptied after every call, before anything else is sent: the numbers are taken already.
"""

from dataclasses import dataclass
from typing import Protocol

from ext.wire import SessionState


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The session moved; orders may be sent in ``SESSION_ACTIVE`` only."""

    old: SessionState
    new: SessionState


@dataclass(frozen=True, slots=True)
class LoggedOn:
    """The venue accepted the logon; a gap may still have to be filled before ACTIVE."""

    heartbeat_s: int


@dataclass(frozen=True, slots=True)
class LogonRefused:
    """The venue answered the logon with a refusal, or with something that cannot be accepted."""

    text: str
    is_retryable: bool


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """A Logout of the venue arrived; ``text`` is its reason."""

    text: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone: every order without a final report is unknown, not dead."""

    text: str


@dataclass(frozen=True, slots=True)
class Fatal:
    """The session cannot go on without a person: it logged out and must not be retried."""

    text: str


@dataclass(frozen=True, slots=True)
class NumbersReset:
    """Both sequence numbers start again at 1, by whichever side: old numbers mean nothing now.

    It comes before every other event of the call that reset them, so what a handler of those
    sends under a new number is safe from whoever forgets the old ones.
    """


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the peer should not do, survived: for the log."""

    text: str


@dataclass(frozen=True, slots=True)
class ApplicationMessage:
    """An application message that the session released, in order, once."""

    message: bytes


@dataclass(frozen=True, slots=True)
class MessageRejected:
    """Reject(3) or BusinessMessageReject(j) of a message of ours: its request has ended.

    ``reference_sequence`` is RefSeqNum(45) and ``reason_code`` 373 or 380, -1 when absent;
    ``message_type`` is RefMsgType(372), ``reference_id`` BusinessRejectRefID(379).
    """

    reference_sequence: int
    message_type: str
    reason_code: int
    text: str
    reference_id: str = ""


@dataclass(frozen=True, slots=True)
class OrderNotRepeated:
    """The venue asked for an order again that must not be repeated: it never got it, it is dead.

    The order was too old, or new risk is not allowed now.
    """

    sequence: int
    message: bytes


SessionEvent = (
    StateChanged
    | LoggedOn
    | LogonRefused
    | LoggedOut
    | Disconnected
    | Fatal
    | NumbersReset
    | Warned
    | ApplicationMessage
    | MessageRejected
    | OrderNotRepeated
)


class SessionStore(Protocol):
    """Numbers, activity and sent messages, shared with the compiled send path.

    ``next_outgoing`` and ``next_incoming`` are at least 1. Times are monotonic nanoseconds.
    """

    next_outgoing: int
    next_incoming: int
    is_active: bool
    last_sent_ns: int
    last_received_ns: int

    def save_outgoing(self, sequence: int, message: bytes, now_ns: int) -> None:
        """Keeps an application message, sent at ``now_ns``, for a resend."""

    def load_outgoing(self, sequence: int) -> bytes | None:
        """A kept application message, or None (admin, or no longer kept)."""

    def outgoing_sent_ns(self, sequence: int) -> int:
        """Monotonic time at which a kept message was sent; 0 when it is not kept."""

    def reset(self, now_ns: int) -> None:
        """Both numbers to 1; kept messages are forgotten."""


class OrderSession(Protocol):
    """What a transport needs of a session; see the module."""

    wall_offset_ns: int

    @property
    def state(self) -> SessionState:
        """Where the session is."""

    @property
    def is_close_requested(self) -> bool:
        """Whether the transport is to close the connection once everything is sent."""

    def start(self, now_ns: int) -> None:
        """A connection is being made."""

    def connected(self, now_ns: int) -> None:
        """The connection is up."""

    def receive(self, message: bytes, now_ns: int) -> None:
        """One framed and validated message."""

    def receive_garbled(self, reason: str, data: bytes, now_ns: int) -> None:
        """Bytes that were not a message, and why."""

    def disconnected(self, now_ns: int, text: str = "") -> None:
        """The connection is gone or could not be made."""

    def send_application(
        self, message_type: str, fields: list[tuple[int, bytes]], now_ns: int
    ) -> int:
        """Queues a cold message in ACTIVE and returns its number; else raises ``UsageError``."""

    def logout(self, now_ns: int, text: str = "") -> None:
        """Starts an orderly end."""

    def events(self) -> list[SessionEvent]:
        """What happened since the last call."""

    def bytes_to_send(self) -> list[bytes]:
        """What must go out, in this order."""

    def next_deadline_ns(self) -> int | None:
        """When to call ``tick`` at the latest; None: nothing is waited for."""

    def tick(self, now_ns: int) -> None:
        """Does what is due: heartbeats, timeouts."""
