"""Order book of one instrument: every level the venue sends, best prices at the end of arrays.

Each side is two parallel arrays sorted by key, the key being ``side * price_ticks``: the best
price of either side is the last element, so one code serves both. Changes near the touch move
little memory; a search gallops from the touch and then bisects, so a deep change costs a
logarithm, and a deep insertion one memmove.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.wire cimport BookDelta, BookState, BookView, StaleReason

cdef struct BookSide:
    int64_t* keys                   # side * price_ticks, ascending
    int64_t* lots                   # quantity of each, > 0
    int64_t count

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
        book.bids.keys[book.bids.count - 1] >= -book.asks.keys[book.asks.count - 1]


@cython.final
cdef class OrderBook:               # owns a book; the Python edge of it
    cdef Book book
    cdef BookView own_view
    cdef object owner               # of the view, when it is not our own

    cdef void publish_in(self, BookView* view, object owner)
