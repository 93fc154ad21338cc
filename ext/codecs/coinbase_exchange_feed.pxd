"""Coinbase Exchange WebSocket feed: snapshot, l2update, match, heartbeat.

Source: Coinbase Exchange docs, WebSocket channels. Facts that shaped it: level2 has no sequence
number; a quantity of zero, with any number of decimals, removes the level; ``side`` of a match is
the *maker's*; the members of a frame come in any order.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.cursor cimport Span
from ext.feed_decoder cimport FeedDecoder
from ext.instrument_table cimport Instrument
from ext.wire cimport FeedStatus

cdef struct Fields:                 # members of one frame, lent
    Span type
    Span product_id
    Span time
    Span side
    int64_t instrument              # -1: product_id not seen yet, or not one of ours
    const char* changes             # arrays that stood before the product id: read at the end
    const char* bids
    const char* asks
    bint has_changes                # arrays seen, read or not
    bint has_bids
    bint has_asks
    const char* price               # still quoted
    const char* quantity
    int64_t trade_id
    int64_t last_trade_id           # of a heartbeat


@cython.final
cdef class CoinbaseExchangeFeed(FeedDecoder):
    cdef const char* end            # of the frame in hand

    cdef FeedStatus _decode_usual_update(self, const char* p) noexcept nogil
    cdef FeedStatus _read_fields(self, const char* p, Fields* fields) noexcept nogil
    cdef const char* _read_member(
        self, const char* p, Span key, Fields* fields, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_array(
        self, const char* p, Span key, Fields* fields, FeedStatus* status
    ) noexcept nogil
    cdef FeedStatus _decode_book(self, Fields* fields, bint is_snapshot) noexcept nogil
    cdef FeedStatus _decode_match(self, Fields* fields, int64_t receive_time_ns) noexcept nogil
    cdef FeedStatus _decode_heartbeat(self, Fields* fields) noexcept nogil
