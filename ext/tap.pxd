"""The tap: what the steps of the arc write into the rings, one function a record kind.

A record carries the values that made a decision, so that it can be judged later. What came in and
what went out is kept as bytes too, so that the run can be repeated from them.
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

# What came in.

cdef void record_frame(
    SharedMemory memory, const char* payload, int64_t size, int64_t after_sequence, int64_t time_ns
) noexcept nogil
cdef void record_read_end(SharedMemory memory, int64_t time_ns) noexcept nogil
cdef void record_message(
    SharedMemory memory, const char* message, int64_t size, int64_t format, int64_t time_ns
) noexcept nogil
cdef void record_timer(SharedMemory memory, int64_t time_ns) noexcept nogil
cdef void record_command(
    SharedMemory memory, int64_t command, int64_t detail, int64_t reference, int64_t time_ns
) noexcept nogil
cdef void record_session_words(
    SharedMemory memory, int64_t next_outgoing, int64_t next_incoming, bint is_active,
    bint is_behind, int64_t time_ns
) noexcept nogil

# What goes out.

cdef void record_request(
    SharedMemory memory, const Intent* intent, const OrderRequest* request, int64_t strategy,
    const char* message, int64_t size, int64_t sequence, int64_t time_ns
) noexcept nogil
cdef void record_kept_state(
    SharedMemory memory, int64_t strategy, int64_t kind, const char* state, int64_t size,
    int64_t time_ns
) noexcept nogil
