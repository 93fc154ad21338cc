"""The nouns of breakers and of position management, as ``ext/wire.pxd`` has those of the arc.

Both records stand in the shared memory, one for each strategy, and go to the disk as they are when
they change: they outlive the process. Times are nanoseconds since the Unix epoch.
"""

from libc.stdint cimport int64_t


# Values are written to disk and to shared memory: append, never renumber, never reuse.

cpdef enum KeptState:               # what the bytes of a RECORD_STRATEGY_STATE are
    KEPT_STRATEGY = 0               # the persistent fields of a strategy's own state
    KEPT_BREAKERS = 1               # a BreakerState
    KEPT_GUARD = 2                  # a GuardState

cpdef enum Breaker:                 # what may trip
    NO_BREAKER = 0
    BREAKER_LOSSES_IN_ROW = 1
    BREAKER_DAILY_LOSS = 2
    BREAKER_DRAWDOWN = 3
    BREAKER_REPEATED_FILLS = 4
    BREAKER_REJECT_RATE = 5         # of the venue
    BREAKER_ERROR_RATE = 6          # of strategies, feed and reports
    BREAKER_LATENCY = 7
    BREAKER_CLOCK_OFFSET = 8
    BREAKER_VENUE_OUTAGE = 9
    BREAKER_OPERATOR = 10           # somebody decided it
    BREAKER_PORTFOLIO = 11          # exposure, heat or margin of positions taken together
    BREAKER_COUNT = 12

cpdef enum BreakerLevel:
    BREAKER_QUIET = 0
    BREAKER_WARNED = 1              # told, nothing else
    BREAKER_PAUSED = 2              # no new risk, working orders are pulled
    BREAKER_KILLED = 3              # the same, and only a person ends it; of the engine: KILL

cpdef enum GuardReason:             # why a position is closed by what is not its strategy
    NO_EXIT = 0
    EXIT_STOP = 1
    EXIT_TRAILING = 2
    EXIT_BREAK_EVEN = 3
    EXIT_TARGET = 4
    EXIT_TIME = 5
    EXIT_FLATTEN = 6                # a person's FLATTEN; never of a GuardState


cdef struct BreakerState:           # of one strategy; behind the last one stands the engine's
    int64_t strategy                # -1: the engine
    int64_t level                   # BreakerLevel
    int64_t cause                   # Breaker that raised the level last
    int64_t raised_time_ns
    int64_t paused_until_ns         # 0: until a person resumes
    int64_t trip_count
    int64_t day                     # days since the epoch, of days that begin as configured
    int64_t is_excused              # the day's pause was lifted: the next one is at the whole limit
    int64_t losses_in_row
    int64_t fill_count              # of the position at its last fill that was counted here
    int64_t seen_lots               # the position then
    double day_start_net            # net P&L when the day began
    double high_water_net
    double net                      # realised and unrealised, less fees; quote currency
    double trip_start_net           # realised less fees when the last round trip had ended
    int64_t use_permille[BREAKER_COUNT]

cdef struct GuardState:             # of the position of one strategy
    int64_t strategy
    int64_t side                    # Side of the position that is managed; 0: flat
    int64_t entered_time_ns
    int64_t largest_lots            # largest size of the position
    int64_t entry_count             # orders that have opened or enlarged it
    int64_t entry_order_number      # the last of them
    int64_t extreme_ticks           # best price that it could have been closed at
    int64_t stop_ticks              # closed when the touch is there or beyond; 0: no stop
    int64_t stop_reason             # GuardReason of that stop
    int64_t targets_done            # parts of the take profit
    int64_t exit_reason             # GuardReason; an exit is under way
    int64_t exit_until_lots         # size of the position that ends it
    int64_t exit_order_number       # sent last for it
    int64_t triggered_time_ns
    int64_t trigger_count
    double risk_ticks               # distance of the first stop from the entry
