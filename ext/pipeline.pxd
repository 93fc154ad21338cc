"""The circle of the data: one function per step, in the order of the steps.

    receive_frame   frame bytes ─ decode ─ apply ─ update, decide ─┐
    _act            intents ────────────────────────────────────── ┤
    _submit         intent ─ check ─ register ─ encode ─ send ─────┘─► wire out
    receive_report  report ─ apply to order and position ─ decide ──► _act

Nothing here reads the wall clock: ``receive_time_ns`` comes in with the frame. The cycle counter
is read between the steps for the latency histograms alone.
"""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from ext.bounds cimport MAX_INSTRUMENTS
from ext.clock cimport read_stamp
from ext.feed_decoder cimport FeedDecoder
from ext.instrument_table cimport InstrumentTable
from ext.kernels cimport StrategyTable
from ext.market cimport Market
from ext.order_encoder cimport OrderEncoder
from ext.order_sender cimport OrderSender
from ext.orders cimport OrderTable
from ext.risk cimport RiskGate
from ext.session_store cimport SessionStore
from ext.shared_memory cimport SharedMemory
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
cdef class Pipeline:
    cdef readonly InstrumentTable table
    cdef readonly FeedDecoder decoder
    cdef readonly SharedMemory memory
    cdef readonly StrategyTable strategies
    cdef readonly OrderTable orders
    cdef readonly RiskGate gate
    cdef OrderEncoder encoder
    cdef OrderSender sender
    cdef SessionStore store
    cdef Market market
    cdef int64_t strategy_count
    cdef bint has_strategy[MAX_INSTRUMENTS]
    cdef bint is_sending                    # False: shadow, decisions only
    cdef bint is_timing                     # latency of each step
    cdef bint is_conflating                 # books are decided on by ``decide_pending`` alone
    cdef bint has_pending                   # it has something to decide on
    cdef bint is_pending[MAX_INSTRUMENTS]
    cdef bint has_order_sent                # in the frame in hand
    cdef uint64_t received_stamp
    cdef uint64_t step_stamp
    cdef double ns_per_stamp
    cdef bint has_report_notice             # a report was inconsistent: a person has to look

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
    cdef void _send(self, OrderRequest* request, int64_t time_ns) noexcept nogil
    cdef int receive_report(self, const ExecutionReport* report, int64_t receive_time_ns) \
        noexcept nogil
    cdef void _pull_orders(self, int64_t receive_time_ns, int64_t quiet_ns) noexcept nogil

    cdef inline bint has_something_to_tell(self) noexcept nogil:
        """Whether ``take_notices`` has something."""
        return self.market.has_notices or self.has_report_notice

    cdef inline void _begin(self) noexcept nogil:
        """Something came in: the latencies of its steps count from here."""
        self.has_order_sent = False
        if self.is_timing:
            self.received_stamp = self.step_stamp = read_stamp()

    cdef inline void _time_step(self, int64_t step) noexcept nogil:
        """Counts the time since the step before under ``step``."""
        cdef uint64_t now
        if self.is_timing:
            now = read_stamp()
            self.memory.count_latency(
                step, <int64_t>(<double>(now - self.step_stamp) * self.ns_per_stamp)
            )
            self.step_stamp = now
