"""Pre-trade risk gate: the last word on every order, in the send path.

Each check has one Verdict. A new order or a replace passes all of them; a cancel passes all that
could stop it from lowering risk: only the message rate, with a reserve kept for cancels, the
session, and whether there is something to cancel. Cheap checks come first, so the first reason
found is the one that is given:

    SESSION_DOWN  INTENT_INVALID  ENGINE_PAUSED  OUTSIDE_HOURS  BOOK_NOT_LIVE
    UNKNOWN_ORDER  ALREADY_PENDING                                      of a replace
    QUANTITY_INVALID  PRICE_INVALID  NOTIONAL  BELOW_MINIMUM  PRICE_COLLAR      the order itself
    SELF_MATCH  OPEN_ORDERS  POSITION_LIMIT  OPEN_NOTIONAL  EXPOSURE    with all that is open
    DUPLICATE  MESSAGE_RATE

What is open counts at its worst: orders that are pending or UNKNOWN as if they were open, a replace
in flight as the larger of both orders. The sums are those of the order table and the positions, so
a restart and a replay have the same; one check looks at each strategy once.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.bounds cimport (
    MAX_INSTRUMENTS,
    MAX_LONG_RATE_WINDOW,
    MAX_RATE_WINDOW,
    MAX_STRATEGIES,
)
from ext.duplicate_orders cimport SentOrders
from ext.market cimport LastSeen
from ext.orders cimport OrderTable
from ext.risk_limits cimport RiskLimits
from ext.wire cimport BookView, Intent, Order, Verdict

@cython.final
cdef class RiskGate(RiskLimits):
    cdef int64_t message_times_ns[MAX_LONG_RATE_WINDOW]
    cdef int64_t message_count
    cdef int64_t strategy_times_ns[MAX_STRATEGIES][MAX_RATE_WINDOW]
    cdef int64_t strategy_messages[MAX_STRATEGIES]
    cdef SentOrders sent
    cdef public bint is_paused
    cdef public bint is_replace_refused         # the venue has no amend by this gateway

    cdef Verdict check(
        self, const Intent* intent, int64_t strategy, const BookView* book, const LastSeen* seen,
        OrderTable orders, bint is_session_up, int64_t time_ns
    ) noexcept nogil
    cdef void note_sent(
        self, const Intent* intent, int64_t strategy, int64_t instrument, int64_t time_ns
    ) noexcept nogil
    cdef Verdict _check_cancel(
        self, const Intent* intent, int64_t strategy, OrderTable orders, int64_t time_ns
    ) noexcept nogil
    cdef Verdict _check_terms(
        self, const Intent* intent, const BookView* book, const LastSeen* seen, int64_t time_ns
    ) noexcept nogil
    cdef Verdict _check_open(
        self, const Intent* intent, int64_t strategy, const BookView* book, const Order* replaced,
        OrderTable orders
    ) noexcept nogil
    cdef Verdict _check_worth(
        self, int64_t side, int64_t strategy, const BookView* book, int64_t added_lots,
        int64_t added_notional, int64_t strategy_lots, OrderTable orders
    ) noexcept nogil
    cdef bint _is_rate_free(self, int64_t strategy, int64_t time_ns) noexcept nogil
