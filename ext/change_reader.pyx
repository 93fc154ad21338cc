"""Reads arrays of changes and levels, see the ``.pxd``."""

from libc.stdint cimport int64_t, uint64_t

from ext.bounds cimport MAX_DELTAS_PER_FRAME
from ext.cursor cimport (
    NumberStatus,
    Span,
    equals,
    expect,
    open_array,
    read_quoted_decimal,
    read_string,
    skip_space,
)
from ext.feed_decoder cimport DecodedFrame, number_error
from ext.instrument_table cimport Instrument
from ext.wire cimport (
    BUY,
    FEED_BAD_NUMBER,
    FEED_BAD_SIDE,
    FEED_BAD_TYPE,
    FEED_TOO_MANY_DELTAS,
    SELL,
    BookDelta,
    FeedStatus,
)
from ext.word cimport load_word

cdef enum:
    BUY_WORD = 0x2279756222000000   # `"buy"`, the last five bytes of a word
    SELL_WORD = 0x226C6C6573220000  # `"sell"`, the last six


cdef const char* read_changes(
    DecodedFrame* frame, const char* p, const char* end, const Instrument* instrument,
    FeedStatus* status
) noexcept nogil:
    cdef int64_t side = 0
    cdef bint is_empty = False
    status[0] = FEED_BAD_TYPE
    p = open_array(p, end, &is_empty)
    if p != NULL and is_empty:
        return p
    while p != NULL:
        p = expect(p, end, b"[")
        p = _read_side(p, end, &side) if p != NULL else NULL
        p = expect(p, end, b",") if p != NULL else NULL
        if p == NULL:
            return NULL
        if side == 0:
            status[0] = FEED_BAD_SIDE
            return NULL
        p = _read_level(frame, p, end, instrument, side, status)
        if p != NULL:
            p += 1
            if (p - 1)[0] == b"]":
                return p
    return NULL


cdef const char* read_levels(
    DecodedFrame* frame, const char* p, const char* end, const Instrument* instrument,
    int64_t side, FeedStatus* status
) noexcept nogil:
    cdef bint is_empty = False
    status[0] = FEED_BAD_TYPE
    p = open_array(p, end, &is_empty)
    if p != NULL and is_empty:
        return p
    while p != NULL:
        p = expect(p, end, b"[")
        p = _read_level(frame, p, end, instrument, side, status) if p != NULL else NULL
        if p != NULL:
            p += 1
            if (p - 1)[0] == b"]":
                return p
    return NULL


cdef const char* _read_level(
    DecodedFrame* frame, const char* p, const char* end, const Instrument* instrument,
    int64_t side, FeedStatus* status
) noexcept nogil:
    """``"price","quantity"]`` and stops at the ``,`` or ``]`` behind it."""
    cdef NumberStatus number
    cdef BookDelta* delta
    if frame.delta_count == MAX_DELTAS_PER_FRAME:
        status[0] = FEED_TOO_MANY_DELTAS
        return NULL
    delta = &frame.deltas[frame.delta_count]
    p = read_quoted_decimal(p, end, instrument.price_decimals, instrument.price_step,
                            &delta.price_ticks, &number)
    if p == NULL or delta.price_ticks == 0:
        status[0] = number_error(number) if p == NULL else FEED_BAD_NUMBER
        return NULL
    status[0] = FEED_BAD_TYPE
    p = expect(p, end, b",")
    if p == NULL:
        return NULL
    p = read_quoted_decimal(p, end, instrument.quantity_decimals, instrument.quantity_step,
                            &delta.quantity_lots, &number)
    if p == NULL:
        status[0] = number_error(number)
        return NULL
    p = expect(p, end, b"]")
    p = skip_space(p, end) if p != NULL else NULL
    if p == NULL or p >= end or (p[0] != b"," and p[0] != b"]"):
        return NULL
    delta.side = side
    frame.delta_count += 1
    return p


cdef inline const char* _read_side(const char* p, const char* end, int64_t* side) noexcept nogil:
    """``"buy"`` or ``"sell"`` as a Side, any other text as 0; without a branch between the two,
    because nobody can guess which one comes."""
    cdef uint64_t word = load_word(p)
    cdef bint is_buy = word << 24 == BUY_WORD
    cdef bint is_sell = word << 16 == SELL_WORD
    cdef Span text
    if is_buy | is_sell:
        side[0] = is_buy - is_sell
        return p + 6 - is_buy
    p = read_string(p, end, &text)
    side[0] = 0
    if p != NULL and equals(text, b"buy", 3):
        side[0] = BUY
    elif p != NULL and equals(text, b"sell", 4):
        side[0] = SELL
    return p
