"""FIX tag=value text: one message out, a byte stream in. Simple on purpose, and the venue's own.

Framing is strict (sheet of the session layer, section 1): 8, 9 and 35 come first, 9 counts the
bytes up to 10, 10 is the sum of all bytes before it. What breaks a rule is garbled.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SOH = b"\x01"
# Nothing a client sends is near this; a longer BodyLength is garbled, not waited for.
BODY_BYTES_MAX = 65_536
# BodyLength has at most this many digits (venues pad it with zeros).
_LENGTH_DIGITS_MAX = 9
# Length tag to the data tag that follows it at once (data may hold SOH and "=").
_DATA_TAGS = {95: 96, 90: 91, 93: 89, 212: 213, 348: 349, 350: 351, 354: 355, 1401: 1402}
_TRAILER_BYTES = len("10=000\x01")

Fields = Sequence[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class FixMessage:
    """One message: its fields in order, 8, 9 and 10 included."""

    fields: tuple[tuple[int, str], ...]

    def get(self, tag: int) -> str | None:
        """First value of ``tag``, or ``None``."""
        return next((value for each, value in self.fields if each == tag), None)

    @property
    def message_type(self) -> str:
        """MsgType(35)."""
        return self.get(35) or ""


@dataclass(frozen=True, slots=True)
class Garbled:
    """Bytes that are no message: to be ignored, not counted, and warned about."""

    reason: str


def encode(begin_string: str, message_type: str, fields: Iterable[tuple[int, str]]) -> bytes:
    """A whole message; ``fields`` are header (without 8, 9, 35) and body in order."""
    body = "".join(f"{tag}={value}\x01" for tag, value in ((35, message_type), *fields))
    head = f"8={begin_string}\x019={len(body)}\x01{body}".encode("latin-1")
    return head + b"10=%03d\x01" % (sum(head) % 256)


class FixReader:
    """Cuts a byte stream into messages, however the bytes arrive."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[FixMessage | Garbled]:
        """What is complete after ``data``; the rest waits for more bytes."""
        self._buffer += data
        found: list[FixMessage | Garbled] = []
        while True:
            result, used = _take(self._buffer)
            self._buffer = self._buffer[used:]
            if result is None:
                return found
            found.append(result)


def _take(buffer: bytes) -> tuple[FixMessage | Garbled | None, int]:
    # (result, bytes used up); no result: more bytes are needed.
    if not buffer:
        return None, 0
    if not buffer.startswith(b"8="[: len(buffer)]):
        return _skip(buffer, "it does not begin with 8=")
    begin_end = buffer.find(SOH)
    if begin_end < 0:
        return _skip(buffer, "8 never ends") if len(buffer) > 64 else (None, 0)
    length_end = buffer.find(SOH, begin_end + 1)
    length_field = buffer[begin_end + 1 : length_end if length_end >= 0 else len(buffer)]
    if length_end < 0 and len(length_field) <= _LENGTH_DIGITS_MAX + 2:
        return None, 0
    length = length_field[2:]
    if not (length_field.startswith(b"9=") and length.isdigit()):
        return _skip(buffer, "9 is not the second field or no number")
    if len(length) > _LENGTH_DIGITS_MAX or int(length) > BODY_BYTES_MAX:
        return _skip(buffer, f"BodyLength is above {BODY_BYTES_MAX}")
    body_end = length_end + 1 + int(length)
    end = body_end + _TRAILER_BYTES
    if len(buffer) < end:
        return None, 0
    trailer = buffer[body_end:end]
    if not (trailer.startswith(b"10=") and trailer.endswith(SOH) and buffer[body_end - 1] == 1):
        return _skip(buffer, "BodyLength does not lead to 10")
    if trailer[3:6] != b"%03d" % (sum(buffer[:body_end]) % 256):
        return _skip(buffer, "CheckSum is wrong")
    fields = _fields(buffer[:end])
    if fields is None or len(fields) < 4 or fields[2][0] != 35:
        return Garbled("35 is not the third field, or a field is no tag=value"), end
    return FixMessage(fields), end


def _skip(buffer: bytes, reason: str) -> tuple[Garbled, int]:
    # Go on at the next thing that looks like a message.
    after = buffer.find(b"\x018=", 1)
    return Garbled(reason), after + 1 if after >= 0 else len(buffer)


def _fields(message: bytes) -> tuple[tuple[int, str], ...] | None:
    fields: list[tuple[int, str]] = []
    position = 0
    data_tag, data_bytes = 0, 0
    while position < len(message):
        equals = message.find(b"=", position)
        if equals < 0 or not message[position:equals].isdigit():
            return None
        tag = int(message[position:equals])
        if tag and tag == data_tag:
            end = equals + 1 + data_bytes
            if message[end : end + 1] != SOH:
                return None
        else:
            end = message.find(SOH, equals)
        value = message[equals + 1 : end].decode("latin-1")
        fields.append((tag, value))
        data_tag = 0
        if tag in _DATA_TAGS and value.isdigit():
            data_tag, data_bytes = _DATA_TAGS[tag], int(value)
        position = end + 1
    return tuple(fields)
