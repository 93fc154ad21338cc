"""Timed loops around single steps, see the ``.pxd``."""

from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.string cimport memset

import numpy as np

from bench.loops import HASH_START
from bench.loops cimport PADDING_BYTES, mix
from ext import dtypes
from ext.clock import measure_stamp_rate
from ext.clock cimport read_stamp
from ext.errors import UsageError
from ext.kernels cimport Hook, StrategyTable
from ext.market cimport LastSeen
from ext.orders cimport OrderTable
from ext.pipeline cimport Pipeline
from ext.risk cimport RiskGate
from ext.shared_memory cimport SharedMemory
from ext.tap cimport record_frame, record_message, record_trade
from ext.wire cimport (
    ACCEPTED,
    EXEC_NEW,
    EXEC_TRADE,
    FEED_CONTROL,
    FEED_OK,
    GOOD_TILL_CANCEL,
    LIMIT,
    NEW,
    NEW_ORDER,
    PARTIALLY_FILLED,
    REPORT_FIX,
    BookView,
    ExecutionReport,
    FeedStatus,
    Intent,
    Intents,
    OrderRequest,
    Position,
    Trade,
)

cdef double NS_PER_STAMP = 1.0 / measure_stamp_rate()


def time_hook(address: int, state: np.ndarray, books: np.ndarray) -> tuple[int, int]:
    """Calls a compiled on_book for each record of ``books`` and takes what it wants; no position.

    The hash is of the number of intents of each call, and of side and price of the first.
    """
    cdef Hook hook = <Hook><uintptr_t>address
    cdef void* record = <void*><uintptr_t>state.ctypes.data
    cdef BookView* view = _views(books)
    cdef uint64_t result = HASH_START
    cdef int64_t count = len(books)
    cdef int64_t index
    cdef uint64_t started
    cdef Position position
    cdef Intents intents
    memset(&position, 0, sizeof(position))
    memset(&intents, 0, sizeof(intents))
    started = read_stamp()
    for index in range(count):
        intents.count = 0
        hook(record, NULL, &view[index], &position, &intents)
        result = _mix_intents(result, &intents)
    return _elapsed_ns(started), result


def time_decisions(StrategyTable table not None, books: np.ndarray) -> tuple[int, int]:
    """The first strategy of the table decides on each record of ``books``, as the pipeline asks
    it: on copies, with the intents checked. The hash as above."""
    cdef BookView* view = _views(books)
    cdef uint64_t result = HASH_START
    cdef int64_t count = len(books)
    cdef int64_t index
    cdef uint64_t started
    cdef Position position
    memset(&position, 0, sizeof(position))
    if table.count == 0 or table.strategies[0].on_book == NULL:
        raise UsageError("the table has no strategy with on_book")
    started = read_stamp()
    for index in range(count):
        result = _mix_intents(result, table.decide_book(0, &view[index], &position))
    return _elapsed_ns(started), result


def time_checks(
    RiskGate gate not None, OrderTable orders not None, book: np.ndarray, const int64_t[:, ::1] rows
) -> tuple[int, int]:
    """Checks a new order of strategy 0 for each row of (side, price_ticks, quantity_lots,
    time_ns) against one book; an accepted one counts as sent. The hash is of the verdicts."""
    cdef BookView* view = _views(book)
    cdef uint64_t result = HASH_START
    cdef int64_t instrument = view.instrument
    cdef uint64_t started
    cdef int64_t verdict, time_ns
    cdef Py_ssize_t index
    cdef Intent intent
    cdef LastSeen seen
    memset(&intent, 0, sizeof(intent))
    intent.kind = NEW_ORDER
    intent.order_type = LIMIT
    intent.time_in_force = GOOD_TILL_CANCEL
    seen.trade_ticks = view.bid_ticks[0]
    started = read_stamp()
    for index in range(rows.shape[0]):
        intent.side = <int>rows[index, 0]
        intent.price_ticks = rows[index, 1]
        intent.quantity_lots = rows[index, 2]
        time_ns = seen.frame_ns = seen.trade_ns = rows[index, 3]
        verdict = gate.check(&intent, 0, view, &seen, orders, True, time_ns)
        if verdict == ACCEPTED:
            gate.note_sent(&intent, 0, instrument, time_ns)
        result = mix(result, verdict)
    return _elapsed_ns(started), result


