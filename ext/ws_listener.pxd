"""Edge to picows: lends each frame's payload to the pipeline, stamped with its receive time.

The pointer is valid inside the call only; picows keeps 256 readable bytes behind it. What the
pipeline does not decode, and every notice of a book, goes to Python: rare, and never between a
frame and its order.
"""

cimport cython
from libc.stdint cimport int64_t
from picows.picows cimport WSFrame, WSListener, WSTransport

from ext.pipeline cimport Pipeline


@cython.final
cdef class FeedListener(WSListener):
    cdef Pipeline pipeline
    cdef object on_connected        # (transport)
    cdef object on_disconnected     # (transport)
    cdef object on_control          # (payload: bytes, status, receive_time_ns)
    cdef object on_notices          # (receive_time_ns)
    cdef bytearray fragments        # of a message that comes in several frames
    cdef bint is_fragmented

    cdef object _receive(self, const char* payload, Py_ssize_t size)
    cdef object _receive_fragment(self, WSFrame frame)
