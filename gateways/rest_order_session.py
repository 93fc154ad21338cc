"""Order requests by REST over several kept-alive connections, without sockets or clocks.

Each connection, one request under way at most:

 CLOSED ─ to_connect ─► CONNECTING ─ connected ─► OPEN ─ answer ─► OPEN
    ▲ a moment later, longer each time ── failed ┘   │
    └──────────── no answer in time, not HTTP, "close", ended by the peer ◄─┘

What was under way on a connection that ends is lost (``RequestLost``): nobody knows what became of
it, and it is never sent again. Other connections and their requests have nothing to do with that.
A connection that was quiet asks for the venue's time, so that it is known to be alive, and warm,
before an order needs it. There is no logon: whoever has the key may send.

Times are monotonic nanoseconds, ``wall_ns`` since the epoch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

import msgspec
from msgspec import Struct

from gateways.http_answer import HttpAnswer, HttpAnswerReader, HttpBroken
from gateways.rest_answers import Outcome, read_outcome

SECOND_NS = 1_000_000_000
RETRY_NS = 250_000_000  # doubles up to RETRY_LIMIT_NS, until an answer comes
RETRY_LIMIT_NS = 10 * SECOND_NS
QUIET_NS = 15 * SECOND_NS  # then the venue's time is asked for
NEW_ORDER_WAIT_NS = SECOND_NS // 2
"""A new order that found no free connection for so long is withdrawn: its price is old."""
END_OF_TIME_NS = 1 << 62
CLOCK_DISTANCE_S = 5.0  # the venue refuses 30 s
USER_AGENT = "wow-engine"


class Connections(Protocol):
    """``ext.rest_sender.RestSender``: what leaves, and what is under way on each connection."""

    @property
    def has_failed(self) -> bool:
        """Whether a request could neither leave nor wait."""

    @property
    def waiting_count(self) -> int:
        """Requests that found no free connection."""

    @property
    def void_count(self) -> int:
        """Orders that were cancelled before they left, and those cancels."""

    def open(self, index: int, /) -> None:
        """Its socket is connected."""

    def close(self, index: int, /) -> int:
        """Nothing leaves on it any more; what was under way, 0: nothing."""

    def release(self, index: int, /) -> None:
        """Its answer was taken."""

    def ask(self, index: int, message: bytes, /) -> bool:
        """A question of our own."""

    def withdraw(self, before_wall_ns: int, is_new_only: bool, /) -> list[int]:
        """Takes back what waits."""

    def take_void(self) -> list[int]:
        """Takes away what was cancelled before it left."""

    def sequence(self, index: int, /) -> int:
        """What is under way; negative: a question of our own."""

    def is_new(self, index: int, /) -> bool:
        """Whether that is a new order."""

    def is_open(self, index: int, /) -> bool:
        """Whether requests may leave on it."""

    def is_broken(self, index: int, /) -> bool:
        """Whether its socket took no more."""

    def clear_failure(self) -> None:
        """Every connection was ended."""


@dataclass(frozen=True, slots=True)
class RequestAnswered:
    """What the answer to a request means; ``answer`` is its body as it came."""

    sequence: int
    outcome: Outcome
    answer: bytes


@dataclass(frozen=True, slots=True)
class RequestLost:
    """The answer to a request will not come: the venue has to be asked."""

    sequence: int
    text: str


@dataclass(frozen=True, slots=True)
class NeverSent:
    """A request was taken back before it left: nothing became of it."""

    sequence: int
    text: str


@dataclass(frozen=True, slots=True)
class ConnectionEnded:
    """One of the connections; ``is_orderly``: nothing was under way and the peer ended it."""

    index: int
    text: str
    is_orderly: bool


@dataclass(frozen=True, slots=True)
class ClockDiffers:
    """Our clock minus the venue's, in seconds: requests of a clock 30 s off are refused."""

    distance_s: float


RestOrderEvent = RequestAnswered | RequestLost | NeverSent | ConnectionEnded | ClockDiffers


