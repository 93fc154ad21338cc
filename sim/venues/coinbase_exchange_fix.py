"""The acceptor side of a Coinbase Exchange FIX session (FIXT.1.1, FIX.5.0SP2), without sockets.

Rules are those of the venue (sheet B5) on top of the session layer:

* Logon is the first message, numbered 1 from both sides on every connection; its signature covers
  SendingTime, "A", "1", SenderCompID, TargetCompID and the passphrase. A bad one is answered with
  a Reject (signature, CompID, time) or a Logout that says why, and the connection is closed.
* With 141=N the venue's own numbers go on: Logon is 1, then a SequenceReset leads to the real
  number and what was missed may be asked for, 1000 messages at a time.
* A TestRequest goes out after 1.5 heartbeat intervals of silence, the line is cut after 2.

Times: ``now_ns`` is monotonic, ``wall_ns`` is since the epoch; both come from the caller.
"""

import logging
from enum import Enum
from typing import Protocol

from sim.credentials import Credentials
from sim.fix_store import FixStore
from sim.fix_text import Fields, FixMessage, FixReader, Garbled, encode
from sim.times import NS_PER_SECOND, fix_text, fix_time_ns
from sim.venues.coinbase_exchange_logon import LogonProblem, check_logon

BEGIN_STRING = "FIXT.1.1"
COMP_ID = "Coinbase"
RESEND_PAGE_MAX = 1000
TEST_REQUEST_INTERVALS = 1.5
DROP_INTERVALS = 2.0
# A connection that does not log on, or does not close after a Logout, is closed after this.
PATIENCE_NS = 10 * NS_PER_SECOND

_log = logging.getLogger("sim.fix")


class SessionState(Enum):
    """Where the session stands."""

    AWAITING_LOGON = "awaiting logon"
    ACTIVE = "active"
    LOGGED_OUT = "logged out"
    CLOSED = "closed"