def time_orders(OrderTable orders not None, const int64_t[:, ::1] rows) -> tuple[int, int]:
    """For each row of (side, price_ticks, quantity_lots, first fill) of strategy 0: registers a
    new order, then applies its acknowledgement and the two fills that end it.

    The first fill is in lots, the rest is the second. The hash is of the order's filled lots and
    the position after each report.
    """
    cdef uint64_t result = HASH_START
    cdef Position* position = &orders.positions[0]
    cdef uint64_t started
    cdef Py_ssize_t index
    cdef int64_t execution = 0
    cdef int64_t filled
    cdef Intent intent
    cdef OrderRequest request
    cdef ExecutionReport report
    memset(&intent, 0, sizeof(intent))
    memset(&report, 0, sizeof(report))
    intent.kind = NEW_ORDER
    intent.order_type = LIMIT
    intent.time_in_force = GOOD_TILL_CANCEL
    report.order_quantity_lots = report.price_ticks = report.leaves_lots = -1
    started = read_stamp()
    for index in range(rows.shape[0]):
        intent.side = <int>rows[index, 0]
        intent.price_ticks = rows[index, 1]
        intent.quantity_lots = rows[index, 2]
        filled = rows[index, 3]
        orders.register(&intent, 0, 0, index, &request)
        report.request_number = request.request_number
        report.execution_type = EXEC_NEW
        report.order_state = NEW
        report.cumulative_lots = 0
        orders.apply_report(&report, index)
        result = mix(mix(result, request.order.filled_lots), position.position_lots)
        report.execution_type = EXEC_TRADE
        report.order_state = PARTIALLY_FILLED
        report.last_price_ticks = intent.price_ticks
        report.last_quantity_lots = report.cumulative_lots = filled
        execution += 1
        report.execution_id_low = execution
        orders.apply_report(&report, index)
        result = mix(mix(result, request.order.filled_lots), position.position_lots)
        report.last_quantity_lots = intent.quantity_lots - filled
        report.cumulative_lots = intent.quantity_lots
        execution += 1
        report.execution_id_low = execution
        orders.apply_report(&report, index)
        result = mix(mix(result, request.order.filled_lots), position.position_lots)
    return _elapsed_ns(started), result


def time_records(SharedMemory memory not None, const int64_t[:, ::1] rows) -> int:
    """Writes one trade record of instrument 0 for each row of (price_ticks, quantity_lots,
    aggressor_side, trade_id, exchange_time_ns) into the ring; nanoseconds in all."""
    cdef uint64_t started
    cdef Py_ssize_t index
    cdef Trade trade
    memset(&trade, 0, sizeof(trade))
    started = read_stamp()
    for index in range(rows.shape[0]):
        trade.price_ticks = rows[index, 0]
        trade.quantity_lots = rows[index, 1]
        trade.aggressor_side = rows[index, 2]
        trade.trade_id = rows[index, 3]
        trade.exchange_time_ns = rows[index, 4]
        record_trade(memory, 0, &trade, rows[index, 4])
    return _elapsed_ns(started)


def time_blobs(SharedMemory memory not None, list payloads, bint is_market) -> int:
    """Writes each payload as a frame into the market ring, or as a report into the order ring;
    nanoseconds in all."""
    cdef uint64_t started
    cdef int64_t time_ns = 0
    cdef bytes payload
    cdef const char* start
    started = read_stamp()
    for payload in payloads:
        start = payload
        time_ns += 1
        if is_market:
            record_frame(memory, start, len(payload), 0, time_ns)
        else:
            record_message(memory, start, len(payload), REPORT_FIX, time_ns)
    return _elapsed_ns(started)


def time_books(
    Pipeline pipeline not None,
    payloads: list[bytes],
    receive_time_ns: int,
    int64_t[::1] samples,
    int64_t[:, ::1] best,
) -> int:
    """Takes padded frames through a pipeline and reads the best bid and ask of the book that each
    is of: ticks into the rows of ``best``, 0 for an empty side; nanoseconds into ``samples``.

    Returns how many frames were FEED_OK or FEED_CONTROL.
    """
    cdef int64_t time_ns = receive_time_ns
    cdef int64_t good = 0
    cdef int64_t instrument
    cdef uint64_t started
    cdef Py_ssize_t index = 0
    cdef FeedStatus status
    cdef BookView* view
    cdef bytes payload
    if len(payloads) > min(samples.shape[0], best.shape[0]):
        raise UsageError(
            f"samples and best have room for {samples.shape[0]} and {best.shape[0]} frames;"
            f" {len(payloads)} are given"
        )
    for payload in payloads:
        started = read_stamp()
        status = pipeline.receive_frame(payload, len(payload) - PADDING_BYTES, time_ns)
        instrument = pipeline.decoder.frame.instrument
        if pipeline.decoder.frame.event_count > 0:
            instrument = pipeline.decoder.frame.events[0].instrument
        if instrument >= 0:
            view = &pipeline.memory.books[instrument]
            best[index, 0] = view.bid_ticks[0] if view.bid_levels > 0 else 0
            best[index, 1] = view.ask_ticks[0] if view.ask_levels > 0 else 0
        samples[index] = _elapsed_ns(started)
        good += status == FEED_OK or status == FEED_CONTROL
        index += 1
    return good


cdef BookView* _views(books: np.ndarray) except NULL:
    if books.dtype != dtypes.BOOK_VIEW or not books.flags.c_contiguous or len(books) == 0:
        raise UsageError("books has to be a contiguous array of BOOK_VIEW records, not empty")
    return <BookView*><uintptr_t>books.ctypes.data


cdef inline uint64_t _mix_intents(uint64_t result, const Intents* intents) noexcept nogil:
    result = mix(result, intents.count)
    if intents.count > 0:
        result = mix(mix(result, intents.intents[0].side), intents.intents[0].price_ticks)
    return result


cdef inline int64_t _elapsed_ns(uint64_t started) noexcept nogil:
    return <int64_t>(<double>(read_stamp() - started) * NS_PER_STAMP)
