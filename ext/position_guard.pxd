"""Position management: stops, targets and time of each strategy's position, held in the engine.

Looked at with each update of the book, in front of the strategy's decision, and after each report
while an exit is under way. It reckons with the touch that the position could be closed at: the best
bid of a long one, the best ask of a short one.

    flat ─ first fill ─► managed ─ the touch is at or beyond a stop, a target, its time ─► exiting
      ▲                     ▲                                                             │
      │                     └──────────── a part is closed: the next target ──────────────┤
      └──────────────────────────── flat ─────────────────────────────────────────────────┘

A stop never moves away from the price. An exit is latched: it goes on until the position is as
small as it wants, through gaps, partial fills, refused orders and a restart.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.bounds cimport MAX_STRATEGIES
from ext.safety_records cimport GuardState
from ext.wire cimport BookView, Intent, Position, Verdict

cdef enum:
    MAX_TARGETS = 4                 # parts of a take profit
    RETRY_NS = 100_000_000          # after an exit order that was refused here

cdef struct Distance:               # the sum of what is given; all 0: none
    double ticks
    double share                    # of the entry price
    double ranges                   # of the average true range
    double risks                    # of the distance of the first stop

cdef struct GuardLimits:
    bint is_on
    Distance stop
    Distance trailing               # behind the best touch
    Distance break_even_after       # in front of the entry: the stop goes to the entry
    Distance targets[MAX_TARGETS]
    int64_t target_permille[MAX_TARGETS]    # of the largest position
    int64_t target_count
    int64_t max_hold_ns             # 0: for ever
    int64_t max_entries             # orders that open or enlarge; 0: any
    double min_reward_to_risk       # 0: not asked
    int64_t slippage_ppm            # of the mid: how far an exit may go through the book
    int64_t range_bar_ns            # bars of the average true range
    int64_t range_period

cdef struct TrueRange:              # Wilder's average over bars of the mid
    int64_t bar_start_ns
    double high_ticks
    double low_ticks
    double close_ticks
    double last_close_ticks
    double average_ticks
    int64_t bar_count


@cython.final
cdef class PositionGuard:
    cdef GuardState* states
    cdef Position* positions
    cdef object owner
    cdef readonly int64_t count
    cdef GuardLimits limits[MAX_STRATEGIES]
    cdef TrueRange ranges[MAX_STRATEGIES]
    cdef int64_t retry_ns[MAX_STRATEGIES]       # no exit order before
    cdef int64_t changed            # a bit for each state that has to be recorded

    cdef bint follow(self, int64_t strategy, const BookView* book, int64_t time_ns) noexcept nogil
    cdef void note_fill(
        self, int64_t strategy, int64_t order_number, const BookView* book, int64_t time_ns
    ) noexcept nogil
    cdef Verdict check(self, int64_t strategy, const Intent* intent) noexcept nogil
    cdef int64_t exit_price(self, int64_t strategy, const BookView* book, int64_t side) \
        noexcept nogil
    cdef void _begin(self, int64_t strategy, int64_t side, int64_t touch, int64_t time_ns) \
        noexcept nogil
    cdef void _move_stop(self, int64_t strategy, int64_t touch) noexcept nogil
    cdef void _offer_stop(self, int64_t strategy, double level, int64_t reason) noexcept nogil
    cdef void _trigger(self, int64_t strategy, int64_t touch, int64_t time_ns) noexcept nogil
    cdef void _exit(self, int64_t strategy, int64_t reason, int64_t until_lots, int64_t time_ns) \
        noexcept nogil
    cdef double _distance(self, int64_t strategy, const Distance* distance, double entry_ticks) \
        noexcept nogil
    cdef void _add_range(self, int64_t strategy, double mid_ticks, int64_t time_ns) noexcept nogil

    @cython.final
    cdef inline bint is_exiting(self, int64_t strategy) noexcept nogil:
        return self.states[strategy].exit_reason != 0
