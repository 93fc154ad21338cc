"""Decoder of the Coinbase Exchange feed, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcmp, memset

from ext.change_reader cimport read_changes, read_levels
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
    read_time,
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


@cython.final
cdef class CoinbaseExchangeFeed(FeedDecoder):
    """Decodes snapshot, l2update, match, last_match and heartbeat; the rest is FEED_CONTROL."""

    cdef FeedStatus decode(
        self, const char* payload, Py_ssize_t size, int64_t receive_time_ns
    ) noexcept nogil:
        cdef Fields fields
        cdef FeedStatus status
        self.frame.event_count = 0
        self.frame.delta_count = 0
        self.frame.trade_count = 0
        self.frame.is_general = False
        self.frame.connection_sequence = -1
        self.end = payload + size
        if memcmp(payload, b'{"type":"l2update","product_id":', 32) == 0 \
                and self._decode_usual_update(payload + 32) == FEED_OK:
            return FEED_OK
        self.frame.event_count = 0          # what the usual way has left half done
        self.frame.delta_count = 0
        self.frame.instrument = -1
        memset(&fields, 0, sizeof(fields))
        fields.instrument = -1
        fields.trade_id = -1
        fields.last_trade_id = -1
        status = self._read_fields(payload, &fields)
        if status != FEED_OK:
            return status
        if fields.product_id.start == NULL:
            return FEED_MISSING_FIELD
        if fields.instrument < 0:
            return FEED_UNKNOWN_PRODUCT
        if equals(fields.type, b"l2update", 8):
            self.frame.is_general = True
            return self._decode_book(&fields, False)
        if equals(fields.type, b"snapshot", 8):
            return self._decode_book(&fields, True)
        if equals(fields.type, b"heartbeat", 9):
            return self._decode_heartbeat(&fields)
        return self._decode_match(&fields, receive_time_ns)

    cdef FeedStatus _decode_usual_update(self, const char* p) noexcept nogil:
        """The rest of an update written just as the venue writes it; not FEED_OK for any other,
        good or bad: it is read member by member."""
        cdef const char* end = self.end
        cdef FeedStatus status
        cdef FeedEvent* event
        cdef Span text
        cdef int64_t index
        p = read_string(p, end, &text)
        if p == NULL or memcmp(p, b',"changes":', 11) != 0:
            return FEED_BAD_JSON
        index = self.table.find(text)
        if index < 0:
            return FEED_UNKNOWN_PRODUCT
        p = read_changes(
            &self.frame, p + 11, end, &self.table.instruments[index], &status
        )
        if p == NULL or memcmp(p, b',"time":', 8) != 0:
            return FEED_BAD_JSON
        p = read_string(p + 8, end, &text)
        if p == NULL or p + 1 != end or p[0] != b"}":
            return FEED_BAD_JSON
        self.frame.instrument = index
        event = add_event(&self.frame, UPDATE, index)
        event.first = 0
        event.count = self.frame.delta_count
        event.exchange_time_ns = read_time(text)
        return FEED_OK if event.exchange_time_ns >= 0 else FEED_BAD_TIME

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
        if equals(key, b"type", 4):
            p = read_string(p, end, &fields.type)
            if p != NULL and not _is_market_data(fields.type):
                status[0] = FEED_CONTROL
                return NULL
            return p
        if equals(key, b"product_id", 10):
            if fields.product_id.start != NULL:
                status[0] = FEED_BAD_JSON       # arrays may have been read for the first one
                return NULL
            p = read_string(p, end, &fields.product_id)
            if p != NULL:
                fields.instrument = self.table.find(fields.product_id)
                self.frame.instrument = fields.instrument
            return p
        if equals(key, b"time", 4):
            return read_string(p, end, &fields.time)
        if equals(key, b"changes", 7) or equals(key, b"bids", 4) or equals(key, b"asks", 4):
            return self._read_array(p, key, fields, status)
        if equals(key, b"side", 4):
            return read_string(p, end, &fields.side)
        if equals(key, b"trade_id", 8):
            return read_integer(p, end, &fields.trade_id)
        if equals(key, b"last_trade_id", 13):
            return read_integer(p, end, &fields.last_trade_id)
        if equals(key, b"price", 5):
            fields.price = p
        elif equals(key, b"size", 4):
            fields.quantity = p
        status[0] = FEED_BAD_JSON
        return skip_value(p, end)

    cdef const char* _read_array(
        self, const char* p, Span key, Fields* fields, FeedStatus* status
    ) noexcept nogil:
        """Reads a level array at once when the product is known, else remembers where it is."""
        cdef Instrument* instrument = NULL
        cdef bint is_changes = key.size == 7
        cdef bint is_bids = key.start[0] == b"b"
        cdef bint* is_seen = &fields.has_changes if is_changes else (
            &fields.has_bids if is_bids else &fields.has_asks
        )
        if is_seen[0]:
            status[0] = FEED_BAD_JSON       # twice the same member: which one is meant?
            return NULL
        is_seen[0] = True
        if fields.instrument >= 0:
            instrument = &self.table.instruments[fields.instrument]
            if is_changes:
                return read_changes(&self.frame, p, self.end, instrument, status)
            return read_levels(
                &self.frame, p, self.end, instrument, BUY if is_bids else SELL, status
            )
        if is_changes:
            fields.changes = p
        elif is_bids:
            fields.bids = p
        else:
            fields.asks = p
        status[0] = FEED_BAD_JSON
        return skip_value(p, self.end)

    cdef FeedStatus _decode_book(self, Fields* fields, bint is_snapshot) noexcept nogil:
        cdef Instrument* instrument = &self.table.instruments[fields.instrument]
        cdef FeedEvent* event
        cdef FeedStatus status = FEED_BAD_TYPE
        if fields.has_bids != is_snapshot or fields.has_asks != is_snapshot \
                or fields.has_changes == is_snapshot:
            return FEED_MISSING_FIELD
        if fields.changes != NULL and read_changes(
                &self.frame, fields.changes, self.end, instrument, &status) == NULL:
            return status
        if fields.bids != NULL and read_levels(
                &self.frame, fields.bids, self.end, instrument, BUY, &status) == NULL:
            return status
        if fields.asks != NULL and read_levels(
                &self.frame, fields.asks, self.end, instrument, SELL, &status) == NULL:
            return status
        event = add_event(&self.frame, SNAPSHOT if is_snapshot else UPDATE, fields.instrument)
        event.first = 0
        event.count = self.frame.delta_count
        if fields.time.start != NULL:       # snapshots carry none in the older protocol
            event.exchange_time_ns = read_time(fields.time)
            if event.exchange_time_ns < 0:
                return FEED_BAD_TIME
        elif not is_snapshot:
            return FEED_MISSING_FIELD
        return FEED_OK

    cdef FeedStatus _decode_match(self, Fields* fields, int64_t receive_time_ns) noexcept nogil:
        cdef Instrument* instrument = &self.table.instruments[fields.instrument]
        cdef FeedEvent* event = add_event(&self.frame, TRADES, fields.instrument)
        cdef Trade* trade = &self.frame.trades[0]
        cdef NumberStatus number
        if fields.price == NULL or fields.quantity == NULL or fields.side.start == NULL \
                or fields.time.start == NULL or fields.trade_id < 0:
            return FEED_MISSING_FIELD
        if read_quoted_decimal(fields.price, self.end, instrument.price_decimals,
                               instrument.price_step, &trade.price_ticks, &number) == NULL:
            return number_error(number)
        if read_quoted_decimal(fields.quantity, self.end, instrument.quantity_decimals,
                               instrument.quantity_step, &trade.quantity_lots, &number) == NULL:
            return number_error(number)
        if equals(fields.side, b"sell", 4):
            trade.aggressor_side = BUY      # the maker sold
        elif equals(fields.side, b"buy", 3):
            trade.aggressor_side = SELL
        else:
            return FEED_BAD_SIDE
        trade.exchange_time_ns = read_time(fields.time)
        if trade.exchange_time_ns < 0:
            return FEED_BAD_TIME
        trade.trade_id = fields.trade_id
        trade.receive_time_ns = receive_time_ns
        self.frame.trade_count = 1
        event.first = 0
        # last_match repeats a trade from before the subscription: it seeds the trade id only.
        event.count = 1 if equals(fields.type, b"match", 5) else 0
        event.exchange_time_ns = trade.exchange_time_ns
        event.sequence = trade.trade_id
        return FEED_OK

    cdef FeedStatus _decode_heartbeat(self, Fields* fields) noexcept nogil:
        cdef FeedEvent* event = add_event(&self.frame, HEARTBEAT, fields.instrument)
        if fields.time.start == NULL or fields.last_trade_id < 0:
            return FEED_MISSING_FIELD
        event.exchange_time_ns = read_time(fields.time)
        event.sequence = fields.last_trade_id
        return FEED_OK if event.exchange_time_ns >= 0 else FEED_BAD_TIME


cdef inline bint _is_market_data(Span type) noexcept nogil:
    return equals(type, b"l2update", 8) or equals(type, b"match", 5) \
        or equals(type, b"heartbeat", 9) or equals(type, b"snapshot", 8) \
        or equals(type, b"last_match", 10)
