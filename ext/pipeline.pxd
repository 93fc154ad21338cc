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
    cdef int64_t step_interval              # the steps of one frame in so many are timed; 0: none
    cdef int64_t frames_until_timed
    cdef bint is_timed                      # the steps of what is in hand
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

    cdef inline void _begin(self, bint is_frame) noexcept nogil:
        """Something came in: its latencies count from here. Of frames, one in an interval has its
        steps timed; all have their whole time."""
        self.has_order_sent = False
        if self.step_interval > 0:
            self.received_stamp = self.step_stamp = read_stamp()
            self.is_timed = not is_frame
            if is_frame:
                self.frames_until_timed -= 1
                if self.frames_until_timed == 0:
                    self.frames_until_timed = self.step_interval
                    self.is_timed = True

    cdef inline void _time_step(self, int64_t step) noexcept nogil:
        """Counts the time since the step before under ``step``."""
        cdef uint64_t now
        if self.is_timed:
            now = read_stamp()
            self._count(step, self.step_stamp, now)
            self.step_stamp = now

    cdef inline void _time_whole(self, int64_t step) noexcept nogil:
        """Counts the time since something came in under ``step``."""
        if self.step_interval > 0:
            self._count(step, self.received_stamp, read_stamp())

    cdef inline void _count(self, int64_t step, uint64_t started, uint64_t now) noexcept nogil:
        self.memory.count_latency(step, <int64_t>(<double>(now - started) * self.ns_per_stamp))
