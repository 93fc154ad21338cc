"""Order table: what we asked for, what the venue said, and the position that follows from it.

States and what moves them (FIX OrdStatus; the request moves to the pending state, reports decide):

    PENDING_NEW ─ New ─► NEW ─ Trade ─► PARTIALLY_FILLED ─ Trade ─► FILLED
        │                 │  ◄─ Replaced ─ PENDING_REPLACE ◄─ replace
        │                 └─ cancel ─► PENDING_CANCEL ─ Canceled ─► CANCELED
        └─ Rejected ─► REJECTED      any open state ─ Expired ─► EXPIRED
    any open state ─ connection lost, request unanswered ─► UNKNOWN ─ status report ─► as reported

A refused cancel or replace goes back to the state before it. Fills are counted once by execution
id, whatever else a report says, and also while a request is pending.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.bounds cimport MAX_INSTRUMENTS, MAX_STRATEGIES
from ext.client_order_id cimport RunIdentity
from ext.execution_ids cimport ExecutionIds
from ext.positions cimport OpenTotals
from ext.requests cimport Request, RequestTable
from ext.wire cimport ExecutionReport, Fill, Intent, Order, OrderRequest, Position

cpdef enum ReportResult:            # bits
    REPORT_APPLIED = 1
    REPORT_FILL = 2                 # a fill that was counted: ``last_fill`` holds it
    REPORT_DUPLICATE = 4            # a fill that was counted before: nothing changed
    REPORT_UNKNOWN_ORDER = 8        # not one of ours: nothing changed
    REPORT_INCONSISTENT = 16        # quantities that cannot be: the order is UNKNOWN now
    REPORT_FIRST = 32               # first report of the order: ``acknowledged_ns`` is its delay


@cython.final
cdef class OrderTable:
    cdef Order* orders              # MAX_ORDERS of them, in shared memory
    cdef Position* positions        # per strategy, in shared memory
    cdef OpenTotals totals[MAX_STRATEGIES]      # of the open orders of each
    cdef object owner               # keeps both alive
    cdef RunIdentity run
    cdef int64_t next_number
    cdef readonly RequestTable requests
    cdef ExecutionIds counted       # fills that are in the positions
    cdef Order* last_order          # that the last report was applied to; NULL: none of ours
    cdef Fill last_fill
    cdef int64_t acknowledged_ns
    cdef double tick_value[MAX_INSTRUMENTS]     # of one tick times one lot, quote currency

    cdef Order* find_open(self, int64_t order_number) noexcept nogil

    cdef inline Order* find_requested(self, int64_t sequence):
        """The open order of the request with that message number, NULL when there is none."""
        cdef Request* entry = self.requests.find(self.requests.of_sequence(sequence))
        return NULL if entry == NULL else self.find_open(entry.order_number)

    cdef void complete(self, Intent* intent) noexcept nogil
    cdef void register(
        self, const Intent* intent, int64_t strategy, int64_t instrument, int64_t time_ns,
        OrderRequest* request
    ) noexcept nogil
    cdef void note_sequence(self, int64_t request_number, int64_t sequence) noexcept nogil
    cdef bint has_expired(self, int64_t now_ns, int64_t limit_ns) noexcept nogil
    cdef void doubt(self, Order* order, int64_t time_ns) noexcept nogil
    cdef int apply_report(self, const ExecutionReport* report, int64_t time_ns) noexcept nogil
    cdef Order* _find_reported(self, const ExecutionReport* report) noexcept nogil
    cdef Order* _search(self, const ExecutionReport* report) noexcept nogil
    cdef int _apply_fill(self, Order* order, const ExecutionReport* report, int64_t time_ns) \
        noexcept nogil
    cdef bint _count_fill(self, const Order* order, const ExecutionReport* report) noexcept nogil
    cdef int _apply_replaced(self, Order* order, const ExecutionReport* report) noexcept nogil
    cdef int _apply_status(self, Order* order, const ExecutionReport* report) noexcept nogil
    cdef bint _is_kind(self, const ExecutionReport* report, int64_t kind) noexcept nogil
    cdef void _apply_message_reject(self, Order* order, const ExecutionReport* report) \
        noexcept nogil
    cdef void _refuse(self, Order* order, int64_t request_number) noexcept nogil
    cdef void _show(self, const Order* order) noexcept nogil
