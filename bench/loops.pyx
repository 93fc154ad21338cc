"""Timed loops, see the ``.pxd``."""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from ext.book cimport Book, OrderBook, apply_update
from ext.book_side cimport best_key
from ext.clock import measure_stamp_rate
from ext.clock cimport read_stamp
from ext.codecs.coinbase_rest_order cimport CoinbaseRestOrderEncoder
from ext.codecs.fix_frame cimport FRAME_COMPLETE, GarbledReason, frame_message
from ext.codecs.fix_order cimport FixOrderEncoder
from ext.codecs.fix_report cimport REPORT_READ, FixReportDecoder, ReportHeader
from ext.errors import UsageError
from ext.feed_decoder cimport FeedDecoder
from ext.order_encoder cimport EncodedMessage, OrderEncoder
from ext.pipeline cimport Pipeline
from ext.wire cimport (
    CANCELED,
    EXEC_CANCELED,
    FEED_CONTROL,
    FEED_OK,
    IMMEDIATE_OR_CANCEL,
    LIMIT,
    NEW_ORDER,
    BookDelta,
    ExecutionReport,
    FeedStatus,
    Order,
    OrderRequest,
)

HASH_START = 14695981039346656037

cdef enum:
    ID_TAIL_AT = 35                 # of 36 characters behind {"id":", or a signature's first
    TAIL_WORDS = 6                  # of a request: quantity, price, the end of the timestamp

cdef double NS_PER_STAMP = 1.0 / measure_stamp_rate()


def hash_numbers(const int64_t[::1] numbers, start: int = HASH_START) -> int:
    """The hash that the loops would give these int64 numbers after ``start``."""
    cdef uint64_t result = start
    cdef Py_ssize_t index
    for index in range(numbers.shape[0]):
        result = mix(result, numbers[index])
    return result


def time_calls(function: object, arguments: list, int64_t[::1] samples) -> int:
    """Calls a Python function once for each argument and drops what it returns.

    Nanoseconds of each call go to ``samples``; returns their sum. This is the least that a call
    can cost: no loop of the interpreter around it.
    """
    cdef uint64_t started
    cdef int64_t total = 0
    cdef Py_ssize_t index = 0
    _check_room(len(arguments), samples.shape[0])
    for argument in arguments:
        started = read_stamp()
        function(argument)
        samples[index] = _elapsed_ns(started)
        total += samples[index]
        index += 1
    return total


def time_frames(
    Pipeline pipeline not None,
    payloads: list[bytes],
    start_time_ns: int,
    gap_ns: int,
    int64_t[::1] samples,
) -> int:
    """Takes padded frames through the whole arc; nanoseconds of each go to ``samples``.

    The n-th has the receive time ``start_time_ns + n * gap_ns``. Between two frames, outside the
    time that is taken, the orders of the first are reported as canceled: tables and limits stay
    as they were. Returns how many frames were FEED_OK or FEED_CONTROL.
    """
    cdef int64_t time_ns = start_time_ns
    cdef int64_t step_ns = gap_ns
    cdef int64_t good = 0
    cdef int64_t number
    cdef uint64_t started
    cdef Py_ssize_t index = 0
    cdef FeedStatus status
    cdef bytes payload
    _check_room(len(payloads), samples.shape[0])
    for payload in payloads:
        number = pipeline.orders.next_number
        started = read_stamp()
        status = pipeline.receive_frame(payload, len(payload) - PADDING_BYTES, time_ns)
        samples[index] = _elapsed_ns(started)
        good += status == FEED_OK or status == FEED_CONTROL
        _close_orders(pipeline, number, time_ns)
        time_ns += step_ns
        index += 1
    return good


cdef void _close_orders(Pipeline pipeline, int64_t first_number, int64_t time_ns) noexcept nogil:
    """Reports every order from a number on as canceled, unfilled."""
    cdef ExecutionReport report
    cdef int64_t number
    for number in range(first_number, pipeline.orders.next_number):
        memset(&report, 0, sizeof(report))
        report.execution_type = EXEC_CANCELED
        report.order_state = CANCELED
        report.request_number = number
        report.order_quantity_lots = report.price_ticks = report.cumulative_lots = -1
        pipeline.receive_report(&report, time_ns, NULL, 0, 0)


