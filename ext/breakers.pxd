"""Circuit breakers that follow from fills and ticks: each strategy has them, and the engine.

Everything is reckoned from inputs that are journaled (frames, reports, commands) and their receive
times, so that a replay trips where the run did. A limit in money warns at 70 % of it, pauses at
90 % and kills at 100 %; a count pauses when it is reached.

    QUIET ─ 70 % ─► WARNED ─ 90 %, or a count ─► PAUSED ─ 100 % ─► KILLED
      ▲ the next day ─┘                             │                 │
      └──────── a person; its cooldown has ended ───┴─── a person ────┘

P&L is reckoned where the mid is known: the book is LIVE and not crossed, or the position is flat.
What depends on the mid has to hold for some marks in a row; what is realised counts at once.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.bounds cimport MAX_STRATEGIES
from ext.safety_records cimport BREAKER_PAUSED, BREAKER_PORTFOLIO, BreakerState
from ext.wire cimport (
    ACCEPTED,
    ENGINE_PAUSED,
    LIVE,
    STRATEGY_PAUSED,
    BookView,
    Position,
    Verdict,
)

cdef enum:
    MAX_WINDOW_EVENTS = 256         # fills, or rejects, that a window can hold
    ENGINE = MAX_STRATEGIES         # index of the engine among the limits
    KEPT_SIZE = 15 * 8              # bytes of a BreakerState in front of the use of the limits

cdef struct BreakerLimits:          # 0: not checked
    double daily_loss               # quote currency
    double drawdown                 # quote currency, from the high-water mark
    int64_t losses_in_row
    int64_t losses_cooldown_ns      # 0: a person has to resume
    int64_t is_counting_reductions  # each fill that reduces, not each round trip
    int64_t max_fills               # up to MAX_WINDOW_EVENTS in fills_window_ns
    int64_t fills_window_ns
    int64_t max_rejects
    int64_t rejects_window_ns

cdef struct Window:                 # newest events; number n stands at n % size
    int64_t count
    int64_t times_ns[MAX_WINDOW_EVENTS]

cdef struct Judgement:              # what is not kept over a restart
    double alarm_net                # below it something has to be looked at
    double told_high_water          # as it was recorded last
    int64_t confirmations           # marks in a row that want a higher level
    int64_t confirmed_level         # the lowest of them


@cython.final
cdef class Breakers:
    cdef BreakerState* states       # of the strategies, behind them the engine's
    cdef Position* positions
    cdef object owner               # keeps the memory of both
    cdef readonly int64_t count     # of strategies
    cdef BreakerLimits limits[MAX_STRATEGIES + 1]
    cdef Judgement judgements[MAX_STRATEGIES + 1]
    cdef Window fills[MAX_STRATEGIES + 1]
    cdef Window rejects[MAX_STRATEGIES + 1]
    cdef double tick_value[MAX_STRATEGIES]
    cdef bint is_judged[MAX_STRATEGIES]     # it, or the engine, has a limit in money
    cdef int64_t next_day_ns        # when the present day ends
    cdef int64_t day_offset_ns      # when days begin, behind midnight UTC
    cdef int64_t needed_marks
    cdef int64_t confirming         # a bit for each whose level waits for more marks
    cdef int64_t changed            # a bit for each state that has to be recorded
    cdef int64_t untold             # a bit for each level that changed and nobody was told of
    cdef bint has_tripped           # working orders have to be pulled

    cdef void note_fill(self, int64_t strategy, const BookView* book, int64_t time_ns) \
        noexcept nogil
    cdef void _follow_position(self, int64_t strategy, int64_t time_ns) noexcept nogil
    cdef void note_reject(self, int64_t strategy, int64_t time_ns) noexcept nogil
    cdef object _show_use(self, int64_t index, int64_t now_ns)
    cdef bint lift(self, int64_t index, int64_t time_ns) noexcept nogil
    cdef BreakerState* state_of(self, int64_t index) noexcept nogil
    cdef void _revalue(self, int64_t strategy, double closed_net, double net, int64_t time_ns) \
        noexcept nogil
    cdef void _judge(self, int64_t index, double closed_net, double net, int64_t time_ns) \
        noexcept nogil
    cdef int64_t _level_of(self, int64_t index, double net) noexcept nogil
    cdef void _set_alarm(self, int64_t index) noexcept nogil
    cdef void _begin_day(self, int64_t time_ns) noexcept nogil
    cdef void _count_result(self, int64_t index, double result, int64_t time_ns) noexcept nogil
    cdef void _raise_level(
        self, int64_t index, int64_t level, int64_t cause, int64_t time_ns, int64_t until_ns
    ) noexcept nogil
    cdef void _count_event(
        self, int64_t index, Window* window, int64_t limit, int64_t window_ns, int64_t cause,
        int64_t time_ns
    ) noexcept nogil

    @cython.final
    cdef inline void mark(self, int64_t strategy, const BookView* book, int64_t time_ns) \
            noexcept nogil:
        """Values a strategy's position at the middle of its book, which has changed."""
        cdef const Position* position = &self.positions[strategy]
        cdef double closed_net, net
        self.check(strategy, time_ns)
        if not self.is_judged[strategy]:
            return
        closed_net = net = position.realised_pnl - position.fees
        if position.position_lots != 0:
            if book.state != LIVE or book.bid_levels == 0 or book.ask_levels == 0 \
                    or book.bid_ticks[0] >= book.ask_ticks[0]:
                return
            net += (
                (<double>(book.bid_ticks[0] + book.ask_ticks[0]) * 0.5
                 - position.average_price_ticks)
                * <double>position.position_lots * self.tick_value[strategy]
            )
        if net != self.states[strategy].net or time_ns >= self.next_day_ns \
                or self.confirming != 0:
            self._revalue(strategy, closed_net, net, time_ns)

    @cython.final
    cdef inline Verdict check(self, int64_t strategy, int64_t time_ns) noexcept nogil:
        """Whether the strategy may take new risk; what has cooled down is lifted."""
        if self.states[strategy].level < BREAKER_PAUSED \
                and self.states[self.count].level < BREAKER_PAUSED:
            return ACCEPTED
        if self.lift(ENGINE, time_ns):
            return ENGINE_PAUSED
        return STRATEGY_PAUSED if self.lift(strategy, time_ns) else ACCEPTED

    @cython.final
    cdef inline bint may_reduce(self, int64_t strategy) noexcept nogil:
        """Whether what stops a strategy is that it could add to the portfolio, and nothing else."""
        return self.states[strategy].level == BREAKER_PAUSED \
            and self.states[strategy].cause == BREAKER_PORTFOLIO \
            and self.states[self.count].level < BREAKER_PAUSED

    @cython.final
    cdef inline bint is_stopped(self, int64_t strategy, int64_t time_ns) noexcept nogil:
        """The same, and nothing changes: for what a replay does not repeat."""
        return _is_paused(&self.states[strategy], time_ns) \
            or _is_paused(&self.states[self.count], time_ns)


cdef inline bint _is_paused(const BreakerState* state, int64_t time_ns) noexcept nogil:
    return state.level >= BREAKER_PAUSED and (
        state.paused_until_ns == 0 or time_ns < state.paused_until_ns)
