"""Writes what a FIX session sends: header, numbers, routing of rejects, repeats."""

from gateways.fix_dialect import FixDialect
from gateways.fix_message import (
    Fault,
    Field,
    FixMessage,
    RejectReason,
    encode_message,
    format_time,
)
from gateways.fix_resend import GapFill, Repeat, plan_resend, repeat_message
from gateways.fix_validation import is_defined_type
from gateways.session import OrderNotRepeated, SessionStore

FIX42_LAST_REJECT_REASON = 11  # FIX.4.2 knows SessionRejectReason(373) 0 to 11
UNSUPPORTED_MESSAGE_TYPE = 3  # BusinessRejectReason(380)
# A reject goes back the way its message came: 115 becomes 128 and so on.
_ROUTES_BACK = {115: 128, 128: 115, 116: 129, 129: 116, 144: 145, 145: 144}


class FixWriter:
    """Every message takes its number, is stored if it is an order, then waits in ``outbox``.

    The number is persisted before the bytes can reach a socket: after a crash a number may be
    missing at the venue, but is never used twice. The session sets ``now_ns`` and ``wall_ns``.
    """

    def __init__(self, dialect: FixDialect, store: SessionStore) -> None:
        self._dialect = dialect
        self._rules = dialect.rules
        self._store = store
        self.outbox: list[bytes] = []
        self.now_ns = 0
        self.wall_ns = 0

    def write(
        self,
        message_type: bytes,
        body: list[Field],
        *,
        header: list[Field] | None = None,
        is_kept: bool = False,
    ) -> int:
        """Takes the next number for a new message and returns it; ``is_kept`` for a resend."""
        sequence = self._store.next_outgoing
        raw = self._encode(message_type, sequence, body, header or [])
        if is_kept:
            self._store.save_outgoing(sequence, raw, self.now_ns)
        self._store.next_outgoing = sequence + 1
        self._queue(raw)
        return sequence

    def write_logon(self, is_reset: bool, next_expected: int | None) -> int:
        """Logon(A) of the dialect, with NextExpectedMsgSeqNum(789) when given."""
        sequence = self._store.next_outgoing
        body = self._dialect.logon_fields(sequence, self._sending_time(), is_reset)
        if next_expected is not None:
            body = [*body, (789, b"%d" % next_expected)]
        return self.write(b"A", body)

    def write_logout(self, text: str) -> None:
        """Logout(5), with Text(58) when there is a reason."""
        self.write(b"5", [(58, encode_text(text))] if text else [])

    def write_resend_request(self, first: int, last: int) -> None:
        """ResendRequest(2); 16=0 ("to the last one") unless the venue wants ranges."""
        end = last if self._rules.resend_chunk else 0
        self.write(b"2", [(7, b"%d" % first), (16, b"%d" % end)])

    def write_reject(self, message: FixMessage, fault: Fault) -> None:
        """Reject(3) of a message of the peer."""
        body: list[Field] = [(45, b"%d" % message.sequence)]
        if fault.tag:
            body.append((371, b"%d" % fault.tag))
        if message.message_type:
            body.append((372, message.message_type))
        if self._rules.begin_string != "FIX.4.2" or fault.reason <= FIX42_LAST_REJECT_REASON:
            body.append((373, b"%d" % fault.reason))
        body.append((58, encode_text(fault.text)))
        self.write(b"3", body, header=_route_back(message))

    def write_unsupported(self, message: FixMessage) -> bool:
        """Rejects an application message that we do not read; whether FIX defines its type.

        BusinessMessageReject(j) 380=3 if so (2.r), else Reject(3) 373=11 (2.q).
        """
        if not is_defined_type(message.message_type):
            self.write_reject(message, Fault(RejectReason.MESSAGE_TYPE, 0, "Invalid MsgType"))
            return False
        body = [
            (45, b"%d" % message.sequence),
            (372, message.message_type),
            (380, b"%d" % UNSUPPORTED_MESSAGE_TYPE),
            (58, b"Unsupported Message Type"),
        ]
        self.write(b"j", body, header=_route_back(message))
        return True

    def write_again(
        self, first: int, last: int, age_limit_ns: int | None, is_risk_allowed: bool
    ) -> list[OrderNotRepeated]:
        """Answers a ResendRequest under the old numbers; what was withheld, see ``plan_resend``."""
        withheld: list[OrderNotRepeated] = []
        for step in plan_resend(
            self._store, first, last, self.now_ns, age_limit_ns, is_risk_allowed=is_risk_allowed
        ):
            self._write_step(step)
            if isinstance(step, GapFill):
                withheld += [OrderNotRepeated(o.sequence, o.message.raw) for o in step.withheld]
        return withheld

    def _write_step(self, step: Repeat | GapFill) -> None:
        time = self._sending_time()
        if isinstance(step, Repeat):
            self._queue(repeat_message(step.message, time))
            return
        body = [(123, b"Y"), (36, b"%d" % step.new_sequence)]
        header = [(43, b"Y"), (122, time)]
        self._queue(self._encode(b"4", step.sequence, body, header))

    def _encode(
        self, message_type: bytes, sequence: int, body: list[Field], header: list[Field]
    ) -> bytes:
        rules = self._rules
        fields: list[Field] = [
            (35, message_type),
            (34, b"%d" % sequence),
            (49, rules.sender.encode()),
            (52, self._sending_time()),
            (56, rules.target.encode()),
            *rules.header_fields,
            *header,
            *body,
        ]
        return encode_message(rules.begin_string.encode(), fields)

    def _queue(self, raw: bytes) -> None:
        self._store.last_sent_ns = self.now_ns
        self.outbox.append(raw)

    def _sending_time(self) -> bytes:
        return format_time(self.wall_ns, self._rules.time_decimals)


def encode_text(text: str) -> bytes:
    """Text(58) in ASCII, whatever it quotes: other characters become ``?``."""
    return "".join(char if char.isprintable() else "?" for char in text).encode("ascii", "replace")


def _route_back(message: FixMessage) -> list[Field]:
    return [(back, value) for tag, back in _ROUTES_BACK.items() if (value := message.get(tag))]
