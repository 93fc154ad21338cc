"""Edge to the FIX byte stream: frames it, and applies reports that are next in sequence.

A report that is not next, possibly a duplicate, from somebody else, or outside the active session
goes to the session like every other message, and comes back through ``apply_message`` when its
turn has come. SendingTime accuracy is judged by the session on the messages that it sees.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.clock cimport monotonic_ns
from ext.codecs.fix_report cimport FixReportDecoder, ReportHeader
from ext.loop_meter cimport LoopMeter
from ext.pipeline cimport Pipeline
from ext.session_store cimport SessionStore
from ext.tls_channel cimport TlsChannel
from ext.wire cimport ExecutionReport

cdef enum:
    BUFFER_BYTES = 262144           # at least two of MAX_FIX_MESSAGE_BYTES
    BUFFER_PADDING_BYTES = 64       # readable behind the last message


@cython.final
cdef class FixListener:
    cdef SessionStore store
    cdef Pipeline pipeline          # None: every message goes to the session
    cdef FixReportDecoder decoder
    cdef object on_message          # (message: bytes)
    cdef object on_garbled          # (reason: str, skipped: bytes)
    cdef object on_bad_report       # (message: bytes)
    cdef object on_notices          # (receive_time_ns)
    cdef LoopMeter meter            # None: nobody measures the loop
    cdef TlsChannel channel         # None: the socket holds plain bytes
    cdef char* buffer
    cdef int64_t size               # bytes of the buffer in use
    cdef int64_t given_now_ns       # of bytes that ``receive`` was given; 0: the clock tells

    cdef inline int64_t _now_ns(self) noexcept nogil:
        return self.given_now_ns if self.given_now_ns > 0 else monotonic_ns()

    cdef ssize_t _receive(self, int socket, char* target, ssize_t room) except -2
    cdef object _consume(self)
    cdef bint _take_report(self, const char* message, int64_t size)
    cdef object _apply(self, const char* message, int64_t size, const ExecutionReport* report)
