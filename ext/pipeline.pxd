"""The circle of the data: one function per step, in the order of the steps.

    receive_frame   frame bytes ─ decode ─ apply ─ update, decide ─┐
    _act            intents ────────────────────────────────────── ┤
    _submit         intent ─ check ─ register ─ encode ─ send ─────┘─► wire out
    receive_report  report ─ apply to order and position ─ decide ──► _act

Nothing here reads the wall clock: ``receive_time_ns`` comes in with the frame. The cycle counter
is read between the steps for the latency histograms alone.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.pipeline_parts cimport PipelineParts
from ext.wire cimport (
    ExecutionReport,
    FeedEvent,
    FeedStatus,
    Intent,
    Intents,
    OrderRequest,
    Verdict,
)


@cython.final
cdef class Pipeline(PipelineParts):
    cdef FeedStatus receive_frame(
        self, const char* payload, Py_ssize_t size, int64_t receive_time_ns
    ) noexcept nogil
    cdef void decide_pending(self, int64_t receive_time_ns) noexcept nogil
    cdef void _decide_book(self, int64_t instrument, int64_t receive_time_ns) noexcept nogil
    cdef void _postpone_book(self, int64_t instrument) noexcept nogil
    cdef void _decide_trades(self, const FeedEvent* event, int64_t receive_time_ns) \
        noexcept nogil
    cdef void _act(self, int64_t strategy, Intents* intents, int64_t receive_time_ns) \
        noexcept nogil
    cdef Verdict _submit(self, int64_t strategy, Intent* intent, int64_t time_ns) noexcept nogil
    cdef void _send(
        self, const Intent* intent, int64_t strategy, OrderRequest* request, int64_t time_ns
    ) noexcept nogil
    cdef void _lose_request(
        self, OrderRequest* request, int64_t sequence, int64_t time_ns
    ) noexcept nogil
    cdef int receive_report(
        self, const ExecutionReport* report, int64_t receive_time_ns, const char* message,
        int64_t size, int64_t format
    ) noexcept nogil
    cdef void _fall(self, int64_t instrument, int64_t reason, int64_t time_ns) noexcept nogil
    cdef void _pull_orders(self, int64_t receive_time_ns, int64_t quiet_ns) noexcept nogil
