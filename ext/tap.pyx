"""The tap, see the ``.pxd``."""

from libc.stdint cimport int64_t

from ext.shared_memory cimport SharedMemory, put_bytes, slots_of
from ext.wire cimport (
    RECORD_BOOK_STATE,
    RECORD_COMMAND,
    RECORD_DECISION,
    RECORD_EXECUTION,
    RECORD_FRAME,
    RECORD_ORDER_SENT,
    RECORD_READ_END,
    RECORD_REPORT,
    RECORD_REQUEST,
    RECORD_SESSION_WORDS,
    RECORD_STRATEGY_STATE,
    RECORD_TIMER,
    RECORD_TRADE,
    Blob,
    BookView,
    ExecutionReport,
    Intent,
    Order,
    OrderRequest,
    Position,
    Record,
    RequestTerms,
    Trade,
)


cdef void record_trade(
    SharedMemory memory, int64_t instrument, const Trade* trade, int64_t time_ns
) noexcept nogil:
    cdef Record* record = memory.claim_market(time_ns, 1)
    if record == NULL:
        return
    record.exchange_time_ns = trade.exchange_time_ns
    record.kind = RECORD_TRADE
    record.instrument = instrument
    record.side = trade.aggressor_side
    record.price_ticks = trade.price_ticks
    record.quantity_lots = trade.quantity_lots
    record.reference = trade.trade_id
    memory.publish_market(record, 1)


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


cdef void record_frame(
    SharedMemory memory, const char* payload, int64_t size, int64_t after_sequence, int64_t time_ns
) noexcept nogil:
    """``after_sequence`` is the order ring's ``write_sequence`` of when the frame came in."""
    cdef int64_t slots = slots_of(size)
    cdef int64_t written = memory.header.market_write_sequence
    cdef Blob* blob = <Blob*>memory.claim_market(time_ns, slots)
    if blob == NULL:
        return
    blob.kind = RECORD_FRAME
    blob.byte_count = <int>size
    blob.after_sequence = after_sequence
    blob.reference = memory.header.dropped_market_records
    put_bytes(memory.market_ring, memory.market_slots, written, 0, payload, size)
    memory.publish_market(<Record*>blob, slots)


cdef void record_read_end(SharedMemory memory, int64_t time_ns) noexcept nogil:
    cdef Blob* blob = <Blob*>memory.claim_market(time_ns, 1)
    if blob == NULL:
        return
    blob.kind = RECORD_READ_END
    blob.after_sequence = memory.header.write_sequence
    memory.publish_market(<Record*>blob, 1)


cdef void record_message(
    SharedMemory memory, const char* message, int64_t size, int64_t format, int64_t time_ns
) noexcept nogil:
    """A report as it came; ``format`` is a ReportFormat."""
    cdef Blob* blob = memory.claim_blob(time_ns, size)
    if blob == NULL:
        return
    blob.kind = RECORD_REPORT
    blob.code = <int>format
    memory.put(0, message, size)
    memory.publish_blob(blob)


cdef void record_timer(SharedMemory memory, int64_t time_ns) noexcept nogil:
    cdef Record* record = memory.claim(time_ns, True)
    if record != NULL:
        record.kind = RECORD_TIMER
        memory.publish(record)


cdef void record_command(
    SharedMemory memory, int64_t command, int64_t detail, int64_t reference, int64_t time_ns
) noexcept nogil:
    """A Command without words; those with some are written by ``SharedMemory.write_blob``."""
    cdef Blob* blob = memory.claim_blob(time_ns, 0)
    if blob == NULL:
        return
    blob.kind = RECORD_COMMAND
    blob.code = <int>command
    blob.detail = <int>detail
    blob.reference = reference
    memory.publish_blob(blob)


cdef void record_session_words(
    SharedMemory memory, int64_t next_outgoing, int64_t next_incoming, bint is_active,
    bint is_behind, int64_t time_ns
) noexcept nogil:
    cdef Record* record = memory.claim(time_ns, True)
    if record == NULL:
        return
    record.kind = RECORD_SESSION_WORDS
    record.code = is_active
    record.detail = is_behind
    record.order_number = next_outgoing
    record.reference = next_incoming
    memory.publish(record)


cdef void record_request(
    SharedMemory memory, const Intent* intent, const OrderRequest* request, int64_t strategy,
    const char* message, int64_t size, int64_t sequence, int64_t time_ns
) noexcept nogil:
    cdef Blob* blob = memory.claim_blob(time_ns, sizeof(RequestTerms) + size)
    cdef RequestTerms terms
    if blob == NULL:
        return
    blob.kind = RECORD_REQUEST
    blob.instrument = <int>request.instrument
    blob.strategy = <int>strategy
    blob.detail = <int>request.kind
    blob.reference = sequence
    terms.intent = intent[0]
    terms.request_number = request.request_number
    terms.order_number = request.order.order_number
    memory.put(0, <const char*>&terms, sizeof(RequestTerms))
    memory.put(sizeof(RequestTerms), message, size)
    memory.publish_blob(blob)


cdef void record_kept_state(
    SharedMemory memory, int64_t strategy, int64_t kind, const char* state, int64_t size,
    int64_t time_ns
) noexcept nogil:
    """What outlives the process; ``kind`` is a KeptState, ``strategy`` -1 the engine."""
    cdef Blob* blob = memory.claim_blob(time_ns, size)
    if blob == NULL:
        return
    blob.kind = RECORD_STRATEGY_STATE
    blob.strategy = <int>strategy
    blob.code = <int>kind
    memory.put(0, state, size)
    memory.publish_blob(blob)
