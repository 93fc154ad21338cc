"""Members of one Binance event as they were found, and which of them came.

Every member that is read has a bit: letters the one of their own number, which no other letter
shares, longer names those between the cases.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp

from ext.cursor cimport Span, equals, is_digit
from ext.wire cimport FEED_BAD_TIME, FEED_OK, FeedEvent, FeedStatus

cdef enum:
    MAX_TIME_MS = 9_223_372_036_854  # nanoseconds of a later one do not fit in an int64
    NANOSECONDS_PER_MILLISECOND = 1_000_000

    STREAM_BIT = 27
    DATA_BIT = 28
    LAST_UPDATE_ID_BIT = 29
    BIDS_BIT = 30
    ASKS_BIT = 31
    PREVIOUS_BIT = 32

cdef struct Fields:                 # members of one event, lent
    Span stream
    Span type
    uint64_t seen                   # a bit for each member that came, see ``member_bit``
    uint64_t seen_in_data           # of these, those up to the end of an envelope's data
    int64_t instrument              # -1: symbol not seen yet, or not one of ours
    int64_t event_time_ms           # E; -1: absent, as all numbers here
    int64_t time_ms                 # T
    int64_t first_id                # U
    int64_t last_id                 # u
    int64_t previous_id             # pu
    int64_t snapshot_id             # lastUpdateId
    int64_t trade_id                # t
    int64_t is_buyer_maker          # m
    const char* bids                # b or bids, when it was not read at once; NULL: it was
    const char* asks
    const char* bid_quantity        # the others still quoted
    const char* ask_quantity
    const char* price
    const char* quantity


cdef inline uint64_t member_bit(int64_t number) noexcept nogil:
    return <uint64_t>1 << (number & 63)


cdef inline uint64_t letter_sides() noexcept nogil:
    return member_bit(b"b") | member_bit(b"a")


cdef inline uint64_t word_sides() noexcept nogil:
    return member_bit(BIDS_BIT) | member_bit(ASKS_BIT)


cdef inline uint64_t snapshot_members() noexcept nogil:
    return word_sides() | member_bit(LAST_UPDATE_ID_BIT)


cdef inline uint64_t update_members() noexcept nogil:
    return letter_sides() | member_bit(b"s") | member_bit(b"E") | member_bit(b"U") \
        | member_bit(b"u")


cdef inline uint64_t ticker_members() noexcept nogil:
    return letter_sides() | member_bit(b"s") | member_bit(b"u") | member_bit(b"B") \
        | member_bit(b"A")


cdef inline uint64_t trade_members() noexcept nogil:
    return member_bit(b"s") | member_bit(b"p") | member_bit(b"q") | member_bit(b"m") \
        | member_bit(b"T")


cdef inline bint is_read_letter(char letter) noexcept nogil:
    """Whether a member of that name is read; of letters alone, whose bits are their own."""
    return letter >= 64 and (member_bit(letter) & (
        update_members() | ticker_members() | trade_members()
        | member_bit(b"e") | member_bit(b"t")
    )) != 0


cdef inline bint has_all(const Fields* fields, uint64_t members) noexcept nogil:
    return fields.seen & members == members


cdef inline bint has(const Fields* fields, int64_t number) noexcept nogil:
    return (fields.seen & member_bit(number)) != 0


cdef inline bint note(Fields* fields, int64_t number) noexcept nogil:
    """Whether it is the first member of that name: of two, which one is meant?"""
    cdef bint is_first = not has(fields, number)
    fields.seen |= member_bit(number)
    return is_first


cdef inline bint is_market_data(Span type) noexcept nogil:
    return equals(type, b"depthUpdate", 11) or equals(type, b"bookTicker", 10) \
        or equals(type, b"trade", 5) or equals(type, b"aggTrade", 8)


cdef inline bint is_partial(Span stream) noexcept nogil:
    """Whether a stream sends whole books: ``btcusdt@depth5``, but ``btcusdt@depth@100ms`` not."""
    cdef Py_ssize_t at = 0
    while at < stream.size and stream.start[at] != b"@":
        at += 1
    return stream.size - at > 6 and memcmp(stream.start + at, b"@depth", 6) == 0 \
        and is_digit(stream.start[at + 6])


cdef inline const char* read_truth(const char* p, const char* end, int64_t* value) noexcept nogil:
    if end - p >= 4 and memcmp(p, b"true", 4) == 0:
        value[0] = 1
        return p + 4
    if end - p >= 5 and memcmp(p, b"false", 5) == 0:
        value[0] = 0
        return p + 5
    return NULL


cdef inline FeedStatus set_time(const Fields* fields, FeedEvent* event) noexcept nogil:
    """When the venue's engine did it, else when it was sent; 0 where the venue does not say."""
    cdef int64_t time_ms = fields.time_ms if fields.time_ms >= 0 else fields.event_time_ms
    if time_ms > <int64_t>MAX_TIME_MS:
        return FEED_BAD_TIME
    event.exchange_time_ns = time_ms * <int64_t>NANOSECONDS_PER_MILLISECOND if time_ms >= 0 else 0
    return FEED_OK
