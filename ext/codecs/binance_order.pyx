"""Binance WebSocket API order encoder, see the ``.pxd``."""

import re

cimport cython
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from ext.client_order_id cimport write_client_order_id
from ext.digits cimport POWERS_OF_TEN
from ext.errors import ConfigError, UsageError
from ext.instrument_table cimport InstrumentTable
from ext.order_encoder cimport EncodedMessage, OrderEncoder, limit_request
from ext.orders cimport OrderTable
from ext.text cimport TEXT_OVERRUN_BYTES, write_decimal, write_padded
from ext.wire cimport (
    BUY,
    CANCEL_ORDER,
    FILL_OR_KILL,
    IMMEDIATE_OR_CANCEL,
    NEW_ORDER,
    Order,
    OrderRequest,
)

cdef enum:
    ID_BYTES = 36
    TIMESTAMP_BYTES = 13                # milliseconds since the epoch, from 2001 to 2286

MAX_RECEIVE_WINDOW_MS = 60_000
"""The venue's limit of recvWindow: it drops a request that reaches it later than this."""

SELF_TRADE_MODES = ("", "NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH")
"""Of a new order; empty leaves the choice to the venue. With DECREMENT and TRANSFER quantities
would change without a fill, which the order table does not know."""

_SYMBOL = re.compile(r"[A-Za-z0-9._-]+")
_TIMES_IN_FORCE = ("GTC", "IOC", "FOK")
_ID = "\1" * ID_BYTES                    # where an id is written over; no JSON text holds this byte
_STAMP = "\1" * TIMESTAMP_BYTES


