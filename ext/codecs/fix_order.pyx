"""FIX order encoder, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset, strlen

from ext.bounds cimport VENUE_ORDER_ID_BYTES
from ext.checksum cimport sum_bytes
from ext.client_order_id cimport put_client_order_id
from ext.digits cimport POWERS_OF_TEN
from ext.errors import ConfigError, UsageError
from ext.instrument_table cimport InstrumentTable
from ext.order_encoder cimport EncodedMessage, OrderEncoder, limit_request
from ext.orders cimport OrderTable
from ext.text cimport (
    TEXT_OVERRUN_BYTES,
    add_bytes,
    digits_of,
    put_decimal,
    put_unsigned,
    sum_of,
    write_padded,
)
from ext.wire cimport (
    BUY,
    CANCEL_ORDER,
    FILL_OR_KILL,
    GOOD_TILL_CANCEL,
    IMMEDIATE_OR_CANCEL,
    NEW_ORDER,
    REPLACE_ORDER,
    Order,
    OrderRequest,
)
from ext.word cimport WORD_BYTES, load_word, repeated, store_word

BEGIN_STRINGS = ("FIX.4.2", "FIX.4.3", "FIX.4.4", "FIXT.1.1")
# TimeInForce(59); an unknown one, which the gate refuses, would be good till cancel.
_TIMES_IN_FORCE = {0: "1", GOOD_TILL_CANCEL: "1", IMMEDIATE_OR_CANCEL: "3", FILL_OR_KILL: "4"}


@cython.final
cdef class FixOrderEncoder(OrderEncoder):
    """Writes the order messages of one FIX session.

    ``self_trade_rule`` is Coinbase's tag 7928 of a new order, empty to leave it out: ``N`` cancels
    the aggressor; the venue's own default differs between its pages, so it is always sent there.
    Raises ConfigError for a BeginString or CompIDs that cannot stand in a header.
    """

    def __cinit__(
        self,
        InstrumentTable table not None,
        OrderTable orders not None,
        begin_string: str,
        sender_comp_id: str,
        target_comp_id: str,
        self_trade_rule: str = "",
    ) -> None:
        cdef int64_t index
        for name, value in (("sender_comp_id", sender_comp_id), ("target_comp_id", target_comp_id)):
            if not value or len(value.encode()) > 64 or "\x01" in value or "=" in value:
                raise ConfigError(f"{name} was {value!r}; use 1 to 64 bytes without = and SOH")
        if begin_string not in BEGIN_STRINGS:
            raise ConfigError(f"begin_string was {begin_string!r}; use {', '.join(BEGIN_STRINGS)}")
        comp_ids = f"49={sender_comp_id}\x0156={target_comp_id}\x0134="
        rule = f"7928={self_trade_rule}\x01" if self_trade_rule else ""
        _set_part(&self.begin, f"8={begin_string}\x019=")
        for kind, message_type in ((NEW_ORDER, "D"), (CANCEL_ORDER, "F"), (REPLACE_ORDER, "G")):
            _set_part(&self.headers[<int64_t>kind], f"35={message_type}\x01{comp_ids}")
        for code, text in _TIMES_IN_FORCE.items():
            for post_only, instruction in enumerate(("", "18=A\x01")):
                tail = f"\x0159={text}\x01{instruction}"
                index = code
                _set_part(&self.tails[<int64_t>NEW_ORDER][index][<int64_t>post_only], tail + rule)
                _set_part(&self.tails[<int64_t>REPLACE_ORDER][index][<int64_t>post_only], tail)
        self.run = orders.run
        self.second = -1
        memset(self.instruments, 0, sizeof(self.instruments))
        for index in range(table.count):
            symbol = table.symbol(index)
            _set_part(&self.instruments[index].buy, f"\x0155={symbol}\x0154=1\x0160=")
            _set_part(&self.instruments[index].sell, f"\x0155={symbol}\x0154=2\x0160=")
            self.instruments[index].price_decimals = table.instruments[index].price_decimals
            self.instruments[index].price_step = table.instruments[index].price_step
            self.instruments[index].price_power = (
                POWERS_OF_TEN[table.instruments[index].price_decimals]
            )
            self.instruments[index].quantity_decimals = table.instruments[index].quantity_decimals
            self.instruments[index].quantity_step = table.instruments[index].quantity_step
            self.instruments[index].quantity_power = (
                POWERS_OF_TEN[table.instruments[index].quantity_decimals]
            )

    cdef EncodedMessage encode(
        self, const OrderRequest* request, int64_t sequence, int64_t wall_ns
    ) noexcept nogil:
        cdef InstrumentText* instrument = &self.instruments[request.instrument]
        cdef char* out = self.buffer + HEADER_ROOM
        cdef const Part* side = &instrument.buy if request.side == BUY else &instrument.sell
        cdef uint64_t millisecond = self._take_time(wall_ns)
        cdef uint64_t sum = 0
        out = _put_part(out, &self.headers[request.kind], &sum)
        out = put_unsigned(out, sequence, &sum)
        out = _put_tag(out, load_word(b"\x0152=\x00\x00\x00\x00"), &sum)
        out = _put_time(out, &self.second_text, millisecond, &sum)
        out = _put_tag(out, load_word(b"\x0111=\x00\x00\x00\x00"), &sum)
        out = put_client_order_id(out, &self.run, request.request_number, &sum)
        if request.kind != NEW_ORDER:
            out = self._put_original(out, request, &sum)
        out = _put_part(out, side, &sum)
        out = _put_time(out, &self.second_text, millisecond, &sum)
        out = _put_tag(out, load_word(b"\x0138=\x00\x00\x00\x00"), &sum)
        out = put_decimal(out, request.quantity_lots, instrument.quantity_step,
                          instrument.quantity_decimals, instrument.quantity_power, &sum)
        if request.kind == CANCEL_ORDER:
            out[0] = 1
            sum += 1
            return self._finish(out + 1, sum)
        out = _put_tag(out, load_word(b"\x0140=\x00\x00\x00\x00"), &sum)
        out[0] = b"2"                       # OrdType: limit
        sum += <char>b"2"
        out = _put_tag(out + 1, load_word(b"\x0144=\x00\x00\x00\x00"), &sum)
        out = put_decimal(out, request.price_ticks, instrument.price_step,
                          instrument.price_decimals, instrument.price_power, &sum)
        out = _put_part(
            out, &self.tails[request.kind][request.time_in_force & 3][request.post_only != 0], &sum
        )
        return self._finish(out, sum)

    cdef char* _put_original(self, char* out, const OrderRequest* request, uint64_t* sum) \
            noexcept nogil:
        """OrigClOrdID and, once it is known, OrderID of the order that is changed."""
        cdef int64_t size = strlen(request.order.venue_order_id)
        out = _put_tag(out, load_word(b"\x0141=\x00\x00\x00\x00"), sum)
        out = put_client_order_id(out, &self.run, request.original_number, sum)
        if size > 0:
            out = _put_tag(out, load_word(b"\x0137=\x00\x00\x00\x00"), sum)
            memcpy(out, request.order.venue_order_id, size)
            sum[0] += sum_bytes(request.order.venue_order_id, size)
        return out + size

    cdef uint64_t _take_time(self, int64_t wall_ns) noexcept nogil:
        """Makes ``second_text`` right; the three digits of the millisecond as a word."""
        cdef int64_t second = wall_ns // 1_000_000_000
        if second != self.second:
            self.second = second
            _write_second(&self.second_text, second)
        return (
            digits_of((wall_ns - second * 1_000_000_000) // 1_000_000) | repeated(b"0")
        ) >> 40

    cdef EncodedMessage _finish(self, char* end, uint64_t sum) noexcept nogil:
        """Puts BeginString and BodyLength in front and the CheckSum behind."""
        cdef EncodedMessage message
        cdef char* body = self.buffer + HEADER_ROOM
        cdef char length_text[8 + TEXT_OVERRUN_BYTES]
        cdef int64_t length_size = put_unsigned(length_text, end - body, &sum) - length_text
        cdef int64_t index
        cdef char* at
        message.start = body - self.begin.size - length_size - 1
        store_word(message.start, load_word(self.begin.text))
        at = message.start + self.begin.size    # of 12 bytes or more: two words cover them
        store_word(at - WORD_BYTES, load_word(self.begin.text + self.begin.size - WORD_BYTES))
        for index in range(length_size):
            at[index] = length_text[index]
        (body - 1)[0] = 1
        sum += self.begin.sum + 1
        memcpy(end, b"10=", 3)
        end = write_padded(end + 3, sum_of(sum) & 255, 3)
        end[0] = 1
        message.size = end + 1 - message.start
        return message

    def encode_request(
        self,
        kind: int,
        instrument: int,
        side: int,
        price_ticks: int,
        quantity_lots: int,
        request_number: int,
        sequence: int,
        wall_ns: int,
        original_number: int = 0,
        time_in_force: int = 1,
        post_only: bool = False,
        venue_order_id: str = "",
    ) -> bytes:
        """Test edge: the message of a request given field by field."""
        cdef OrderRequest request
        cdef Order order
        cdef EncodedMessage message
        cdef bytes venue = venue_order_id.encode()
        if len(venue) >= VENUE_ORDER_ID_BYTES:
            raise UsageError(
                f"venue_order_id had {len(venue)} bytes; use at most {VENUE_ORDER_ID_BYTES - 1}"
            )
        memset(&order, 0, sizeof(order))
        memcpy(order.venue_order_id, <const char*>venue, len(venue))
        request = limit_request(
            kind, instrument, side, price_ticks, quantity_lots, request_number, original_number,
            time_in_force, post_only, &order
        )
        message = self.encode(&request, sequence, wall_ns)
        return message.start[: message.size]


cdef inline char* _put_tag(char* out, uint64_t word, uint64_t* sum) noexcept nogil:
    """The first four characters of a word: a SOH, a tag of two digits, ``=``."""
    store_word(out, word)
    add_bytes(sum, word)
    return out + 4


cdef inline char* _put_part(char* out, const Part* part, uint64_t* sum) noexcept nogil:
    """Copies whole blocks: both buffers have the room, and no size has to be looked at."""
    cdef int64_t at = 0
    while at < part.size:
        memcpy(out + at, part.text + at, BLOCK_BYTES)
        at += BLOCK_BYTES
    sum[0] += part.sum
    return out + part.size


cdef inline char* _put_time(
    char* out, const Part* second, uint64_t millisecond, uint64_t* sum
) noexcept nogil:
    """UTCTimestamp with milliseconds: ``YYYYMMDD-HH:MM:SS.sss``, 21 bytes."""
    memcpy(out, second.text, BLOCK_BYTES)
    store_word(out + 18, millisecond)
    add_bytes(sum, millisecond)
    sum[0] += second.sum
    return out + 21


cdef int _set_part(Part* part, str text) except -1:
    cdef bytes encoded = text.encode()
    cdef const char* start = encoded
    if len(encoded) > MAX_HEADER_BYTES:
        raise ConfigError(f"FIX header part of {len(encoded)} bytes; shorten the CompIDs")
    memcpy(part.text, start, len(encoded))
    part.size = len(encoded)
    part.sum = sum_bytes(start, len(encoded))
    return 0


cdef void _write_second(Part* part, int64_t second) noexcept nogil:
    """``YYYYMMDD-HH:MM:SS.`` of a second since the epoch (civil from days, Gregorian)."""
    cdef char* out = part.text
    cdef int64_t days = second // 86400
    cdef int64_t of_day = second % 86400
    cdef int64_t shifted = days + 719468
    cdef int64_t era = shifted // 146097
    cdef int64_t day_of_era = shifted - era * 146097
    cdef int64_t year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096
    ) // 365
    cdef int64_t day_of_year = day_of_era - (
        365 * year_of_era + year_of_era // 4 - year_of_era // 100
    )
    cdef int64_t shifted_month = (5 * day_of_year + 2) // 153
    cdef int64_t day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    cdef int64_t month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    cdef int64_t year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    out = write_padded(out, year, 4)
    out = write_padded(out, month, 2)
    out = write_padded(out, day, 2)
    out[0] = b"-"
    out = write_padded(out + 1, of_day // 3600, 2)
    out[0] = b":"
    out = write_padded(out + 1, of_day // 60 % 60, 2)
    out[0] = b":"
    out = write_padded(out + 1, of_day % 60, 2)
    out[0] = b"."
    part.size = out + 1 - part.text
    part.sum = sum_bytes(part.text, part.size)
