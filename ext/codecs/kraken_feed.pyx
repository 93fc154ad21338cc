"""Decoder of Kraken's WebSocket v2, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memset

from ext.bounds cimport MAX_DELTAS_PER_FRAME, MAX_TRADES_PER_FRAME
from ext.cursor cimport (
    NumberStatus,
    Span,
    end_item,
    equals,
    expect,
    is_digit,
    open_array,
    read_decimal,
    read_integer,
    read_key,
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
    FEED_BAD_NUMBER,
    FEED_BAD_SIDE,
    FEED_BAD_TIME,
    FEED_BAD_TYPE,
    FEED_CONTROL,
    FEED_MISSING_FIELD,
    FEED_OK,
    FEED_OFF_STEP,
    FEED_TOO_MANY_DELTAS,
    FEED_TOO_MANY_EVENTS,
    FEED_TOO_MANY_TRADES,
    FEED_UNKNOWN_PRODUCT,
    HEARTBEAT,
    SELL,
    SNAPSHOT,
    TRADES,
    UPDATE,
    BookDelta,
    FeedEvent,
    FeedStatus,
    Trade,
)


@cython.final
cdef class KrakenFeed(FeedDecoder):
    """Decodes book, trade and heartbeat; other channels and replies are FEED_CONTROL."""

    cdef FeedStatus decode(
        self, const char* payload, Py_ssize_t size, int64_t receive_time_ns
    ) noexcept nogil:
        cdef Envelope envelope
        cdef FeedStatus status
        self.frame.event_count = 0
        self.frame.delta_count = 0
        self.frame.trade_count = 0
        self.frame.connection_sequence = -1
        self.frame.instrument = -1          # one frame may hold several
        self.end = payload + size
        self.receive_time_ns = receive_time_ns
        memset(&envelope, 0, sizeof(envelope))
        status = self._read_envelope(payload, &envelope)
        if status != FEED_OK:
            return status
        if equals(envelope.channel, b"heartbeat", 9):
            add_event(&self.frame, HEARTBEAT, -1)
            return FEED_OK
        if not envelope.has_data or envelope.type.start == NULL:
            return FEED_MISSING_FIELD
        if envelope.data != NULL and self._read_data(
                envelope.data, &envelope, &status) == NULL:
            return status
        return FEED_OK

    cdef FeedStatus _read_envelope(self, const char* p, Envelope* envelope) noexcept nogil:
        """The members of the frame; ``data`` is decoded on the way once its meaning is known.

        FEED_CONTROL as soon as the channel is none of ours.
        """
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
            if equals(key, b"channel", 7):
                if envelope.channel.start != NULL:
                    return FEED_BAD_JSON    # twice the same member: which one is meant?
                p = read_string(p, end, &envelope.channel)
                if p != NULL and not _is_market_data(envelope.channel):
                    return FEED_CONTROL
            elif equals(key, b"type", 4):
                if envelope.type.start != NULL:
                    return FEED_BAD_JSON
                p = read_string(p, end, &envelope.type)
            elif equals(key, b"data", 4):
                if envelope.has_data:
                    return FEED_BAD_JSON
                envelope.has_data = True
                if envelope.channel.start != NULL and envelope.type.start != NULL:
                    p = self._read_data(p, envelope, &status)
                else:
                    envelope.data = p
                    status = FEED_BAD_JSON
                    p = skip_value(p, end)
            else:
                status = FEED_BAD_JSON
                p = skip_value(p, end)
            if p == NULL:
                return status
            p = end_item(p, end, b"}", &is_last)
            if p != NULL and is_last:
                if skip_space(p, end) != end:
                    return FEED_BAD_JSON
                if envelope.channel.start != NULL:
                    return FEED_OK
                return FEED_MISSING_FIELD if envelope.has_data else FEED_CONTROL    # a reply
        return FEED_BAD_JSON

    cdef const char* _read_data(
        self, const char* p, Envelope* envelope, FeedStatus* status
    ) noexcept nogil:
        """``[{book or trade},…]``: the position behind it."""
        cdef const char* end = self.end
        cdef bint is_book = equals(envelope.channel, b"book", 4)
        cdef bint is_snapshot = equals(envelope.type, b"snapshot", 8)
        cdef bint is_last = False
        status[0] = FEED_BAD_TYPE
        if not is_snapshot and not equals(envelope.type, b"update", 6):
            return NULL
        if not is_book and (is_snapshot or equals(envelope.channel, b"heartbeat", 9)):
            return skip_value(p, end)       # trades from before the subscription
        p = open_array(p, end, &is_last)
        while p != NULL and not is_last:
            p = self._read_book(p, is_snapshot, status) if is_book else self._read_trade(p, status)
            if p != NULL:
                status[0] = FEED_BAD_TYPE
                p = end_item(p, end, b"]", &is_last)
        return p

    cdef const char* _read_book(
        self, const char* p, bint is_snapshot, FeedStatus* status
    ) noexcept nogil:
        """``{"symbol","bids","asks","checksum","timestamp"}`` in any order."""
        cdef const char* end = self.end
        cdef BookFields fields
        cdef FeedEvent* event = add_event(&self.frame, SNAPSHOT if is_snapshot else UPDATE, -1)
        cdef Span key
        cdef bint is_last = False
        status[0] = FEED_TOO_MANY_EVENTS
        if event == NULL:
            return NULL
        memset(&fields, 0, sizeof(fields))
        fields.instrument = -1
        fields.checksum = -1
        status[0] = FEED_BAD_TYPE
        p = expect(p, end, b"{")
        while p != NULL and not is_last:
            status[0] = FEED_BAD_TYPE
            p = read_key(p, end, &key)
            if p != NULL:
                p = self._read_book_member(p, key, &fields, status)
            if p == NULL:
                return NULL
            status[0] = FEED_BAD_TYPE
            p = end_item(p, end, b"}", &is_last)
        if p == NULL:
            return NULL
        status[0] = self._end_book(&fields, event, is_snapshot)
        return p if status[0] == FEED_OK else NULL

    cdef const char* _read_book_member(
        self, const char* p, Span key, BookFields* fields, FeedStatus* status
    ) noexcept nogil:
        """Levels are read at once when the symbol is known, else where they are is remembered."""
        cdef const char* end = self.end
        cdef bint is_bids = equals(key, b"bids", 4)
        if _is_repeated(key, fields):
            status[0] = FEED_BAD_JSON       # twice the same member: which one is meant?
            return NULL
        if is_bids or equals(key, b"asks", 4):
            if is_bids:
                fields.has_bids = True
            else:
                fields.has_asks = True
            if fields.instrument >= 0:
                return self._read_levels(
                    p, &self.table.instruments[fields.instrument], BUY if is_bids else SELL, status
                )
            if is_bids:
                fields.bids = p
            else:
                fields.asks = p
        elif equals(key, b"symbol", 6):
            p = read_string(p, end, &fields.symbol)
            if p != NULL:
                fields.instrument = self.table.find(fields.symbol)
            return p
        elif equals(key, b"checksum", 8):
            p = read_integer(p, end, &fields.checksum)
            if p != NULL and fields.checksum >> 32 != 0:
                status[0] = FEED_BAD_NUMBER
                return NULL
            return p
        elif equals(key, b"timestamp", 9):
            return read_string(p, end, &fields.timestamp)
        return skip_value(p, end)

    cdef FeedStatus _end_book(
        self, BookFields* fields, FeedEvent* event, bint is_snapshot
    ) noexcept nogil:
        """Everything of the book was seen: what had to wait for the symbol, and what is missing."""
        cdef FeedStatus status = FEED_BAD_TYPE
        if fields.symbol.start == NULL or fields.checksum < 0 \
                or not (fields.has_bids or fields.has_asks):
            return FEED_MISSING_FIELD
        if is_snapshot and not (fields.has_bids and fields.has_asks):
            return FEED_MISSING_FIELD
        if fields.instrument < 0:
            return FEED_UNKNOWN_PRODUCT
        event.instrument = fields.instrument
        if fields.bids != NULL and self._read_levels(
                fields.bids, &self.table.instruments[event.instrument], BUY, &status) == NULL:
            return status
        if fields.asks != NULL and self._read_levels(
                fields.asks, &self.table.instruments[event.instrument], SELL, &status) == NULL:
            return status
        event.count = self.frame.delta_count - event.first
        event.depth = self.table.instruments[event.instrument].depth
        event.checksum = fields.checksum
        if fields.timestamp.start != NULL:      # older snapshots carry none
            event.exchange_time_ns = read_time(fields.timestamp)
            if event.exchange_time_ns < 0:
                return FEED_BAD_TIME
        elif not is_snapshot:
            return FEED_MISSING_FIELD
        return FEED_OK

    cdef const char* _read_levels(
        self, const char* p, Instrument* instrument, int64_t side, FeedStatus* status
    ) noexcept nogil:
        """``[{"price","qty"},…]``: the position behind it."""
        cdef const char* end = self.end
        cdef bint is_last = False
        status[0] = FEED_BAD_TYPE
        p = open_array(p, end, &is_last)
        while p != NULL and not is_last:
            p = self._read_level(p, instrument, side, status)
            if p != NULL:
                status[0] = FEED_BAD_TYPE
                p = end_item(p, end, b"]", &is_last)
        return p

    cdef const char* _read_level(
        self, const char* p, Instrument* instrument, int64_t side, FeedStatus* status
    ) noexcept nogil:
        cdef const char* end = self.end
        cdef BookDelta* delta
        cdef Span key
        cdef bint is_last = False
        status[0] = FEED_TOO_MANY_DELTAS
        if self.frame.delta_count == MAX_DELTAS_PER_FRAME:
            return NULL
        delta = &self.frame.deltas[self.frame.delta_count]
        delta.price_ticks = delta.quantity_lots = -1
        status[0] = FEED_BAD_TYPE
        p = expect(p, end, b"{")
        while p != NULL and not is_last:
            status[0] = FEED_BAD_TYPE
            p = read_key(p, end, &key)
            if p == NULL:
                return NULL
            if equals(key, b"price", 5) and delta.price_ticks < 0:
                p = _read_number(p, end, instrument.price_decimals, instrument.price_step,
                                 &delta.price_ticks, status)
            elif equals(key, b"qty", 3) and delta.quantity_lots < 0:
                p = _read_number(p, end, instrument.quantity_decimals, instrument.quantity_step,
                                 &delta.quantity_lots, status)
            elif equals(key, b"price", 5) or equals(key, b"qty", 3):
                status[0] = FEED_BAD_JSON   # twice the same member: which one is meant?
                return NULL
            else:
                p = skip_value(p, end)
            if p == NULL:
                return NULL
            status[0] = FEED_BAD_TYPE
            p = end_item(p, end, b"}", &is_last)
        if p == NULL:
            return NULL
        status[0] = FEED_MISSING_FIELD
        if delta.price_ticks < 0 or delta.quantity_lots < 0:
            return NULL
        status[0] = FEED_BAD_NUMBER
        if delta.price_ticks == 0:
            return NULL
        delta.side = side
        self.frame.delta_count += 1
        return p

    cdef const char* _read_trade(self, const char* p, FeedStatus* status) noexcept nogil:
        """``{"symbol","side","price","qty","trade_id","timestamp"}`` in any order."""
        cdef const char* end = self.end
        cdef TradeFields fields
        cdef Span key
        cdef bint is_last = False
        memset(&fields, 0, sizeof(fields))
        fields.trade_id = -1
        p = expect(p, end, b"{")
        while p != NULL and not is_last:
            status[0] = FEED_BAD_TYPE
            p = read_key(p, end, &key)
            if p != NULL:
                p = self._read_trade_member(p, key, &fields, status)
            if p == NULL:
                return NULL
            p = end_item(p, end, b"}", &is_last)
        if p == NULL:
            return NULL
        status[0] = self._add_trade(&fields)
        return p if status[0] == FEED_OK else NULL

    cdef const char* _read_trade_member(
        self, const char* p, Span key, TradeFields* fields, FeedStatus* status
    ) noexcept nogil:
        cdef const char* end = self.end
        cdef Span* text = NULL
        cdef const char** number = NULL
        if equals(key, b"symbol", 6):
            text = &fields.symbol
        elif equals(key, b"side", 4):
            text = &fields.side
        elif equals(key, b"timestamp", 9):
            text = &fields.timestamp
        elif equals(key, b"price", 5):
            number = &fields.price
        elif equals(key, b"qty", 3):
            number = &fields.quantity
        if (text != NULL and text.start != NULL) or (number != NULL and number[0] != NULL) \
                or (fields.trade_id >= 0 and equals(key, b"trade_id", 8)):
            status[0] = FEED_BAD_JSON       # twice the same member: which one is meant?
            return NULL
        if text != NULL:
            return read_string(p, end, text)
        if number != NULL:
            number[0] = p
        elif equals(key, b"trade_id", 8):
            return read_integer(p, end, &fields.trade_id)
        return skip_value(p, end)

    cdef FeedStatus _add_trade(self, TradeFields* fields) noexcept nogil:
        """The trade, behind those of its instrument or as an event of its own."""
        cdef FeedStatus status
        cdef FeedEvent* event = NULL
        cdef Trade* trade
        cdef Instrument* instrument
        cdef int64_t index
        if fields.symbol.start == NULL or fields.side.start == NULL or fields.price == NULL \
                or fields.quantity == NULL or fields.timestamp.start == NULL \
                or fields.trade_id < 0:
            return FEED_MISSING_FIELD
        index = self.table.find(fields.symbol)
        if index < 0:
            return FEED_UNKNOWN_PRODUCT
        if self.frame.trade_count == MAX_TRADES_PER_FRAME:
            return FEED_TOO_MANY_TRADES
        trade = &self.frame.trades[self.frame.trade_count]
        instrument = &self.table.instruments[index]
        if _read_number(fields.price, self.end, instrument.price_decimals, instrument.price_step,
                        &trade.price_ticks, &status) == NULL \
                or _read_number(fields.quantity, self.end, instrument.quantity_decimals,
                                instrument.quantity_step, &trade.quantity_lots, &status) == NULL:
            return status
        if equals(fields.side, b"buy", 3):
            trade.aggressor_side = BUY
        elif equals(fields.side, b"sell", 4):
            trade.aggressor_side = SELL
        else:
            return FEED_BAD_SIDE
        trade.exchange_time_ns = read_time(fields.timestamp)
        if trade.exchange_time_ns < 0:
            return FEED_BAD_TIME
        trade.trade_id = fields.trade_id
        trade.receive_time_ns = self.receive_time_ns
        if self.frame.event_count > 0:
            event = &self.frame.events[self.frame.event_count - 1]
        if event == NULL or event.instrument != index:
            event = add_event(&self.frame, TRADES, index)
            if event == NULL:
                return FEED_TOO_MANY_EVENTS
            event.first = self.frame.trade_count
        self.frame.trade_count += 1
        event.count += 1
        event.exchange_time_ns = trade.exchange_time_ns
        event.sequence = trade.trade_id
        return FEED_OK


cdef inline const char* _read_number(
    const char* p, const char* end, int64_t decimals, int64_t step, int64_t* steps,
    FeedStatus* status
) noexcept nogil:
    """A bare number as a whole number of steps: the position behind it, NULL with the reason."""
    cdef NumberStatus number
    if p >= end or not is_digit(p[0]):
        status[0] = FEED_BAD_NUMBER if p < end and p[0] == b"-" else FEED_BAD_TYPE
        return NULL
    p = read_decimal(p, end, decimals, steps, &number)
    if p == NULL:
        status[0] = number_error(number)
        return NULL
    if step != 1:
        if steps[0] % step != 0:
            status[0] = FEED_OFF_STEP
            return NULL
        steps[0] = steps[0] // step
    return p


cdef inline bint _is_market_data(Span channel) noexcept nogil:
    return equals(channel, b"book", 4) or equals(channel, b"trade", 5) \
        or equals(channel, b"heartbeat", 9)


cdef inline bint _is_repeated(Span key, const BookFields* fields) noexcept nogil:
    return (fields.has_bids and equals(key, b"bids", 4)) \
        or (fields.has_asks and equals(key, b"asks", 4)) \
        or (fields.symbol.start != NULL and equals(key, b"symbol", 6)) \
        or (fields.checksum >= 0 and equals(key, b"checksum", 8)) \
        or (fields.timestamp.start != NULL and equals(key, b"timestamp", 9))
