"""Busy poll: reads the two sockets of the arc again and again instead of sleeping in epoll.

Between two turns of the loop ``poll`` calls ``recv`` without waiting, into the memory that picows
lends, and hands over what came: no epoll and no turn of the loop between a frame and its order.
Under TLS the socket holds ciphertext, so the transport that decrypts it is asked to read, as the
loop would have asked it. It takes the core whole.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.pipeline cimport Pipeline


@cython.final
cdef class BusyPoller:
    cdef object protocol            # picows' buffered protocol of the feed; None: not connected
    cdef int feed_descriptor        # -1: not connected
    cdef object read_ready          # of the TLS transport: reads without waiting; None: no TLS
    cdef Pipeline pipeline          # counts the frames that come of it
    cdef readonly int spin_count
    cdef readonly unsigned long long poll_count

    cdef bint _read_feed(self, object protocol, int spins)
    cdef bint _read_under_tls(self, object read_ready, int spins)