def time_decodes(
    FeedDecoder decoder not None, payloads: list[bytes], int64_t[::1] samples
) -> tuple[int, int]:
    """Decodes padded frames; (nanoseconds in all, hash of every price, quantity and side)."""
    cdef uint64_t result = HASH_START
    cdef uint64_t started
    cdef int64_t total = 0
    cdef int64_t at
    cdef Py_ssize_t index = 0
    cdef const BookDelta* delta
    cdef FeedStatus status
    cdef bytes payload
    _check_room(len(payloads), samples.shape[0])
    for payload in payloads:
        started = read_stamp()
        status = decoder.decode(payload, len(payload) - PADDING_BYTES, 0)
        samples[index] = _elapsed_ns(started)
        total += samples[index]
        index += 1
        if status != FEED_OK:
            result = mix(result, -<int64_t>status)
            continue
        for at in range(decoder.frame.delta_count):
            delta = &decoder.frame.deltas[at]
            result = mix(mix(mix(result, delta.price_ticks), delta.quantity_lots), delta.side)
    return total, result


def time_changes(books: list[OrderBook], const int64_t[:, ::1] changes) -> tuple[int, int]:
    """Applies rows of (book, price_ticks, quantity_lots, side), one at a time, and reads the best
    bid and ask after each; (nanoseconds in all, hash of those prices, 0 for an empty side)."""
    cdef Py_ssize_t count = changes.shape[0]
    cdef Book** pointers = <Book**>calloc(len(books) + 1, sizeof(Book*))
    cdef BookDelta* deltas = <BookDelta*>calloc(count + 1, sizeof(BookDelta))
    cdef uint64_t result = HASH_START
    cdef uint64_t started
    cdef Py_ssize_t index
    cdef Book* book
    cdef OrderBook owner
    try:
        if pointers == NULL or deltas == NULL:
            raise MemoryError(f"no memory for {count} changes")
        for index, owner in enumerate(books):
            pointers[index] = &owner.book
        for index in range(count):
            if not 0 <= changes[index, 0] < len(books):
                raise UsageError(f"row {index} is of book {changes[index, 0]} of {len(books)}")
            deltas[index] = BookDelta(changes[index, 1], changes[index, 2], changes[index, 3])
        started = read_stamp()
        for index in range(count):
            book = pointers[changes[index, 0]]
            apply_update(book, &deltas[index], 1)
            result = mix(result, best_key(&book.bids) if book.bids.count else 0)
            result = mix(result, -best_key(&book.asks) if book.asks.count else 0)
        return _elapsed_ns(started), result
    finally:
        free(pointers)
        free(deltas)


def time_encodes(
    FixOrderEncoder encoder not None, const int64_t[:, ::1] requests
) -> tuple[int, int]:
    """Encodes one NewOrderSingle for each row of (side, price_ticks, quantity_lots,
    request_number, sequence, wall_ns); (nanoseconds in all, hash of sizes and CheckSums)."""
    cdef uint64_t result = HASH_START
    cdef uint64_t started
    cdef Py_ssize_t index
    cdef EncodedMessage message
    cdef OrderRequest request
    cdef Order order
    cdef const char* end
    memset(&request, 0, sizeof(request))
    memset(&order, 0, sizeof(order))
    request.kind = NEW_ORDER
    request.order_type = LIMIT
    request.time_in_force = IMMEDIATE_OR_CANCEL
    request.order = &order
    started = read_stamp()
    for index in range(requests.shape[0]):
        request.side = requests[index, 0]
        request.price_ticks = requests[index, 1]
        request.quantity_lots = requests[index, 2]
        request.request_number = requests[index, 3]
        message = encoder.encode(&request, requests[index, 4], requests[index, 5])
        end = message.start + message.size
        result = mix(mix(result, message.size),
                     (end - 4)[0] * 100 + (end - 3)[0] * 10 + (end - 2)[0] - 5328)
    return _elapsed_ns(started), result


