"""The circle of the data: one function per step, in the order of the steps.

    receive_frame   frame bytes ─ decode ─ apply ─ update, decide ─┐
    _act            intents ────────────────────────────────────── ┤
    _submit         intent ─ check ─ register ─ encode ─ send ─────┘─► wire out
    receive_report  report ─ apply to order and position ─ decide ──► _act

What the engine does outside this circle stands in ``pipeline_commands``, the base.

Nothing here reads the wall clock: ``receive_time_ns`` comes in with the frame. The cycle counter
is read between the steps for the latency histograms alone.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.pipeline_commands cimport PipelineCommands
from ext.wire cimport FeedEvent, Intent, Order, OrderRequest, Verdict


cdef class Pipeline(PipelineCommands):
    @cython.final
    cdef void _decide_book(self, int64_t instrument, int64_t receive_time_ns) noexcept nogil

    @cython.final
    cdef void _note_breakers(self, int64_t receive_time_ns) noexcept nogil

    @cython.final
    cdef void _manage(self, int64_t strategy, int64_t time_ns) noexcept nogil

    @cython.final
    cdef void _note_report(self, const Order* order, bint is_fill, int64_t time_ns) noexcept nogil

    @cython.final
    cdef void _send_exit(self, int64_t strategy, int64_t time_ns) noexcept nogil

    @cython.final
    cdef Verdict _check_safety(self, int64_t strategy, const Intent* intent, int64_t time_ns) \
        noexcept nogil

    @cython.final
    cdef bint _is_reducing(self, int64_t strategy, const Intent* intent) noexcept nogil

    @cython.final
    cdef void _postpone_book(self, int64_t instrument) noexcept nogil

    @cython.final
    cdef void _decide_trades(self, const FeedEvent* event, int64_t receive_time_ns) \
        noexcept nogil

    @cython.final
    cdef void _send(
        self, const Intent* intent, int64_t strategy, OrderRequest* request, int64_t time_ns
    ) noexcept nogil

    @cython.final
    cdef void _lose_request(
        self, OrderRequest* request, int64_t sequence, int64_t time_ns
    ) noexcept nogil
