"""The strategies of a run: their state records and the compiled hooks, called by pointer.

A hook is a C function over five records (``engine/kernel/kernels.py`` compiles it with Numba): its
state, the event, the book, its position, and the intents it wants. It reads no clock and keeps
nothing outside its state record.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.bounds cimport MAX_STRATEGIES
from ext.wire cimport Bar, BookView, Fill, Intents, Position, Trade

ctypedef void (*Hook)(void* state, void* event, void* book, void* position, void* out) \
    noexcept nogil

cdef struct Strategy:
    int64_t instrument
    void* state
    Hook on_book                    # NULL where the strategy has none
    Hook on_trade
    Hook on_bar
    Hook on_fill
    Hook on_timer
    int64_t bar_interval_ns
    int64_t timer_interval_ns
    int64_t next_timer_ns
    char* persistent                # in the state: what is to outlive the process
    int64_t persistent_size         # 0: nothing is
    char* told                      # as it was recorded last
    Bar bar                         # being built; trade_count 0: none


@cython.final
cdef class StrategyTable:
    cdef Strategy strategies[MAX_STRATEGIES]
    cdef readonly int64_t count
    cdef list owners                # keep the state arrays and compiled functions alive
    cdef Intents intents            # of the last hook called
    cdef BookView shown_book        # what a hook gets: nothing that it writes reaches the gate
    cdef Position shown_position

    cdef Intents* decide_book(self, int64_t index, BookView* book, Position* position) \
        noexcept nogil
    cdef Intents* decide_trade(
        self, int64_t index, Trade* trade, BookView* book, Position* position
    ) noexcept nogil
    cdef Intents* decide_bar(
        self, int64_t index, Trade* trade, BookView* book, Position* position
    ) noexcept nogil
    cdef Intents* decide_fill(
        self, int64_t index, Fill* fill, BookView* book, Position* position
    ) noexcept nogil
    cdef Intents* decide_timer(
        self, int64_t index, int64_t now_ns, BookView* book, Position* position
    ) noexcept nogil
    cdef bint is_timer_due(self, int64_t now_ns) noexcept nogil
    cdef const char* changed_state(self, int64_t index) noexcept nogil
    cdef Intents* _call(
        self, Hook hook, Strategy* strategy, void* event, BookView* book, Position* position
    ) noexcept nogil
