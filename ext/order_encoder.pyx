"""Base of the order encoders; one for each wire format stands in ``ext/codecs``."""

from libc.stdint cimport int64_t

from ext.wire cimport OrderRequest


cdef class OrderEncoder:
    """Encoder that writes nothing; subclasses write their venue's message."""

    cdef EncodedMessage encode(
        self, const OrderRequest* request, int64_t sequence, int64_t wall_ns
    ) noexcept nogil:
        cdef EncodedMessage nothing
        nothing.start = NULL
        nothing.size = 0
        return nothing
