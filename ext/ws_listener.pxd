"""Edge to picows: lends each frame's payload to the pipeline, stamped with its receive time.

The pointer is valid inside the call only; picows keeps 256 readable bytes behind it. What the
pipeline does not decode, and every notice of a book, goes to Python: rare, and never between a
frame and its order.

One read of the socket may hold several frames. All of them are applied; a pipeline that conflates
decides at the last one. Pings are answered here, not by picows (``enable_auto_pong=False``): it
would keep them from us, and with them the word that a frame was the last of its read.
"""

cimport cython
from libc.stdint cimport int64_t
from picows.picows cimport WSFrame, WSListener, WSTransport

from ext.loop_meter cimport LoopMeter
from ext.loop_source cimport LoopSource
from ext.pipeline cimport Pipeline
from ext.wire cimport FeedStatus


@cython.final
cdef class FeedListener(WSListener):
    cdef Pipeline pipeline
    cdef object on_connected        # (transport)
    cdef object on_disconnected     # (transport)
    cdef object on_control          # (payload: bytes, status, receive_time_ns)
    cdef object on_notices          # (receive_time_ns)
    cdef object on_frame            # (status, receive_time_ns) behind each frame; None: nobody asks
    cdef bytearray fragments        # of a message that comes in several frames
    cdef bint is_fragmented
    cdef LoopMeter meter            # None: nobody measures the loop
    cdef bint is_in_read            # frames of one read are one callback to the meter
    cdef LoopSource source_before   # whose time it was before that read

    cdef object _take(self, WSTransport transport, WSFrame frame, int64_t now_ns)
    cdef object _receive(self, const char* payload, Py_ssize_t size, int64_t now_ns, bint is_last)
    cdef object _hand_over(self, bytes payload, FeedStatus status, int64_t receive_time_ns)
    cdef object _receive_fragment(self, WSFrame frame, int64_t now_ns)
    cdef void _begin_read(self, int64_t now_ns) noexcept
    cdef void _end_read(self) noexcept
