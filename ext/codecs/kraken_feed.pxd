"""Kraken Spot WebSocket v2: book, trade, heartbeat.

Source: Kraken docs, WebSocket v2. Facts that shaped it: prices and quantities are JSON numbers, not
strings, and come without the zeros at their end; there is no sequence number, the checksum of each
book message is the only test for a gap; a quantity of 0 removes the level; levels beyond the
subscribed depth are not said to go; ``side`` of a trade is the *taker's*; a ``trade`` message of
type ``snapshot`` is history. The members of an object come in any order. No message repeats the
subscribed depth: it is the instrument's.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.cursor cimport Span
from ext.feed_decoder cimport FeedDecoder
from ext.instrument_table cimport Instrument
from ext.wire cimport FeedEvent, FeedStatus, Trade

cdef struct Envelope:               # members of one frame, lent
    Span channel
    Span type
    const char* data                # stood before channel or type: read at the end
    bint has_data

cdef struct BookFields:             # members of one element of ``data``
    Span symbol
    Span timestamp
    int64_t instrument              # -1: symbol not seen yet, or not one of ours
    const char* bids                # stood before the symbol
    const char* asks
    bint has_bids
    bint has_asks
    int64_t checksum                # -1: absent

cdef struct TradeFields:            # members of one trade
    Span symbol
    Span side
    Span timestamp
    const char* price
    const char* quantity
    int64_t trade_id                # -1: absent


@cython.final
cdef class KrakenFeed(FeedDecoder):
    cdef const char* end            # of the frame in hand
    cdef int64_t receive_time_ns

    cdef FeedStatus _read_envelope(self, const char* p, Envelope* envelope) noexcept nogil
    cdef const char* _read_data(
        self, const char* p, Envelope* envelope, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_book(
        self, const char* p, bint is_snapshot, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_book_member(
        self, const char* p, Span key, BookFields* fields, FeedStatus* status
    ) noexcept nogil
    cdef FeedStatus _end_book(
        self, BookFields* fields, FeedEvent* event, bint is_snapshot
    ) noexcept nogil
    cdef const char* _read_levels(
        self, const char* p, Instrument* instrument, int64_t side, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_level(
        self, const char* p, Instrument* instrument, int64_t side, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_trade(self, const char* p, FeedStatus* status) noexcept nogil
    cdef const char* _read_trade_member(
        self, const char* p, Span key, TradeFields* fields, FeedStatus* status
    ) noexcept nogil
    cdef FeedStatus _add_trade(self, TradeFields* fields) noexcept nogil
