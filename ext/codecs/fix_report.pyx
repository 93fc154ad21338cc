"""FIX report decoder, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from ext.bounds cimport VENUE_ORDER_ID_BYTES
from ext.client_order_id cimport read_client_order_id
from ext.codecs.fix_frame cimport read_field
from ext.cursor cimport (
    NumberStatus,
    Span,
    is_digit,
    read_decimal,
    read_integer,
    read_time,
)
from ext.digits cimport POWERS_OF_TEN
from ext.instrument_table cimport Instrument, InstrumentTable
from ext.orders cimport OrderTable
from ext.word cimport WORD_BYTES, load_word
from ext.wire cimport (
    BUY,
    CANCELED,
    EXEC_CANCEL_REJECT,
    EXEC_CANCELED,
    EXEC_DONE_FOR_DAY,
    EXEC_EXPIRED,
    EXEC_NEW,
    EXEC_PENDING_CANCEL,
    EXEC_PENDING_NEW,
    EXEC_PENDING_REPLACE,
    EXEC_REJECTED,
    EXEC_REPLACED,
    EXEC_RESTATED,
    EXEC_STATUS,
    EXEC_SUSPENDED,
    EXEC_TRADE,
    EXPIRED,
    FILLED,
    NEW,
    PARTIALLY_FILLED,
    PENDING_CANCEL,
    PENDING_NEW,
    PENDING_REPLACE,
    REJECTED,
    SELL,
    SUSPENDED,
    UNKNOWN,
    ExecutionReport,
)

cdef enum:
    MAX_FEE_NANO = 1_000_000_000_000_000_000    # a billion of the quote currency, as for an amount
    FEE_DECIMALS = 9                # fees are kept in 1e-9 of the quote currency, cut beyond
    ABSENT = -1


@cython.final
cdef class FixReportDecoder:
    """Decodes reports of one session: ``sender_comp_id`` ours, ``target_comp_id`` the venue's."""

    def __cinit__(
        self,
        InstrumentTable table not None,
        OrderTable orders not None,
        sender_comp_id: str,
        target_comp_id: str,
    ) -> None:
        self.table = table
        self.run = orders.run
        self.sender_comp_id = sender_comp_id.encode()
        self.target_comp_id = target_comp_id.encode()
        self.sender = self.sender_comp_id
        self.target = self.target_comp_id
        self.sender_size = len(self.sender_comp_id)
        self.target_size = len(self.target_comp_id)

    cdef ReportStatus decode(
        self, const char* message, int64_t size, ReportHeader* header, ExecutionReport* report
    ) noexcept nogil:
        """Reads one framed message; it needs 32 readable bytes behind its end."""
        cdef ReportTexts texts
        cdef ReportStatus status
        memset(header, 0, sizeof(ReportHeader))
        memset(report, 0, sizeof(ExecutionReport))
        memset(&texts, 0, sizeof(ReportTexts))
        report.instrument = ABSENT
        report.execution_type = ABSENT
        report.order_state = ABSENT
        report.order_quantity_lots = report.price_ticks = ABSENT
        report.cumulative_lots = report.leaves_lots = ABSENT
        report.last_price_ticks = report.last_quantity_lots = ABSENT
        status = self._read_fields(message, size, header, report, &texts)
        header.is_from_venue = texts.has_sender and texts.has_target and not texts.is_foreign
        if status != REPORT_READ:
            return status
        if texts.is_order_id_too_long:
            return REPORT_BAD_FIELD
        if header.message_type == b"9":
            report.execution_type = EXEC_CANCEL_REJECT
        elif report.execution_type == ABSENT:
            return REPORT_BAD_CODE
        if report.instrument == ABSENT and header.message_type == b"8":
            return REPORT_MISSING_FIELD
        return self._convert(report, &texts)

    cdef ReportStatus _read_fields(
        self, const char* message, int64_t size, ReportHeader* header, ExecutionReport* report,
        ReportTexts* texts
    ) noexcept nogil:
        cdef const char* p = message
        cdef const char* end = message + size
        cdef const char* data_end
        cdef int64_t tag
        cdef int64_t data_size = ABSENT
        cdef Span value
        while p < end:
            p = read_field(p, end, &tag, &value)
            if p == NULL:
                return REPORT_BAD_FIELD
            if data_size != ABSENT:         # data may hold SOH: its length says where it ends
                if value.start + data_size >= end or (value.start + data_size)[0] != 1:
                    return REPORT_BAD_FIELD
                p = value.start + data_size + 1
                data_size = ABSENT
                continue
            if _is_data_length(tag):
                data_end = value.start + value.size
                if read_integer(value.start, data_end, &data_size) != data_end \
                        or data_size > size:
                    return REPORT_BAD_FIELD
                continue
            if tag == 35:
                header.message_type = value.start[0] if value.size == 1 else 0
                if header.message_type != b"8" and header.message_type != b"9":
                    return REPORT_OTHER_TYPE
                continue
            self._take_field(tag, value, header, report, texts)
        return REPORT_READ

    cdef void _take_field(
        self, int64_t tag, Span value, ReportHeader* header, ExecutionReport* report,
        ReportTexts* texts
    ) noexcept nogil:
        cdef const char* end = value.start + value.size
        if tag == 34:
            if read_integer(value.start, end, &header.sequence) != end:
                header.sequence = 0
        elif tag == 43:
            header.is_possible_duplicate = value.start[0] == b"Y"
        elif tag == 49:
            texts.has_sender = True
            if value.size != self.target_size or memcmp(value.start, self.target, value.size) != 0:
                texts.is_foreign = True
        elif tag == 56:
            texts.has_target = True
            if value.size != self.sender_size or memcmp(value.start, self.sender, value.size) != 0:
                texts.is_foreign = True
        elif tag == 11:
            report.request_number = read_client_order_id(value.start, value.size, &self.run)
        elif tag == 41:
            report.original_number = read_client_order_id(value.start, value.size, &self.run)
        elif tag == 37:
            texts.is_order_id_too_long = value.size >= VENUE_ORDER_ID_BYTES
            if not texts.is_order_id_too_long:
                memset(report.venue_order_id, 0, VENUE_ORDER_ID_BYTES)
                memcpy(report.venue_order_id, value.start, value.size)
        elif tag == 17:
            _hash_execution_id(value, report)
        elif tag == 150:
            report.execution_type = _execution_type(value)
        elif tag == 39:
            report.order_state = _order_state(value)
        elif tag == 54:
            report.side = _side(value)
        elif tag == 55:
            report.instrument = self.table.find(value)
        elif tag == 38:
            texts.order_quantity = value
        elif tag == 44:
            texts.price = value
        elif tag == 14:
            texts.cumulative = value
        elif tag == 151:
            texts.leaves = value
        elif tag == 31:
            texts.last_price = value
        elif tag == 32:
            texts.last_quantity = value
        elif tag == 60:
            report.exchange_time_ns = _read_fix_time(value)
        elif tag == 137:                    # MiscFeeAmt begins an entry of the group
            _add_fee(texts)
            texts.fee_amount = value
        elif tag == 891:
            texts.is_fee_rate = value.start[0] == b"2"
        elif tag == 1003:                   # TradeID; one that is no number is not kept
            if read_integer(value.start, end, &report.trade_id) != end or report.trade_id < 0:
                report.trade_id = 0
        elif tag == 1057:                   # AggressorIndicator
            report.is_maker = value.start[0] == b"N"
        elif tag == 102 or tag == 103:
            if read_integer(value.start, end, &report.reject_code) != end:
                report.reject_code = ABSENT

    cdef ReportStatus _convert(self, ExecutionReport* report, ReportTexts* texts) noexcept nogil:
        cdef Instrument* instrument
        cdef double fee
        if report.instrument == ABSENT:
            return REPORT_READ
        instrument = &self.table.instruments[report.instrument]
        if not _to_steps(texts.order_quantity, instrument.quantity_decimals,
                         instrument.quantity_step, &report.order_quantity_lots) \
                or not _to_steps(texts.price, instrument.price_decimals, instrument.price_step,
                                 &report.price_ticks) \
                or not _to_steps(texts.cumulative, instrument.quantity_decimals,
                                 instrument.quantity_step, &report.cumulative_lots) \
                or not _to_steps(texts.leaves, instrument.quantity_decimals,
                                 instrument.quantity_step, &report.leaves_lots) \
                or not _to_steps(texts.last_price, instrument.price_decimals,
                                 instrument.price_step, &report.last_price_ticks) \
                or not _to_steps(texts.last_quantity, instrument.quantity_decimals,
                                 instrument.quantity_step, &report.last_quantity_lots):
            return REPORT_BAD_NUMBER
        _add_fee(texts)
        if texts.is_fee_bad:
            return REPORT_BAD_NUMBER
        report.fee_nano = texts.fee_nano
        if report.execution_type == EXEC_TRADE:
            if report.last_price_ticks <= 0 or report.last_quantity_lots <= 0 \
                    or report.execution_id_high == 0:
                return REPORT_MISSING_FIELD
            if texts.fee_rate_nano != 0:
                fee = <double>texts.fee_rate_nano * report.last_price_ticks \
                    * report.last_quantity_lots * instrument.tick_size * instrument.lot_size
                if not -MAX_FEE_NANO < fee < MAX_FEE_NANO:
                    return REPORT_BAD_NUMBER
                report.fee_nano += <int64_t>fee
        return REPORT_READ

    def decode_message(self, message: bytes) -> tuple[int, dict[str, object], dict[str, object]]:
        """Test edge: (ReportStatus, header, report) of one framed message."""
        cdef ReportHeader header
        cdef ExecutionReport report
        cdef bytes padded = message + bytes(64)
        cdef ReportStatus status = self.decode(padded, len(message), &header, &report)
        return status, <object>header, <object>report


