"""The tap: what the steps of the arc write into the ring, one function a record kind.

A record carries the values that made a decision, so that it can be judged later.
"""

from libc.stdint cimport int64_t

from ext.shared_memory cimport SharedMemory
from ext.wire cimport BookView, ExecutionReport, Intent, Order, OrderRequest, Position, Trade

cdef void record_trade(
    SharedMemory memory, int64_t instrument, const Trade* trade, int64_t time_ns
) noexcept nogil
cdef void record_book_state(
    SharedMemory memory, const BookView* view, int64_t state, int64_t reason, int64_t time_ns
) noexcept nogil
cdef void record_decision(
    SharedMemory memory, const Position* position, const BookView* view, const Intent* intent,
    int64_t verdict, int64_t time_ns
) noexcept nogil
cdef void record_sent(
    SharedMemory memory, const Position* position, const BookView* view,
    const OrderRequest* request, int64_t sequence, int64_t time_ns
) noexcept nogil
cdef void record_report(
    SharedMemory memory, const Order* order, const ExecutionReport* report, int64_t time_ns
) noexcept nogil
