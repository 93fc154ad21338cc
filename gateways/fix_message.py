"""Reading and writing of FIX tag=value messages, for the cold path only.

Admin messages, status requests and resends go through here; orders, and reports in sequence, go
through the compiled codec. A message that is parsed here was framed already (8, 9 and 35 first,
10 last, length and checksum right). What else is wrong with it is told as a ``Fault``, which
holds the SessionRejectReason(373) to answer with; parsing raises nothing.
"""

import re
from calendar import timegm
from collections.abc import Iterable
from datetime import date
from enum import IntEnum
from time import gmtime, strftime
from typing import NamedTuple

from ext.errors import UsageError

Field = tuple[int, bytes]

SOH = b"\x01"
MAX_TAG_DIGITS = 9  # user-defined tags have five today; more digits are no tag
MAX_INTEGER_DIGITS = 18  # fits an int64; longer numbers are refused as badly formatted
NANOSECONDS_PER_SECOND = 1_000_000_000

# Length field -> data field that follows at once and may hold SOH (FIX dictionaries, type "data").
DATA_FIELDS = {
    90: 91,
    93: 89,
    95: 96,
    212: 213,
    348: 349,
    350: 351,
    352: 353,
    354: 355,
    356: 357,
    358: 359,
    360: 361,
    362: 363,
    364: 365,
    445: 446,
    618: 619,
    621: 622,
    1184: 1185,
    1401: 1402,
    1403: 1404,
}
_DATA_TAGS = frozenset(DATA_FIELDS.values())

_TIME = re.compile(rb"(\d{4})(\d\d)(\d\d)-(\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?")
_INTEGER = re.compile(rb"-?\d{1,%d}" % MAX_INTEGER_DIGITS)


class RejectReason(IntEnum):
    """SessionRejectReason(373)."""

    INVALID_TAG = 0
    REQUIRED_TAG_MISSING = 1
    TAG_NOT_OF_MESSAGE = 2
    UNDEFINED_TAG = 3
    NO_VALUE = 4
    VALUE_OUT_OF_RANGE = 5
    BAD_FORMAT = 6
    DECRYPTION = 7
    SIGNATURE = 8
    COMP_ID = 9
    SENDING_TIME = 10
    MESSAGE_TYPE = 11
    TAG_REPEATED = 13
    TAG_OUT_OF_ORDER = 14
    SOH_IN_VALUE = 17


class Fault(NamedTuple):
    """What is wrong with a framed message: 373, 371 (0: no tag to name) and 58 of the answer."""

    reason: RejectReason
    tag: int
    text: str