cdef inline bint _is_data_length(int64_t tag) noexcept nogil:
    """Length fields whose data field follows (FIX 5.0 SP2, fields of type Length)."""
    return tag >= 90 and tag <= 621 and tag in (
        90, 93, 95, 212, 348, 350, 352, 354, 356, 358, 360, 362, 364, 445, 618, 621
    )


cdef inline bint _to_steps(Span text, int64_t decimals, int64_t step, int64_t* steps) \
        noexcept nogil:
    """A decimal as whole steps, ABSENT for an absent field; False when it is neither.

    FIX type float: leading zeros are allowed ("00023.23"), which a JSON number may not have.
    """
    cdef NumberStatus status
    cdef const char* p = text.start
    cdef const char* end = p + text.size
    steps[0] = ABSENT
    if p == NULL:
        return True
    while end - p > 1 and p[0] == b"0" and is_digit(p[1]):
        p += 1
    # One byte more than the value: its SOH ends the number.
    if read_decimal(p, end + 1, decimals, steps, &status) != end:
        return False
    if step != 1:
        if steps[0] % step != 0:
            return False
        steps[0] = steps[0] // step
    return True


cdef void _add_fee(ReportTexts* texts) noexcept nogil:
    """Adds the entry in hand, if there is one; a report may carry several fees."""
    cdef int64_t nano
    cdef int64_t* total = &texts.fee_rate_nano if texts.is_fee_rate else &texts.fee_nano
    texts.is_fee_rate = False
    if texts.fee_amount.start == NULL:
        return                          # a basis without an amount says nothing
    if not _read_fee(texts.fee_amount, &nano) \
            or not -MAX_FEE_NANO < total[0] + nano < MAX_FEE_NANO:
        texts.is_fee_bad = True
    else:
        total[0] += nano
    texts.fee_amount.start = NULL


