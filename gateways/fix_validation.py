"""What is wrong with a message of the peer, as pure functions.

Strict on framing, the header and the fields that the session reads; lenient on everything else:
unknown tags and values of venues pass (the sheet of session test cases calls for rejects there,
but venues send private tags as a matter of course). Numbers like 2.k name FIX session test cases.
"""

from typing import NamedTuple

from gateways.fix_dialect import MAX_HEARTBEAT_S, SessionRules
from gateways.fix_message import Fault, FixMessage, RejectReason, parse_integer, parse_time
from gateways.session import MessageRejected

# Header and trailer tags of FIX.4.2 to FIXT.1.1.
HEADER_TAGS = frozenset(
    {8, 9, 34, 35, 43, 49, 50, 52, 56, 57, 90, 91, 97, 115, 116, 122, 128, 129, 142, 143, 144, 145}
    | {212, 213, 347, 369, 370, 627, 628, 629, 630, 1128, 1129, 1156}
)
TRAILER_TAGS = frozenset({10, 89, 93})
_GROUP_TAGS = frozenset({628, 629, 630})  # members of NoHops(627) repeat

REQUIRED_HEADER = (49, 56, 52)
REQUIRED_BODY: dict[bytes, tuple[int, ...]] = {
    b"A": (98, 108),
    b"1": (112,),
    b"2": (7, 16),
    b"3": (45,),
    b"4": (36,),
    b"j": (372, 380),
    b"8": (37, 17, 150, 39),
    b"9": (11, 39),
}
_INTEGERS: dict[bytes, tuple[int, ...]] = {
    b"A": (108, 789),
    b"2": (7, 16),
    b"3": (45, 371, 373),
    b"4": (36,),
    b"j": (45, 380),
}
_BOOLEANS = (43, 97, 123, 141)
_TIMES = (52, 122, 60)
_FLAT_TYPES = frozenset({b"0", b"1", b"2", b"3", b"4", b"5"})  # no repeating groups in them

# Every one-character MsgType of 4.2 to 5.0SP2, and AA to EB. U is left for private types.
_ONE_LETTER_TYPES = frozenset(
    bytes([code]) for code in b"0123456789ABCDEFGHJKLMNPQRSTVWXYZabcdefghijklmnopqrstuvwxyz"
)
_LAST_TWO_LETTER_TYPE = b"EB"


class HeaderProblem(NamedTuple):
    """A header that ends the session: a Reject for ``fault`` if any, then Logout with ``text``.

    ``is_retryable``: a new connection may be better, as after a stall of the network.
    """

    text: str
    fault: Fault | None = None
    is_retryable: bool = False


def check_header(
    message: FixMessage, rules: SessionRules, wall_ns: int, sending_time_limit_ns: int | None
) -> HeaderProblem | None:
    """What makes going on pointless: BeginString (2.i), no MsgSeqNum, CompID (2.k), time (2.o)."""
    begin_string = message.text(8)
    if begin_string != rules.begin_string:
        return HeaderProblem(
            f"Incorrect BeginString {begin_string}, expecting {rules.begin_string}"
        )
    if message.sequence < 1:
        return HeaderProblem("MsgSeqNum missing or not a positive number")
    for tag, expected in ((49, rules.target), (56, rules.sender)):
        value = message.get(tag)
        if value is not None and value != expected.encode():
            text = f"CompID problem: {tag} is not {expected}"
            return HeaderProblem(text, Fault(RejectReason.COMP_ID, tag, text))
    sending_time_ns = parse_time(message.get(52) or b"")
    if sending_time_limit_ns is None or sending_time_ns is None:
        return None  # one that cannot be read is a matter of content
    if abs(wall_ns - sending_time_ns) > sending_time_limit_ns:
        text = f"SendingTime accuracy problem: {(wall_ns - sending_time_ns) / 1e9:.3f} s off"
        return HeaderProblem(text, Fault(RejectReason.SENDING_TIME, 52, text), is_retryable=True)
    return None


def check_content(message: FixMessage) -> Fault | None:
    """The first thing wrong with header and body, by 14.a to 14.k, or None."""
    if message.fault is not None:
        return message.fault
    return (
        _check_required(message, REQUIRED_HEADER)
        or _check_order(message)
        or _check_required(message, REQUIRED_BODY.get(message.message_type, ()))
        or _check_formats(message)
        or _check_ranges(message)
    )


def _check_required(message: FixMessage, tags: tuple[int, ...]) -> Fault | None:
    for tag in tags:
        if message.get(tag) is None:
            return Fault(RejectReason.REQUIRED_TAG_MISSING, tag, "Required tag missing")
    return None


