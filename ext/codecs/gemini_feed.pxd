"""Gemini market data v2 (``/v2/marketdata``): l2_updates, trade, heartbeat.

Source: Gemini docs, Market Data v2. Facts that shaped it: there is no sequence number and no
checksum; a quantity of zero, with any number of decimals, removes the level; ``side`` of a trade
is the *taker's*; the members of a frame come in any order, ``changes`` and ``symbol`` before
``type`` in frames of 2026.

The answer to a subscription is the whole book: an ``l2_updates`` that holds ``trades``, the last
trades from before it. Later ones hold ``changes`` alone. So the frame itself says what it is, and
the decoder needs no memory of what came before on the connection: an update that overtakes the
answer is left out by the book, which waits for its snapshot. Should the venue ever leave
``trades`` out of an answer, the book stays without a snapshot, and is never wrong.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.cursor cimport Span
from ext.feed_decoder cimport FeedDecoder
from ext.instrument_table cimport Instrument
from ext.wire cimport FeedStatus

cdef struct Fields:                 # members of one frame, lent
    Span type
    Span symbol
    Span side
    int64_t instrument              # -1: symbol not seen yet, or not one of ours
    const char* changes             # stood before type or symbol: read at the end
    bint has_changes                # seen, read or not
    bint has_trades                 # history: the frame is the whole book
    const char* price               # still quoted
    const char* quantity
    int64_t event_id                # of a trade; -1: absent
    int64_t timestamp_ms            # -1: absent


@cython.final
cdef class GeminiFeed(FeedDecoder):
    cdef const char* end            # of the frame in hand

    cdef FeedStatus _read_fields(self, const char* p, Fields* fields) noexcept nogil
    cdef const char* _read_member(
        self, const char* p, Span key, Fields* fields, FeedStatus* status
    ) noexcept nogil
    cdef FeedStatus _decode_book(self, Fields* fields) noexcept nogil
    cdef FeedStatus _decode_trade(self, Fields* fields, int64_t receive_time_ns) noexcept nogil
    cdef FeedStatus _decode_heartbeat(self, Fields* fields) noexcept nogil