@cython.final
cdef class BinanceOrderEncoder(OrderEncoder):
    """Writes the order requests of one logged on session.

    ``receive_window_ms`` is recvWindow: an order that the venue gets, or takes to its matching
    engine, later than this after its timestamp is refused. ``self_trade_mode`` is one of
    SELF_TRADE_MODES. Raises ConfigError for those, and for a symbol that is not one of Binance's.
    """

    def __cinit__(
        self,
        InstrumentTable table not None,
        OrderTable orders not None,
        receive_window_ms: int = 5000,
        self_trade_mode: str = "",
    ) -> None:
        cdef int64_t index
        if not 1 <= receive_window_ms <= MAX_RECEIVE_WINDOW_MS:
            raise ConfigError(
                f"receive_window_ms was {receive_window_ms}; use 1 to {MAX_RECEIVE_WINDOW_MS}"
            )
        if self_trade_mode not in SELF_TRADE_MODES:
            modes = ", ".join(SELF_TRADE_MODES[1:])
            raise ConfigError(f"self_trade_mode was {self_trade_mode!r}; use {modes} or nothing")
        self.run = orders.run
        self.second = -1
        self.templates = <Template*>calloc(max(1, table.count) * TEMPLATES, sizeof(Template))
        self.decimals = <Decimals*>calloc(max(1, table.count), sizeof(Decimals))
        if self.templates == NULL or self.decimals == NULL:
            raise MemoryError(f"no memory for the order templates of {table.count} instruments")
        for index in range(table.count):
            self.decimals[index].price_decimals = table.instruments[index].price_decimals
            self.decimals[index].price_step = table.instruments[index].price_step
            self.decimals[index].price_power = (
                POWERS_OF_TEN[table.instruments[index].price_decimals]
            )
            self.decimals[index].quantity_decimals = table.instruments[index].quantity_decimals
            self.decimals[index].quantity_step = table.instruments[index].quantity_step
            self.decimals[index].quantity_power = (
                POWERS_OF_TEN[table.instruments[index].quantity_decimals]
            )
            texts = _make_texts(table.symbol(index), receive_window_ms, self_trade_mode)
            for at, text in enumerate(texts):
                _set_template(&self.templates[index * <int64_t>TEMPLATES + <int64_t>at], text)

    def __dealloc__(self) -> None:
        free(self.templates)
        free(self.decimals)

    cdef EncodedMessage encode(
        self, const OrderRequest* request, int64_t sequence, int64_t wall_ns
    ) noexcept nogil:
        """The sequence is not written: an answer carries the request's id, its client order id."""
        cdef EncodedMessage message
        cdef Template* template = self._choose(request)
        cdef char* text = template.text
        cdef char* name = text + template.id_at
        cdef char* end = text + template.size
        write_client_order_id(name, &self.run, request.request_number)
        memcpy(text + template.client_id_at, name, ID_BYTES)
        if template.original_at != 0:
            write_client_order_id(text + template.original_at, &self.run, request.original_number)
        if template.cancel_name_at != 0:
            _name_cancel(text + template.cancel_name_at, name)
        self._write_time(text + template.timestamp_at, wall_ns)
        if request.kind != CANCEL_ORDER:
            end = self._write_limits(end, request, template.cancel_name_at == 0)
        message.start = text
        message.size = end - text
        return message

    cdef Template* _choose(self, const OrderRequest* request) noexcept nogil:
        cdef Template* first = &self.templates[request.instrument * TEMPLATES]
        cdef int64_t at = 0 if request.side == BUY else NEW_TEMPLATES // 2
        if request.kind == CANCEL_ORDER:
            return first + CANCEL_TEMPLATE
        if request.kind != NEW_ORDER:
            if request.price_ticks == request.order.price_ticks \
                    and request.quantity_lots < request.order.quantity_lots:
                return first + AMEND_TEMPLATE
            at += NEW_TEMPLATES
        if request.post_only != 0:
            at += 3
        elif request.time_in_force == IMMEDIATE_OR_CANCEL:
            at += 1
        elif request.time_in_force == FILL_OR_KILL:
            at += 2
        return first + at

    cdef char* _write_limits(
        self, char* out, const OrderRequest* request, bint is_amend
    ) noexcept nogil:
        """Price and quantity behind the template's last name, and the end of the message."""
        cdef Decimals* decimals = &self.decimals[request.instrument]
        cdef int64_t quantity_lots = request.quantity_lots
        if request.kind == NEW_ORDER or not is_amend:
            out = write_decimal(out, request.price_ticks, decimals.price_step,
                                decimals.price_decimals, decimals.price_power)
            memcpy(out, b'","quantity":"', 14)
            out += 14
            if request.kind != NEW_ORDER:       # the new order begins without a fill
                quantity_lots -= request.order.filled_lots
        out = write_decimal(out, quantity_lots, decimals.quantity_step,
                            decimals.quantity_decimals, decimals.quantity_power)
        memcpy(out, b'"}}', 3)
        return out + 3

    cdef void _write_time(self, char* out, int64_t wall_ns) noexcept nogil:
        cdef char milliseconds[3 + TEXT_OVERRUN_BYTES]
        cdef int64_t second = wall_ns // 1_000_000_000
        if second != self.second:
            self.second = second
            write_padded(self.second_text, second, 10)
        memcpy(out, self.second_text, 10)
        write_padded(milliseconds, wall_ns // 1_000_000 % 1000, 3)
        memcpy(out + 10, milliseconds, 3)       # text follows here: no room for whole words

    def encode_request(
        self,
        kind: int,
        instrument: int,
        side: int,
        price_ticks: int,
        quantity_lots: int,
        request_number: int,
        wall_ns: int,
        original_number: int = 0,
        time_in_force: int = 1,
        post_only: bool = False,
        order_price_ticks: int = 0,
        order_quantity_lots: int = 0,
        order_filled_lots: int = 0,
    ) -> bytes:
        """Test edge: the message of a request given field by field, ``order_…`` as it stands."""
        cdef OrderRequest request
        cdef Order order
        cdef EncodedMessage message
        memset(&order, 0, sizeof(order))
        order.price_ticks = order_price_ticks
        order.quantity_lots = order_quantity_lots
        order.filled_lots = order_filled_lots
        request = limit_request(
            kind, instrument, side, price_ticks, quantity_lots, request_number, original_number,
            time_in_force, post_only, &order
        )
        message = self.encode(&request, 0, wall_ns)
        return message.start[: message.size]


cdef inline void _name_cancel(char* out, const char* client_order_id) noexcept nogil:
    """The id of a replace with ``_`` for ``-``."""
    memcpy(out, client_order_id, ID_BYTES)
    out[8] = out[13] = out[18] = out[23] = b"_"


def _make_texts(symbol: str, receive_window_ms: int, self_trade_mode: str) -> list[str]:
    """The templates of an instrument, in the order of their numbers."""
    if not _SYMBOL.fullmatch(symbol):
        raise ConfigError(f"symbol was {symbol!r}; use letters, digits, '.', '_' and '-'")
    window = f'"recvWindow":{receive_window_ms},'
    mode = f'"selfTradePreventionMode":"{self_trade_mode}",' if self_trade_mode else ""
    begin = f'{{"id":"{_ID}","method":"%s","params":{{"symbol":"{symbol}",'
    client_id = f'"newClientOrderId":"{_ID}",'
    original = f'"origClientOrderId":"{_ID}",'
    stamp = f'"timestamp":{_STAMP}'
    replaced = (
        f'"cancelReplaceMode":"STOP_ON_FAILURE","cancelRestrictions":"ONLY_NEW",'
        f'"cancelOrigClientOrderId":"{_ID}","cancelNewClientOrderId":"{_ID}",'
    )
    terms = [
        f'"side":"{side}",{kind},'
        for side in ("BUY", "SELL")
        for kind in (
            *(f'"type":"LIMIT","timeInForce":"{rule}"' for rule in _TIMES_IN_FORCE),
            '"type":"LIMIT_MAKER"',
        )
    ]
    order = f'"newOrderRespType":"ACK",{mode}{window}{client_id}{stamp},"price":"'
    return [
        *(begin % "order.place" + each + order for each in terms),
        *(begin % "order.cancelReplace" + each + replaced + order for each in terms),
        begin % "order.cancel" + window + client_id + original + stamp + "}}",
        begin % "order.amend.keepPriority" + window + client_id + original + stamp + ',"newQty":"',
    ]


cdef int _set_template(Template* template, str text) except -1:
    cdef bytes encoded = text.encode()
    cdef const char* start = encoded
    if len(encoded) > TEMPLATE_BYTES - MAX_LIMITS_BYTES:
        raise UsageError(f"an order template of {len(encoded)} bytes; TEMPLATE_BYTES is too small")
    memcpy(template.text, start, len(encoded))
    template.size = len(encoded)
    template.id_at = _behind(text, '"id":"')
    template.client_id_at = _behind(text, '"newClientOrderId":"')
    template.original_at = _behind(text, '"origClientOrderId":"') \
        or _behind(text, '"cancelOrigClientOrderId":"')
    template.cancel_name_at = _behind(text, '"cancelNewClientOrderId":"')
    template.timestamp_at = _behind(text, '"timestamp":')
    return 0


def _behind(text: str, start: str) -> int:
    """Position behind a text, 0 when it does not stand there."""
    return text.index(start) + len(start) if start in text else 0