class RejectMessage(Exception):
    """A message to be answered with a session Reject(3): reason is SessionRejectReason(373)."""

    def __init__(self, reason: int, tag: int | None, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.tag = tag


class Application(Protocol):
    """What stands behind the session: the order desk."""

    def logged_on(self, session: "FixSession", logon: FixMessage) -> None:
        """The session is active from now on."""

    def receive(self, session: "FixSession", message: FixMessage) -> None:
        """One application message in sequence; ``RejectMessage`` to have it rejected."""

    def disconnected(self, session: "FixSession") -> None:
        """The session is over, whatever ended it (called once, and only after ``logged_on``)."""


class FixSession:
    """One connection. Feed it bytes and time, send what ``bytes_to_send`` returns."""

    def __init__(
        self,
        credentials: Credentials,
        store: FixStore,
        application: Application,
        now_ns: int,
    ) -> None:
        self.state = SessionState.AWAITING_LOGON
        self.last_test_answer = ""
        """TestReqID(112) of the last Heartbeat that carried one."""
        self.has_reports_to_send = False
        """Whether ``bytes_to_send`` holds application messages."""
        self._credentials = credentials
        self._store = store
        self._application = application
        self._reader = FixReader()
        self._out: list[bytes] = []
        self._peer = ""
        self._next_in = 1
        self._gap_requested = False
        self._heartbeat_ns = PATIENCE_NS
        self._last_sent_ns = now_ns
        self._last_received_ns = now_ns
        self._test_is_open = False
        self._wall_ns = 0
        self._now_ns = now_ns
        self._was_active = False

    def receive(self, data: bytes, now_ns: int, wall_ns: int) -> None:
        """Bytes from the client, in whatever pieces."""
        self._now_ns, self._wall_ns = now_ns, wall_ns
        for message in self._reader.feed(data):
            if self.state is SessionState.CLOSED:
                return
            if isinstance(message, Garbled):
                _log.warning("garbled message ignored: %s", message.reason)
                continue
            self._last_received_ns = now_ns
            self._test_is_open = False
            self._take(message)

    def bytes_to_send(self) -> bytes:
        """What has to go out now; forgotten here."""
        data = b"".join(self._out)
        self._out.clear()
        self.has_reports_to_send = False
        return data

    def has_bytes_to_send(self) -> bool:
        """Whether ``bytes_to_send`` would return something."""
        return bool(self._out)

    def tick(self, now_ns: int, wall_ns: int) -> None:
        """Timers: heartbeat, test request, silence."""
        self._now_ns, self._wall_ns = now_ns, wall_ns
        silence_ns = now_ns - self._last_received_ns
        if self.state is not SessionState.ACTIVE:
            if silence_ns > PATIENCE_NS:
                self.close()
            return
        if silence_ns > DROP_INTERVALS * self._heartbeat_ns:
            _log.warning("client is silent for %.1f s: dropped", silence_ns / NS_PER_SECOND)
            self.close()
        elif silence_ns > TEST_REQUEST_INTERVALS * self._heartbeat_ns and not self._test_is_open:
            self._test_is_open = True
            self.send("1", [(112, f"silence-{now_ns}")])
        elif now_ns - self._last_sent_ns >= self._heartbeat_ns:
            self.send("0", [])

    def close(self) -> None:
        """The connection is gone or has to go; the application is told once."""
        if self.state is SessionState.CLOSED:
            return
        self.state = SessionState.CLOSED
        self._end()

    def logout(self, text: str, now_ns: int, wall_ns: int) -> None:
        """Ends an active session politely; the client answers and closes."""
        self._now_ns, self._wall_ns = now_ns, wall_ns
        if self.state is SessionState.ACTIVE:
            self.send("5", [(58, text)])
            self.state = SessionState.LOGGED_OUT

    def test_request(self, test_id: str, now_ns: int, wall_ns: int) -> None:
        """Asks for a Heartbeat with ``test_id``: proof that all before it was processed."""
        self._now_ns, self._wall_ns = now_ns, wall_ns
        self.send("1", [(112, test_id)])

    def send(self, message_type: str, body: Fields, *, is_application: bool = False) -> None:
        """Numbers one message, remembers application messages for a resend, queues the bytes."""
        sending_time = fix_text(self._wall_ns)
        number = self._store.take_number()
        if is_application:
            self._store.remember(number, message_type, body, sending_time)
            self.has_reports_to_send = True
        self._queue(number, message_type, body, sending_time)

    def _end(self) -> None:
        if self._was_active:
            self._was_active = False
            self._store.is_in_use = False
            self._application.disconnected(self)

    def _queue(
        self, number: int, message_type: str, body: Fields, sending_time: str, original: str = ""
    ) -> None:
        header = [(34, str(number)), (49, COMP_ID), (52, sending_time), (56, self._peer)]
        if original:
            header += [(43, "Y"), (122, original)]
        self._out.append(encode(BEGIN_STRING, message_type, [*header, *body]))
        self._last_sent_ns = self._now_ns

    def _take(self, message: FixMessage) -> None:
        if self.state is SessionState.AWAITING_LOGON:
            self._logon(message)
            return
        if message.get(8) != BEGIN_STRING:
            self._fatal(f"BeginString is {message.get(8)}; use {BEGIN_STRING}")
            return
        number = message.get(34)
        if number is None or not number.isdigit():
            self._fatal("MsgSeqNum missing")
            return
        if message.message_type == "4" and message.get(123) != "Y":
            self._sequence_reset(message)
        elif int(number) < self._next_in:
            if message.get(43) != "Y":
                self._fatal(f"MsgSeqNum too low, expecting {self._next_in} but received {number}")
        elif int(number) > self._next_in:
            self._gap(message)
        else:
            self._gap_requested = False
            self._next_in += 1
            self._dispatch(message)

    def _gap(self, message: FixMessage) -> None:
        if message.message_type in ("2", "5"):
            self._dispatch(message)
        if not self._gap_requested and self.state is SessionState.ACTIVE:
            self._gap_requested = True
            self.send("2", [(7, str(self._next_in)), (16, "0")])

    def _dispatch(self, message: FixMessage) -> None:
        try:
            self._check_header(message)
            self._handle(message)
        except RejectMessage as problem:
            body = [(45, message.get(34) or "0"), (372, message.message_type)]
            if problem.tag is not None:
                body.insert(1, (371, str(problem.tag)))
            self.send("3", [*body, (373, str(problem.reason)), (58, str(problem))])
            if problem.reason == 9:
                self._fatal(str(problem))

    def _check_header(self, message: FixMessage) -> None:
        if message.get(49) != self._peer:
            raise RejectMessage(9, 49, "SenderCompID is not the one of the Logon")
        if message.get(56) != COMP_ID:
            raise RejectMessage(9, 56, f"TargetCompID must be {COMP_ID}")
        if message.get(43) == "Y" and message.get(122) is None:
            raise RejectMessage(1, 122, "OrigSendingTime is required with PossDupFlag")
        for tag, value in message.fields:
            if not value:
                raise RejectMessage(4, tag, f"tag {tag} has no value")
        try:
            fix_time_ns(message.get(52) or "")
        except ValueError as error:
            raise RejectMessage(6, 52, str(error)) from error

    def _handle(self, message: FixMessage) -> None:
        kind = message.message_type
        if kind == "0":
            self.last_test_answer = message.get(112) or self.last_test_answer
        elif kind == "1":
            test_id = message.get(112)
            if test_id is None:
                raise RejectMessage(1, 112, "TestReqID is required")
            self.send("0", [(112, test_id)])
        elif kind == "2":
            self._resend(message)
        elif kind == "3":
            _log.warning("client rejects message %s: %s", message.get(45), message.get(58))
        elif kind == "4":
            self._gap_fill(message)
        elif kind == "5":
            if self.state is SessionState.ACTIVE:
                self.send("5", [])
            self.state = SessionState.LOGGED_OUT
            self._end()
        elif kind == "A":
            raise RejectMessage(99, None, "already logged on; reconnect to log on again")
        else:
            self._application.receive(self, message)

    def _logon(self, message: FixMessage) -> None:
        self._peer = message.get(49) or ""
        try:
            logon = check_logon(message, self._credentials, self._wall_ns)
            if self._store.is_in_use:
                raise LogonProblem("this API key has a session already; one session for each key")
        except LogonProblem as problem:
            _log.warning("logon refused: %s", problem)
            # A refusal is numbered 1 and leaves the kept numbers of the key alone.
            text = (58, str(problem))
            if problem.reason is None:
                self._queue(1, "5", [text], fix_text(self._wall_ns))
            else:
                body = [(45, message.get(34) or "0"), (372, "A"), (373, str(problem.reason)), text]
                self._queue(1, "3", body, fix_text(self._wall_ns))
            self.close()
            return
        self._next_in = 2
        self._heartbeat_ns = logon.heartbeat_s * NS_PER_SECOND
        resume_at = self._store.open(resets=logon.resets_numbers)
        answer = [(98, "0"), (108, str(logon.heartbeat_s)), (1137, "9")]
        if logon.resets_numbers:
            answer.append((141, "Y"))
        self.send("A", answer)
        if resume_at > 2:
            self.send("4", [(36, str(resume_at))])
            self._store.next_number = resume_at
        self.state = SessionState.ACTIVE
        self._was_active = True
        self._application.logged_on(self, message)

    def _resend(self, message: FixMessage) -> None:
        first, last = _number(message, 7), _number(message, 16)
        highest = self._store.next_number - 1
        if last < first or last - first >= RESEND_PAGE_MAX:
            text = f"EndSeqNo must be from BeginSeqNo to BeginSeqNo + {RESEND_PAGE_MAX - 1}"
            raise RejectMessage(5, 16, text)
        last = min(last, highest)
        sending_time = fix_text(self._wall_ns)
        number = max(1, first)
        while number <= last:
            kept = self._store.recall(number)
            if kept is not None:
                self._queue(number, kept.message_type, kept.body, sending_time, kept.sending_time)
                number += 1
                continue
            run = number
            while number <= last and self._store.recall(number) is None:
                number += 1
            body = [(123, "Y"), (36, str(number))]
            self._queue(run, "4", body, sending_time, sending_time)

    def _gap_fill(self, message: FixMessage) -> None:
        new_number = _number(message, 36)
        if new_number < self._next_in:
            text = f"attempt to lower sequence number, invalid value NewSeqNo={new_number}"
            raise RejectMessage(5, 36, text)
        self._next_in = new_number

    def _sequence_reset(self, message: FixMessage) -> None:
        try:
            new_number = _number(message, 36)
            if new_number < self._next_in:
                raise RejectMessage(5, 36, f"NewSeqNo={new_number} is below {self._next_in}")
        except RejectMessage as problem:
            body = [(45, message.get(34) or "0"), (371, "36"), (372, "4")]
            self.send("3", [*body, (373, str(problem.reason)), (58, str(problem))])
            return
        self._next_in = new_number

    def _fatal(self, text: str) -> None:
        _log.warning("session ended: %s", text)
        self.send("5", [(58, text)])
        self.close()


def _number(message: FixMessage, tag: int) -> int:
    value = message.get(tag)
    if value is None:
        raise RejectMessage(1, tag, f"tag {tag} is required")
    if not value.isdigit():
        raise RejectMessage(6, tag, f"tag {tag} must be a whole number")
    return int(value)
