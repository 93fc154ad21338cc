"""Listener of market data frames, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t
from picows.picows cimport BINARY, CONTINUATION, PING, TEXT, WSFrame, WSListener, WSTransport

from ext.clock cimport monotonic_ns
from ext.feed_decoder import PADDING
from ext.loop_meter cimport LoopMeter
from ext.loop_source cimport LOOP_FEED_SESSION, LOOP_IDLE, LOOP_MARKET_DATA, LoopSource
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
        LoopMeter meter=None,
        on_frame: object = None,
    ) -> None:
        self.pipeline = pipeline
        self.on_frame = on_frame
        self.on_connected = on_connected
        self.on_disconnected = on_disconnected
        self.on_control = on_control
        self.on_notices = on_notices
        self.fragments = bytearray()
        self.is_fragmented = False
        self.meter = meter
        self.is_in_read = False

    cpdef on_ws_connected(self, WSTransport transport):
        self.on_connected(transport)

    cpdef on_ws_disconnected(self, WSTransport transport):
        self._end_read()                # a protocol error keeps the last frame of its read from us
        self.on_disconnected(transport)

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        cdef int64_t now_ns = monotonic_ns()
        self._begin_read(now_ns)
        try:
            self._take(transport, frame, now_ns)
        finally:
            if frame.last_in_buffer:
                self._end_read()

    cdef object _take(self, WSTransport transport, WSFrame frame, int64_t now_ns):
        if frame.msg_type == CONTINUATION or not frame.fin:
            if not self._receive_fragment(frame, now_ns):
                transport.disconnect()
        elif frame.msg_type == TEXT or frame.msg_type == BINARY:
            self._receive(frame.payload_ptr, frame.payload_size, now_ns, frame.last_in_buffer)
        elif frame.msg_type == PING:
            transport.send_pong(frame.get_payload_as_bytes())
        if frame.last_in_buffer and self.pipeline.has_pending:
            self.pipeline.decide_pending(now_ns + self.pipeline.memory.header.wall_offset_ns)

    cdef object _receive(self, const char* payload, Py_ssize_t size, int64_t now_ns, bint is_last):
        cdef int64_t receive_time_ns = now_ns + self.pipeline.memory.header.wall_offset_ns
        cdef FeedStatus status = self.pipeline.receive_frame(payload, size, receive_time_ns)
        if is_last and self.pipeline.has_pending:
            self.pipeline.decide_pending(receive_time_ns)
        if self.on_frame is not None:
            self.on_frame(status, receive_time_ns)
        if status != FEED_OK:
            self._hand_over(payload[:size], status, receive_time_ns)
        if self.pipeline.has_something_to_tell():
            self.on_notices(receive_time_ns)

    cdef object _hand_over(self, bytes payload, FeedStatus status, int64_t receive_time_ns):
        """What was not decoded goes to the session, on the session's time."""
        cdef LoopSource before = LOOP_IDLE
        if self.meter is not None:
            before = self.meter.enter_at(LOOP_FEED_SESSION, monotonic_ns())
        try:
            self.on_control(payload, status, receive_time_ns)
        finally:
            if self.meter is not None:
                self.meter.leave_at(before, monotonic_ns())

    cdef object _receive_fragment(self, WSFrame frame, int64_t now_ns):
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
            self._receive(padded, len(self.fragments), now_ns, frame.last_in_buffer)
        return True

    cdef void _begin_read(self, int64_t now_ns) noexcept:
        if self.meter is not None and not self.is_in_read:
            self.is_in_read = True
            self.source_before = self.meter.enter_at(LOOP_MARKET_DATA, now_ns)

    cdef void _end_read(self) noexcept:
        if self.is_in_read:
            self.is_in_read = False
            self.meter.leave_at(self.source_before, monotonic_ns())
