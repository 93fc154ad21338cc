"""Listener of an order session on a WebSocket, see the ``.pxd``."""

import orjson

cimport cython
from libc.stdint cimport int64_t
from picows.picows cimport BINARY, CONTINUATION, TEXT, WSFrame, WSListener, WSTransport

from ext.clock cimport monotonic_ns
from ext.codecs.binance_report cimport (
    ANSWER_OTHER,
    ANSWER_REPORT,
    ANSWER_UNDECIDED,
    AnswerStatus,
    BinanceReportDecoder,
)
from ext.feed_decoder import PADDING
from ext.pipeline cimport Pipeline
from ext.wire cimport EXEC_STATUS, EXEC_TRADE, REPORT_BINANCE, ExecutionReport
from ext.ws_sender cimport WsSender


@cython.final
cdef class WsOrderListener(WSListener):
    """Listener of one connection; the callbacks are named at the fields of the ``.pxd``.

    ``sender`` is attached to the connection while it is up, and stops while the peer leaves too
    much unread.
    """

    def __init__(
        self,
        Pipeline pipeline not None,
        BinanceReportDecoder decoder not None,
        WsSender sender not None,
        on_connected: object,
        on_disconnected: object,
        on_message: object,
        on_bad_report: object,
        on_notices: object,
    ) -> None:
        self.pipeline = pipeline
        self.decoder = decoder
        self.sender = sender
        self.on_connected = on_connected
        self.on_disconnected = on_disconnected
        self.on_message = on_message
        self.on_bad_report = on_bad_report
        self.on_notices = on_notices
        self.fragments = bytearray()
        self.is_fragmented = False

    cpdef on_ws_connected(self, WSTransport transport):
        self.sender.attach(transport)
        self.on_connected(transport)

    cpdef on_ws_disconnected(self, WSTransport transport):
        self.sender.detach()
        self.on_disconnected(transport)

    cpdef pause_writing(self):
        self.sender.pause()

    cpdef resume_writing(self):
        self.sender.resume()

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        if frame.msg_type == CONTINUATION or not frame.fin:
            if not self._receive_fragment(frame):
                transport.disconnect()
        elif frame.msg_type == TEXT or frame.msg_type == BINARY:
            self._receive(frame.payload_ptr, frame.payload_size)

    def receive(self, payload: bytes) -> None:
        """Takes a message that is already in hand."""
        padded = payload + PADDING
        self._receive(padded, len(payload))

    def apply_told(
        self,
        client_order_id: str,
        fields: dict[str, object],
        trades: list[dict[str, object]],
    ) -> bool:
        """Applies what the venue told of an order that it was asked for under that id.

        ``fields`` are those of ``order.status``, ``trades`` rows of ``myTrades``: fills that were
        missed count first, those that were not count no second time. False when one of them could
        not be read: ``on_bad_report`` has it.
        """
        is_good = True
        for row in trades:
            is_good &= self._apply_words(_trade_words(client_order_id, row), EXEC_TRADE)
        return is_good and self._apply_words(_status_words(client_order_id, fields), EXEC_STATUS)

    cdef bint _apply_words(self, dict words, int64_t execution_type):
        """Words of an execution report that was made here, so that one decoder reads them all."""
        cdef ExecutionReport report
        # A word that was not told is absent, not null.
        told = {key: word for key, word in words.items() if word is not None}
        cdef bytes message = orjson.dumps({"event": told})
        cdef bytes padded = message + PADDING
        if self.decoder.decode(padded, len(message), &report) != ANSWER_REPORT:
            self.on_bad_report(message)
            return False
        report.execution_type = execution_type
        self._apply(&report, NULL, 0)
        return True

    cdef object _apply(self, const ExecutionReport* report, const char* message, int64_t size):
        cdef int64_t receive_time_ns = monotonic_ns() + self.pipeline.memory.header.wall_offset_ns
        self.pipeline.receive_report(report, receive_time_ns, message, size, REPORT_BINANCE)
        if self.pipeline.has_something_to_tell():
            self.on_notices(receive_time_ns)

    cdef object _receive(self, const char* payload, Py_ssize_t size):
        cdef ExecutionReport report
        cdef AnswerStatus status = self.decoder.decode(payload, size, &report)
        if status == ANSWER_REPORT:
            self._apply(&report, payload, size)
        elif status == ANSWER_OTHER or status == ANSWER_UNDECIDED:
            self.on_message(payload[:size], status)
        else:
            self.on_bad_report(payload[:size])

    cdef object _receive_fragment(self, WSFrame frame):
        """Joins the fragments of a message; False when it is too large, or has no beginning."""
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


def _status_words(client_order_id: str, fields: dict[str, object]) -> dict[str, object]:
    return {
        "e": "executionReport",
        "c": client_order_id,
        "x": "NEW",
        "X": fields.get("status"),
        "s": fields.get("symbol"),
        "S": fields.get("side"),
        "q": fields.get("origQty"),
        "p": fields.get("price"),
        "z": fields.get("executedQty"),
        "i": fields.get("orderId"),
        "T": fields.get("updateTime"),
    }


def _trade_words(client_order_id: str, row: dict[str, object]) -> dict[str, object]:
    return {
        "e": "executionReport",
        "c": client_order_id,
        "x": "TRADE",
        "X": "PARTIALLY_FILLED",
        "s": row.get("symbol"),
        "S": "BUY" if row.get("isBuyer") else "SELL",
        "l": row.get("qty"),
        "L": row.get("price"),
        "n": row.get("commission"),
        "N": row.get("commissionAsset"),
        "i": row.get("orderId"),
        "t": row.get("id"),
        "T": row.get("time"),
        "m": row.get("isMaker"),
    }
