"""What every order encoder does: turn a request into the bytes of one message.

The pipeline asks for the text under a sequence number and sends it; the encoder keeps the buffer.
"""

from libc.stdint cimport int64_t

from ext.wire cimport OrderRequest

cdef struct EncodedMessage:
    char* start                     # in the encoder's buffer, until the next call
    int64_t size


cdef class OrderEncoder:
    cdef EncodedMessage encode(
        self, const OrderRequest* request, int64_t sequence, int64_t wall_ns
    ) noexcept nogil
