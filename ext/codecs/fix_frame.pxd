"""Finds FIX messages in a byte stream and checks BeginString, BodyLength and CheckSum.

Source: FIX session layer, message framing: 8, 9 and 35 come first, 10 last with three digits;
anything else is garbled: skipped, not counted, and later asked for again as a gap. The promised
length is trusted first; only when no trailer stands where it says is the next ``8=FIX`` behind a
SOH looked for, so that a data field of a message with a wrong sum is never taken for a message.
"""

from libc.stdint cimport int64_t, uint64_t

from ext.cursor cimport Span
from ext.word cimport WORD_BYTES, load_word, marked_bits, predicted, repeated, zero_marks

cdef enum FrameStatus:
    FRAME_COMPLETE = 0
    FRAME_INCOMPLETE = 1
    FRAME_GARBLED = 2

cdef enum GarbledReason:
    GARBLED_BEGIN = 1               # does not begin with 8=FIX…|9=…|35=
    GARBLED_LENGTH = 2              # BodyLength not a number, or above MAX_FIX_MESSAGE_BYTES
    GARBLED_TRAILER = 3             # no 10=nnn where BodyLength promises it
    GARBLED_CHECKSUM = 4

cdef FrameStatus frame_message(
    const char* start, int64_t size, int64_t* message_size, GarbledReason* reason
) noexcept nogil

cdef inline const char* read_field(
    const char* p, const char* end, int64_t* tag, Span* value
) noexcept nogil:
    """One ``tag=value`` and its SOH: the position behind, NULL when it is not one.

    Looks at up to eight bytes behind ``end``.
    """
    cdef uint64_t marks
    tag[0] = 0
    while p < end and b"0" <= p[0] and p[0] <= b"9" and tag[0] < 100_000_000:
        tag[0] = tag[0] * 10 + (p[0] - 48)
        p += 1
    if tag[0] == 0 or p >= end or p[0] != b"=":
        return NULL
    p += 1
    value.start = p
    while p < end:
        marks = zero_marks(load_word(p) ^ repeated(1))
        if marks != 0:
            p += predicted(marked_bits(marks) >> 3)
            break
        p += WORD_BYTES
    value.size = p - value.start
    return p + 1 if p < end else NULL
