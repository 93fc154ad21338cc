"""Edge to picows of a session that takes orders and tells reports on one WebSocket.

What is about an order of ours goes straight to the pipeline; everything else goes to the session
as bytes: logon and subscription answers, other events, notices of the venue. Pings are answered
by picows. The payload is valid inside the call, with 256 readable bytes behind it.
"""

cimport cython
from libc.stdint cimport int64_t
from picows.picows cimport WSFrame, WSListener, WSTransport

from ext.codecs.binance_report cimport BinanceReportDecoder
from ext.pipeline cimport Pipeline
from ext.wire cimport ExecutionReport
from ext.ws_sender cimport WsSender

cdef enum:
    MAX_FRAGMENTED_BYTES = 1048576  # of a message in fragments; a larger one ends the connection


@cython.final
cdef class WsOrderListener(WSListener):
    cdef Pipeline pipeline
    cdef BinanceReportDecoder decoder
    cdef WsSender sender
    cdef object on_connected        # (transport)
    cdef object on_disconnected     # (transport)
    cdef object on_message          # (payload: bytes, AnswerStatus)
    cdef object on_bad_report       # (payload: bytes)
    cdef object on_notices          # (receive_time_ns)
    cdef bytearray fragments        # of a message that comes in several frames
    cdef bint is_fragmented

    cdef bint _apply_words(self, dict words, int64_t execution_type)
    cdef object _apply(self, const ExecutionReport* report, const char* message, int64_t size)
    cdef object _receive(self, const char* payload, Py_ssize_t size)
    cdef object _receive_fragment(self, WSFrame frame)
