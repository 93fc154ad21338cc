"""Kraken Spot WebSocket v1: book-<depth>, trade, heartbeat.

Source: Kraken docs, WebSocket v1. Facts that shaped it: channel messages are arrays, and what they
are of stands at their end, ``[id, {…}, "book-1000", "XBT/USD"]``; prices and quantities are strings
with all the decimals of the checksum; a change of both sides comes as two objects in one message,
the checksum in the last; snapshots carry none; a level with a fourth element ``"r"`` came back into
the depth; a quantity of zero removes the level; ``side`` of a trade (b, s) is the *taker's*; trades
carry no id; times are unix seconds with up to six decimals.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.cursor cimport Span
from ext.feed_decoder cimport FeedDecoder
from ext.instrument_table cimport Instrument
from ext.wire cimport FeedStatus

cdef enum:
    MAX_PARTS = 2                   # objects or arrays between the id and the channel's name

cdef struct Message:                # one channel message, lent
    const char* parts[MAX_PARTS]
    int64_t part_count
    Span channel
    Span pair

cdef struct BookParts:              # members of the objects of one book message
    bint has_snapshot_asks          # "as"
    bint has_snapshot_bids          # "bs"
    bint has_asks                   # "a"
    bint has_bids                   # "b"
    int64_t checksum                # -1: absent
    int64_t last_time_us            # newest of the levels


@cython.final
cdef class KrakenV1Feed(FeedDecoder):
    cdef const char* end            # of the frame in hand

    cdef FeedStatus _decode_event(self, const char* p) noexcept nogil
    cdef FeedStatus _read_message(self, const char* p, Message* message) noexcept nogil
    cdef FeedStatus _decode_book(self, Message* message, int64_t depth) noexcept nogil
    cdef const char* _read_part(
        self, const char* p, Instrument* instrument, BookParts* book, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_member(
        self, const char* p, Span key, Instrument* instrument, BookParts* book, FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_levels(
        self, const char* p, Instrument* instrument, int64_t side, BookParts* book,
        FeedStatus* status
    ) noexcept nogil
    cdef const char* _read_level(
        self, const char* p, Instrument* instrument, int64_t side, BookParts* book,
        FeedStatus* status
    ) noexcept nogil
    cdef FeedStatus _decode_trades(self, Message* message, int64_t receive_time_ns) noexcept nogil
    cdef const char* _read_trade(
        self, const char* p, Instrument* instrument, FeedStatus* status
    ) noexcept nogil
