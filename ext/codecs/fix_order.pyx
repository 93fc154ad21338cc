"""FIX order encoder, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset, strlen

from ext.bounds cimport VENUE_ORDER_ID_BYTES
from ext.client_order_id cimport write_client_order_id
from ext.digits cimport POWERS_OF_TEN
from ext.errors import ConfigError, UsageError
from ext.instrument_table cimport InstrumentTable
from ext.order_encoder cimport EncodedMessage, OrderEncoder
from ext.orders cimport OrderTable
from ext.text cimport write_decimal, write_padded, write_unsigned
from ext.wire cimport (
    BUY,
    CANCEL_ORDER,
    FILL_OR_KILL,
    IMMEDIATE_OR_CANCEL,
    NEW_ORDER,
    Order,
    OrderRequest,
)

BEGIN_STRINGS = ("FIX.4.2", "FIX.4.3", "FIX.4.4", "FIXT.1.1")


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
        _set_part(&self.begin, f"8={begin_string}\x019=")
        _set_part(&self.new_header, f"35=D\x01{comp_ids}")
        _set_part(&self.cancel_header, f"35=F\x01{comp_ids}")
        _set_part(&self.replace_header, f"35=G\x01{comp_ids}")
        tail = f"7928={self_trade_rule}\x01" if self_trade_rule else ""
        self.run = orders.run
        self.second = -1
        memset(self.instruments, 0, sizeof(self.instruments))
        for index in range(table.count):
            _set_part(&self.instruments[index].symbol, f"55={table.symbol(index)}\x01")
            _set_part(&self.instruments[index].new_tail, tail)
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
        cdef Part* header = &self.replace_header
        cdef const char* time
        if request.kind == NEW_ORDER:
            header = &self.new_header
        elif request.kind == CANCEL_ORDER:
            header = &self.cancel_header
        out = _put(out, header.text, header.size)
        out = write_unsigned(out, sequence)
        out = _put(out, b"\x0152=", 4)
        time = out
        out = self._write_time(out, wall_ns)
        out = _put(out, b"\x0111=", 4)
        write_client_order_id(out, &self.run, request.request_number)
        out += 36
        if request.kind != NEW_ORDER:
            out = _put(out, b"\x0141=", 4)
            write_client_order_id(out, &self.run, request.original_number)
            out += 36
            if request.order.venue_order_id[0] != 0:
                out = _put(out, b"\x0137=", 4)
                out = _put(out, request.order.venue_order_id,
                           strlen(request.order.venue_order_id))
        out = _put(out, b"\x01", 1)
        out = _put(out, instrument.symbol.text, instrument.symbol.size)
        out = _put(out, b"54=1\x01" if request.side == BUY else b"54=2\x01", 5)
        out = _put(out, b"60=", 3)
        out = _put(out, time, 21)
        out = _put(out, b"\x0138=", 4)
        out = write_decimal(out, request.quantity_lots, instrument.quantity_step,
                            instrument.quantity_decimals, instrument.quantity_power)
        out = _put(out, b"\x01", 1)
        if request.kind != CANCEL_ORDER:
            out = self._write_limits(out, request)
        return self._finish(out)

    cdef char* _write_limits(self, char* out, const OrderRequest* request) noexcept nogil:
        """OrdType, Price, TimeInForce and ExecInst; new orders add the self-trade rule."""
        cdef InstrumentText* instrument = &self.instruments[request.instrument]
        out = _put(out, b"40=2\x0144=", 8)
        out = write_decimal(out, request.price_ticks, instrument.price_step,
                            instrument.price_decimals, instrument.price_power)
        if request.time_in_force == IMMEDIATE_OR_CANCEL:
            out = _put(out, b"\x0159=3\x01", 6)
        elif request.time_in_force == FILL_OR_KILL:
            out = _put(out, b"\x0159=4\x01", 6)
        else:
            out = _put(out, b"\x0159=1\x01", 6)
        if request.post_only != 0:
            out = _put(out, b"18=A\x01", 5)
        if request.kind == NEW_ORDER:
            out = _put(out, instrument.new_tail.text, instrument.new_tail.size)
        return out

    cdef char* _write_time(self, char* out, int64_t wall_ns) noexcept nogil:
        """UTCTimestamp with milliseconds: ``YYYYMMDD-HH:MM:SS.sss``, 21 bytes."""
        cdef int64_t second = wall_ns // 1_000_000_000
        if second != self.second:
            self.second = second
            _write_second(self.second_text, second)
        out = _put(out, self.second_text, 18)
        return write_padded(out, wall_ns // 1_000_000 % 1000, 3)

    cdef EncodedMessage _finish(self, char* end) noexcept nogil:
        """Puts BeginString and BodyLength in front and the CheckSum behind."""
        cdef EncodedMessage message
        cdef char* body = self.buffer + HEADER_ROOM
        cdef char length_text[8]
        cdef int64_t length_size = write_unsigned(length_text, end - body) - length_text
        cdef unsigned int total = 0
        cdef char* p
        message.start = body - self.begin.size - length_size - 1
        memcpy(message.start, self.begin.text, self.begin.size)
        memcpy(message.start + self.begin.size, length_text, length_size)
        (body - 1)[0] = 1
        p = message.start
        while p < end:
            total += <unsigned char>p[0]
            p += 1
        end = _put(end, b"10=", 3)
        end = write_padded(end, total & 255, 3)
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
        request.kind = kind
        request.instrument = instrument
        request.side = side
        request.order_type = 1
        request.time_in_force = time_in_force
        request.post_only = post_only
        request.price_ticks = price_ticks
        request.quantity_lots = quantity_lots
        request.request_number = request_number
        request.original_number = original_number
        request.order = &order
        message = self.encode(&request, sequence, wall_ns)
        return message.start[: message.size]


cdef inline char* _put(char* out, const char* text, int64_t size) noexcept nogil:
    memcpy(out, text, size)
    return out + size


cdef int _set_part(Part* part, str text) except -1:
    cdef bytes encoded = text.encode()
    cdef const char* start = encoded
    if len(encoded) > MAX_HEADER_BYTES:
        raise ConfigError(f"FIX header part of {len(encoded)} bytes; shorten the CompIDs")
    memcpy(part.text, start, len(encoded))
    part.size = len(encoded)
    return 0


cdef void _write_second(char* out, int64_t second) noexcept nogil:
    """``YYYYMMDD-HH:MM:SS.`` of a second since the epoch (civil from days, Gregorian)."""
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
