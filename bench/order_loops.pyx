"""Loops over reports and risk checks, see the ``.pxd``."""

from libc.stdint cimport int64_t
from libc.string cimport memset

from ext.errors import UsageError
from ext.market cimport LastSeen
from ext.pipeline cimport Pipeline
from ext.wire cimport (
    ACCEPTED,
    EXEC_TRADE,
    IMMEDIATE_OR_CANCEL,
    LIMIT,
    NEW_ORDER,
    PARTIALLY_FILLED,
    BookView,
    ExecutionReport,
    Intent,
    Order,
)


def apply_fills(
    Pipeline pipeline not None, order_number: int, count: int, start_time_ns: int
) -> int:
    """Reports ``count`` fills of one lot of an open order, a nanosecond apart; returns by how much
    its position grew.

    Raises UsageError when the order is not open, or too small for that.
    """
    cdef int64_t number = order_number
    cdef int64_t fills = count
    cdef int64_t time_ns = start_time_ns
    cdef int64_t index
    cdef ExecutionReport report
    cdef Order* order = pipeline.orders.find_open(number)
    cdef int64_t before
    if order == NULL or order.leaves_lots <= fills:
        raise UsageError(f"order {number} is not open for more than {fills} lots")
    before = pipeline.memory.positions[order.strategy].position_lots
    memset(&report, 0, sizeof(report))
    report.execution_type = EXEC_TRADE
    report.order_state = PARTIALLY_FILLED
    report.request_number = number
    report.side = order.side
    report.order_quantity_lots = order.quantity_lots
    report.last_price_ticks = order.price_ticks
    report.last_quantity_lots = 1
    report.execution_id_high = number
    for index in range(fills):
        report.cumulative_lots = report.execution_id_low = order.filled_lots + 1
        report.exchange_time_ns = time_ns + index
        pipeline.receive_report(&report, time_ns + index, NULL, 0, 0)
    return abs(pipeline.memory.positions[order.strategy].position_lots - before)


def check_intents(
    Pipeline pipeline not None, const int64_t[:, ::1] intents, start_time_ns: int, gap_ns: int
) -> int:
    """Takes rows of (side, price_ticks, quantity_lots), ``gap_ns`` apart, through the risk gate as
    new orders of strategy 0; those that it accepts count as sent. Returns how many it accepted."""
    cdef BookView* book = &pipeline.memory.books[pipeline.memory.positions[0].instrument]
    cdef int64_t time_ns = start_time_ns
    cdef int64_t step_ns = gap_ns
    cdef int64_t accepted = 0
    cdef Py_ssize_t index
    cdef Intent intent
    cdef LastSeen seen
    memset(&intent, 0, sizeof(intent))
    seen.trade_ticks = book.bid_ticks[0]
    intent.kind = NEW_ORDER
    intent.order_type = LIMIT
    intent.time_in_force = IMMEDIATE_OR_CANCEL
    for index in range(intents.shape[0]):
        intent.side = <int>intents[index, 0]
        intent.price_ticks = intents[index, 1]
        intent.quantity_lots = intents[index, 2]
        seen.frame_ns = seen.trade_ns = time_ns
        if pipeline.gate.check(
                &intent, 0, book, &seen, pipeline.orders, True, time_ns) == ACCEPTED:
            pipeline.gate.note_sent(&intent, 0, book.instrument, time_ns)
            accepted += 1
        time_ns += step_ns
    return accepted
