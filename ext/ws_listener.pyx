"""Listener of market data frames, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t
from picows.picows cimport CONTINUATION, TEXT, BINARY, WSFrame, WSListener, WSTransport

from ext.clock cimport monotonic_ns
from ext.feed_decoder import PADDING
from ext.pipeline cimport Pipeline
from ext.wire cimport FEED_OK, FeedStatus

MAX_FRAGMENTED_BYTES = 64 << 20
"""A message in fragments larger than this ends the connection; whole frames are picows' limit."""


@cython.final
cdef class FeedListener(WSListener):
    """Listener of one connection; the callbacks are named at the fields of the ``.pxd``."""

    def __init__(
        self,
        Pipeline pipeline not None,
        on_connected: object,
        on_disconnected: object,
        on_control: object,
        on_notices: object,
    ) -> None:
        self.pipeline = pipeline
        self.on_connected = on_connected
        self.on_disconnected = on_disconnected
        self.on_control = on_control
        self.on_notices = on_notices
        self.fragments = bytearray()
        self.is_fragmented = False

    cpdef on_ws_connected(self, WSTransport transport):
        self.on_connected(transport)

    cpdef on_ws_disconnected(self, WSTransport transport):
        self.on_disconnected(transport)

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        if frame.msg_type == CONTINUATION or not frame.fin:
            if not self._receive_fragment(frame):
                transport.disconnect()
        elif frame.msg_type == TEXT or frame.msg_type == BINARY:
            self._receive(frame.payload_ptr, frame.payload_size)

    cdef object _receive(self, const char* payload, Py_ssize_t size):
        cdef int64_t receive_time_ns = monotonic_ns() + self.pipeline.memory.header.wall_offset_ns
        cdef FeedStatus status = self.pipeline.receive_frame(payload, size, receive_time_ns)
        if status != FEED_OK:
            self.on_control(payload[:size], status, receive_time_ns)
        if self.pipeline.has_something_to_tell():
            self.on_notices(receive_time_ns)

    cdef object _receive_fragment(self, WSFrame frame):
        """Joins the fragments of a message; False when it is too large."""
        if frame.msg_type != CONTINUATION and not frame.fin:
            self.fragments.clear()
            self.is_fragmented = True
        if not self.is_fragmented:
            return False
        self.fragments += frame.get_payload_as_bytes()
        if len(self.fragments) > MAX_FRAGMENTED_BYTES:
            return False
        if frame.fin:
            self.is_fragmented = False
            padded = bytes(self.fragments) + PADDING
            self._receive(padded, len(self.fragments))
        return True
