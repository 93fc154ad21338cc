"""Requests, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memset

from ext.bounds cimport MAX_REQUESTS


@cython.final
cdef class RequestTable:
    """The newest requests, by their numbers."""

    def __cinit__(self) -> None:
        memset(self.entries, 0, sizeof(self.entries))

    cdef void add(self, int64_t request_number, int64_t order_number, int64_t kind) noexcept nogil:
        cdef Request* entry = &self.entries[request_number & (MAX_REQUESTS - 1)]
        entry.request_number = request_number
        entry.order_number = order_number
        entry.kind = kind
        entry.message_sequence = 0

    def of_sequence(self, sequence: int) -> int:
        """Request number that went out under a MsgSeqNum, 0 when it is none of ours."""
        cdef int64_t index
        cdef int64_t wanted = sequence
        for index in range(<int64_t>MAX_REQUESTS):
            if wanted > 0 and self.entries[index].message_sequence == wanted:
                return self.entries[index].request_number
        return 0

    def forget_sequences(self) -> None:
        """The session started again at 1: old numbers no longer name our requests."""
        cdef int64_t index
        for index in range(<int64_t>MAX_REQUESTS):
            self.entries[index].message_sequence = 0
