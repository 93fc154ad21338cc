"""Sends REST order requests on several kept-alive connections, one request under way on each.

Source: RFC 9112, 9.3: a client may send the next request before the answer came, and a server may
answer none of those behind a request that fails. An order must not depend on that. So a connection
that has sent a request is busy until its answer was taken; a request that finds none free waits,
and leaves with the next answer: cancels first, then new orders, both in their order. The cancel of
an order that still waits makes both of them void: the venue would not know the one yet, and take
the other. What waits is
bounded and nobody else's: its transport takes back what has waited for too long (``withdraw``),
which has never left.

The message is sealed here, behind the journal: see ``codecs/coinbase_rest_order``.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.codecs.coinbase_rest_order cimport SEALED_BYTES, CoinbaseRestOrderEncoder
from ext.order_sender cimport OrderSender
from ext.session_store cimport SessionStore

cdef enum:
    MAX_CONNECTIONS = 16
    MAX_WAITING = 64                # one more is not taken: the session is ended
    NEW_ORDER_BEGIN = 80            # "P" of POST
    OWN_REQUEST = -1                # of the transport, no order

cdef struct Waiting:
    int64_t sequence                # 0: empty
    int64_t wall_ns                 # when it was encoded
    int64_t size
    int64_t id_number               # of the client id that it names
    bint is_new
    bint is_void                    # never leaves: order and cancel have met here
    char text[SEALED_BYTES]


@cython.final
cdef class RestConnection:
    cdef OrderSender sender         # of its socket, attached by the transport
    cdef RestConnection behind      # the next one to try
    cdef bint is_open
    cdef bint is_new                # a new order is under way, not a cancel
    cdef bint is_broken             # the socket took no more: nothing has left on it since
    cdef int64_t sequence           # of the request under way; OWN_REQUEST; 0: free

    cdef bint try_send(self, const char* message, int64_t size, int64_t sequence) noexcept nogil


@cython.final
cdef class RestSender(OrderSender):
    cdef CoinbaseRestOrderEncoder encoder
    cdef SessionStore store
    cdef RestConnection first
    cdef list connections
    cdef Waiting waiting[MAX_WAITING]
    cdef readonly int64_t waiting_count         # without those that are void
    cdef readonly int64_t void_count
    cdef readonly int64_t sent_count            # requests of orders that have left

    cdef bint _keep(self, const char* message, int64_t size, int64_t sequence) noexcept nogil
    cdef bint _void_order(self, int64_t id_number) noexcept nogil
    cdef Waiting* _next_waiting(self) noexcept nogil
    cdef bint _send_waiting(self) noexcept nogil
    cdef RestConnection _connection(self, int64_t index)
