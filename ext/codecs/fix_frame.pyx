"""FIX framing, see the ``.pxd``."""

from libc.stdint cimport int64_t
from libc.string cimport memchr, memcmp

from ext.bounds cimport MAX_FIX_MESSAGE_BYTES
from ext.checksum cimport sum_bytes

cdef enum:
    MAX_BEGIN_BYTES = 16            # "8=FIXT.1.1" and its SOH
    MAX_LENGTH_DIGITS = 8           # venues pad it with zeros
    TRAILER_BYTES = 7               # "10=nnn" and its SOH

GARBLED_TEXTS = {
    GARBLED_BEGIN: "does not begin with BeginString(8), BodyLength(9), MsgType(35)",
    GARBLED_LENGTH: "BodyLength(9) is not a number in range",
    GARBLED_TRAILER: "CheckSum(10) is not where BodyLength(9) says",
    GARBLED_CHECKSUM: "CheckSum(10) is wrong",
}


cdef int64_t _find_start(const char* start, int64_t size) noexcept nogil:
    """Bytes to skip up to the next possible beginning of a message."""
    cdef const char* p = start + 1
    cdef const char* end = start + size
    while p < end:
        p = <const char*>memchr(p, b"8", end - p)
        if p == NULL:
            return size
        if (p - 1)[0] == 1 and memcmp(p, b"8=FIX", min(5, <int64_t>(end - p))) == 0:
            return p - start
        p += 1
    return size


cdef FrameStatus _skip(const char* start, int64_t size, int64_t* message_size) noexcept nogil:
    message_size[0] = _find_start(start, size)
    return FRAME_GARBLED


cdef FrameStatus frame_message(
    const char* start, int64_t size, int64_t* message_size, GarbledReason* reason
) noexcept nogil:
    """The message at ``start``: its size when complete, the bytes to skip when garbled."""
    cdef const char* end = start + size
    cdef const char* p = start
    cdef const char* trailer
    cdef int64_t length = 0
    cdef int64_t total
    cdef int checksum
    reason[0] = GARBLED_BEGIN
    message_size[0] = 0
    if size < 2:
        if size == 1 and start[0] != b"8":
            message_size[0] = 1
            return FRAME_GARBLED
        return FRAME_INCOMPLETE
    if memcmp(start, b"8=FIX", min(5, size)) != 0:
        return _skip(start, size, message_size)
    p = <const char*>memchr(start, 1, min(size, <int64_t>MAX_BEGIN_BYTES))
    if p == NULL:
        if size < MAX_BEGIN_BYTES:
            return FRAME_INCOMPLETE
        return _skip(start, size, message_size)
    p += 1
    if end - p < MAX_LENGTH_DIGITS + 6 and memchr(p, 1, end - p) == NULL:
        return FRAME_INCOMPLETE
    if p[0] != b"9" or p[1] != b"=":
        return _skip(start, size, message_size)
    reason[0] = GARBLED_LENGTH
    p += 2
    trailer = p
    while b"0" <= p[0] and p[0] <= b"9" and p - trailer < MAX_LENGTH_DIGITS:
        length = length * 10 + (p[0] - 48)
        p += 1
    if p == trailer or p[0] != 1 or length > MAX_FIX_MESSAGE_BYTES or length < 5:
        return _skip(start, size, message_size)
    p += 1
    if end - p >= 3 and memcmp(p, b"35=", 3) != 0:
        reason[0] = GARBLED_BEGIN
        return _skip(start, size, message_size)
    total = (p - start) + length + TRAILER_BYTES
    if size < total:
        return FRAME_INCOMPLETE
    trailer = p + length
    if memcmp(trailer, b"10=", 3) != 0 or (trailer - 1)[0] != 1 or trailer[6] != 1:
        reason[0] = GARBLED_TRAILER
        return _skip(start, size, message_size)
    checksum = <int>sum_bytes(start, trailer - start)
    if trailer[3] != 48 + checksum // 100 or trailer[4] != 48 + checksum // 10 % 10 \
            or trailer[5] != 48 + checksum % 10:
        reason[0] = GARBLED_CHECKSUM
        message_size[0] = total         # it ends where it says: no message may begin within it
        return FRAME_GARBLED
    message_size[0] = total
    return FRAME_COMPLETE


def split_messages(data: bytes) -> tuple[list[bytes], list[str], int]:
    """Test edge: (messages, reasons of garbled stretches, bytes left over) of a stream."""
    cdef const char* start = data
    cdef int64_t at = 0
    cdef int64_t size
    cdef GarbledReason reason
    cdef FrameStatus status
    messages = []
    garbled = []
    while at < len(data):
        status = frame_message(start + at, len(data) - at, &size, &reason)
        if status == FRAME_INCOMPLETE:
            break
        if status == FRAME_GARBLED:
            garbled.append(GARBLED_TEXTS[reason])
        else:
            messages.append(data[at : at + size])
        at += size
    return messages, garbled, len(data) - at