cdef bint _read_fee(Span text, int64_t* fee_nano) noexcept nogil:
    """A signed decimal in 1e-9, cut beyond; 0 for an absent field."""
    cdef const char* p = text.start
    cdef const char* end = p + text.size
    cdef int64_t decimals = 0
    cdef int64_t digits = 0
    cdef bint has_point = False
    cdef bint is_negative = False
    fee_nano[0] = 0
    if p == NULL:
        return True
    if p < end and p[0] == b"-":
        is_negative = True
        p += 1
    while p < end:
        if p[0] == b"." and not has_point:
            has_point = True
        elif is_digit(p[0]):
            if decimals < FEE_DECIMALS:
                digits += 1
                if digits > 18:
                    return False
                fee_nano[0] = fee_nano[0] * 10 + (p[0] - 48)
                decimals += has_point
        else:
            return False
        p += 1
    if digits == 0 or digits - decimals > 9:
        return False
    fee_nano[0] *= POWERS_OF_TEN[FEE_DECIMALS - decimals]
    if is_negative:
        fee_nano[0] = -fee_nano[0]
    return True


cdef inline void _hash_execution_id(Span text, ExecutionReport* report) noexcept nogil:
    """128 bits of an ExecID: two independent multiplicative hashes of its words and its size."""
    cdef uint64_t high = 0xCBF29CE484222325u + <uint64_t>text.size
    cdef uint64_t low = 0x9E3779B97F4A7C15u ^ <uint64_t>text.size
    cdef uint64_t word
    cdef Py_ssize_t at = 0
    while at < text.size:
        word = load_word(text.start + at)
        if text.size - at < WORD_BYTES:         # what is behind the text does not count
            word &= (<uint64_t>1 << (8 * (text.size - at))) - 1
        high = (high ^ word) * 0xFF51AFD7ED558CCDu
        high ^= high >> 32
        low = (low + word) * 0xC4CEB9FE1A85EC53u
        low ^= low >> 29
        at += WORD_BYTES
    report.execution_id_high = <int64_t>(high | 1)      # never 0: 0 means absent
    report.execution_id_low = <int64_t>low


