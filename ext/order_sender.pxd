"""Where encoded order messages go: one call, one message."""

cimport cython
from libc.stdint cimport int64_t


cdef class OrderSender:
    cdef readonly bint has_failed   # a request did not leave: its transport ends the connection

    cdef bint send_message(self, const char* message, int64_t size) noexcept nogil


@cython.final
cdef class CapturingSender(OrderSender):
    cdef char* buffer
    cdef int64_t capacity
    cdef readonly int64_t size      # bytes kept
    cdef readonly int64_t count     # messages taken, kept or not
    cdef int64_t until_refused      # messages to take before one is refused; -1: none is
