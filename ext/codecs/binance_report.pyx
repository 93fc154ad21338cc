"""Binance WebSocket API report decoder, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcmp, memcpy, memset

from ext.bounds cimport FRAME_PADDING_BYTES
from ext.client_order_id cimport read_client_order_id
from ext.codecs.binance_answer cimport Answer, EventTexts, read_message
from ext.cursor cimport (
    NumberStatus,
    Span,
    equals,
    read_decimal,
    skip_space,
)
from ext.instrument_table cimport Instrument, InstrumentTable
from ext.orders cimport OrderTable
from ext.requests cimport Request
from ext.text cimport write_unsigned
from ext.wire cimport (
    BUY,
    CANCEL_ORDER,
    CANCELED,
    EXEC_CANCEL_REJECT,
    EXEC_CANCELED,
    EXEC_EXPIRED,
    EXEC_NEW,
    EXEC_PENDING_CANCEL,
    EXEC_PENDING_REPLACE,
    EXEC_REJECTED,
    EXEC_REPLACED,
    EXEC_TRADE,
    EXPIRED,
    FILLED,
    NEW,
    NEW_ORDER,
    PARTIALLY_FILLED,
    PENDING_CANCEL,
    PENDING_NEW,
    PENDING_REPLACE,
    REJECTED,
    REPLACE_ORDER,
    SELL,
    UNKNOWN,
    ExecutionReport,
)

cdef enum:
    ABSENT = -1
    ID_BYTES = 36
    FEE_DECIMALS = 9                    # fees are kept in 1e-9 of the quote currency
    MAX_FEE_NANO = 1_000_000_000_000_000_000
    MAX_TIME_MS = 9_223_372_036_854     # in nanoseconds still an int64
    STATUS_OK = 200
    STATUS_PARTLY = 409                 # one half of a cancelReplace failed
    STATUS_SERVER = 500                 # and above: the venue's fault, nobody knows
    CODE_UNKNOWN = -1000
    CODE_UNEXPECTED = -1006
    CODE_TIMEOUT = -1007
    CODE_CANCEL_REJECTED = -2011        # "Unknown order sent.", or the order's state forbids it
    CODE_NO_SUCH_ORDER = -2013
    REASON_UNKNOWN_ORDER = 1            # CxlRejReason(102): the order table asks the venue then


@cython.final
cdef class BinanceReportDecoder:
    """Decodes the messages of one session, for the instruments of ``table``."""

    def __cinit__(self, InstrumentTable table not None, OrderTable orders not None) -> None:
        self.table = table
        self.orders = orders
        self.run = orders.run

    cdef AnswerStatus decode(
        self, const char* payload, int64_t size, ExecutionReport* report
    ) noexcept nogil:
        """Reads one message; it needs FRAME_PADDING_BYTES readable bytes behind its end."""
        cdef Answer answer
        cdef EventTexts texts
        cdef const char* end = payload + size
        cdef const char* p
        memset(report, 0, sizeof(ExecutionReport))
        memset(&answer, 0, sizeof(Answer))
        memset(&texts, 0, sizeof(EventTexts))
        texts.trade_id = texts.order_id = ABSENT
        report.instrument = ABSENT
        report.order_quantity_lots = report.price_ticks = ABSENT
        report.cumulative_lots = report.leaves_lots = ABSENT
        p = read_message(payload, end, &answer, &texts)
        if p == NULL or skip_space(p, end) != end:
            return ANSWER_BAD_JSON
        if answer.has_event:
            return self._convert_event(&texts, report)
        return self._convert_answer(&answer, report)

    cdef AnswerStatus _convert_event(self, const EventTexts* texts, ExecutionReport* report) \
            noexcept nogil:
        cdef Instrument* instrument
        cdef bint is_replace = False
        cdef bint ignored = False
        if not equals(texts.name, b"executionReport", 15):
            return ANSWER_OTHER
        if texts.symbol.start == NULL or texts.client_id.start == NULL \
                or texts.kind.start == NULL or texts.state.start == NULL:
            return ANSWER_MISSING_FIELD
        report.instrument = self.table.find(texts.symbol)
        if report.instrument < 0:
            return ANSWER_OTHER                 # the stream is the account's, not the engine's
        instrument = &self.table.instruments[report.instrument]
        report.request_number = self._read_name(texts.client_id, &is_replace)
        if texts.original_id.start != NULL:
            report.original_number = self._read_name(texts.original_id, &ignored)
        report.order_state = _order_state(texts.state)
        report.execution_type = _execution_type(texts.kind)
        if report.execution_type == EXEC_CANCELED and is_replace:
            report.execution_type = EXEC_PENDING_REPLACE    # its first half
            report.order_state = PENDING_REPLACE
        elif report.execution_type == EXEC_NEW \
                and self._kind_of(report.request_number) == REPLACE_ORDER:
            report.execution_type = EXEC_REPLACED           # its second half
        elif report.execution_type == ABSENT:
            # Self-trade prevention that ends the order; the kind that makes it smaller is not used.
            if not equals(texts.kind, b"TRADE_PREVENTION", 16) or report.order_state != EXPIRED:
                return ANSWER_BAD_CODE
            report.execution_type = EXEC_EXPIRED
        if equals(texts.side, b"BUY", 3):
            report.side = BUY
        elif equals(texts.side, b"SELL", 4):
            report.side = SELL
        else:
            return ANSWER_BAD_CODE
        if not _to_steps(texts.quantity, instrument.quantity_decimals, instrument.quantity_step,
                         &report.order_quantity_lots) \
                or not _to_steps(texts.price, instrument.price_decimals, instrument.price_step,
                                 &report.price_ticks) \
                or not _to_steps(texts.cumulative, instrument.quantity_decimals,
                                 instrument.quantity_step, &report.cumulative_lots) \
                or texts.time_ms < 0 or texts.time_ms > MAX_TIME_MS:
            return ANSWER_BAD_NUMBER
        if report.order_quantity_lots >= 0 and report.cumulative_lots >= 0:
            report.leaves_lots = max(<int64_t>0, report.order_quantity_lots
                                     - report.cumulative_lots)
        report.exchange_time_ns = texts.time_ms * 1_000_000
        if texts.order_id >= 0:
            write_unsigned(report.venue_order_id, texts.order_id)
        if report.execution_type == EXEC_TRADE:
            return self._convert_fill(texts, report)
        return ANSWER_REPORT

    cdef AnswerStatus _convert_fill(self, const EventTexts* texts, ExecutionReport* report) \
            noexcept nogil:
        cdef Instrument* instrument = &self.table.instruments[report.instrument]
        cdef int64_t fee_nano
        cdef double fee
        if not _to_steps(texts.last_quantity, instrument.quantity_decimals,
                         instrument.quantity_step, &report.last_quantity_lots) \
                or not _to_steps(texts.last_price, instrument.price_decimals,
                                 instrument.price_step, &report.last_price_ticks) \
                or not _read_fee(texts.fee, &fee_nano):
            return ANSWER_BAD_NUMBER
        if report.last_quantity_lots <= 0 or report.last_price_ticks <= 0 or texts.trade_id < 0:
            return ANSWER_MISSING_FIELD
        report.is_maker = texts.is_maker
        report.execution_id_high = (report.instrument + 1) * 2 + (report.side == SELL)
        report.execution_id_low = texts.trade_id
        if fee_nano == 0:
            return ANSWER_REPORT
        if _is_quote(texts.fee_asset, texts.symbol):
            report.fee_nano = fee_nano
        elif _is_base(texts.fee_asset, texts.symbol):
            fee = <double>fee_nano * report.last_price_ticks * instrument.tick_size
            if not -MAX_FEE_NANO < fee < MAX_FEE_NANO:
                return ANSWER_BAD_NUMBER
            report.fee_nano = <int64_t>fee
        else:
            self.foreign_fees += 1
        return ANSWER_REPORT

    cdef AnswerStatus _convert_answer(self, const Answer* answer, ExecutionReport* report) \
            noexcept nogil:
        cdef int64_t kind
        cdef bint is_replace = False
        if answer.id.start == NULL or answer.status == 0:
            return ANSWER_OTHER
        report.request_number = self._read_name(answer.id, &is_replace)
        kind = self._kind_of(report.request_number)
        if kind == 0 or is_replace:
            return ANSWER_OTHER
        if answer.status >= STATUS_SERVER or _is_undecided(answer.code) \
                or _is_undecided(answer.cancel_code):
            return ANSWER_UNDECIDED
        if answer.status == STATUS_OK:
            if kind == NEW_ORDER:
                report.execution_type = EXEC_NEW
                report.order_state = NEW
            elif kind == CANCEL_ORDER:
                report.execution_type = EXEC_PENDING_CANCEL
                report.order_state = PENDING_CANCEL
            else:
                report.execution_type = EXEC_PENDING_REPLACE
                report.order_state = PENDING_REPLACE
            return ANSWER_REPORT
        if answer.code == 0:
            return ANSWER_MISSING_FIELD
        report.reject_code = answer.code
        if kind == NEW_ORDER:
            report.execution_type = EXEC_REJECTED
            report.order_state = REJECTED
        elif answer.is_placed or (answer.status == STATUS_PARTLY and not answer.is_canceled):
            return ANSWER_BAD_CODE              # STOP_ON_FAILURE rules it out
        elif answer.is_canceled:
            report.execution_type = EXEC_CANCELED
            report.order_state = CANCELED
        else:
            report.execution_type = EXEC_CANCEL_REJECT
            report.order_state = UNKNOWN        # an answer does not say
            if answer.cancel_code != 0:
                report.reject_code = answer.cancel_code
            if not answer.is_restricted and (report.reject_code == CODE_CANCEL_REJECTED
                                             or report.reject_code == CODE_NO_SUCH_ORDER):
                report.reject_code = REASON_UNKNOWN_ORDER
        return ANSWER_REPORT

    cdef int64_t _read_name(self, Span text, bint* is_replace) noexcept nogil:
        """Request number of a client order id, 0 when it is not of this run; with ``_`` for ``-``
        it is the cancel of a replace."""
        cdef char name[ID_BYTES]
        is_replace[0] = False
        if text.size != ID_BYTES:
            return 0
        if text.start[8] != b"_":
            return read_client_order_id(text.start, ID_BYTES, &self.run)
        memcpy(name, text.start, ID_BYTES)
        if name[13] != b"_" or name[18] != b"_" or name[23] != b"_":
            return 0
        name[8] = name[13] = name[18] = name[23] = b"-"
        is_replace[0] = True
        return read_client_order_id(name, ID_BYTES, &self.run)

    cdef int64_t _kind_of(self, int64_t request_number) noexcept nogil:
        """IntentKind of a request, 0 when it is not known any more, or never was."""
        cdef Request* entry = self.orders.requests.find(request_number)
        return entry.kind if entry != NULL else 0

    def decode_message(self, message: bytes) -> tuple[AnswerStatus, dict[str, object]]:
        """Test edge: status and report of one message."""
        cdef ExecutionReport report
        cdef bytes padded = message + bytes(<Py_ssize_t>FRAME_PADDING_BYTES)
        cdef AnswerStatus status = self.decode(padded, len(message), &report)
        return status, <object>report


cdef inline bint _is_undecided(int64_t code) noexcept nogil:
    return code == CODE_UNKNOWN or code == CODE_UNEXPECTED or code == CODE_TIMEOUT


cdef inline bint _to_steps(Span text, int64_t decimals, int64_t step, int64_t* steps) \
        noexcept nogil:
    """A decimal as whole steps, ABSENT for an absent field; False when it is neither."""
    cdef NumberStatus status
    cdef const char* end = text.start + text.size
    steps[0] = ABSENT
    if text.start == NULL:
        return True
    # One byte more than the value: its closing quote ends the number.
    if read_decimal(text.start, end + 1, decimals, steps, &status) != end:
        return False
    if steps[0] % step != 0:
        return False
    steps[0] = steps[0] // step
    return True


cdef inline bint _read_fee(Span text, int64_t* fee_nano) noexcept nogil:
    """A signed decimal in 1e-9 of its asset; 0 for an absent field."""
    cdef Span magnitude = text
    cdef bint is_negative = text.size > 0 and text.start[0] == b"-"
    if is_negative:
        magnitude.start += 1
        magnitude.size -= 1
    if not _to_steps(magnitude, FEE_DECIMALS, 1, fee_nano) or fee_nano[0] > MAX_FEE_NANO:
        return False
    if magnitude.start == NULL:
        fee_nano[0] = 0
    elif is_negative:
        fee_nano[0] = -fee_nano[0]
    return True


cdef inline bint _is_quote(Span asset, Span symbol) noexcept nogil:
    """A symbol is base and quote joined: BTCUSDT."""
    return 0 < asset.size < symbol.size and memcmp(
        symbol.start + symbol.size - asset.size, asset.start, asset.size) == 0


cdef inline bint _is_base(Span asset, Span symbol) noexcept nogil:
    return 0 < asset.size < symbol.size and memcmp(symbol.start, asset.start, asset.size) == 0


cdef inline int64_t _execution_type(Span text) noexcept nogil:
    if equals(text, b"TRADE", 5):
        return EXEC_TRADE
    if equals(text, b"NEW", 3):
        return EXEC_NEW
    if equals(text, b"CANCELED", 8):
        return EXEC_CANCELED
    if equals(text, b"EXPIRED", 7):
        return EXEC_EXPIRED
    if equals(text, b"REPLACED", 8):
        return EXEC_REPLACED
    if equals(text, b"REJECTED", 8):
        return EXEC_REJECTED
    return ABSENT


cdef inline int64_t _order_state(Span text) noexcept nogil:
    if equals(text, b"NEW", 3):
        return NEW
    if equals(text, b"PARTIALLY_FILLED", 16):
        return PARTIALLY_FILLED
    if equals(text, b"FILLED", 6):
        return FILLED
    if equals(text, b"CANCELED", 8):
        return CANCELED
    if equals(text, b"EXPIRED", 7) or equals(text, b"EXPIRED_IN_MATCH", 16):
        return EXPIRED
    if equals(text, b"REJECTED", 8):
        return REJECTED
    if equals(text, b"PENDING_NEW", 11):
        return PENDING_NEW
    if equals(text, b"PENDING_CANCEL", 14):
        return PENDING_CANCEL
    return UNKNOWN
