"""Positions, see the ``.pxd``."""

from libc.stdint cimport int64_t
from libc.string cimport memset

from ext.bounds cimport MAX_ORDERS, MAX_WORKING_ORDERS
from ext.checked cimport add_saturating, multiply_saturating
from ext.fence cimport release_fence
from ext.wire cimport BUY, ExecutionReport, Order, Position, WorkingOrder

cdef enum:
    NANO = 1_000_000_000


cdef void book_fill(
    Position* position, const Order* order, const ExecutionReport* report, double tick_value
) noexcept nogil:
    """Position and P&L of one fill: average cost, realised when the position shrinks.

    ``tick_value`` is what one tick on one lot is worth in the quote currency.
    """
    cdef int64_t signed_lots = order.side * report.last_quantity_lots
    cdef int64_t before = position.position_lots
    cdef int64_t before_size = before if before > 0 else -before
    cdef int64_t closed
    cdef double price = report.last_price_ticks
    position.version += 1
    release_fence()
    position.position_lots = before + signed_lots
    if order.side == BUY:
        position.bought_lots += report.last_quantity_lots
    else:
        position.sold_lots += report.last_quantity_lots
    if before == 0 or (before > 0) == (signed_lots > 0):
        position.average_price_ticks = (
            position.average_price_ticks * before_size + price * report.last_quantity_lots
        ) / (before_size + report.last_quantity_lots)
    else:
        closed = min(before_size, report.last_quantity_lots)
        position.realised_pnl += (
            (price - position.average_price_ticks) * closed
            * (1.0 if before > 0 else -1.0) * tick_value
        )
        if position.position_lots == 0:
            position.average_price_ticks = 0.0
        elif (position.position_lots > 0) != (before > 0):
            position.average_price_ticks = price
    position.fees += <double>report.fee_nano / NANO
    position.fill_count += 1
    release_fence()
    position.version += 1


cdef void show_order(
    Position* position, OpenTotals* totals, const Order* orders, const Order* order
) noexcept nogil:
    """Brings the strategy's view of its working orders, and their totals, up to date with
    ``order``.

    ``orders`` is the table of MAX_ORDERS that ``order`` stands in.
    """
    cdef WorkingOrder* working
    cdef int64_t at = 0
    cdef int64_t index
    position.version += 1
    release_fence()
    while at < position.working_count \
            and position.working[at].order_number != order.order_number:
        at += 1
    if is_open(order.state):
        if at == position.working_count and at < MAX_WORKING_ORDERS:
            position.working_count += 1
        if at < MAX_WORKING_ORDERS:
            working = &position.working[at]
            working.order_number = order.order_number
            working.side = order.side
            working.state = order.state
            working.price_ticks = order.price_ticks
            working.leaves_lots = order.leaves_lots
    elif at < position.working_count:
        position.working_count -= 1
        for index in range(at, position.working_count):
            position.working[index] = position.working[index + 1]
    memset(totals, 0, sizeof(OpenTotals))
    for index in range(position.working_count):
        _add_open(totals, &orders[position.working[index].order_number % MAX_ORDERS])
    position.open_buy_lots = totals.buy_lots
    position.open_sell_lots = totals.sell_lots
    release_fence()
    position.version += 1


cdef void _add_open(OpenTotals* totals, const Order* order) noexcept nogil:
    """Of a replace that awaits its answer, whichever of the two is larger may fill."""
    cdef int64_t open_lots = order.leaves_lots
    cdef int64_t notional = multiply_saturating(order.price_ticks, open_lots)
    cdef int64_t grown_lots
    _add_price(totals, order.side, order.price_ticks)
    if order.pending_quantity_lots > 0:
        grown_lots = order.pending_quantity_lots - order.filled_lots
        open_lots = max(open_lots, grown_lots)
        if grown_lots > 0:
            notional = max(notional, multiply_saturating(order.pending_price_ticks, grown_lots))
        _add_price(totals, order.side, order.pending_price_ticks)
    totals.count += 1
    totals.notional = add_saturating(totals.notional, notional)
    if order.side == BUY:
        totals.buy_lots = add_saturating(totals.buy_lots, open_lots)
    else:
        totals.sell_lots = add_saturating(totals.sell_lots, open_lots)


cdef inline void _add_price(OpenTotals* totals, int64_t side, int64_t price_ticks) noexcept nogil:
    if side == BUY:
        totals.highest_buy_ticks = max(totals.highest_buy_ticks, price_ticks)
    elif totals.lowest_sell_ticks == 0 or price_ticks < totals.lowest_sell_ticks:
        totals.lowest_sell_ticks = price_ticks