def _check_order(message: FixMessage) -> Fault | None:
    is_flat = message.message_type in _FLAT_TYPES
    seen: set[int] = set()
    is_body = is_trailer = False
    for tag, _ in message.fields:
        is_header = tag in HEADER_TAGS
        if tag in seen and tag not in _GROUP_TAGS and (is_header or is_flat):
            return Fault(RejectReason.TAG_REPEATED, tag, "Tag appears more than once")
        seen.add(tag)
        if (is_header and is_body) or (is_trailer and tag not in TRAILER_TAGS):
            return Fault(RejectReason.TAG_OUT_OF_ORDER, tag, "Tag specified out of required order")
        is_trailer = is_trailer or tag in TRAILER_TAGS
        is_body = is_body or not is_header
    return None


def _check_formats(message: FixMessage) -> Fault | None:
    for tag in _INTEGERS.get(message.message_type, ()):
        value = message.get(tag)
        if value is not None and parse_integer(value) is None:
            return Fault(RejectReason.BAD_FORMAT, tag, "Incorrect data format for value")
    for tag in _BOOLEANS:
        if message.get(tag) not in (None, b"Y", b"N"):
            return Fault(RejectReason.BAD_FORMAT, tag, "Incorrect data format for value")
    for tag in _TIMES:
        value = message.get(tag)
        if value is not None and parse_time(value) is None:
            return Fault(RejectReason.BAD_FORMAT, tag, "Incorrect data format for value")
    return None


def _check_ranges(message: FixMessage) -> Fault | None:
    out_of_range = 0
    if message.message_type == b"2":
        begin, end = message.integer(7) or 0, message.integer(16) or 0
        if begin < 1:
            out_of_range = 7
        elif end != 0 and end < begin:
            out_of_range = 16
    elif message.message_type == b"4" and (message.integer(36) or 0) < 1:
        out_of_range = 36
    if out_of_range:
        return Fault(RejectReason.VALUE_OUT_OF_RANGE, out_of_range, "Value is incorrect")
    return None


def check_possible_duplicate(message: FixMessage) -> Fault | None:
    """43=Y needs 122 (2.g), not later than 52 (2.f). A SequenceReset may come without 122."""
    if not message.is_set(43) or message.message_type == b"4":
        return None
    original = message.get(122)
    if original is None:
        return Fault(RejectReason.REQUIRED_TAG_MISSING, 122, "Required tag missing")
    original_ns, sending_ns = parse_time(original), parse_time(message.get(52) or b"")
    if original_ns is not None and sending_ns is not None and original_ns > sending_ns:
        return Fault(RejectReason.SENDING_TIME, 122, "SendingTime accuracy problem")
    return None


def check_logon(message: FixMessage, rules: SessionRules, next_outgoing: int) -> str | None:
    """Why a Logon answer cannot be accepted (1B.d, 17), or None."""
    fault = check_content(message)
    if fault is not None:
        return f"{fault.text}: tag {fault.tag}"
    if message.get(98) != b"0":
        return "EncryptMethod(98) is not 0"
    if not 0 <= (message.integer(108) or 0) <= MAX_HEARTBEAT_S:
        return f"HeartBtInt(108) is not 0 to {MAX_HEARTBEAT_S}"
    version = message.get(1137)
    if rules.application_version is not None and (
        version is not None or rules.is_answer_version_required
    ):
        expected = rules.application_version
        if version != expected.encode():
            return f"DefaultApplVerID(1137) is {message.text(1137) or 'missing'}, not {expected}"
    if (message.is_set(141) or rules.reset_on_logon) and message.sequence != 1:
        return f"MsgSeqNum {message.sequence} of a Logon that resets is not 1"
    if rules.sends_next_expected and (message.integer(789) or 0) > next_outgoing:
        return f"NextExpectedMsgSeqNum {message.integer(789)} was never sent"
    return None


def is_defined_type(message_type: bytes) -> bool:
    """Whether some FIX version from 4.2 to 5.0SP2 defines this MsgType."""
    if len(message_type) == 2:
        is_letters = message_type.isalpha() and message_type.isupper()
        return is_letters and message_type <= _LAST_TWO_LETTER_TYPE
    return message_type in _ONE_LETTER_TYPES


def read_reject(message: FixMessage) -> MessageRejected:
    """What a Reject(3) or BusinessMessageReject(j) says about a message of ours."""
    reference = message.integer(45)
    reason = message.integer(373 if message.message_type == b"3" else 380)
    return MessageRejected(
        reference_sequence=-1 if reference is None else reference,
        message_type=message.text(372),
        reason_code=-1 if reason is None else reason,
        text=message.text(58),
        reference_id=message.text(379),
    )
