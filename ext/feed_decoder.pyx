"""Base of the market data decoders, and their Python edge for tests and tools."""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

from ext.bounds cimport MAX_DELTAS_PER_FRAME, MAX_EVENTS_PER_FRAME
from ext.cursor cimport NUMBER_BAD, NUMBER_OFF_STEP, NumberStatus
from ext.instrument_table cimport InstrumentTable
from ext.pages cimport touch_pages
from ext.wire cimport (
    FEED_BAD_NUMBER,
    FEED_BAD_TYPE,
    FEED_CONTROL,
    FEED_OFF_STEP,
    BookDelta,
    FeedEvent,
    FeedStatus,
)

PADDING = bytes(64)


cdef FeedEvent* add_event(DecodedFrame* frame, int64_t kind, int64_t instrument) noexcept nogil:
    """The next event of the frame, started at its present deltas; NULL when it is full."""
    cdef FeedEvent* event
    if frame.event_count == MAX_EVENTS_PER_FRAME:
        return NULL
    event = &frame.events[frame.event_count]
    frame.event_count += 1
    event.kind = kind
    event.instrument = instrument
    event.first = frame.delta_count
    event.count = 0
    event.exchange_time_ns = 0
    event.sequence = event.first_sequence = event.previous_sequence = -1
    event.depth = 0
    event.checksum = -1
    return event


cdef FeedStatus number_error(NumberStatus status) noexcept nogil:
    """Why a quoted number could not be read, as the status of its frame."""
    if status == NUMBER_BAD:
        return FEED_BAD_NUMBER
    if status == NUMBER_OFF_STEP:
        return FEED_OFF_STEP
    return FEED_BAD_TYPE


cdef class FeedDecoder:
    """Decoder of one venue's market data; subclasses stand in ``ext/codecs``."""

    def __cinit__(self, InstrumentTable table not None) -> None:
        self.table = table
        self.frame.deltas = <BookDelta*>calloc(MAX_DELTAS_PER_FRAME, sizeof(BookDelta))
        if self.frame.deltas == NULL:
            raise MemoryError(f"no memory for {MAX_DELTAS_PER_FRAME} deltas of a frame")
        touch_pages(<char*>self.frame.deltas, MAX_DELTAS_PER_FRAME * sizeof(BookDelta))

    def __dealloc__(self) -> None:
        free(self.frame.deltas)

    cdef FeedStatus decode(
        self, const char* payload, Py_ssize_t size, int64_t receive_time_ns
    ) noexcept nogil:
        return FEED_CONTROL

    def decode_bytes(self, payload: bytes, receive_time_ns: int = 0) -> int:
        """Decodes a copy of ``payload``: its FeedStatus; the result stays until the next call."""
        cdef bytes padded = payload + PADDING
        return self.decode(padded, len(payload), receive_time_ns)

    def events(self) -> list[tuple[int, int, int, int, int, int]]:
        """(kind, instrument, first, count, exchange_time_ns, sequence) of each event."""
        return [
            (e.kind, e.instrument, e.first, e.count, e.exchange_time_ns, e.sequence)
            for e in self.frame.events[: self.frame.event_count]
        ]

    def sequences(self) -> list[tuple[int, int, int]]:
        """(first_sequence, sequence, previous_sequence) of each event; -1 where there is none."""
        return [
            (e.first_sequence, e.sequence, e.previous_sequence)
            for e in self.frame.events[: self.frame.event_count]
        ]

    def checks(self) -> list[tuple[int, int]]:
        """(depth, checksum) of each event: what its book must be like afterwards."""
        return [(e.depth, e.checksum) for e in self.frame.events[: self.frame.event_count]]

    def deltas(self) -> list[tuple[int, int, int]]:
        """(price_ticks, quantity_lots, side) of each level change of the last frame."""
        return [
            (d.price_ticks, d.quantity_lots, d.side)
            for d in self.frame.deltas[: self.frame.delta_count]
        ]

    def trades(self) -> list[tuple[int, int, int, int, int]]:
        """(price_ticks, quantity_lots, aggressor_side, trade_id, exchange_time_ns) of each."""
        return [
            (t.price_ticks, t.quantity_lots, t.aggressor_side, t.trade_id, t.exchange_time_ns)
            for t in self.frame.trades[: self.frame.trade_count]
        ]

    @property
    def connection_sequence(self) -> int:
        """Sequence of the last frame on its connection; -1 where the venue has none."""
        return self.frame.connection_sequence
