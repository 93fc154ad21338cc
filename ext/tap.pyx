"""The tap, see the ``.pxd``."""

from libc.stdint cimport int64_t

from ext.shared_memory cimport SharedMemory
from ext.wire cimport (
    RECORD_BOOK_STATE,
    RECORD_DECISION,
    RECORD_EXECUTION,
    RECORD_ORDER_SENT,
    RECORD_TRADE,
    BookView,
    ExecutionReport,
    Intent,
    Order,
    OrderRequest,
    Position,
    Record,
    Trade,
)


cdef void record_trade(
    SharedMemory memory, int64_t instrument, const Trade* trade, int64_t time_ns
) noexcept nogil:
    cdef Record* record = memory.claim(time_ns, False)
    if record == NULL:
        return
    record.exchange_time_ns = trade.exchange_time_ns
    record.kind = RECORD_TRADE
    record.instrument = instrument
    record.side = trade.aggressor_side
    record.price_ticks = trade.price_ticks
    record.quantity_lots = trade.quantity_lots
    record.reference = trade.trade_id
    memory.publish(record)


cdef void record_book_state(
    SharedMemory memory, const BookView* view, int64_t state, int64_t reason, int64_t time_ns
) noexcept nogil:
    cdef Record* record = memory.claim(time_ns, False)
    if record == NULL:
        return
    record.exchange_time_ns = view.exchange_time_ns
    record.kind = RECORD_BOOK_STATE
    record.instrument = view.instrument
    record.code = state
    record.detail = reason
    memory.publish(record)


cdef void record_decision(
    SharedMemory memory, const Position* position, const BookView* view, const Intent* intent,
    int64_t verdict, int64_t time_ns
) noexcept nogil:
    cdef Record* record = memory.claim(time_ns, True)
    if record == NULL:
        return
    record.exchange_time_ns = view.exchange_time_ns
    record.kind = RECORD_DECISION
    record.instrument = view.instrument
    record.strategy = position.strategy
    record.code = verdict
    record.detail = intent.kind
    record.side = intent.side
    record.order_number = intent.order_number
    record.price_ticks = intent.price_ticks
    record.quantity_lots = intent.quantity_lots
    record.position_lots = position.position_lots
    record.best_bid_ticks = view.bid_ticks[0]
    record.best_ask_ticks = view.ask_ticks[0]
    record.reference = intent.reason
    memory.publish(record)


cdef void record_sent(
    SharedMemory memory, const Position* position, const BookView* view,
    const OrderRequest* request, int64_t sequence, int64_t time_ns
) noexcept nogil:
    cdef Record* record = memory.claim(time_ns, True)
    if record == NULL:
        return
    record.kind = RECORD_ORDER_SENT
    record.instrument = request.instrument
    record.strategy = position.strategy
    record.code = request.order.state
    record.detail = request.kind
    record.side = request.side
    record.order_number = request.order.order_number
    record.price_ticks = request.price_ticks
    record.quantity_lots = request.quantity_lots
    record.filled_lots = request.order.filled_lots
    record.leaves_lots = request.order.leaves_lots
    record.position_lots = position.position_lots
    record.best_bid_ticks = view.bid_ticks[0]
    record.best_ask_ticks = view.ask_ticks[0]
    record.reference = sequence
    memory.publish(record)


cdef void record_report(
    SharedMemory memory, const Order* order, const ExecutionReport* report, int64_t time_ns
) noexcept nogil:
    """``order`` is what the report was applied to, NULL for an order that is not ours."""
    cdef Record* record = memory.claim(time_ns, True)
    cdef const BookView* view
    if record == NULL:
        return
    record.exchange_time_ns = report.exchange_time_ns
    record.kind = RECORD_EXECUTION
    record.instrument = report.instrument
    record.code = report.execution_type
    record.detail = report.order_state
    record.side = report.side
    record.price_ticks = report.last_price_ticks
    record.quantity_lots = report.last_quantity_lots
    record.filled_lots = report.cumulative_lots
    record.leaves_lots = report.leaves_lots
    record.fee_nano = report.fee_nano
    record.reference = report.reject_code
    if order != NULL:
        view = &memory.books[order.instrument]
        record.instrument = order.instrument
        record.strategy = order.strategy
        record.detail = order.state
        record.side = order.side
        record.order_number = order.order_number
        record.filled_lots = order.filled_lots
        record.leaves_lots = order.leaves_lots
        record.position_lots = memory.positions[order.strategy].position_lots
        record.best_bid_ticks = view.bid_ticks[0]
        record.best_ask_ticks = view.ask_ticks[0]
    memory.publish(record)
