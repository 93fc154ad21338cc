"""Busy poll: reads the two sockets of the arc again and again instead of sleeping in epoll.

Between two turns of the loop ``poll`` calls ``recv`` without waiting, into the memory that picows
lends, and hands over what came: no epoll and no turn of the loop between a frame and its order.
It takes the core whole.
"""

cimport cython


@cython.final
cdef class BusyPoller:
    cdef object protocol            # picows' buffered protocol of the feed; None: not connected
    cdef int feed_descriptor        # -1: not connected
    cdef readonly int spin_count
    cdef readonly unsigned long long poll_count

    cdef bint _read_feed(self, object protocol, int spins)
