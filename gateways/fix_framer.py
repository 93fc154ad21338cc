"""Cuts a byte stream into FIX messages: the plain reference of the compiled listener.

Strategy: BodyLength(9) is trusted first and CheckSum(10) is looked for at the promised place, so
an ``8=FIX`` inside a data field is never taken for a start. Only when that fails does the reader
look for the next ``8=FIX`` behind a SOH. Garbled bytes are handed out with the reason and are
never counted (FIX session test cases 2.d, 2.m, 2.t, 3.b, 3.c); reading goes on behind them.
"""

from typing import NamedTuple

from ext.bounds import Bound
from gateways.fix_message import SOH, compute_checksum

MAX_BEGIN_STRING_BYTES = 16  # "FIXT.1.1" has 8; without an end by then it is not a message
MAX_LENGTH_DIGITS = 12  # leading zeros are legal, some venues pad
_TRAILER_BYTES = 7  # 10=ddd and SOH
_START = b"8=FIX"
_CUTS = [(SOH + _START)[:size] for size in range(len(_START) + 1)]


class Garbled(NamedTuple):
    """Bytes that are not a FIX message, and why."""

    reason: str
    data: bytes


class FixFramer:
    """Feed it bytes as they come; it hands out whole messages and garbled runs in order."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._is_after_soh = True

    def reset(self) -> None:
        """Forgets half a message, for a new connection."""
        self._buffer.clear()
        self._is_after_soh = True

    def receive(self, data: bytes) -> list[bytes | Garbled]:
        """Everything that is complete after ``data``; the rest stays for the next call.

        At most ``MAX_FIX_MESSAGE_BYTES`` and a header wait between two calls.
        """
        self._buffer += data
        found: list[bytes | Garbled] = []
        while self._buffer:
            result = self._take()
            if result is None:
                break
            found.append(result)
        return found

    def _take(self) -> bytes | Garbled | None:
        buffer = self._buffer
        if not self._is_after_soh or not _START.startswith(buffer[: len(_START)]):
            return self._skip("bytes before BeginString(8)")
        begin_end = buffer.find(SOH, 0, MAX_BEGIN_STRING_BYTES + 3)
        if begin_end < 0:
            if len(buffer) < MAX_BEGIN_STRING_BYTES + 3:
                return None
            return self._skip("BeginString(8) without an end")
        length_start = begin_end + 3
        if not b"9=".startswith(buffer[begin_end + 1 : length_start]):
            return self._skip("BodyLength(9) is not second")
        length_end = buffer.find(SOH, length_start, length_start + MAX_LENGTH_DIGITS + 1)
        if length_end < 0:
            if len(buffer) < length_start + MAX_LENGTH_DIGITS + 1:
                return None
            return self._skip("BodyLength(9) without an end")
        digits = bytes(buffer[length_start:length_end])
        if not digits.isdigit() or int(digits) > Bound.MAX_FIX_MESSAGE_BYTES:
            return self._skip("BodyLength(9) is not a number up to the largest message")
        return self._take_body(length_end + 1, length_end + 1 + int(digits))

    def _take_body(self, body_start: int, body_end: int) -> bytes | Garbled | None:
        buffer = self._buffer
        end = body_end + _TRAILER_BYTES
        if len(buffer) < end:
            return None
        trailer = bytes(buffer[body_end:end])
        is_closed = buffer[body_end - 1] == SOH[0] and trailer.startswith(b"10=")
        if not is_closed or not trailer.endswith(SOH) or not trailer[3:6].isdigit():
            return self._skip("no CheckSum(10) of three digits where BodyLength(9) ends")
        message = bytes(buffer[:end])
        del buffer[:end]
        if int(trailer[3:6]) != compute_checksum(message[:body_end]):
            return Garbled("CheckSum(10) is wrong", message)
        if not message.startswith(b"35=", body_start):
            return Garbled("MsgType(35) is not third", message)
        return message

    def _skip(self, reason: str) -> Garbled:
        buffer = self._buffer
        end = buffer.find(SOH + _START) + 1
        if end == 0:
            # A start may be cut by the end of the buffer: its first bytes stay.
            cut = next((n for n in range(len(_START), 1, -1) if buffer.endswith(_CUTS[n])), 1)
            end = len(buffer) - cut + 1
        garbled = Garbled(reason, bytes(buffer[:end]))
        del buffer[:end]
        self._is_after_soh = garbled.data.endswith(SOH)
        return garbled
