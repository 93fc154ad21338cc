"""Decoder of the Binance feeds, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memset

from ext.bounds cimport MAX_DELTAS_PER_FRAME, SYMBOL_BYTES
from ext.codecs.binance_fields cimport (
    ASKS_BIT,
    BIDS_BIT,
    DATA_BIT,
    LAST_UPDATE_ID_BIT,
    PREVIOUS_BIT,
    STREAM_BIT,
    Fields,
    has,
    has_all,
    is_market_data,
    is_partial,
    is_read_letter,
    letter_sides,
    member_bit,
    note,
    read_truth,
    set_time,
    snapshot_members,
    ticker_members,
    trade_members,
    update_members,
    word_sides,
)
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
from ext.level_reader cimport LevelShape, learn_levels, read_usual_levels
from ext.wire cimport (
    BUY,
    FEED_BAD_JSON,
    FEED_BAD_NUMBER,
    FEED_BAD_TYPE,
    FEED_CONTROL,
    FEED_MISSING_FIELD,
    FEED_OK,
    FEED_TOO_MANY_DELTAS,
    FEED_UNKNOWN_PRODUCT,
    QUOTE,
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
cdef class BinanceFeed(FeedDecoder):
    """Decodes depth, bookTicker, trade and aggTrade; the rest is FEED_CONTROL."""

    cdef FeedStatus decode(
        self, const char* payload, Py_ssize_t size, int64_t receive_time_ns
    ) noexcept nogil:
        cdef Fields fields
        cdef FeedStatus status = FEED_BAD_JSON
        cdef const char* p
        self.frame.event_count = 0
        self.frame.delta_count = 0
        self.frame.trade_count = 0
        self.frame.is_general = False
        self.frame.connection_sequence = -1
        self.frame.instrument = -1
        self.end = payload + size
        memset(&fields, 0, sizeof(fields))
        fields.instrument = fields.event_time_ms = fields.time_ms = -1
        fields.first_id = fields.last_id = fields.previous_id = -1
        fields.trade_id = fields.is_buyer_maker = -1
        p = self._read_members(payload, &fields, True, &status)
        if p == NULL:
            return status
        if skip_space(p, self.end) != self.end:
            return FEED_BAD_JSON
        return self._take_event(&fields, receive_time_ns)

    cdef const char* _read_members(
        self, const char* p, Fields* fields, bint is_envelope, FeedStatus* status
    ) noexcept nogil:
        """One object: an event, or with ``is_envelope`` what may hold one in ``data``."""
        cdef const char* end = self.end
        cdef bint is_last = False
        status[0] = FEED_BAD_JSON
        p = expect(p, end, b"{")
        while p != NULL:
            status[0] = FEED_BAD_TYPE
            if p[0] == b'"' and p[2] == b'"' and p[3] == b":" and is_read_letter(p[1]):
                p = self._read_letter(skip_space(p + 4, end), p[1], fields, status)
            else:
                p = self._read_named(p, fields, is_envelope, status)
            if p == NULL:
                return NULL
            status[0] = FEED_BAD_JSON
            p = end_item(p, end, b"}", &is_last)
            if p != NULL and is_last:
                return p
        return NULL

    cdef const char* _read_named(
        self, const char* p, Fields* fields, bint is_envelope, FeedStatus* status
    ) noexcept nogil:
        """A member of any name, with white space wherever it may stand."""
        cdef const char* end = self.end
        cdef Span key
        p = read_key(p, end, &key)
        if p == NULL:
            status[0] = FEED_BAD_JSON
            return NULL
        if key.size == 1 and is_read_letter(key.start[0]):
            return self._read_letter(p, key.start[0], fields, status)
        if is_envelope and equals(key, b"data", 4):
            return self._read_data(p, fields, status)
        if is_envelope and equals(key, b"stream", 6):
            if note(fields, STREAM_BIT):
                return read_string(p, end, &fields.stream)
            status[0] = FEED_BAD_JSON
            return NULL
        return self._read_word(p, key, fields, status)

    cdef const char* _read_data(
        self, const char* p, Fields* fields, FeedStatus* status
    ) noexcept nogil:
        """The event of an envelope."""
        if fields.seen & ~member_bit(STREAM_BIT):
            status[0] = FEED_BAD_JSON       # members of an event outside of it, or two events
            return NULL
        if p < self.end and p[0] != b"{":
            status[0] = FEED_BAD_TYPE
            return NULL
        p = self._read_members(p, fields, False, status)
        note(fields, DATA_BIT)
        fields.seen_in_data = fields.seen
        return p

    cdef const char* _read_letter(
        self, const char* p, char letter, Fields* fields, FeedStatus* status
    ) noexcept nogil:
        """The value of a member whose name is one of the letters that are read."""
        cdef const char* end = self.end
        if not note(fields, letter):
            status[0] = FEED_BAD_JSON
            return NULL
        if letter == b"b":
            return self._read_side(p, True, fields, status)
        elif letter == b"a":
            return self._read_side(p, False, fields, status)
        elif letter == b"E":
            return read_integer(p, end, &fields.event_time_ms)
        elif letter == b"T":
            return read_integer(p, end, &fields.time_ms)
        elif letter == b"U":
            return read_integer(p, end, &fields.first_id)
        elif letter == b"u":
            return read_integer(p, end, &fields.last_id)
        elif letter == b"t":
            return read_integer(p, end, &fields.trade_id)
        elif letter == b"m":
            return read_truth(p, end, &fields.is_buyer_maker)
        elif letter == b"e":
            p = read_string(p, end, &fields.type)
            if p != NULL and not is_market_data(fields.type):
                status[0] = FEED_CONTROL
                return NULL
            return p
        elif letter == b"s":
            return self._read_symbol(p, fields, status)
        elif letter == b"p":
            fields.price = p
        elif letter == b"q":
            fields.quantity = p
        elif letter == b"B":
            fields.bid_quantity = p
        else:
            fields.ask_quantity = p
        status[0] = FEED_BAD_JSON
        return skip_value(p, end)

    cdef const char* _read_symbol(
        self, const char* p, Fields* fields, FeedStatus* status
    ) noexcept nogil:
        cdef Span symbol
        if has(fields, BIDS_BIT) or has(fields, ASKS_BIT):
            status[0] = FEED_BAD_JSON       # they were read by the steps of the stream's product
            return NULL
        p = read_string(p, self.end, &symbol)
        if p != NULL:
            fields.instrument = self.frame.instrument = self.table.find(symbol)
        return p

    cdef const char* _read_word(
        self, const char* p, Span key, Fields* fields, FeedStatus* status
    ) noexcept nogil:
        """The value of a member with a longer name; those that nobody reads are passed over."""
        cdef const char* end = self.end
        cdef int64_t bit = -1
        if equals(key, b"pu", 2):
            bit = PREVIOUS_BIT
        elif equals(key, b"lastUpdateId", 12):
            bit = LAST_UPDATE_ID_BIT
        elif equals(key, b"bids", 4):
            bit = BIDS_BIT
        elif equals(key, b"asks", 4):
            bit = ASKS_BIT
        status[0] = FEED_BAD_JSON
        if bit < 0:
            return skip_value(p, end)
        if not note(fields, bit):
            return NULL
        status[0] = FEED_BAD_TYPE
        if bit == PREVIOUS_BIT:
            return read_integer(p, end, &fields.previous_id)
        if bit == LAST_UPDATE_ID_BIT:
            return read_integer(p, end, &fields.snapshot_id)
        return self._read_side(p, bit == BIDS_BIT, fields, status)

    cdef const char* _read_side(
        self, const char* p, bint is_bids, Fields* fields, FeedStatus* status
    ) noexcept nogil:
        """Reads levels at once when the product is known, else remembers where the value is."""
        if fields.seen & letter_sides() and fields.seen & word_sides():
            status[0] = FEED_BAD_JSON       # an update and a snapshot in one
            return NULL
        if fields.seen & word_sides() and fields.instrument < 0:
            fields.instrument = self.frame.instrument = self._find_by_stream(fields.stream)
        if fields.instrument >= 0 and p < self.end and p[0] == b"[":
            return self._read_levels(
                p, fields.instrument, BUY if is_bids else SELL, status
            )
        if is_bids:
            fields.bids = p
        else:
            fields.asks = p
        status[0] = FEED_BAD_JSON
        return skip_value(p, self.end)

    cdef int64_t _find_by_stream(self, Span stream) noexcept nogil:
        """Index of the product of ``btcusdt@…``; -1 when it is not one of ours."""
        cdef char upper[SYMBOL_BYTES]
        cdef Span symbol
        symbol.start = upper
        symbol.size = 0
        while symbol.size < stream.size and stream.start[symbol.size] != b"@":
            if symbol.size == SYMBOL_BYTES:
                return -1
            upper[symbol.size] = stream.start[symbol.size]
            if b"a" <= upper[symbol.size] and upper[symbol.size] <= b"z":
                upper[symbol.size] -= 32
            symbol.size += 1
        return self.table.find(symbol)

    cdef FeedStatus _take_event(self, Fields* fields, int64_t receive_time_ns) noexcept nogil:
        """Makes the event of a frame that was read to its end."""
        if has(fields, STREAM_BIT) != has(fields, DATA_BIT):
            return FEED_MISSING_FIELD
        if has(fields, DATA_BIT) and fields.seen & ~(fields.seen_in_data | member_bit(STREAM_BIT)):
            return FEED_BAD_JSON            # members of an event outside of it
        if fields.type.start == NULL:
            if has(fields, LAST_UPDATE_ID_BIT) or fields.seen & word_sides():
                return self._take_snapshot(fields)
            if has(fields, b"B") or has(fields, b"A"):
                return self._take_ticker(fields)
            return FEED_MISSING_FIELD if fields.seen else FEED_CONTROL      # an answer to us
        if equals(fields.type, b"depthUpdate", 11):
            return self._take_update(fields)
        if equals(fields.type, b"bookTicker", 10):
            return self._take_ticker(fields)
        return self._take_trade(fields, equals(fields.type, b"aggTrade", 8), receive_time_ns)

    cdef FeedStatus _take_update(self, Fields* fields) noexcept nogil:
        """``depthUpdate``: changes, or the whole bounded book of a partial stream."""
        cdef FeedEvent* event
        cdef FeedStatus status
        if not has_all(fields, update_members()):
            return FEED_MISSING_FIELD
        if fields.first_id > fields.last_id:
            return FEED_BAD_NUMBER
        status = self._read_sides(fields)
        if status != FEED_OK:
            return status
        event = add_event(&self.frame, UPDATE, fields.instrument)
        event.first = 0
        event.count = self.frame.delta_count
        if is_partial(fields.stream):
            event.kind = SNAPSHOT
        else:
            event.sequence = fields.last_id
            event.first_sequence = fields.first_id
            event.previous_sequence = fields.previous_id
        return set_time(fields, event)

    cdef FeedStatus _take_snapshot(self, Fields* fields) noexcept nogil:
        """The answer to ``GET …/depth``, or the whole bounded book of a partial stream of spot."""
        cdef FeedEvent* event
        cdef FeedStatus status
        if not has_all(fields, snapshot_members()):
            return FEED_MISSING_FIELD
        if fields.instrument < 0:
            fields.instrument = self.frame.instrument = self._find_by_stream(fields.stream)
        status = self._read_sides(fields)
        if status != FEED_OK:
            return status
        event = add_event(&self.frame, SNAPSHOT, fields.instrument)
        event.first = 0
        event.count = self.frame.delta_count
        if not is_partial(fields.stream):
            event.sequence = fields.snapshot_id
        return set_time(fields, event)

    cdef FeedStatus _read_sides(self, Fields* fields) noexcept nogil:
        """The levels that were not read on the way."""
        cdef FeedStatus status = FEED_BAD_TYPE
        if fields.instrument < 0:
            return FEED_UNKNOWN_PRODUCT
        if fields.bids != NULL and self._read_levels(
                fields.bids, fields.instrument, BUY, &status) == NULL:
            return status
        if fields.asks != NULL and self._read_levels(
                fields.asks, fields.instrument, SELL, &status) == NULL:
            return status
        return FEED_OK

    cdef FeedStatus _take_ticker(self, Fields* fields) noexcept nogil:
        """``bookTicker``: two levels; an empty side has price and quantity zero."""
        cdef BookDelta* bid = &self.frame.deltas[0]
        cdef BookDelta* ask = &self.frame.deltas[1]
        cdef FeedEvent* event
        cdef FeedStatus status
        if not has_all(fields, ticker_members()):
            return FEED_MISSING_FIELD
        if fields.instrument < 0:
            return FEED_UNKNOWN_PRODUCT
        self.frame.delta_count = 0
        status = self._read_apart(
            fields, fields.bids, fields.bid_quantity, &bid.price_ticks, &bid.quantity_lots
        )
        if status == FEED_OK:
            status = self._read_apart(
                fields, fields.asks, fields.ask_quantity, &ask.price_ticks, &ask.quantity_lots
            )
        if status != FEED_OK:
            return status
        bid.side = BUY
        ask.side = SELL
        event = add_event(&self.frame, QUOTE, fields.instrument)
        event.first = 0
        event.count = self.frame.delta_count = 2
        event.sequence = fields.last_id
        return set_time(fields, event)

    cdef FeedStatus _take_trade(
        self, Fields* fields, bint is_aggregate, int64_t receive_time_ns
    ) noexcept nogil:
        """``trade``, or ``aggTrade``: the fills of one taker at one price."""
        cdef Trade* trade = &self.frame.trades[0]
        cdef FeedEvent* event
        cdef FeedStatus status
        if not has_all(fields, trade_members()) \
                or not has(fields, b"a" if is_aggregate else b"t"):
            return FEED_MISSING_FIELD
        if fields.instrument < 0:
            return FEED_UNKNOWN_PRODUCT
        self.frame.delta_count = 0
        trade.trade_id = fields.trade_id
        if is_aggregate and (fields.asks == NULL or _read_whole(
                fields.asks, self.end, &trade.trade_id) == NULL):
            return FEED_BAD_TYPE
        status = self._read_apart(
            fields, fields.price, fields.quantity, &trade.price_ticks, &trade.quantity_lots
        )
        if status != FEED_OK:
            return status
        trade.aggressor_side = SELL if fields.is_buyer_maker else BUY
        trade.receive_time_ns = receive_time_ns
        event = add_event(&self.frame, TRADES, fields.instrument)
        status = set_time(fields, event)
        trade.exchange_time_ns = event.exchange_time_ns
        event.first = 0
        # Nothing changed hands in a trade of nothing: its id counts, strategies do not see it.
        event.count = trade.price_ticks > 0 and trade.quantity_lots > 0
        self.frame.trade_count = event.count
        event.sequence = trade.trade_id
        return status

    cdef FeedStatus _read_apart(
        self, const Fields* fields, const char* price, const char* quantity,
        int64_t* price_ticks, int64_t* quantity_lots
    ) noexcept nogil:
        """A price and a quantity that stand apart; NULL for one that was no text."""
        cdef const Instrument* instrument = &self.table.instruments[fields.instrument]
        cdef NumberStatus number
        if price == NULL or quantity == NULL:
            return FEED_BAD_TYPE
        if read_quoted_decimal(
                price, self.end, instrument.price_decimals, instrument.price_step, price_ticks,
                &number) == NULL:
            return number_error(number)
        if read_quoted_decimal(
                quantity, self.end, instrument.quantity_decimals, instrument.quantity_step,
                quantity_lots, &number) == NULL:
            return number_error(number)
        return FEED_OK

    cdef const char* _read_levels(
        self, const char* p, int64_t instrument, int64_t side, FeedStatus* status
    ) noexcept nogil:
        """``[["price","quantity"],…]``: the position behind it."""
        cdef const char* end = self.end
        cdef BookDelta* delta = self.frame.deltas + self.frame.delta_count
        cdef const BookDelta* limit = self.frame.deltas + <int64_t>MAX_DELTAS_PER_FRAME
        cdef const LevelShape* shape = &self.shapes[instrument]
        cdef const char* behind
        cdef bint is_last = False
        status[0] = FEED_BAD_TYPE
        p = open_array(p, end, &is_last)
        while p != NULL and not is_last:
            p = expect(p, end, b"[")
            if p == NULL:
                return NULL
            behind = NULL
            if shape.is_known and p[0] == b'"':
                behind = read_usual_levels(p + 1, end, shape, side, &delta, limit)
            if behind == NULL:
                if delta == limit:
                    status[0] = FEED_TOO_MANY_DELTAS
                    return NULL
                self.frame.is_general |= shape.is_known
                behind = self._read_level(p, instrument, delta, status)
                if behind == NULL:
                    return NULL
                delta.side = side
                delta += 1
            p = end_item(behind, end, b"]", &is_last)
        self.frame.delta_count = delta - self.frame.deltas
        return p

    cdef const char* _read_level(
        self, const char* p, int64_t instrument, BookDelta* delta, FeedStatus* status
    ) noexcept nogil:
        """``"price","quantity"]`` in any shape: the position behind it."""
        cdef const Instrument* steps = &self.table.instruments[instrument]
        cdef const char* end = self.end
        cdef const char* price = p
        cdef const char* quantity
        cdef NumberStatus number
        p = read_quoted_decimal(
            p, end, steps.price_decimals, steps.price_step, &delta.price_ticks, &number
        )
        if p == NULL or delta.price_ticks == 0:
            status[0] = number_error(number) if p == NULL else FEED_BAD_NUMBER
            return NULL
        p = quantity = expect(p, end, b",")
        if p == NULL:
            return NULL
        p = read_quoted_decimal(
            p, end, steps.quantity_decimals, steps.quantity_step, &delta.quantity_lots, &number
        )
        if p == NULL:
            status[0] = number_error(number)
            return NULL
        if not self.shapes[instrument].is_known and steps.price_step == 1 \
                and steps.quantity_step == 1 and price[0] == b'"' and quantity[0] == b'"':
            learn_levels(&self.shapes[instrument], price + 1, steps.price_decimals,
                         quantity + 1, steps.quantity_decimals)
        return expect(p, end, b"]")


cdef const char* _read_whole(const char* p, const char* end, int64_t* value) noexcept nogil:
    """A bare integer whose end nobody has looked at; NULL when it is something else."""
    cdef bint is_last
    p = read_integer(p, end, value)
    return end_item(p, end, b"}", &is_last) if p != NULL else NULL
