"""Sends messages on a TCP socket from the hot thread: one ``send`` per message, never waiting.

What the socket does not take at once is kept, in order, and goes out with ``flush``. All bytes of
a session, hot or cold, go through the same sender, so their order is that of the calls.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.order_sender cimport OrderSender

cdef enum:
    PENDING_BYTES = 1048576         # a peer that leaves this much unread is taken for dead


@cython.final
cdef class TcpSender(OrderSender):
    cdef readonly int descriptor    # -1: not attached
    cdef char* pending
    cdef readonly int64_t pending_size

    cdef bint _keep(self, const char* message, int64_t size) noexcept nogil
