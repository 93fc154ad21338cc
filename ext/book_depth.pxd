"""Bounded depth: where the venue keeps the best levels of a side, so does the book.

A venue that sends the best N levels does not say that a level has fallen off the end when a
better one comes in; it sends that level again when it comes back. A book that kept it would show
a quantity that nobody vouches for.
"""

from libc.stdint cimport int64_t

from ext.book_side cimport BookSide

cdef void keep_best(BookSide* side, int64_t depth) noexcept nogil
