"""FIX initiator session, sans-io: logon, numbers, resends, heartbeats, logout.

The contract is in ``gateways/session.py``, the state table in ``gateways/fix_states.py``: each
row names the method here that takes a stimulus in a state. Messages come framed and validated;
those that the compiled listener consumed have advanced ``next_incoming`` already. Numbers such as
2.c name the FIX session test cases.
"""

from collections.abc import Callable

from ext.errors import UsageError
from ext.wire import SessionState
from gateways import fix_states as states
from gateways.fix_dialect import FixDialect
from gateways.fix_message import Fault, Field, FixMessage, RejectReason
from gateways.fix_resend import InboundGap
from gateways.fix_states import TABLE, Stimulus, classify
from gateways.fix_timers import SessionLimits, SessionTimers
from gateways.fix_validation import (
    check_content,
    check_header,
    check_logon,
    check_possible_duplicate,
    read_reject,
)
from gateways.fix_writer import FixWriter
from gateways.session import (
    ApplicationMessage,
    Disconnected,
    Fatal,
    LoggedOn,
    LoggedOut,
    LogonRefused,
    NumbersReset,
    SessionEvent,
    SessionStore,
    StateChanged,
    Warned,
)

_NO_MESSAGE = FixMessage(b"")


class FixSession:
    """One FIX session as the initiator; implements ``gateways.session.OrderSession``.

    Not for use from several threads. Raises nothing on any input of the peer.
    ``is_risk_allowed`` is asked at each resend: new orders and replaces are not repeated while it
    says False. The engine may replace it; without that the answer is always True.
    """

    def __init__(
        self,
        dialect: FixDialect,
        store: SessionStore,
        *,
        limits: SessionLimits | None = None,
        wall_offset_ns: int = 0,
    ) -> None:
        self.wall_offset_ns = wall_offset_ns
        self.is_risk_allowed: Callable[[], bool] = lambda: True
        self._dialect = dialect
        self._rules = dialect.rules
        self._store = store
        self._limits = limits or SessionLimits()
        self._writer = FixWriter(dialect, store)
        self._gap = InboundGap(self._rules.resend_chunk)
        self._events: list[SessionEvent] = []
        self._state = states.DISCONNECTED
        self._close_text: str | None = None
        self._logout_text = ""
        self._timers = SessionTimers(store)
        self._is_first_logon = False
        self._is_in_step = False
        self._is_logout_complete = False
        store.is_active = False

    @property
    def state(self) -> SessionState:
        """Where the session is."""
        return self._state

    @property
    def is_close_requested(self) -> bool:
        """Whether the connection is to be closed once everything is sent."""
        return self._close_text is not None

    def start(self, now_ns: int) -> None:
        """A connection is being made."""
        self._dispatch(Stimulus.CONNECT, now_ns)

    def connected(self, now_ns: int) -> None:
        """The connection is up: sends the Logon, after a reset where the rules say so."""
        self._dispatch(Stimulus.CONNECTED, now_ns)

    def logout(self, now_ns: int, text: str = "") -> None:
        """Starts an orderly end; late messages are still taken until the answer comes."""
        self._logout_text = text
        self._dispatch(Stimulus.STOP, now_ns)

    def tick(self, now_ns: int) -> None:
        """Sends a due heartbeat or TestRequest, repeats a request, ends what took too long."""
        self._dispatch(Stimulus.TICK, now_ns)

    def receive_garbled(self, reason: str, data: bytes, now_ns: int) -> None:
        """Bytes that were not a message (2.d): never counted; instead of a Logon they end it."""
        if self._is_listening():
            self._events.append(Warned(f"garbled message of {len(data)} bytes ignored: {reason}"))
            self._dispatch(Stimulus.GARBLED, now_ns)

    def receive(self, message: bytes, now_ns: int) -> None:
        """One framed and validated message."""
        self._set_time(now_ns)
        if not self._is_listening():
            return
        parsed, limit_ns = FixMessage(message), self._limits.sending_time_limit_ns
        problem = check_header(parsed, self._rules, self._writer.wall_ns, limit_ns)
        if problem is not None:
            if problem.fault is not None:
                self._count_if_expected(parsed)
                self._writer.write_reject(parsed, problem.fault)
            self._end(problem.text, is_retryable=problem.is_retryable)
            return
        self._store.last_received_ns = now_ns
        stimulus = classify(parsed.message_type)
        if self._state is states.LOGON_SENT:
            self._handle(stimulus, parsed)
        else:
            self._judge(stimulus, parsed)
        self._settle()

    def disconnected(self, now_ns: int, text: str = "") -> None:
        """The connection is gone, or could not be made; ``text`` is the transport's reason."""
        if self._state is states.DISCONNECTED:
            return
        self._set_time(now_ns)
        reason, rules = self._close_text or text or "connection lost", self._rules
        if rules.reset_on_disconnect or (rules.reset_on_logout and self._is_logout_complete):
            self._start_numbers_again()
        self._gap.clear()
        self._close_text = self._timers.deadline_ns = None
        self._writer.outbox.clear()
        self._set_state(states.DISCONNECTED)
        self._events.append(Disconnected(reason))

    def send_application(self, message_type: str, fields: list[Field], now_ns: int) -> int:
        """Queues an application message, kept for a resend, and returns its MsgSeqNum.

        Raises ``UsageError`` unless the session is ACTIVE: nothing is queued while it is down
        (16.a), an order of then is not an order of now.
        """
        self._set_time(now_ns)
        if self._state is not states.ACTIVE or self.is_close_requested:
            raise UsageError(
                f"FIX message {message_type} refused: the session is {self._state.name}; "
                "send when it is SESSION_ACTIVE"
            )
        return self._writer.write(message_type.encode(), fields, is_kept=True)

    def events(self) -> list[SessionEvent]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    def bytes_to_send(self) -> list[bytes]:
        """What must go out, in this order."""
        outbox, self._writer.outbox = self._writer.outbox, []
        return outbox

    def next_deadline_ns(self) -> int | None:
        """When to call ``tick`` at the latest; None: nothing is waited for."""
        if self._close_text is not None:
            return None
        awaited_ns = self._timers.deadline_ns
        if self._state not in states.UP:
            return awaited_ns
        deadlines = self._timers.watch_deadlines_ns()
        if awaited_ns is not None:
            deadlines.append(awaited_ns)
        if self._gap.is_open(self._store.next_incoming):
            deadlines.append(self._gap.progress_time_ns + self._limits.resend_retry_ns)
        return min(deadlines, default=None)

    # Judging a message by its number

    def _judge(self, stimulus: Stimulus, message: FixMessage) -> None:
        expected = self._store.next_incoming
        is_reset = stimulus is Stimulus.SEQUENCE_RESET and not message.is_set(123)
        if is_reset or (stimulus is Stimulus.LOGON and message.is_set(141)):
            self._handle(stimulus, message)
        elif message.sequence > expected:
            self._take_early(stimulus, message)
        elif message.sequence < expected:
            self._take_late(message, expected)
        else:
            self._process(stimulus, message)

    def _take_early(self, stimulus: Stimulus, message: FixMessage) -> None:
        is_acted_on = stimulus in states.ACTED_ON_EARLY
        if is_acted_on:
            self._handle(stimulus, message)
        self._gap.hold(message.sequence, None if is_acted_on else message)

    def _take_late(self, message: FixMessage, expected: int) -> None:
        if not message.is_set(43):
            self._end(f"MsgSeqNum too low, expecting {expected} but received {message.sequence}")
            return
        fault = check_possible_duplicate(message)
        if fault is not None:
            self._writer.write_reject(message, fault)

    def _process(self, stimulus: Stimulus, message: FixMessage) -> None:
        if stimulus is not Stimulus.SEQUENCE_RESET:
            self._store.next_incoming += 1
        fault = check_possible_duplicate(message)
        if fault is not None:
            self._writer.write_reject(message, fault)
        else:
            self._handle(stimulus, message)
        self._gap.progress_time_ns = self._writer.now_ns

    def _handle(self, stimulus: Stimulus, message: FixMessage) -> None:
        fault = check_content(message)
        if fault is None or self._state is states.LOGON_SENT:
            self._run(stimulus, message)
        elif stimulus in (Stimulus.REJECT, Stimulus.LOGOUT):
            # A Reject is never rejected (7), and a Logout ends the session however it is written.
            self._events.append(Warned(f"{stimulus.name} with a fault: {fault.text} {fault.tag}"))
            self._run(stimulus, message)
        else:
            self._writer.write_reject(message, fault)
            text = f"message {message.sequence} rejected: {fault.text}, tag {fault.tag}"
            self._events.append(Warned(text))

    def _settle(self) -> None:
        # Releases what the last message made possible, asks for what is missing, sets the state.
        while self._gap.has(self._store.next_incoming) and not self.is_close_requested:
            held = self._gap.take(self._store.next_incoming)
            if held is None:
                self._store.next_incoming += 1
                continue
            self._process(classify(held.message_type), held)
        if self.is_close_requested or self._state not in states.TALKING:
            return
        self._ask(self._gap.request(self._store.next_incoming, self._writer.now_ns))
        if self._state in states.UP:
            self._set_state(self._state_when_up())

    def _state_when_up(self) -> SessionState:
        is_open = self._gap.is_open(self._store.next_incoming)
        return states.RESYNCING if is_open or not self._is_in_step else states.ACTIVE

    # Connecting and logging on

    def _connect(self, _: FixMessage) -> None:
        self._is_logout_complete = False
        self._set_state(states.CONNECTING)

    def _log_on(self, _: FixMessage) -> None:
        if self._rules.reset_on_logon:
            self._start_numbers_again()
        next_expected = self._store.next_incoming if self._rules.sends_next_expected else None
        self._is_first_logon = self._store.next_outgoing == 1
        self._writer.write_logon(self._rules.reset_on_logon, next_expected)
        self._timers.deadline_ns = self._writer.now_ns + self._limits.logon_timeout_ns
        self._set_state(states.LOGON_SENT)

    def _accept_logon(self, message: FixMessage) -> None:
        problem = check_logon(message, self._rules, self._store.next_outgoing)
        if problem is not None:
            self._count_if_expected(message)
            self._writer.write_logout(problem)
            self._refuse(f"the Logon answer cannot be accepted: {problem}", is_retryable=False)
            return
        if message.is_set(141) and not self._rules.reset_on_logon:
            # The peer reset on its own: our Logon counts as its number 1 if that was its number.
            self._start_numbers_again()
            self._store.next_outgoing = 2 if self._is_first_logon else 1
        if message.sequence < self._store.next_incoming:
            self._take_late(message, self._store.next_incoming)
            return
        if not self._count_if_expected(message):
            self._gap.hold(message.sequence, None)
            if self._rules.sends_next_expected:  # our 789 has asked for it already
                self._gap.request(self._store.next_incoming, self._writer.now_ns)
        peer_expects = message.integer(789) if self._rules.sends_next_expected else None
        if peer_expects is not None and peer_expects < self._store.next_outgoing:
            self._repeat(max(peer_expects, 1), self._store.next_outgoing - 1)
        self._enter(message.integer(108) or 0)

    def _enter(self, heartbeat_s: int) -> None:
        self._events.append(LoggedOn(heartbeat_s))
        self._timers.start_watch(heartbeat_s)
        self._timers.deadline_ns = None
        self._is_in_step = not self._rules.is_logon_verified
        if self._rules.is_logon_verified:
            self._send_test_request()
            self._timers.deadline_ns = self._writer.now_ns + self._limits.logon_timeout_ns
        self._set_state(self._state_when_up())

    def _report_refusal(self, message: FixMessage) -> None:
        self._count_if_expected(message)
        is_reject = message.message_type == Stimulus.REJECT.value
        text = message.text(58)
        reason = (message.integer(373) or 0) if is_reject else None
        self._refuse(
            f"{'Reject' if is_reject else 'Logout'}: {text or 'no text'}",
            is_retryable=self._dialect.is_refusal_retryable(reason, text),
        )

    def _refuse_first(self, message: FixMessage) -> None:
        text = f"first message was not a Logon but {message.text(35) or 'garbled'}"
        if message is not _NO_MESSAGE:
            self._writer.write_logout("first message not a logon")
        self._refuse(text, is_retryable=True)

    def _refuse(self, text: str, *, is_retryable: bool) -> None:
        self._events.append(LogonRefused(text, is_retryable))
        self._close(f"logon refused: {text}")

    def _give_up(self, _: FixMessage) -> None:
        self._close(self._logout_text or "stopped before the logon was answered")

    def _await_logon(self, _: FixMessage) -> None:
        if self._timers.is_overdue(self._writer.now_ns):
            self._close("no answer to the Logon in time")

    # Logged on

    def _reset_numbers(self, message: FixMessage) -> None:
        if not message.is_set(141):
            self._events.append(Warned("Logon without ResetSeqNumFlag in mid-session ignored"))
            return
        if message.sequence != 1:
            self._end(f"MsgSeqNum {message.sequence} of a Logon that resets is not 1")
            return
        self._gap.clear()
        self._start_numbers_again()
        self._store.next_incoming = 2
        self._writer.write_logon(True, 2 if self._rules.sends_next_expected else None)
        self._events.append(Warned("the peer reset both sequence numbers"))

    def _take_heartbeat(self, message: FixMessage) -> None:
        if self._timers.closes_test(message.get(112)) and not self._is_in_step:
            self._is_in_step = True
            self._timers.deadline_ns = None

    def _answer_test_request(self, message: FixMessage) -> None:
        self._writer.write(b"0", [(112, message.get(112) or b"")])

    def _answer_resend_request(self, message: FixMessage) -> None:
        first, last = message.integer(7) or 1, message.integer(16) or 0
        highest = self._store.next_outgoing - 1
        if first > highest:
            self._events.append(Warned(f"resend from {first} asked for, only {highest} were sent"))
            return
        self._repeat(first, min(last or highest, highest))
        if self._gap.is_open(self._store.next_incoming) and not self._gap.is_repeated:
            self._repeat_request()

    def _repeat(self, first: int, last: int) -> None:
        age_limit_ns, is_risk_allowed = self._limits.resend_age_limit_ns, self.is_risk_allowed()
        self._events += self._writer.write_again(first, last, age_limit_ns, is_risk_allowed)

    def _repeat_request(self) -> None:
        self._ask(self._gap.repeat(self._store.next_incoming, self._writer.now_ns))

    def _ask(self, request: tuple[int, int] | None) -> None:
        if request is not None:
            self._writer.write_resend_request(*request)

    def _move_expected(self, message: FixMessage) -> None:
        new = message.integer(36) or 0
        is_gap_fill = message.is_set(123)
        lowest = message.sequence + 1 if is_gap_fill else self._store.next_incoming
        if new < lowest:
            text = f"attempt to lower sequence number, invalid value NewSeqNo={new}"
            self._writer.write_reject(message, Fault(RejectReason.VALUE_OUT_OF_RANGE, 36, text))
            self._events.append(Warned(text))
            return
        if not is_gap_fill:
            self._events.append(Warned(f"the peer reset our next incoming number to {new}"))
        self._store.next_incoming = new
        self._gap.discard_below(new)

    def _report_reject(self, message: FixMessage) -> None:
        self._events.append(read_reject(message))

    def _release(self, message: FixMessage) -> None:
        if message.message_type == b"j":
            self._report_reject(message)
        elif message.message_type in self._rules.application_types:
            self._events.append(ApplicationMessage(message.raw))
        elif not self._writer.write_unsupported(message):
            self._events.append(Warned(f"Invalid MsgType {message.text(35)} rejected"))

    # Watching and ending

    def _watch(self, _: FixMessage) -> None:
        now_ns, timers = self._writer.now_ns, self._timers
        is_gap_open = self._gap.is_open(self._store.next_incoming)
        if timers.is_overdue(now_ns):
            if not is_gap_open:
                self._close("no answer to the TestRequest after the Logon")
                return
            # The answer waits behind the gap.
            timers.deadline_ns = now_ns + self._limits.logon_timeout_ns
        if timers.is_silent(now_ns):
            if timers.is_test_unanswered():
                self._close("no answer to a TestRequest")
                return
            self._send_test_request()
        if timers.is_heartbeat_due(now_ns):
            self._writer.write(b"0", [])
        if is_gap_open and now_ns - self._gap.progress_time_ns >= self._limits.resend_retry_ns:
            self._repeat_request()

    def _send_test_request(self) -> None:
        test_id = b"%d" % self._writer.wall_ns
        self._timers.open_test(test_id, self._writer.now_ns)
        self._writer.write(b"1", [(112, test_id)])

    def _log_out(self, _: FixMessage) -> None:
        self._writer.write_logout(self._logout_text)
        self._timers.deadline_ns = self._writer.now_ns + self._limits.logout_timeout_ns
        self._set_state(states.LOGOUT_SENT)

    def _answer_logout(self, message: FixMessage) -> None:
        self._events.append(LoggedOut(message.text(58)))
        self._writer.write_logout("")
        self._is_logout_complete = True
        self._timers.deadline_ns = self._writer.now_ns + self._limits.logout_timeout_ns
        self._set_state(states.LOGOUT_RECEIVED)

    def _finish_logout(self, message: FixMessage) -> None:
        self._events.append(LoggedOut(message.text(58)))
        self._is_logout_complete = True
        self._close("logged out")

    def _await_end(self, _: FixMessage) -> None:
        if self._timers.is_overdue(self._writer.now_ns):
            text = "no answer to the Logout in time"
            if self._state is states.LOGOUT_RECEIVED:
                text = "the peer logged out but did not close the connection"
            self._events.append(Warned(text))
            self._close(text)

    def _end(self, text: str, *, is_retryable: bool = False) -> None:
        self._writer.write_logout(text)
        if not is_retryable:
            self._events.append(Fatal(text))
        elif self._state is states.LOGON_SENT:
            self._events.append(LogonRefused(text, is_retryable=True))
        self._close(text)

    def _close(self, text: str) -> None:
        self._store.is_active = False
        self._close_text = text

    # Small parts

    def _dispatch(self, stimulus: Stimulus, now_ns: int) -> None:
        self._set_time(now_ns)
        if not self.is_close_requested:
            self._run(stimulus, _NO_MESSAGE)

    def _run(self, stimulus: Stimulus, message: FixMessage) -> None:
        name = TABLE.get((self._state, stimulus))
        if name is not None:
            getattr(self, name)(message)

    def _set_time(self, now_ns: int) -> None:
        self._writer.now_ns = now_ns
        self._writer.wall_ns = now_ns + self.wall_offset_ns

    def _set_state(self, new: SessionState) -> None:
        old, self._state = self._state, new
        self._store.is_active = new is states.ACTIVE
        if old is not new:
            self._events.append(StateChanged(old, new))

    def _is_listening(self) -> bool:
        is_connected = self._state not in (states.DISCONNECTED, states.CONNECTING)
        return is_connected and not self.is_close_requested

    def _start_numbers_again(self) -> None:
        self._store.reset(self._writer.now_ns)
        self._events.append(NumbersReset())

    def _count_if_expected(self, message: FixMessage) -> bool:
        if message.sequence != self._store.next_incoming:
            return False
        self._store.next_incoming += 1
        return True
