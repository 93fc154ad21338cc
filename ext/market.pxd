"""The books of a run and their states: what a decoded frame does to them.

    CONNECTING ─ subscribe sent ─► SYNCING ─ snapshot ─► LIVE ─ doubt ─► STALE ─ snapshot ─► LIVE

Doubt is a frame that cannot be understood, a number off its step, a crossed book, a gap in the
sequence of the connection or of the product, a wrong checksum, a full side, silence, or a lost
connection. A STALE book takes no update until a snapshot has replaced it; only LIVE books may be
traded on.

Where snapshots come by another way than updates (Binance), a snapshot has the id of the last update
that it holds, and makes the book BUFFERING. The update that follows it makes it LIVE.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.bounds cimport MAX_INSTRUMENTS
from ext.book cimport Book
from ext.book_checksum cimport BookChecksum
from ext.feed_decoder cimport DecodedFrame
from ext.instrument_table cimport InstrumentTable
from ext.shared_memory cimport SharedMemory
from ext.wire cimport BookState, FeedEvent, FeedStatus, StaleReason


cdef struct LastSeen:                       # of one instrument, for the risk gate
    int64_t frame_ns                        # receive time of its last frame of any kind
    int64_t trade_ticks                     # price of its last trade; 0: none yet
    int64_t trade_ns                        # receive time of it


@cython.final
cdef class Market:
    cdef InstrumentTable table
    cdef SharedMemory memory
    cdef list owners                        # OrderBook objects that own the books
    cdef Book* books[MAX_INSTRUMENTS]
    cdef BookChecksum* checksums            # one a book, of venues that send any
    cdef int64_t last_trade_id[MAX_INSTRUMENTS]
    cdef int64_t last_sequence[MAX_INSTRUMENTS]     # of the book; -1: it has none
    cdef LastSeen last_seen[MAX_INSTRUMENTS]
    cdef int64_t last_frame_ns
    cdef int64_t expected_sequence          # of the connection; -1: none yet
    cdef bint has_notices                   # some state changed since the last ``take_notices``
    cdef bint has_notice[MAX_INSTRUMENTS]
    cdef bint has_fallen                    # some book is LIVE no more: its orders are to be pulled

    cdef void note_frame(self, const DecodedFrame* frame, int64_t receive_time_ns) noexcept nogil
    cdef void refuse_frame(
        self, const DecodedFrame* frame, FeedStatus status, int64_t receive_time_ns
    ) noexcept nogil
    cdef bint apply_book(
        self, const DecodedFrame* frame, const FeedEvent* event, int64_t receive_time_ns
    ) noexcept nogil
    cdef void apply_trades(
        self, const DecodedFrame* frame, const FeedEvent* event, int64_t receive_time_ns
    ) noexcept nogil
    cdef void go_stale(self, int64_t instrument, StaleReason reason, int64_t receive_time_ns) \
        noexcept nogil
    cdef void set_state(
        self, int64_t instrument, BookState state, StaleReason reason, int64_t receive_time_ns
    ) noexcept nogil