def time_requests(
    OrderEncoder encoder not None,
    const int64_t[:, ::1] requests,
    CoinbaseRestOrderEncoder sealing=None,
) -> tuple[int, int]:
    """Encodes one new order for each row of (side, price_ticks, quantity_lots, request_number,
    sequence, wall_ns); (nanoseconds in all, hash of sizes, ids and last bytes).

    ``sealing`` is the encoder again where requests are sealed behind the journal.
    """
    cdef uint64_t result = HASH_START
    cdef uint64_t started
    cdef Py_ssize_t index, at
    cdef EncodedMessage message
    cdef OrderRequest request
    cdef Order order
    cdef int64_t words[TAIL_WORDS]
    memset(&request, 0, sizeof(request))
    memset(&order, 0, sizeof(order))
    request.kind = NEW_ORDER
    request.order_type = LIMIT
    request.time_in_force = IMMEDIATE_OR_CANCEL
    request.order = &order
    started = read_stamp()
    for index in range(requests.shape[0]):
        request.side = requests[index, 0]
        request.price_ticks = requests[index, 1]
        request.quantity_lots = requests[index, 2]
        request.request_number = requests[index, 3]
        message = encoder.encode(&request, requests[index, 4], requests[index, 5])
        if sealing is not None:
            message = sealing.seal(message)
        result = mix(result, message.size)
        memcpy(words, message.start + ID_TAIL_AT, sizeof(int64_t))
        result = mix(result, words[0])
        memcpy(words, message.start + message.size - sizeof(words), sizeof(words))
        for at in range(TAIL_WORDS):
            result = mix(result, words[at])
    return _elapsed_ns(started), result


def time_reports(
    FixReportDecoder decoder not None, messages: list[bytes], repeats: int
) -> tuple[int, int]:
    """Frames (length and checksum) and decodes padded ExecutionReports, all of them ``repeats``
    times; (nanoseconds in all, hash of quantities, prices and state)."""
    cdef const char** starts = <const char**>calloc(len(messages) + 1, sizeof(char*))
    cdef int64_t* sizes = <int64_t*>calloc(len(messages) + 1, sizeof(int64_t))
    cdef int64_t count = len(messages)
    cdef int64_t rounds = repeats
    cdef int64_t failures = 0
    cdef uint64_t result = HASH_START
    cdef uint64_t started
    cdef int64_t index, _repeat, size
    cdef GarbledReason reason
    cdef ReportHeader header
    cdef ExecutionReport report
    cdef bytes message
    try:
        if starts == NULL or sizes == NULL:
            raise MemoryError(f"no memory for {count} messages")
        for index, message in enumerate(messages):
            starts[index] = message
            sizes[index] = len(message) - PADDING_BYTES
        started = read_stamp()
        for _repeat in range(rounds):
            for index in range(count):
                if frame_message(starts[index], sizes[index], &size, &reason) != FRAME_COMPLETE \
                        or decoder.decode(starts[index], size, &header, &report) != REPORT_READ:
                    failures += 1
                result = mix(mix(result, report.last_price_ticks), report.last_quantity_lots)
                result = mix(mix(result, report.cumulative_lots), report.order_state)
        elapsed_ns = _elapsed_ns(started)
        if failures:
            raise UsageError(f"{failures} of {count * rounds} reports could not be decoded")
        return elapsed_ns, result
    finally:
        free(starts)
        free(sizes)


cdef inline int64_t _elapsed_ns(uint64_t started) noexcept nogil:
    return <int64_t>(<double>(read_stamp() - started) * NS_PER_STAMP)


cdef int _check_room(Py_ssize_t needed, Py_ssize_t room) except -1:
    if needed > room:
        raise UsageError(f"samples has room for {room} values; {needed} are needed")
    return 0
