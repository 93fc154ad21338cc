"""Decoder of Kraken's WebSocket v1, see the ``.pxd``."""

cimport cython
from libc.stdint cimport INT64_MAX, int64_t
from libc.string cimport memset

from ext.bounds cimport MAX_DELTAS_PER_FRAME, MAX_TRADES_PER_FRAME
from ext.cursor cimport (
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

cdef enum:
    TIME_DECIMALS = 6               # of the venue's times: microseconds
    NS_PER_US = 1000


@cython.final
cdef class KrakenV1Feed(FeedDecoder):
    """Decodes book-<depth>, trade and heartbeat; the rest is FEED_CONTROL."""

    cdef FeedStatus decode(
        self, const char* payload, Py_ssize_t size, int64_t receive_time_ns
    ) noexcept nogil:
        cdef Message message
        cdef FeedStatus status
        cdef int64_t depth
        self.frame.event_count = 0
        self.frame.delta_count = 0
        self.frame.trade_count = 0
        self.frame.connection_sequence = -1
        self.frame.instrument = -1
        self.end = payload + size
        payload = skip_space(payload, self.end)
        if payload < self.end and payload[0] == b"{":
            return self._decode_event(payload)
        memset(&message, 0, sizeof(message))
        status = self._read_message(payload, &message)
        if status != FEED_OK:
            return status
        depth = _book_depth(message.channel)
        if depth < 0 and not equals(message.channel, b"trade", 5):
            return FEED_CONTROL
        self.frame.instrument = self.table.find(message.pair)
        if self.frame.instrument < 0:
            return FEED_UNKNOWN_PRODUCT
        if depth < 0:
            return self._decode_trades(&message, receive_time_ns)
        return self._decode_book(&message, depth)

    cdef FeedStatus _decode_event(self, const char* p) noexcept nogil:
        """``{"event":…}``: a heartbeat, or something for the session."""
        cdef const char* end = self.end
        cdef Span key, name
        cdef bint is_last = False
        memset(&name, 0, sizeof(Span))
        p = expect(p, end, b"{")
        while p != NULL and not is_last:
            p = read_key(p, end, &key)
            if p == NULL:
                return FEED_BAD_JSON
            if equals(key, b"event", 5):
                if name.start != NULL:
                    return FEED_BAD_JSON    # twice the same member: which one is meant?
                p = read_string(p, end, &name)
            else:
                p = skip_value(p, end)
            p = end_item(p, end, b"}", &is_last) if p != NULL else NULL
        if p == NULL or skip_space(p, end) != end:
            return FEED_BAD_JSON
        if name.start == NULL or not equals(name, b"heartbeat", 9):
            return FEED_CONTROL
        add_event(&self.frame, HEARTBEAT, -1)
        return FEED_OK

    cdef FeedStatus _read_message(self, const char* p, Message* message) noexcept nogil:
        """``[id, part, part?, "channel", "pair"]``: where its parts are, and what they are of."""
        cdef const char* end = self.end
        cdef bint is_last = False
        p = expect(p, end, b"[")
        p = skip_value(p, end) if p != NULL else NULL
        p = end_item(p, end, b"]", &is_last) if p != NULL else NULL
        while p != NULL and not is_last:
            p = skip_space(p, end)
            if p < end and p[0] == b'"':
                break
            if message.part_count == MAX_PARTS:
                return FEED_BAD_TYPE
            message.parts[message.part_count] = p
            message.part_count += 1
            p = skip_value(p, end)
            p = end_item(p, end, b"]", &is_last) if p != NULL else NULL
        if p == NULL:
            return FEED_BAD_JSON
        if is_last or message.part_count == 0:
            return FEED_MISSING_FIELD
        p = read_string(p, end, &message.channel)
        p = end_item(p, end, b"]", &is_last) if p != NULL else NULL
        if p == NULL or is_last:
            return FEED_BAD_JSON if p == NULL else FEED_MISSING_FIELD
        p = read_string(p, end, &message.pair)
        if p == NULL:
            return FEED_BAD_TYPE
        p = end_item(p, end, b"]", &is_last)
        return FEED_OK if p != NULL and is_last and skip_space(p, end) == end else FEED_BAD_JSON

    cdef FeedStatus _decode_book(self, Message* message, int64_t depth) noexcept nogil:
        cdef Instrument* instrument = &self.table.instruments[self.frame.instrument]
        cdef FeedEvent* event
        cdef FeedStatus status
        cdef BookParts book
        cdef int64_t part
        cdef bint is_snapshot
        if depth == 0:
            return FEED_BAD_NUMBER
        memset(&book, 0, sizeof(book))
        book.checksum = -1
        for part in range(message.part_count):
            if self._read_part(message.parts[part], instrument, &book, &status) == NULL:
                return status
        is_snapshot = book.has_snapshot_asks and book.has_snapshot_bids and message.part_count == 1
        if book.has_asks or book.has_bids:
            if book.has_snapshot_asks or book.has_snapshot_bids:
                return FEED_BAD_TYPE
            if book.checksum < 0:
                return FEED_MISSING_FIELD
        elif not is_snapshot:
            return FEED_MISSING_FIELD
        event = add_event(
            &self.frame, SNAPSHOT if is_snapshot else UPDATE, self.frame.instrument
        )
        event.first = 0
        event.count = self.frame.delta_count
        event.depth = depth
        event.checksum = book.checksum
        event.exchange_time_ns = book.last_time_us * NS_PER_US
        return FEED_OK

    cdef const char* _read_part(
        self, const char* p, Instrument* instrument, BookParts* book, FeedStatus* status
    ) noexcept nogil:
        """``{"as":[…],"bs":[…]}`` or ``{"a" or "b":[…],"c":"…"}``: the position behind it."""
        cdef const char* end = self.end
        cdef Span key
        cdef bint is_last = False
        status[0] = FEED_BAD_TYPE
        p = expect(p, end, b"{")
        while p != NULL and not is_last:
            status[0] = FEED_BAD_TYPE
            p = read_key(p, end, &key)
            if p != NULL:
                p = self._read_member(p, key, instrument, book, status)
            if p == NULL:
                return NULL
            status[0] = FEED_BAD_TYPE
            p = end_item(p, end, b"}", &is_last)
        return p

    cdef const char* _read_member(
        self, const char* p, Span key, Instrument* instrument, BookParts* book, FeedStatus* status
    ) noexcept nogil:
        cdef bint* is_seen
        cdef Span text
        if equals(key, b"a", 1):
            is_seen = &book.has_asks
        elif equals(key, b"b", 1):
            is_seen = &book.has_bids
        elif equals(key, b"as", 2):
            is_seen = &book.has_snapshot_asks
        elif equals(key, b"bs", 2):
            is_seen = &book.has_snapshot_bids
        elif equals(key, b"c", 1):
            if book.checksum >= 0:
                status[0] = FEED_BAD_JSON       # twice the same member: which one is meant?
                return NULL
            p = read_string(p, self.end, &text)
            if p == NULL:
                return NULL
            status[0] = FEED_BAD_NUMBER
            if read_integer(text.start, text.start + text.size, &book.checksum) \
                    != text.start + text.size or book.checksum >> 32 != 0 \
                    or text.start[0] == b" ":
                return NULL
            return p
        else:
            return skip_value(p, self.end)
        if is_seen[0]:
            status[0] = FEED_BAD_JSON
            return NULL
        is_seen[0] = True
        return self._read_levels(
            p, instrument, SELL if key.start[0] == b"a" else BUY, book, status
        )

    cdef const char* _read_levels(
        self, const char* p, Instrument* instrument, int64_t side, BookParts* book,
        FeedStatus* status
    ) noexcept nogil:
        """``[["price","quantity","time"],…]``: the position behind it."""
        cdef const char* end = self.end
        cdef bint is_last = False
        status[0] = FEED_BAD_TYPE
        p = open_array(p, end, &is_last)
        while p != NULL and not is_last:
            p = self._read_level(p, instrument, side, book, status)
            if p != NULL:
                status[0] = FEED_BAD_TYPE
                p = end_item(p, end, b"]", &is_last)
        return p

    cdef const char* _read_level(
        self, const char* p, Instrument* instrument, int64_t side, BookParts* book,
        FeedStatus* status
    ) noexcept nogil:
        """``["price","quantity","time"]``, of a level that came back with ``"r"`` at the end."""
        cdef const char* end = self.end
        cdef BookDelta* delta
        cdef Span mark
        cdef int64_t time_us
        cdef bint is_last = False
        status[0] = FEED_TOO_MANY_DELTAS
        if self.frame.delta_count == MAX_DELTAS_PER_FRAME:
            return NULL
        delta = &self.frame.deltas[self.frame.delta_count]
        status[0] = FEED_BAD_TYPE
        p = expect(p, end, b"[")
        if p == NULL:
            return NULL
        p = _read_step(p, end, instrument.price_decimals, instrument.price_step,
                       &delta.price_ticks, status)
        p = _read_step(p, end, instrument.quantity_decimals, instrument.quantity_step,
                       &delta.quantity_lots, status) if p != NULL else NULL
        if p == NULL:
            return NULL
        status[0] = FEED_BAD_NUMBER
        if delta.price_ticks == 0:
            return NULL
        p = _read_time_us(p, end, &time_us, status)
        if p == NULL:
            return NULL
        status[0] = FEED_BAD_TYPE
        p = end_item(p, end, b"]", &is_last)
        if p != NULL and not is_last:
            p = read_string(p, end, &mark)
            if p == NULL or not equals(mark, b"r", 1):
                return NULL
            p = expect(p, end, b"]")
        if p == NULL:
            return NULL
        if time_us > book.last_time_us:
            book.last_time_us = time_us
        delta.side = side
        self.frame.delta_count += 1
        return p

    cdef FeedStatus _decode_trades(self, Message* message, int64_t receive_time_ns) noexcept nogil:
        """``[["price","quantity","time","side",…],…]``, oldest first."""
        cdef const char* end = self.end
        cdef Instrument* instrument = &self.table.instruments[self.frame.instrument]
        cdef FeedEvent* event = add_event(&self.frame, TRADES, self.frame.instrument)
        cdef FeedStatus status = FEED_BAD_TYPE
        cdef const char* p = message.parts[0]
        cdef bint is_last = False
        if message.part_count != 1:
            return FEED_BAD_TYPE
        p = open_array(p, end, &is_last)
        while p != NULL and not is_last:
            p = self._read_trade(p, instrument, &status)
            if p != NULL:
                status = FEED_BAD_TYPE
                self.frame.trades[self.frame.trade_count - 1].receive_time_ns = receive_time_ns
                p = end_item(p, end, b"]", &is_last)
        if p == NULL:
            return status
        event.first = 0
        event.count = self.frame.trade_count
        if event.count > 0:
            event.exchange_time_ns = self.frame.trades[event.count - 1].exchange_time_ns
        return FEED_OK

    cdef const char* _read_trade(
        self, const char* p, Instrument* instrument, FeedStatus* status
    ) noexcept nogil:
        cdef const char* end = self.end
        cdef Trade* trade
        cdef Span side
        cdef int64_t time_us
        cdef bint is_last = False
        status[0] = FEED_TOO_MANY_TRADES
        if self.frame.trade_count == MAX_TRADES_PER_FRAME:
            return NULL
        trade = &self.frame.trades[self.frame.trade_count]
        status[0] = FEED_BAD_TYPE
        p = expect(p, end, b"[")
        if p == NULL:
            return NULL
        p = _read_step(p, end, instrument.price_decimals, instrument.price_step,
                       &trade.price_ticks, status)
        p = _read_step(p, end, instrument.quantity_decimals, instrument.quantity_step,
                       &trade.quantity_lots, status) if p != NULL else NULL
        p = _read_time_us(p, end, &time_us, status) if p != NULL else NULL
        if p == NULL:
            return NULL
        status[0] = FEED_BAD_TYPE
        p = expect(p, end, b",")
        p = read_string(p, end, &side) if p != NULL else NULL
        p = end_item(p, end, b"]", &is_last) if p != NULL else NULL
        while p != NULL and not is_last:        # order type and a text: nobody reads them
            p = skip_value(p, end)
            p = end_item(p, end, b"]", &is_last) if p != NULL else NULL
        if p == NULL:
            return NULL
        status[0] = FEED_BAD_SIDE
        if equals(side, b"b", 1):
            trade.aggressor_side = BUY
        elif equals(side, b"s", 1):
            trade.aggressor_side = SELL
        else:
            return NULL
        trade.trade_id = -1
        trade.exchange_time_ns = time_us * NS_PER_US
        self.frame.trade_count += 1
        return p


cdef inline const char* _read_step(
    const char* p, const char* end, int64_t decimals, int64_t step, int64_t* steps,
    FeedStatus* status
) noexcept nogil:
    """``"number",``: the position behind the comma, NULL with the reason."""
    cdef NumberStatus number
    p = read_quoted_decimal(p, end, decimals, step, steps, &number)
    if p == NULL:
        status[0] = number_error(number)
        return NULL
    status[0] = FEED_BAD_TYPE
    return expect(p, end, b",")


cdef inline const char* _read_time_us(
    const char* p, const char* end, int64_t* time_us, FeedStatus* status
) noexcept nogil:
    """``"seconds"``: the position behind it."""
    cdef NumberStatus number
    p = read_quoted_decimal(p, end, TIME_DECIMALS, 1, time_us, &number)
    if p == NULL or time_us[0] > INT64_MAX // NS_PER_US:
        status[0] = FEED_BAD_TYPE if p == NULL and number == 0 else FEED_BAD_TIME
        return NULL
    return p


cdef inline int64_t _book_depth(Span channel) noexcept nogil:
    """Levels of ``book-<levels>``; 0 when they are no number, -1 for another channel."""
    cdef int64_t depth = 0
    if channel.size < 4 or not equals(Span(channel.start, 4), b"book", 4):
        return -1
    if channel.size < 6 or channel.start[4] != b"-" or channel.start[5] == b" " \
            or read_integer(channel.start + 5, channel.start + channel.size, &depth) \
            != channel.start + channel.size:
        return 0
    return depth
