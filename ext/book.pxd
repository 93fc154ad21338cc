"""Order book of one instrument: every level the venue sends.

Its two sides are ladders of ticks, see ``ext/book_side.pxd``; here are the book as a whole, frames
of changes, and the view of its best levels that strategies and the monitor see.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.book_side cimport BookSide, best_key
from ext.wire cimport BookDelta, BookState, BookView, StaleReason

cdef enum ApplyStatus:
    APPLIED = 0
    SIDE_FULL = 1                   # MAX_LEVELS_PER_SIDE reached
    CROSSED_BOOK = 2                # best bid >= best ask after the whole frame

cdef struct Book:
    BookSide bids
    BookSide asks
    BookView* view                  # in shared memory once the pipeline has it

cdef ApplyStatus apply_snapshot(Book* book, const BookDelta* deltas, int64_t count) noexcept nogil
cdef ApplyStatus apply_update(Book* book, const BookDelta* deltas, int64_t count) noexcept nogil
cdef void write_view(
    Book* book, BookState state, StaleReason reason, int64_t exchange_time_ns,
    int64_t receive_time_ns
) noexcept nogil

cdef inline bint is_crossed(const Book* book) noexcept nogil:
    """Best bid at or above best ask; one key is the price, the other its negative."""
    return book.bids.count > 0 and book.asks.count > 0 and \
        best_key(&book.bids) >= -best_key(&book.asks)


@cython.final
cdef class OrderBook:               # owns a book; the Python edge of it
    cdef Book book
    cdef BookView own_view
    cdef object owner               # of the view, when it is not our own

    cdef void publish_in(self, BookView* view, object owner)
