"""Binance WebSocket API encoder of ``order.place``, ``order.cancel`` and the two replaces.

Source: Binance Spot WebSocket API, trading requests. A request is JSON text of a session that has
logged on, so it carries a timestamp and no signature. What does not change between two messages
stands in a template, one for each instrument and kind of order; what changes has a fixed place in
it, but for the decimals, which stand at its end. Nothing is put together, only written over.

Facts that shaped it:

* ``order.cancelReplace`` is two steps, and is not transactional: the new order has a new orderId
  and its own executed quantity. A fill in between would be bought again, so the cancel is
  restricted to ONLY_NEW: of an order that was filled in part, the venue refuses it.
* ``order.amend.keepPriority`` changes an order in one step, and can only make it smaller. It is
  what a replace at the same price and a smaller quantity becomes, filled in part or not.
* A cancel is by client order id: after a replace the order has another orderId.
* The cancel of a replace gives the old order a name of its own: the request's id with ``_`` for
  ``-``, so that its report is known for what it is.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.client_order_id cimport RunIdentity
from ext.order_encoder cimport EncodedMessage, OrderEncoder
from ext.wire cimport OrderRequest

cdef enum:
    TEMPLATE_BYTES = 640
    MAX_LIMITS_BYTES = 64           # two decimals of up to 21 bytes, a name, and the end
    NEW_TEMPLATES = 8               # side, and three times in force or post only
    CANCEL_TEMPLATE = 16            # behind those of new orders and of replaces
    AMEND_TEMPLATE = 17
    TEMPLATES = 18                  # of an instrument

cdef struct Template:
    char text[TEMPLATE_BYTES]
    int64_t id_at
    int64_t client_id_at            # newClientOrderId
    int64_t original_at             # (cancel)OrigClientOrderId; 0: it has none
    int64_t cancel_name_at          # cancelNewClientOrderId; 0: it has none
    int64_t timestamp_at
    int64_t size                    # up to the first decimal, or all of it

cdef struct Decimals:
    int64_t price_decimals
    int64_t price_step
    int64_t price_power             # 10**price_decimals
    int64_t quantity_decimals
    int64_t quantity_step
    int64_t quantity_power


@cython.final
cdef class BinanceOrderEncoder(OrderEncoder):
    cdef Template* templates        # TEMPLATES of each instrument
    cdef Decimals* decimals         # of each instrument
    cdef RunIdentity run
    cdef int64_t second             # that ``second_text`` stands for, since the epoch
    cdef char second_text[10]

    cdef Template* _choose(self, const OrderRequest* request) noexcept nogil
    cdef void _write_time(self, char* out, int64_t wall_ns) noexcept nogil
    cdef char* _write_limits(
        self, char* out, const OrderRequest* request, bint is_amend
    ) noexcept nogil