class _State(Enum):
    CLOSED = auto()
    CONNECTING = auto()
    OPEN = auto()


@dataclass(slots=True)
class _Line:
    """One connection."""

    state: _State = _State.CLOSED
    reader: HttpAnswerReader = field(default_factory=HttpAnswerReader)
    retry_at_ns: int = 0
    retry_ns: int = RETRY_NS
    under_way: int = 0  # as last seen
    since_ns: int = 0  # then it was seen first; or since when the connection is quiet
    has_close_wish: bool = False  # the transport has not closed it yet


class _VenueTime(Struct, frozen=True):
    epoch: float


_VENUE_TIME = msgspec.json.Decoder(_VenueTime)


class RestOrderSession:
    """See the module; its transport opens, closes and reads the sockets it asks for.

    ``is_risk_allowed`` is asked before anything that waits may leave: new orders are withdrawn
    while it says no, as in a pause or after a KILL.
    """

    def __init__(
        self, sender: Connections, count: int, host: str, *, answer_timeout_ns: int
    ) -> None:
        self.is_risk_allowed: Callable[[], bool] = lambda: True
        self._sender = sender
        self._answer_timeout_ns = answer_timeout_ns
        self._lines = [_Line() for _ in range(count)]
        self._events: list[RestOrderEvent] = []
        self._question = (
            f"GET /time HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\n"
            "Accept: application/json\r\n\r\n"
        ).encode()

    @property
    def open_count(self) -> int:
        """Connections that requests can leave on, free or not."""
        return sum(self._sender.is_open(index) for index in range(len(self._lines)))

    def events(self) -> list[RestOrderEvent]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    def to_connect(self, now_ns: int) -> Sequence[int]:
        """Connections to be made now; each is told of with ``connected`` or ``ended``."""
        due = [
            index
            for index, line in enumerate(self._lines)
            if line.state is _State.CLOSED and now_ns >= line.retry_at_ns
        ]
        for index in due:
            self._lines[index].state = _State.CONNECTING
        return due

    def to_close(self) -> Sequence[int]:
        """Connections that must not be used any more; each is told once."""
        wished = [index for index, line in enumerate(self._lines) if line.has_close_wish]
        for index in wished:
            self._lines[index].has_close_wish = False
        return wished

    def connected(self, index: int, now_ns: int) -> None:
        """A connection is up: what waits may leave on it."""
        line = self._lines[index]
        line.state = _State.OPEN
        line.reader.reset()
        line.under_way, line.since_ns = 0, now_ns
        self._withhold()
        self._sender.open(index)

    def receive(self, index: int, data: bytes, now_ns: int, wall_ns: int) -> None:
        """Bytes of a connection."""
        line = self._lines[index]
        if line.state is not _State.OPEN:
            return
        try:
            answers = line.reader.receive(data)
        except HttpBroken as error:
            self._lose(index, str(error), now_ns)
            return
        for answer in answers:
            if line.state is _State.OPEN:  # an answer before it may have been the last one
                self._take(index, answer, now_ns, wall_ns)

    def ended(self, index: int, now_ns: int, wall_ns: int, text: str) -> None:
        """The peer has closed a connection, or it could not be made."""
        line = self._lines[index]
        if line.state is _State.OPEN and (answer := line.reader.end()) is not None:
            self._take(index, answer, now_ns, wall_ns)
        if line.state is not _State.CLOSED:
            self._lose(index, text, now_ns)

    def tick(self, now_ns: int, wall_ns: int) -> None:
        """Timeouts, quiet connections, and requests that have waited for too long."""
        for index, line in enumerate(self._lines):
            if line.state is _State.OPEN:
                self._look_at(index, line, now_ns)
        if self._sender.has_failed:
            for index in range(len(self._lines)):
                self.ended(index, now_ns, wall_ns, "more requests than can wait")
            self._sender.clear_failure()
        self._withdraw(wall_ns)

    def stop(self, now_ns: int, wall_ns: int) -> None:
        """Ends every connection; what is under way is lost."""
        for index in range(len(self._lines)):
            self.ended(index, now_ns, wall_ns, "stopped")
        self._withdraw(wall_ns)

    def _look_at(self, index: int, line: _Line, now_ns: int) -> None:
        if self._sender.is_broken(index):
            self._lose(index, "the socket took no more", now_ns)
            return
        under_way = self._sender.sequence(index)
        if under_way != line.under_way:
            line.under_way, line.since_ns = under_way, now_ns
        elif under_way and now_ns - line.since_ns >= self._answer_timeout_ns:
            self._lose(index, f"no answer for {self._answer_timeout_ns / 1e9:g} s", now_ns)
        elif not under_way and now_ns - line.since_ns >= QUIET_NS:
            self._sender.ask(index, self._question)

    def _withhold(self) -> None:
        """New orders that wait do not leave any more when no new risk is allowed."""
        if self._sender.waiting_count and not self.is_risk_allowed():
            withdrawn = self._sender.withdraw(END_OF_TIME_NS, True)
            self._events += [NeverSent(each, "no new risk is allowed") for each in withdrawn]

    def _withdraw(self, wall_ns: int) -> None:
        if self._sender.void_count:
            void = self._sender.take_void()
            self._events += [NeverSent(each, "cancelled before it left") for each in void]
        self._withhold()
        if not self._sender.waiting_count:
            return
        if self.open_count == 0:
            withdrawn, text = self._sender.withdraw(wall_ns + 1, False), "no connection"
        else:
            before_ns = wall_ns - NEW_ORDER_WAIT_NS
            withdrawn, text = self._sender.withdraw(before_ns, True), "no free connection"
        self._events += [NeverSent(sequence, text) for sequence in withdrawn]

    def _take(self, index: int, answer: HttpAnswer, now_ns: int, wall_ns: int) -> None:
        line = self._lines[index]
        sequence, is_new = self._sender.sequence(index), self._sender.is_new(index)
        if sequence == 0:
            self._lose(index, f"an answer ({answer.status}) to nothing", now_ns)
            return
        line.retry_ns = RETRY_NS
        line.under_way, line.since_ns = 0, now_ns
        if not answer.is_last:
            self._withhold()
            self._sender.release(index)  # first: what waits is in a hurry
        if sequence < 0:
            self._compare_clock(answer, wall_ns)
        else:
            outcome = read_outcome(is_new=is_new, status=answer.status, body=answer.body)
            self._events.append(RequestAnswered(sequence, outcome, answer.body))
        if answer.is_last:
            self._sender.close(index)
            self._close(index, "the venue closes it", now_ns, is_orderly=True)

    def _compare_clock(self, answer: HttpAnswer, wall_ns: int) -> None:
        try:
            distance_s = wall_ns / SECOND_NS - _VENUE_TIME.decode(answer.body).epoch
        except msgspec.DecodeError:
            return
        if abs(distance_s) > CLOCK_DISTANCE_S:
            self._events.append(ClockDiffers(distance_s))

    def _lose(self, index: int, text: str, now_ns: int) -> None:
        """Ends a connection; what was under way on it is lost."""
        line = self._lines[index]
        is_orderly = line.state is _State.OPEN and self._sender.sequence(index) == 0
        sequence = self._sender.close(index)
        if sequence:
            self._events.append(RequestLost(sequence, text))
        self._close(index, text, now_ns, is_orderly=is_orderly)

    def _close(self, index: int, text: str, now_ns: int, *, is_orderly: bool) -> None:
        line = self._lines[index]
        line.state = _State.CLOSED
        line.has_close_wish = True
        line.retry_at_ns = now_ns + (RETRY_NS if is_orderly else line.retry_ns)
        if not is_orderly:
            line.retry_ns = min(2 * line.retry_ns, RETRY_LIMIT_NS)
        self._events.append(ConnectionEnded(index, text, is_orderly))
