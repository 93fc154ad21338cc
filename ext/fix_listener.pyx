"""Listener of the FIX stream, see the ``.pxd``."""

cimport cython
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove

from ext.clock cimport monotonic_ns
from ext.codecs.fix_frame import GARBLED_TEXTS
from ext.codecs.fix_frame cimport (
    FRAME_GARBLED,
    FRAME_INCOMPLETE,
    FrameStatus,
    GarbledReason,
    frame_message,
)
from ext.codecs.fix_report cimport (
    REPORT_OTHER_TYPE,
    REPORT_READ,
    FixReportDecoder,
    ReportHeader,
    ReportStatus,
)
from ext.loop_meter cimport LoopMeter
from ext.loop_source cimport LOOP_IDLE, LOOP_ORDER_REPORTS, LoopSource
from ext.pages cimport touch_pages
from ext.pipeline cimport Pipeline
from ext.session_store cimport SessionStore
from ext.tls_channel cimport TlsChannel
from ext.wire cimport REPORT_FIX, ExecutionReport

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int descriptor, void* buffer, size_t size, int flags)
    int MSG_DONTWAIT


@cython.final
cdef class FixListener:
    """Listener of one session; the callbacks are named at the fields of the ``.pxd``."""

    def __cinit__(
        self,
        SessionStore store not None,
        Pipeline pipeline,
        FixReportDecoder decoder,
        on_message: object,
        on_garbled: object,
        on_bad_report: object = None,
        on_notices: object = None,
        LoopMeter meter=None,
        TlsChannel channel=None,
    ) -> None:
        self.store = store
        self.pipeline = pipeline
        self.decoder = decoder
        self.on_message = on_message
        self.on_garbled = on_garbled
        self.on_bad_report = on_bad_report
        self.on_notices = on_notices
        self.meter = meter
        self.channel = channel
        self.buffer = <char*>calloc(BUFFER_BYTES + BUFFER_PADDING_BYTES, 1)
        if self.buffer == NULL:
            raise MemoryError(f"no memory for {BUFFER_BYTES} bytes of FIX input")
        touch_pages(self.buffer, BUFFER_BYTES)

    def __dealloc__(self) -> None:
        free(self.buffer)

    def read(self, descriptor: int) -> int:
        """Takes what the socket has: bytes read, 0 at the end of the stream, -1 if nothing came.

        A broken connection (reset, timed out) is the end of the stream too. Under TLS the bytes
        are plain ones, and what cannot be decrypted raises ``ssl.SSLError``.
        """
        cdef int64_t total = 0
        cdef ssize_t count
        cdef int socket = descriptor
        while True:
            count = self._receive(socket, self.buffer + self.size, BUFFER_BYTES - self.size)
            if count < 0:
                return total if total > 0 else -1
            if count == 0:
                return 0
            total += count
            self.size += count
            self._consume()

    def receive(self, data: bytes, now_ns: int = 0) -> None:
        """Takes bytes that are already in hand; they came at ``now_ns``, monotonic, 0: now."""
        cdef const char* start = data
        cdef int64_t size = len(data)
        cdef int64_t part
        self.given_now_ns = now_ns
        while size > 0:
            part = min(size, <int64_t>BUFFER_BYTES - self.size)
            memcpy(self.buffer + self.size, start, part)
            self.size += part
            start += part
            size -= part
            self._consume()
        self.given_now_ns = 0

    def reset(self) -> None:
        """Forgets the part of a message that an ended connection left behind."""
        self.size = 0

    def apply_message(self, message: bytes, now_ns: int = 0) -> bool:
        """Applies a report that the session has released; False when it is not a usable one.

        It came at ``now_ns``, monotonic; 0: with the bytes in hand, or now.
        """
        cdef ReportHeader header
        cdef ExecutionReport report
        cdef bytes padded
        cdef int64_t given_now_ns = self.given_now_ns
        if self.pipeline is None:
            return False
        padded = message + bytes(BUFFER_PADDING_BYTES)
        if self.decoder.decode(padded, len(message), &header, &report) != REPORT_READ:
            return False
        if now_ns > 0:
            self.given_now_ns = now_ns
        self._apply(padded, len(message), &report)
        self.given_now_ns = given_now_ns
        return True

    cdef ssize_t _receive(self, int socket, char* target, ssize_t room) except -2:
        """Bytes read, 0 at the end of the stream, -1 when nothing is there."""
        cdef ssize_t count
        if self.channel is not None:
            return self.channel.receive(target, room)
        while True:
            count = recv(socket, target, room, MSG_DONTWAIT)
            if count >= 0 or errno != EINTR:
                return count if count >= 0 else -1 if errno == EAGAIN else 0

    cdef object _consume(self):
        """Every complete message of the buffer; what is left moves to its start."""
        cdef int64_t at = 0
        cdef int64_t size
        cdef const char* message
        cdef GarbledReason reason
        cdef FrameStatus status
        cdef LoopSource before = LOOP_IDLE
        if self.meter is not None:
            before = self.meter.enter_at(LOOP_ORDER_REPORTS, monotonic_ns())
        try:
            while at < self.size:
                message = self.buffer + at
                status = frame_message(message, self.size - at, &size, &reason)
                if status == FRAME_INCOMPLETE:
                    break
                at += size                  # before a callback: one that raises had its message
                if status == FRAME_GARBLED:
                    self.on_garbled(GARBLED_TEXTS[reason], message[:size])
                elif not self._take_report(message, size):
                    self.on_message(message[:size])
        finally:
            if at > 0:                      # a callback may have reset the listener: size is 0
                self.size = max(<int64_t>0, self.size - at)
                memmove(self.buffer, self.buffer + at, self.size)
            if self.meter is not None:
                self.meter.leave_at(before, monotonic_ns())

    cdef bint _take_report(self, const char* message, int64_t size):
        """Applies the message if it is a report and next in sequence; whether it was taken."""
        cdef ReportHeader header
        cdef ExecutionReport report
        cdef ReportStatus status
        if self.pipeline is None or self.store.state.is_active == 0:
            return False
        status = self.decoder.decode(message, size, &header, &report)
        if status == REPORT_OTHER_TYPE or header.is_possible_duplicate \
                or not header.is_from_venue \
                or header.sequence != self.store.state.next_incoming:
            return False
        self.store.state.last_received_ns = self._now_ns()
        if status == REPORT_READ:
            self._apply(message, size, &report)
        elif self.on_bad_report is not None:
            self.on_bad_report(message[:size])
        # The number moves after the report was taken: a crash in between repeats it, never
        # loses it.
        self.store.state.next_incoming += 1
        self.pipeline.memory.header.incoming_sequence = self.store.state.next_incoming
        return True

    cdef object _apply(self, const char* message, int64_t size, const ExecutionReport* report):
        cdef int64_t receive_time_ns = self._now_ns() + self.pipeline.memory.header.wall_offset_ns
        self.pipeline.receive_report(report, receive_time_ns, message, size, REPORT_FIX)
        if self.on_notices is not None and self.pipeline.has_something_to_tell():
            self.on_notices(receive_time_ns)
