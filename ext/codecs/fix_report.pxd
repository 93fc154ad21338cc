"""FIX decoder of ExecutionReport(8) and OrderCancelReject(9).

Source: FIX 5.0 SP2, with the fields of Coinbase Exchange FIX order entry. Facts that shaped it:
ExecType(150) says why the report came, OrdStatus(39) what the order is now; the 39 of a cancel
reject is not the order's; fees come as a group of amounts (136/137/139); decimals need the
instrument, which may stand behind them, so they are kept as text until the message has ended.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.client_order_id cimport RunIdentity
from ext.cursor cimport Span
from ext.instrument_table cimport InstrumentTable
from ext.orders cimport OrderTable
from ext.wire cimport ExecutionReport

cdef enum ReportStatus:
    REPORT_READ = 0
    REPORT_OTHER_TYPE = 1           # not 8 or 9: for the session
    REPORT_BAD_FIELD = 2            # not tag=value, or an OrderID(37) that is too long
    REPORT_BAD_NUMBER = 3           # not a decimal, or off the tick or lot
    REPORT_MISSING_FIELD = 4
    REPORT_BAD_CODE = 5             # ExecType that we do not know

cdef struct ReportHeader:
    int64_t sequence                # MsgSeqNum(34); 0: absent
    bint is_possible_duplicate      # PossDupFlag(43)=Y
    bint is_from_venue              # SenderCompID and TargetCompID are the session's
    char message_type               # of one letter; 0: longer

cdef struct ReportTexts:            # decimals before the instrument is known
    Span order_quantity
    Span price
    Span cumulative
    Span leaves
    Span last_price
    Span last_quantity
    Span fee_amount                 # of the group entry in hand, still to be added
    bint is_fee_rate                # MiscFeeBasis(891)=2: amount per unit of notional
    int64_t fee_nano                # sum of the absolute entries
    int64_t fee_rate_nano           # sum of the rates
    bint is_fee_bad
    bint has_sender                 # SenderCompID(49) is the venue's
    bint has_target                 # TargetCompID(56) is ours
    bint is_foreign                 # one of them is not
    bint is_order_id_too_long


@cython.final
cdef class FixReportDecoder:
    cdef InstrumentTable table
    cdef RunIdentity run
    cdef bytes sender_comp_id
    cdef bytes target_comp_id
    cdef const char* sender         # ours: TargetCompID of what we receive
    cdef const char* target
    cdef Py_ssize_t sender_size
    cdef Py_ssize_t target_size

    cdef ReportStatus decode(
        self, const char* message, int64_t size, ReportHeader* header, ExecutionReport* report
    ) noexcept nogil
    cdef ReportStatus _read_fields(
        self, const char* message, int64_t size, ReportHeader* header, ExecutionReport* report,
        ReportTexts* texts
    ) noexcept nogil
    cdef void _take_field(
        self, int64_t tag, Span value, ReportHeader* header, ExecutionReport* report,
        ReportTexts* texts
    ) noexcept nogil
    cdef ReportStatus _convert(self, ExecutionReport* report, ReportTexts* texts) noexcept nogil
