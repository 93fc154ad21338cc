"""What fills and orders make of a strategy's position: quantity, average cost, P&L, open orders.

Written under the position's sequence lock, because the monitor reads it while it changes.
"""

from libc.stdint cimport int64_t

from ext.wire cimport ExecutionReport, Order, OrderState, Position

cdef struct OpenTotals:             # of one strategy's open orders: the worst that may come of them
    int64_t count
    int64_t buy_lots                # of a replace in flight the larger of both
    int64_t sell_lots
    int64_t notional                # ticks times lots, of a replace the larger; at most INT64_MAX
    int64_t highest_buy_ticks       # of a replace in flight both prices count; 0: no buy order
    int64_t lowest_sell_ticks       # 0: no sell order


cdef void book_fill(
    Position* position, const Order* order, const ExecutionReport* report, double tick_value
) noexcept nogil
cdef void show_order(
    Position* position, OpenTotals* totals, const Order* orders, const Order* order
) noexcept nogil


cdef inline bint is_open(int64_t state) noexcept nogil:
    """Whether the venue may still fill the order, as far as we know."""
    return state == OrderState.PENDING_NEW or state == OrderState.NEW \
        or state == OrderState.PARTIALLY_FILLED or state == OrderState.PENDING_CANCEL \
        or state == OrderState.PENDING_REPLACE or state == OrderState.SUSPENDED \
        or state == OrderState.UNKNOWN
