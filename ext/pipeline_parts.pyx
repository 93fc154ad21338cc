"""Joins the parts of the pipeline, see the ``.pxd``."""

from libc.stdint cimport int64_t

from ext.book cimport OrderBook
from ext.breakers cimport ENGINE, KEPT_SIZE, Breakers
from ext.clock import measure_stamp_rate
from ext.errors import UsageError
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
from ext.position_guard cimport PositionGuard
from ext.safety_records cimport (
    KEPT_BREAKERS,
    KEPT_GUARD,
    KEPT_STRATEGY,
    BreakerState,
    GuardState,
)
from ext.tap cimport record_command, record_kept_state
from ext.wire cimport COMMAND_KILL, LIVE, SharedHeader


cdef enum:
    NEVER = 0x7FFFFFFFFFFFFFFF          # no run has so many intents


cdef class PipelineParts:
    """Base of ``Pipeline``, which says what the arguments are."""

    def __cinit__(
        self,
        InstrumentTable table not None,
        FeedDecoder decoder not None,
        SharedMemory memory=None,
        StrategyTable strategies=None,
        OrderTable orders=None,
        RiskGate gate=None,
        OrderEncoder encoder=None,
        OrderSender sender=None,
        SessionStore store=None,
        Breakers breakers=None,
        PositionGuard guard=None,
        is_sending: bool = True,
        step_interval: int = 1,
        is_conflating: bool = False,
        is_recording: bool = False,
    ) -> None:
        cdef int64_t index
        if strategies is not None and (memory is None or orders is None or gate is None):
            raise UsageError("strategies need memory, orders and gate")
        if memory is None:
            names = [(table.symbol(index), "", "") for index in range(table.count)]
            memory = SharedMemory(None, names, [])
        self.table = table
        self.decoder = decoder
        self.memory = memory
        self.strategies = strategies if strategies is not None else StrategyTable()
        self.orders = orders if orders is not None else OrderTable(memory, table)
        self.gate = gate if gate is not None else RiskGate()
        self.encoder = encoder if encoder is not None else OrderEncoder()
        self.sender = sender if sender is not None else OrderSender()
        self.store = store if store is not None else SessionStore(None, "none")
        self.breakers = breakers if breakers is not None else Breakers(memory)
        self.guard = guard if guard is not None else PositionGuard(memory)
        self.strategy_count = self.strategies.count
        self.is_sending = is_sending and encoder is not None
        self.step_interval = self.frames_until_timed = step_interval
        self.ns_per_stamp = 1.0 / measure_stamp_rate() if step_interval > 0 else 0.0
        self.is_conflating = is_conflating
        self.is_recording = is_recording
        self.told_outgoing = -1             # the first input tells them
        self.killed_from = NEVER
        self.market = Market(table, memory)
        for index in range(self.strategy_count):
            self.has_strategy[self.strategies.strategies[index].instrument] = True
            self.memory.positions[index].strategy = index
            self.memory.positions[index].instrument = (
                self.strategies.strategies[index].instrument
            )
            if breakers is None:
                self.breakers.add_strategy(table, self.strategies.strategies[index].instrument)

    cdef void _keep_state(self, int64_t strategy, int64_t time_ns) noexcept nogil:
        """Records what a strategy wants to find again after a restart, when it has changed."""
        cdef const char* state = self.strategies.changed_state(strategy)
        if state != NULL:
            record_kept_state(
                self.memory, strategy, KEPT_STRATEGY, state,
                self.strategies.strategies[strategy].persistent_size, time_ns
            )

    cdef void _keep_breakers(self, int64_t time_ns) noexcept nogil:
        """Records every breaker that has changed: it outlives the process."""
        self._keep_changed(
            self.breakers.changed, KEPT_BREAKERS, <const char*>self.breakers.states,
            sizeof(BreakerState), KEPT_SIZE, time_ns
        )
        self.breakers.changed = 0

    cdef void _keep_guards(self, int64_t time_ns) noexcept nogil:
        """The same of position management."""
        self._keep_changed(
            self.guard.changed, KEPT_GUARD, <const char*>self.guard.states, sizeof(GuardState),
            sizeof(GuardState), time_ns
        )
        self.guard.changed = 0

    cdef void _keep_changed(
        self, int64_t changed, int64_t kind, const char* states, int64_t stride, int64_t size,
        int64_t time_ns
    ) noexcept nogil:
        """Of each state whose bit is set the first ``size`` bytes; behind the strategies' stands
        the engine's, if there is one."""
        cdef int64_t index, bit
        if not self.is_recording:
            return
        for index in range(self.strategy_count + 1):
            bit = index if index < self.strategy_count else <int64_t>ENGINE
            if changed >> bit & 1:
                record_kept_state(
                    self.memory, index if index < self.strategy_count else -1, kind,
                    states + index * stride, size, time_ns
                )

    cdef void _command(
        self, int64_t command, int64_t detail, int64_t reference, int64_t time_ns
    ) noexcept nogil:
        """Something that the engine does to the arc: it is recorded as what comes in is."""
        self._begin(False, time_ns)
        if self.is_recording:
            record_command(self.memory, command, detail, reference, time_ns)

    cdef void _note_kill(self, int64_t time_ns) noexcept nogil:
        cdef SharedHeader* header = self.memory.header
        if header.kill_word == 0:
            header.kill_word = self.killed_source           # of a replay
        if self.is_kill_told:
            return
        self.is_kill_told = True
        if self.is_recording:
            record_command(self.memory, COMMAND_KILL, header.kill_word, header.intents, time_ns)

    cdef bint _has_orders_to_pull(self, int64_t time_ns) noexcept nogil:
        """Whether there is a working order in a book that may not be traded on, or of a strategy
        that is stopped."""
        cdef int64_t strategy
        for strategy in range(self.strategy_count):
            if self.memory.positions[strategy].working_count > 0 and (
                    self.breakers.is_stopped(strategy, time_ns) or self.memory.books[
                        self.memory.positions[strategy].instrument].state != LIVE):
                return True
        return False

    def take_notices(self) -> tuple[list[tuple[int, int, int]], bool]:
        """([(instrument, BookState, StaleReason) of changed books], a report was inconsistent)."""
        has_report_notice = self.has_report_notice
        self.has_report_notice = False
        return self.market.take_notices(), has_report_notice

    @property
    def has_notices(self) -> bool:
        """Whether ``take_notices`` has something to tell."""
        return self.has_something_to_tell()

    @property
    def is_killed(self) -> bool:
        """Whether the kill word is set: nothing but cancels leaves."""
        return self.memory.header.kill_word != 0

    def last_frame_time_ns(self) -> int:
        """Receive time of the last frame of any kind, 0 when there was none."""
        return self.market.last_frame_ns

    def last_product_time_ns(self, instrument: int) -> int:
        """Receive time of the last frame of an instrument, its heartbeats included; 0: none."""
        if not 0 <= instrument < self.table.count:
            raise UsageError(f"instrument was {instrument}; the table holds {self.table.count}")
        return self.market.last_seen[<int64_t>instrument].frame_ns

    def book(self, instrument: int) -> OrderBook:
        """The book of an instrument; UsageError for an index that is not in the table."""
        if not 0 <= instrument < self.table.count:
            raise UsageError(f"instrument was {instrument}; the table holds {self.table.count}")
        return self.market.book(instrument)

    def counters(self) -> dict[str, int]:
        """Counters of the shared header by name."""
        return self.memory.counters()
