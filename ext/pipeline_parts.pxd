"""What the pipeline joins, and what it keeps of the input that is in hand.

The tables, edges and counters of a run, the clock stamps of the latency histograms, and the words
that a replay cannot know by itself. The steps stand in ``pipeline``.
"""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from ext.bounds cimport MAX_INSTRUMENTS
from ext.breakers cimport Breakers
from ext.clock cimport read_stamp
from ext.feed_decoder cimport FeedDecoder
from ext.fence cimport read_word
from ext.instrument_table cimport InstrumentTable
from ext.kernels cimport StrategyTable
from ext.market cimport Market
from ext.order_encoder cimport OrderEncoder
from ext.order_sender cimport OrderSender
from ext.orders cimport OrderTable
from ext.position_guard cimport PositionGuard
from ext.risk cimport RiskGate
from ext.session_store cimport SessionStore
from ext.shared_memory cimport SharedMemory
from ext.tap cimport record_session_words
from ext.wire cimport SharedHeader


cdef class PipelineParts:
    cdef readonly InstrumentTable table
    cdef readonly FeedDecoder decoder
    cdef readonly SharedMemory memory
    cdef readonly StrategyTable strategies
    cdef readonly OrderTable orders
    cdef readonly RiskGate gate
    cdef readonly Breakers breakers
    cdef readonly PositionGuard guard
    cdef bint is_flattening                 # the order in hand is of a person's FLATTEN
    cdef bint is_exiting                    # the order in hand closes a position that we manage
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
    cdef bint is_recording                  # what comes in is kept in the rings
    cdef bint is_behind                     # the journal is: no new risk
    cdef int64_t told_outgoing              # as last recorded: what a replay cannot know by itself
    cdef bint told_active
    cdef bint told_behind
    cdef int64_t came_after                 # order records written before the frame in hand
    cdef bint has_report_notice             # a report was inconsistent: a person has to look
    cdef bint is_kill_told                  # the kill word is recorded
    cdef int64_t killed_from                # intents after so many are behind the KILL of a replay
    cdef int64_t killed_source              # its KillSource

    @cython.final
    cdef void _keep_state(self, int64_t strategy, int64_t time_ns) noexcept nogil

    @cython.final
    cdef void _keep_breakers(self, int64_t time_ns) noexcept nogil

    @cython.final
    cdef void _keep_guards(self, int64_t time_ns) noexcept nogil

    @cython.final
    cdef void _keep_changed(
        self, int64_t changed, int64_t kind, const char* states, int64_t stride, int64_t size,
        int64_t time_ns
    ) noexcept nogil

    @cython.final
    cdef bint _has_orders_to_pull(self, int64_t time_ns) noexcept nogil

    @cython.final
    cdef void _command(
        self, int64_t command, int64_t detail, int64_t reference, int64_t time_ns
    ) noexcept nogil

    @cython.final
    cdef void _note_kill(self, int64_t time_ns) noexcept nogil

    @cython.final
    cdef inline bint _is_killed(self, int64_t time_ns) noexcept nogil:
        """The last look at the kill word, which any process may set at any time: read anew each
        time, and recorded where it is seen first, so that a replay sees it there too."""
        cdef SharedHeader* header = self.memory.header
        if read_word(&header.kill_word) == 0 and header.intents < self.killed_from:
            return False
        self._note_kill(time_ns)
        return True

    @cython.final
    cdef inline bint has_something_to_tell(self) noexcept nogil:
        """Whether ``take_notices`` has something."""
        return self.market.has_notices or self.has_report_notice

    @cython.final
    cdef inline void _begin(self, bint is_frame, int64_t time_ns) noexcept nogil:
        """Something came in: its latencies count from here. Of frames, one in an interval has its
        steps timed; all have their whole time."""
        cdef bint is_active = self.store.state.is_active != 0
        self.has_order_sent = False
        self.is_behind = self.memory.is_journal_behind()
        if self.is_recording and (
                self.told_outgoing != self.store.state.next_outgoing
                or self.told_active != is_active or self.told_behind != self.is_behind):
            self.told_outgoing = self.store.state.next_outgoing
            self.told_active = is_active
            self.told_behind = self.is_behind
            record_session_words(
                self.memory, self.told_outgoing, self.store.state.next_incoming, is_active,
                self.is_behind, time_ns
            )
        if self.step_interval > 0:
            self.received_stamp = self.step_stamp = read_stamp()
            self.is_timed = not is_frame
            if is_frame:
                self.frames_until_timed -= 1
                if self.frames_until_timed == 0:
                    self.frames_until_timed = self.step_interval
                    self.is_timed = True

    @cython.final
    cdef inline void _time_step(self, int64_t step) noexcept nogil:
        """Counts the time since the step before under ``step``."""
        cdef uint64_t now
        if self.is_timed:
            now = read_stamp()
            self._count(step, self.step_stamp, now)
            self.step_stamp = now

    @cython.final
    cdef inline void _time_whole(self, int64_t step) noexcept nogil:
        """Counts the time since something came in under ``step``."""
        if self.step_interval > 0:
            self._count(step, self.received_stamp, read_stamp())

    @cython.final
    cdef inline void _count(self, int64_t step, uint64_t started, uint64_t now) noexcept nogil:
        self.memory.count_latency(step, <int64_t>(<double>(now - started) * self.ns_per_stamp))
