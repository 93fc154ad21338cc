"""The requests of a run: which order each client id is of, and under which number it went out.

A request is a new order, a cancel or a replace; its number becomes ClOrdID(11). The MAX_REQUESTS
newest are known.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.bounds cimport MAX_REQUESTS

cdef struct Request:
    int64_t request_number          # 0: empty
    int64_t order_number
    int64_t kind                    # IntentKind
    int64_t message_sequence        # MsgSeqNum(34) it went out with


@cython.final
cdef class RequestTable:
    cdef Request entries[MAX_REQUESTS]

    cdef void add(self, int64_t request_number, int64_t order_number, int64_t kind) noexcept nogil

    cdef inline Request* find(self, int64_t request_number) noexcept nogil:
        """The request of that number; NULL: none, or too old."""
        cdef Request* entry = &self.entries[request_number & (MAX_REQUESTS - 1)]
        if request_number > 0 and entry.request_number == request_number:
            return entry
        return NULL
