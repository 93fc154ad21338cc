"""Decoder of Gemini's market data v2, see the ``.pxd``."""

cimport cython
from libc.stdint cimport INT64_MAX, int64_t
from libc.string cimport memset

from ext.change_reader cimport read_changes
from ext.cursor cimport (
    NumberStatus,
    Span,
    end_item,
    equals,
    expect,
    read_integer,
    read_key,
    read_quoted_decimal,
    read_string,
    skip_space,
    skip_value,
)
from ext.feed_decoder cimport FeedDecoder, add_event, number_error
from ext.instrument_table cimport Instrument
from ext.wire cimport (
    BUY,
    FEED_BAD_JSON,
    FEED_BAD_SIDE,
    FEED_BAD_TIME,
    FEED_BAD_TYPE,
    FEED_CONTROL,
    FEED_MISSING_FIELD,
    FEED_OK,
    FEED_UNKNOWN_PRODUCT,
    HEARTBEAT,
    SELL,
    SNAPSHOT,
    TRADES,
    UPDATE,
    FeedEvent,
    FeedStatus,
    Trade,
)

cdef enum:
    NS_PER_MS = 1_000_000


@cython.final
cdef class GeminiFeed(FeedDecoder):
    """Decodes l2_updates, trade and heartbeat; the rest is FEED_CONTROL."""

    cdef FeedStatus decode(
        self, const char* payload, Py_ssize_t size, int64_t receive_time_ns
    ) noexcept nogil:
        cdef Fields fields
        cdef FeedStatus status
        self.frame.event_count = 0
        self.frame.delta_count = 0
        self.frame.trade_count = 0
        self.frame.connection_sequence = -1
        self.frame.instrument = -1
        self.end = payload + size
        memset(&fields, 0, sizeof(fields))
        fields.instrument = -1
        fields.event_id = -1
        fields.timestamp_ms = -1
        status = self._read_fields(payload, &fields)
        if status != FEED_OK:
            return status
        if equals(fields.type, b"heartbeat", 9):
            return self._decode_heartbeat(&fields)
        if fields.symbol.start == NULL:
            return FEED_MISSING_FIELD
        if fields.instrument < 0:
            return FEED_UNKNOWN_PRODUCT
        if equals(fields.type, b"trade", 5):
            return self._decode_trade(&fields, receive_time_ns)
        return self._decode_book(&fields)

    cdef FeedStatus _read_fields(self, const char* p, Fields* fields) noexcept nogil:
        """One pass over the members; FEED_CONTROL as soon as the type is none of ours."""
        cdef const char* end = self.end
        cdef FeedStatus status
        cdef Span key
        cdef bint is_last = False
        p = expect(p, end, b"{")
        while p != NULL:
            p = read_key(p, end, &key)
            if p == NULL:
                return FEED_BAD_JSON
            status = FEED_BAD_TYPE
            p = self._read_member(p, key, fields, &status)
            if p == NULL:
                return status
            p = end_item(p, end, b"}", &is_last)
            if p != NULL and is_last:
                if skip_space(p, end) != end:
                    return FEED_BAD_JSON
                return FEED_OK if fields.type.start != NULL else FEED_MISSING_FIELD
        return FEED_BAD_JSON

    cdef const char* _read_member(
        self, const char* p, Span key, Fields* fields, FeedStatus* status
    ) noexcept nogil:
        cdef const char* end = self.end
        if _is_repeated(key, fields):
            status[0] = FEED_BAD_JSON           # twice the same member: which one is meant?
            return NULL
        if equals(key, b"type", 4):
            p = read_string(p, end, &fields.type)
            if p != NULL and not _is_market_data(fields.type):
                status[0] = FEED_CONTROL
                return NULL
            return p
        if equals(key, b"symbol", 6):
            p = read_string(p, end, &fields.symbol)
            if p != NULL:
                fields.instrument = self.table.find(fields.symbol)
                self.frame.instrument = fields.instrument
            return p
        if equals(key, b"changes", 7):
            fields.has_changes = True
            if fields.instrument >= 0 and fields.type.start != NULL:
                return read_changes(
                    &self.frame, p, end, &self.table.instruments[fields.instrument], status
                )
            fields.changes = p
        elif equals(key, b"side", 4):
            return read_string(p, end, &fields.side)
        elif equals(key, b"event_id", 8):
            return read_integer(p, end, &fields.event_id)
        elif equals(key, b"timestamp", 9):
            return read_integer(p, end, &fields.timestamp_ms)
        elif equals(key, b"price", 5):
            fields.price = p
        elif equals(key, b"quantity", 8):
            fields.quantity = p
        elif equals(key, b"trades", 6):
            fields.has_trades = p < end and p[0] == b"["
            if not fields.has_trades:
                return NULL
        status[0] = FEED_BAD_JSON
        return skip_value(p, end)

    cdef FeedStatus _decode_book(self, Fields* fields) noexcept nogil:
        cdef FeedEvent* event
        cdef FeedStatus status = FEED_BAD_TYPE
        if not fields.has_changes:
            return FEED_MISSING_FIELD
        if fields.changes != NULL and read_changes(
                &self.frame, fields.changes, self.end,
                &self.table.instruments[fields.instrument], &status) == NULL:
            return status
        event = add_event(
            &self.frame, SNAPSHOT if fields.has_trades else UPDATE, fields.instrument
        )
        event.first = 0
        event.count = self.frame.delta_count
        return FEED_OK

    cdef FeedStatus _decode_trade(self, Fields* fields, int64_t receive_time_ns) noexcept nogil:
        cdef Instrument* instrument = &self.table.instruments[fields.instrument]
        cdef FeedEvent* event = add_event(&self.frame, TRADES, fields.instrument)
        cdef Trade* trade = &self.frame.trades[0]
        cdef NumberStatus number
        if fields.price == NULL or fields.quantity == NULL or fields.side.start == NULL \
                or fields.timestamp_ms < 0 or fields.event_id < 0:
            return FEED_MISSING_FIELD
        if read_quoted_decimal(fields.price, self.end, instrument.price_decimals,
                               instrument.price_step, &trade.price_ticks, &number) == NULL:
            return number_error(number)
        if read_quoted_decimal(fields.quantity, self.end, instrument.quantity_decimals,
                               instrument.quantity_step, &trade.quantity_lots, &number) == NULL:
            return number_error(number)
        if equals(fields.side, b"buy", 3):
            trade.aggressor_side = BUY
        elif equals(fields.side, b"sell", 4):
            trade.aggressor_side = SELL
        else:
            return FEED_BAD_SIDE
        if fields.timestamp_ms > INT64_MAX // NS_PER_MS:
            return FEED_BAD_TIME
        trade.exchange_time_ns = fields.timestamp_ms * NS_PER_MS
        trade.trade_id = fields.event_id
        trade.receive_time_ns = receive_time_ns
        self.frame.trade_count = 1
        event.first = 0
        event.count = 1
        event.exchange_time_ns = trade.exchange_time_ns
        return FEED_OK                      # event ids are not consecutive: no sequence

    cdef FeedStatus _decode_heartbeat(self, Fields* fields) noexcept nogil:
        cdef FeedEvent* event = add_event(&self.frame, HEARTBEAT, -1)
        if fields.timestamp_ms < 0:
            return FEED_MISSING_FIELD
        if fields.timestamp_ms > INT64_MAX // NS_PER_MS:
            return FEED_BAD_TIME
        event.exchange_time_ns = fields.timestamp_ms * NS_PER_MS
        return FEED_OK


cdef inline bint _is_market_data(Span type) noexcept nogil:
    return equals(type, b"l2_updates", 10) or equals(type, b"trade", 5) \
        or equals(type, b"heartbeat", 9)


cdef inline bint _is_repeated(Span key, const Fields* fields) noexcept nogil:
    return (fields.type.start != NULL and equals(key, b"type", 4)) \
        or (fields.symbol.start != NULL and equals(key, b"symbol", 6)) \
        or (fields.has_changes and equals(key, b"changes", 7)) \
        or (fields.has_trades and equals(key, b"trades", 6)) \
        or (fields.side.start != NULL and equals(key, b"side", 4)) \
        or (fields.price != NULL and equals(key, b"price", 5)) \
        or (fields.quantity != NULL and equals(key, b"quantity", 8)) \
        or (fields.event_id >= 0 and equals(key, b"event_id", 8)) \
        or (fields.timestamp_ms >= 0 and equals(key, b"timestamp", 9))
