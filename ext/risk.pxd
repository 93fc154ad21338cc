"""Pre-trade risk gate: the last word on every order, in the send path.

Each check has one Verdict. A new order or a replace passes all of them; a cancel passes all that
could stop it from lowering risk: only the message rate, with a reserve kept for cancels, the
session, and whether there is something to cancel. Cheap checks come first.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.bounds cimport MAX_INSTRUMENTS, MAX_RATE_WINDOW, MAX_STRATEGIES
from ext.orders cimport OrderTable
from ext.wire cimport BookView, Intent, Order, Position, Verdict

cdef struct InstrumentLimits:
    int64_t max_order_lots
    int64_t max_order_notional      # ticks times lots
    int64_t price_collar_ppm        # allowed distance from the mid, parts per million of it
    int64_t max_position_lots       # absolute, worst case with open orders
    int64_t is_forbidden            # not permitted from where we are: no new risk on it, ever

cdef struct EngineLimits:
    int64_t max_messages_per_second     # 1 to MAX_RATE_WINDOW
    int64_t cancel_reserve          # of them only cancels may use these
    int64_t stale_after_ns          # age of the last frame of the instrument
    int64_t max_feed_delay_ns       # receive time less exchange time of the book; 0: not checked
    int64_t duplicate_window_ns     # 0: off

cdef struct SentOrder:              # for the duplicate check
    int64_t previous                # number of the one before with the same hash; 0: none
    int64_t time_ns
    int64_t instrument
    int64_t side
    int64_t price_ticks
    int64_t quantity_lots


@cython.final
cdef class RiskGate:
    cdef InstrumentLimits limits[MAX_INSTRUMENTS]
    cdef EngineLimits engine
    cdef int64_t strategy_count
    cdef int64_t strategy_instruments[MAX_STRATEGIES]
    cdef int64_t message_times_ns[MAX_RATE_WINDOW]
    cdef int64_t message_count
    cdef SentOrder sent[MAX_RATE_WINDOW]
    cdef int64_t sent_count         # the number of the newest; number n stands at n % size
    cdef int64_t newest[MAX_RATE_WINDOW]        # number of the newest order of each hash
    cdef public bint is_paused

    cdef Verdict check(
        self, const Intent* intent, int64_t strategy, BookView* book, int64_t last_product_ns,
        OrderTable orders, bint is_session_up, int64_t time_ns
    ) noexcept nogil
    cdef void note_sent(self, const Intent* intent, int64_t instrument, int64_t time_ns) \
        noexcept nogil
    cdef Verdict _check_cancel(
        self, const Intent* intent, int64_t strategy, OrderTable orders, int64_t time_ns
    ) noexcept nogil
    cdef Verdict _check_order(
        self, const Intent* intent, int64_t strategy, BookView* book, Order* replaced,
        OrderTable orders
    ) noexcept nogil
    cdef Verdict _check_position(
        self, const Intent* intent, int64_t instrument, Order* replaced, OrderTable orders
    ) noexcept nogil
    cdef bint _is_within_rate(self, int64_t allowed, int64_t time_ns) noexcept nogil
    cdef bint _is_duplicate(self, const Intent* intent, int64_t instrument, int64_t time_ns) \
        noexcept nogil
