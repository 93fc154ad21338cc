"""What every order encoder does: turn a request into the bytes of one message.

The pipeline asks for the text under a sequence number and sends it; the encoder keeps the buffer.
"""

from libc.stdint cimport int64_t

from ext.wire cimport LIMIT, Order, OrderRequest

cdef struct EncodedMessage:
    char* start                     # in the encoder's buffer, until the next call
    int64_t size


cdef inline OrderRequest limit_request(
    int64_t kind, int64_t instrument, int64_t side, int64_t price_ticks, int64_t quantity_lots,
    int64_t request_number, int64_t original_number, int64_t time_in_force, bint post_only,
    Order* order
) noexcept nogil:
    """A request of an order that the caller keeps: for the test edges of the encoders."""
    cdef OrderRequest request
    request.kind = kind
    request.instrument = instrument
    request.side = side
    request.order_type = LIMIT
    request.time_in_force = time_in_force
    request.post_only = post_only
    request.price_ticks = price_ticks
    request.quantity_lots = quantity_lots
    request.request_number = request_number
    request.original_number = original_number
    request.order = order
    return request


cdef class OrderEncoder:
    cdef EncodedMessage encode(
        self, const OrderRequest* request, int64_t sequence, int64_t wall_ns
    ) noexcept nogil