cdef inline int64_t _side(Span value) noexcept nogil:
    """Side of Side(54): buy, or sell with its two kinds of short; 0 for any other."""
    cdef char code = value.start[0] if value.size == 1 else 0
    if code == b"1":
        return BUY
    return SELL if code == b"2" or code == b"5" or code == b"6" else 0


cdef inline int64_t _execution_type(Span value) noexcept nogil:
    cdef char code = value.start[0] if value.size == 1 else 0
    if code == b"F":
        return EXEC_TRADE
    if code == b"0":
        return EXEC_NEW
    if code == b"4":
        return EXEC_CANCELED
    if code == b"5":
        return EXEC_REPLACED
    if code == b"8":
        return EXEC_REJECTED
    if code == b"C":
        return EXEC_EXPIRED
    if code == b"D":
        return EXEC_RESTATED
    if code == b"I":
        return EXEC_STATUS
    if code == b"A":
        return EXEC_PENDING_NEW
    if code == b"6":
        return EXEC_PENDING_CANCEL
    if code == b"E":
        return EXEC_PENDING_REPLACE
    if code == b"9":
        return EXEC_SUSPENDED
    if code == b"3":
        return EXEC_DONE_FOR_DAY
    return ABSENT


cdef inline int64_t _order_state(Span value) noexcept nogil:
    cdef char code = value.start[0] if value.size == 1 else 0
    if code == b"0" or code == b"5":
        return NEW
    if code == b"1":
        return PARTIALLY_FILLED
    if code == b"2":
        return FILLED
    if code == b"4":
        return CANCELED
    if code == b"8":
        return REJECTED
    if code == b"C" or code == b"3":
        return EXPIRED
    if code == b"6":
        return PENDING_CANCEL
    if code == b"E":
        return PENDING_REPLACE
    if code == b"A":
        return PENDING_NEW
    if code == b"9":
        return SUSPENDED
    return UNKNOWN


cdef inline int64_t _read_fix_time(Span value) noexcept nogil:
    """UTCTimestamp (``YYYYMMDD-HH:MM:SS`` and up to 9 decimals) → ns; 0 when it is none."""
    cdef char text[32]
    cdef Span rfc
    cdef int64_t time_ns
    if value.size < 17 or value.size > 27 or value.start[8] != b"-":
        return 0
    memcpy(text, value.start, 4)
    text[4] = b"-"
    memcpy(text + 5, value.start + 4, 2)
    text[7] = b"-"
    memcpy(text + 8, value.start + 6, 2)
    text[10] = b"T"
    memcpy(text + 11, value.start + 9, value.size - 9)
    text[value.size + 2] = b"Z"
    rfc.start = text
    rfc.size = value.size + 3
    time_ns = read_time(rfc)
    return time_ns if time_ns > 0 else 0