class FixMessage:
    """One framed message as its fields in their order, and the first fault of its syntax.

    ``raw`` is the whole message. A field that cannot be read is left out of ``fields``.
    """

    __slots__ = ("_values", "fault", "fields", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.fields, self.fault = parse_fields(raw)
        self._values: dict[int, bytes] = {}
        for tag, value in self.fields:
            self._values.setdefault(tag, value)

    def get(self, tag: int) -> bytes | None:
        """Value of the first field with this tag, or None."""
        return self._values.get(tag)

    def text(self, tag: int) -> str:
        """Value as text for people; empty when the field is absent."""
        return self._values.get(tag, b"").decode("utf-8", "replace")

    def integer(self, tag: int) -> int | None:
        """Value as an integer; None when absent or not one."""
        return parse_integer(self._values.get(tag, b""))

    def is_set(self, tag: int) -> bool:
        """Whether a Boolean field is present and ``Y``."""
        return self._values.get(tag) == b"Y"

    @property
    def message_type(self) -> bytes:
        """MsgType(35); empty when absent."""
        return self._values.get(35, b"")

    @property
    def sequence(self) -> int:
        """MsgSeqNum(34); -1 when absent or not a positive whole number."""
        value = self.integer(34)
        return value if value is not None and value > 0 else -1


def parse_fields(raw: bytes) -> tuple[list[Field], Fault | None]:
    """The fields of a message in their order, and the first fault found on the way."""
    fields: list[Field] = []
    fault: Fault | None = None
    position = 0
    while position < len(raw):
        end = raw.find(SOH, position)
        end = len(raw) if end < 0 else end
        tag_text, separator, value = raw[position:end].partition(b"=")
        found: Fault | None = None
        tag = _parse_tag(tag_text)
        if not separator:
            found = Fault(RejectReason.SOH_IN_VALUE, 0, "a field without =")
        elif tag == 0:
            found = Fault(RejectReason.INVALID_TAG, 0, "tag number is not a number from 1")
        else:
            length = _data_length(fields, tag)
            if length is not None:
                start = position + len(tag_text) + 1
                if 0 < length < len(raw) - start and raw[start + length] == SOH[0]:
                    end = start + length
                    value = raw[start:end]
                else:
                    found = Fault(
                        RejectReason.BAD_FORMAT, fields[-1][0], "length does not fit its data"
                    )
            if not value:
                found = Fault(RejectReason.NO_VALUE, tag, "tag without a value")
            fields.append((tag, value))
        fault = fault or found
        position = end + 1
    return fields, fault


def _parse_tag(text: bytes) -> int:
    if not text.isdigit() or len(text) > MAX_TAG_DIGITS or text.startswith(b"0"):
        return 0
    return int(text)


def _data_length(fields: list[Field], tag: int) -> int | None:
    if not fields or DATA_FIELDS.get(fields[-1][0]) != tag:
        return None
    return parse_integer(fields[-1][1]) or 0


def parse_integer(value: bytes) -> int | None:
    """An ``int`` field: digits, leading zeros allowed, ``-`` allowed, ``+`` not. Else None."""
    return int(value) if _INTEGER.fullmatch(value) else None


def parse_time(value: bytes) -> int | None:
    """A UTCTimestamp with 0 to 12 decimals as nanoseconds since the epoch, truncated. Else None.

    Second 60 is legal (leap second) and is the first second of the next minute.
    """
    match = _TIME.fullmatch(value)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    if hour > 23 or minute > 59 or second > 60:
        return None
    try:
        date(year, month, day)
    except ValueError:
        return None
    fraction = (match[7] or b"").ljust(9, b"0")[:9]
    seconds = timegm((year, month, day, hour, minute, second))
    return seconds * NANOSECONDS_PER_SECOND + int(fraction)


def format_time(wall_ns: int, decimals: int = 3) -> bytes:
    """Nanoseconds since the epoch as a UTCTimestamp with 0, 3, 6 or 9 decimals, truncated."""
    seconds, fraction = divmod(wall_ns, NANOSECONDS_PER_SECOND)
    text = strftime("%Y%m%d-%H:%M:%S", gmtime(seconds))
    return (f"{text}.{fraction:09d}"[: 18 + decimals] if decimals else text).encode()


def encode_message(begin_string: bytes, fields: Iterable[Field]) -> bytes:
    """The whole message with 8, 9 and 10 written; ``fields`` start with MsgType(35).

    Raises ``UsageError`` for an empty value, a tag below 1, and SOH outside a data field: each
    would reach the peer as another message than the one meant.
    """
    parts = []
    for tag, value in fields:
        if tag < 1 or not value or (SOH in value and tag not in _DATA_TAGS):
            raise UsageError(
                f"FIX field {tag}={value!r} cannot be written; use a tag from 1 and a value that "
                "is not empty and, outside data fields, has no byte 0x01"
            )
        parts.append(b"%d=%b\x01" % (tag, value))
    body = b"".join(parts)
    message = b"8=%b\x019=%d\x01%b" % (begin_string, len(body), body)
    return b"%b10=%03d\x01" % (message, compute_checksum(message))


def compute_checksum(data: bytes) -> int:
    """CheckSum(10): the sum of all bytes before ``10=``, modulo 256."""
    return sum(data) & 0xFF
