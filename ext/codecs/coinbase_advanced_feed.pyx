"""Decoder of the Coinbase Advanced Trade feed, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcmp, memset

from ext.bounds cimport MAX_DELTAS_PER_FRAME, MAX_TRADES_PER_FRAME
from ext.cursor cimport (
    NUMBER_OK,
    NumberStatus,
    Span,
    end_item,
    equals,
    expect,
    open_array,
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
    FEED_BAD_NUMBER,
    FEED_BAD_SIDE,
    FEED_BAD_TIME,
    FEED_BAD_TYPE,
    FEED_CONTROL,
    FEED_MISSING_FIELD,
    FEED_OK,
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
cdef class CoinbaseAdvancedFeed(FeedDecoder):
    """Decodes l2_data, market_trades and heartbeats; other channels are FEED_CONTROL."""

    cdef FeedStatus decode(
        self, const char* payload, Py_ssize_t size, int64_t receive_time_ns
    ) noexcept nogil:
        cdef Envelope envelope
        cdef FeedStatus status
        cdef FeedEvent* event
        self.frame.event_count = 0
        self.frame.delta_count = 0
        self.frame.trade_count = 0
        self.frame.is_general = False
        self.frame.instrument = -1          # one frame may hold several
        self.end = payload + size
        self.receive_time_ns = receive_time_ns
        memset(&envelope, 0, sizeof(envelope))
        envelope.sequence_num = -1
        status = self._read_envelope(payload, &envelope)
        self.frame.connection_sequence = envelope.sequence_num
        if status != FEED_OK:
            return status
        if envelope.sequence_num < 0 or envelope.timestamp.start == NULL:
            return FEED_MISSING_FIELD
        if equals(envelope.channel, b"heartbeats", 10):
            event = add_event(&self.frame, HEARTBEAT, -1)
            event.exchange_time_ns = read_time(envelope.timestamp)
            return FEED_OK if event.exchange_time_ns >= 0 else FEED_BAD_TIME
        if not _is_market_data(envelope.channel):
            return FEED_CONTROL
        if not envelope.has_events:
            return FEED_MISSING_FIELD
        if envelope.events != NULL and self._read_events(
                envelope.events, envelope.channel, &status) == NULL:
            return status
        return FEED_OK

    cdef FeedStatus _read_envelope(self, const char* p, Envelope* envelope) noexcept nogil:
        """The members of the frame; ``events`` is decoded on the way once the channel is known."""
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
            elif equals(key, b"timestamp", 9):
                p = read_string(p, end, &envelope.timestamp)
            elif equals(key, b"sequence_num", 12):
                p = read_integer(p, end, &envelope.sequence_num)
            elif equals(key, b"events", 6) and envelope.has_events:
                return FEED_BAD_JSON
            elif equals(key, b"events", 6) and _is_market_data(envelope.channel):
                envelope.has_events = True
                p = self._read_events(p, envelope.channel, &status)
            else:
                if equals(key, b"events", 6):
                    envelope.events = p
                    envelope.has_events = True
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
                return FEED_MISSING_FIELD if envelope.has_events else FEED_CONTROL   # an error
        return FEED_BAD_JSON

    cdef const char* _read_events(
        self, const char* p, Span channel, FeedStatus* status
    ) noexcept nogil:
        cdef const char* end = self.end
        cdef bint are_trades = channel.start[0] == b"m"
        cdef bint is_last = False
        status[0] = FEED_BAD_TYPE
        p = open_array(p, end, &is_last)
        while p != NULL and not is_last:
            p = self._read_event(p, are_trades, status)
            if p != NULL:
                status[0] = FEED_BAD_TYPE
                p = end_item(p, end, b"]", &is_last)
        return p

    cdef const char* _read_event(
        self, const char* p, bint are_trades, FeedStatus* status
    ) noexcept nogil:
        """One event; its rows are decoded on the way once type and product are known."""
        cdef const char* end = self.end
        cdef EventFields fields
        cdef Span key
        cdef bint is_last = False
        memset(&fields, 0, sizeof(EventFields))
        status[0] = FEED_BAD_TYPE
        p = expect(p, end, b"{")
        while p != NULL and not is_last:
            p = read_key(p, end, &key)
            if p == NULL:
                return NULL
            if _is_repeated(key, &fields, are_trades):
                status[0] = FEED_BAD_JSON   # twice the same member: which one is meant?
                return NULL
            if equals(key, b"type", 4):
                p = read_string(p, end, &fields.type)
            elif equals(key, b"product_id", 10):
                p = read_string(p, end, &fields.product_id)
            elif _is_rows(key, are_trades):
                fields.has_rows = True
                if fields.type.start != NULL and (
                        are_trades or fields.product_id.start != NULL):
                    p = self._read_rows(p, &fields, are_trades, status)
                    if p == NULL:
                        return NULL
                    status[0] = FEED_BAD_TYPE
                else:
                    fields.rows = p
                    p = skip_value(p, end)
            else:
                p = skip_value(p, end)
            p = end_item(p, end, b"}", &is_last) if p != NULL else NULL
        if p == NULL:
            return NULL
        status[0] = FEED_MISSING_FIELD
        if fields.type.start == NULL or not fields.has_rows:
            return NULL
        if fields.rows != NULL and self._read_rows(
                fields.rows, &fields, are_trades, status) == NULL:
            return NULL
        return p

    cdef const char* _read_rows(
        self, const char* p, EventFields* fields, bint are_trades, FeedStatus* status
    ) noexcept nogil:
        cdef bint is_snapshot = equals(fields.type, b"snapshot", 8)
        status[0] = FEED_BAD_TYPE
        if not is_snapshot and not equals(fields.type, b"update", 6):
            return NULL
        if not are_trades:
            return self._read_updates(p, fields, status)
        if is_snapshot:
            return skip_value(p, self.end)  # trades from before the subscription
        return self._read_trades(p, fields, status)

    cdef const char* _read_updates(
        self, const char* p, EventFields* fields, FeedStatus* status
    ) noexcept nogil:
        """``[{update},…]`` of one product: the position behind it."""
        cdef const char* end = self.end
        cdef bint is_last = False
        cdef int64_t index
        cdef FeedEvent* event
        cdef Span event_time
        status[0] = FEED_MISSING_FIELD
        if fields.product_id.start == NULL:
            return NULL
        status[0] = FEED_UNKNOWN_PRODUCT
        index = self.table.find(fields.product_id)
        if index < 0:
            return NULL
        status[0] = FEED_TOO_MANY_EVENTS
        event = add_event(
            &self.frame, SNAPSHOT if equals(fields.type, b"snapshot", 8) else UPDATE, index
        )
        if event == NULL:
            return NULL
        status[0] = FEED_BAD_TYPE
        memset(&event_time, 0, sizeof(Span))
        p = open_array(p, end, &is_last)
        if p != NULL and is_last:
            return p
        while p != NULL and not is_last:
            p = self._read_update(p, &self.table.instruments[index], &event_time, status)
            if p != NULL:
                status[0] = FEED_BAD_TYPE
                p = end_item(p, end, b"]", &is_last)
        if p == NULL:
            return NULL
        event.count = self.frame.delta_count - event.first
        event.exchange_time_ns = read_time(event_time)
        status[0] = FEED_BAD_TIME
        return p if event.exchange_time_ns >= 0 else NULL

    cdef const char* _read_update(
        self, const char* p, Instrument* instrument, Span* event_time, FeedStatus* status
    ) noexcept nogil:
        """``{"side","event_time","price_level","new_quantity"}`` in any order."""
        cdef const char* end = self.end
        cdef NumberStatus number = NUMBER_OK
        cdef BookDelta* delta
        cdef Span key, side
        cdef bint has_price = False
        cdef bint has_quantity = False
        cdef bint is_last = False
        cdef const char* usual
        memset(&side, 0, sizeof(Span))
        status[0] = FEED_TOO_MANY_DELTAS
        if self.frame.delta_count == MAX_DELTAS_PER_FRAME:
            return NULL
        delta = &self.frame.deltas[self.frame.delta_count]
        usual = _read_usual_update(p, end, instrument, event_time, delta)
        if usual != NULL:
            self.frame.delta_count += 1
            return usual
        self.frame.is_general = True
        p = expect(p, end, b"{")
        while p != NULL and not is_last:
            status[0] = FEED_BAD_TYPE
            p = read_key(p, end, &key)
            if p == NULL:
                return NULL
            if equals(key, b"side", 4):
                p = read_string(p, end, &side)
            elif equals(key, b"event_time", 10):
                p = read_string(p, end, event_time)
            elif equals(key, b"price_level", 11):
                p = read_quoted_decimal(p, end, instrument.price_decimals,
                                        instrument.price_step, &delta.price_ticks, &number)
                has_price = True
            elif equals(key, b"new_quantity", 12):
                p = read_quoted_decimal(p, end, instrument.quantity_decimals,
                                        instrument.quantity_step, &delta.quantity_lots, &number)
                has_quantity = True
            else:
                p = skip_value(p, end)
            if p == NULL:
                status[0] = number_error(number)
                return NULL
            p = end_item(p, end, b"}", &is_last)
        if p == NULL:
            status[0] = FEED_BAD_TYPE
            return NULL
        status[0] = FEED_MISSING_FIELD
        if not has_price or not has_quantity or side.start == NULL or event_time.start == NULL:
            return NULL
        status[0] = FEED_BAD_NUMBER
        if delta.price_ticks == 0:
            return NULL
        status[0] = FEED_BAD_SIDE
        if equals(side, b"bid", 3):
            delta.side = BUY
        elif equals(side, b"offer", 5):
            delta.side = SELL
        else:
            return NULL
        self.frame.delta_count += 1
        return p

    cdef const char* _read_trades(
        self, const char* p, EventFields* fields, FeedStatus* status
    ) noexcept nogil:
        """``[{trade},…]`` of any products: the position behind it."""
        cdef const char* end = self.end
        cdef bint is_last = False
        cdef FeedEvent* event = NULL
        cdef Trade* trade
        cdef int64_t index
        cdef int64_t first_event = self.frame.event_count
        p = open_array(p, end, &is_last)
        while p != NULL and not is_last:
            status[0] = FEED_TOO_MANY_TRADES
            if self.frame.trade_count == MAX_TRADES_PER_FRAME:
                return NULL
            trade = &self.frame.trades[self.frame.trade_count]
            p = self._read_trade(p, trade, &index, status)
            if p == NULL:
                return NULL
            trade.receive_time_ns = self.receive_time_ns
            if event == NULL or event.instrument != index:
                event = add_event(&self.frame, TRADES, index)
                status[0] = FEED_TOO_MANY_EVENTS
                if event == NULL:
                    return NULL
                event.first = self.frame.trade_count
            self.frame.trade_count += 1
            event.count += 1
            status[0] = FEED_BAD_TYPE
            p = end_item(p, end, b"]", &is_last)
        if p != NULL:
            self._put_oldest_first(first_event)
        return p

    cdef void _put_oldest_first(self, int64_t first_event) noexcept nogil:
        """The venue lists the newest trade first; strategies and bars want them as they came."""
        cdef Trade newer
        cdef FeedEvent* event
        cdef int64_t index, low, high
        for index in range(first_event, self.frame.event_count):
            event = &self.frame.events[index]
            low = event.first
            high = event.first + event.count - 1
            while low < high:
                newer = self.frame.trades[low]
                self.frame.trades[low] = self.frame.trades[high]
                self.frame.trades[high] = newer
                low += 1
                high -= 1
            newer = self.frame.trades[event.first + event.count - 1]
            event.exchange_time_ns = newer.exchange_time_ns

    cdef const char* _read_trade(
        self, const char* p, Trade* trade, int64_t* index, FeedStatus* status
    ) noexcept nogil:
        """``{"product_id","trade_id","price","size","time","side"}`` in any order."""
        cdef const char* end = self.end
        cdef TradeTexts texts
        cdef Span key
        cdef bint is_last = False
        memset(&texts, 0, sizeof(TradeTexts))
        status[0] = FEED_BAD_TYPE
        p = expect(p, end, b"{")
        while p != NULL and not is_last:
            p = read_key(p, end, &key)
            if p == NULL:
                return NULL
            if equals(key, b"product_id", 10):
                p = read_string(p, end, &texts.product_id)
            elif equals(key, b"trade_id", 8):
                p = read_string(p, end, &texts.trade_id)
            elif equals(key, b"time", 4):
                p = read_string(p, end, &texts.time)
            elif equals(key, b"side", 4):
                p = read_string(p, end, &texts.side)
            else:
                if equals(key, b"price", 5):
                    texts.price = p
                elif equals(key, b"size", 4):
                    texts.quantity = p
                p = skip_value(p, end)
            p = end_item(p, end, b"}", &is_last) if p != NULL else NULL
        if p == NULL:
            return NULL
        status[0] = FEED_MISSING_FIELD
        if texts.product_id.start == NULL or texts.trade_id.start == NULL \
                or texts.time.start == NULL or texts.side.start == NULL or texts.price == NULL \
                or texts.quantity == NULL:
            return NULL
        status[0] = self._convert_trade(&texts, trade, index)
        return p if status[0] == FEED_OK else NULL

    cdef FeedStatus _convert_trade(self, TradeTexts* texts, Trade* trade, int64_t* index) \
            noexcept nogil:
        cdef NumberStatus number = NUMBER_OK
        cdef Instrument* instrument
        cdef const char* behind = texts.trade_id.start + texts.trade_id.size
        index[0] = self.table.find(texts.product_id)
        if index[0] < 0:
            return FEED_UNKNOWN_PRODUCT
        instrument = &self.table.instruments[index[0]]
        if read_quoted_decimal(texts.price, self.end, instrument.price_decimals,
                               instrument.price_step, &trade.price_ticks, &number) == NULL \
                or read_quoted_decimal(texts.quantity, self.end, instrument.quantity_decimals,
                                       instrument.quantity_step, &trade.quantity_lots,
                                       &number) == NULL:
            return number_error(number)
        if read_integer(texts.trade_id.start, behind, &trade.trade_id) != behind:
            return FEED_BAD_NUMBER
        trade.exchange_time_ns = read_time(texts.time)
        if trade.exchange_time_ns < 0:
            return FEED_BAD_TIME
        if equals(texts.side, b"SELL", 4):
            trade.aggressor_side = BUY      # the maker sold
        elif equals(texts.side, b"BUY", 3):
            trade.aggressor_side = SELL
        else:
            return FEED_BAD_SIDE
        return FEED_OK


cdef inline bint _is_market_data(Span channel) noexcept nogil:
    return equals(channel, b"l2_data", 7) or equals(channel, b"market_trades", 13)


cdef inline bint _is_rows(Span key, bint are_trades) noexcept nogil:
    return equals(key, b"trades", 6) if are_trades else equals(key, b"updates", 7)


cdef inline bint _is_repeated(Span key, const EventFields* fields, bint are_trades) noexcept nogil:
    return (fields.type.start != NULL and equals(key, b"type", 4)) \
        or (fields.product_id.start != NULL and equals(key, b"product_id", 10)) \
        or (fields.has_rows and _is_rows(key, are_trades))


cdef inline bint _begins(const char* p, const char* text, size_t size) noexcept nogil:
    return memcmp(p, text, size) == 0


cdef const char* _read_usual_update(
    const char* p, const char* end, Instrument* instrument, Span* event_time, BookDelta* delta
) noexcept nogil:
    """An update written just as the venue writes it: the position behind it. NULL for any other,
    good or bad: it is read member by member. What is behind ``end`` may be looked at, not used.
    """
    cdef NumberStatus number
    if _begins(p, b'{"side":"bid","event_time"', 26):
        delta.side = BUY
        p += 26
    elif _begins(p, b'{"side":"offer","event_time"', 28):
        delta.side = SELL
        p += 28
    else:
        return NULL
    if p[0] != b":":
        return NULL
    p = read_string(p + 1, end, event_time)
    if p == NULL or not _begins(p, b',"price_level":', 15):
        return NULL
    p = read_quoted_decimal(p + 15, end, instrument.price_decimals, instrument.price_step,
                            &delta.price_ticks, &number)
    if p == NULL or delta.price_ticks == 0 or not _begins(p, b',"new_quantity":', 16):
        return NULL
    p = read_quoted_decimal(p + 16, end, instrument.quantity_decimals, instrument.quantity_step,
                            &delta.quantity_lots, &number)
    if p == NULL or p >= end or p[0] != b"}":
        return NULL
    return p + 1
