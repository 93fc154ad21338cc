"""Coinbase Exchange REST order encoder, see the ``.pxd``."""

import base64
import binascii
import re

cimport cython
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from ext.client_order_id cimport write_client_order_id
from ext.digits cimport POWERS_OF_TEN
from ext.errors import ConfigError, UsageError
from ext.hmac_sha256 cimport BLOCK_BYTES, SIGNATURE_CHARACTERS, HmacSha256, hash_blocks
from ext.instrument_table cimport InstrumentTable
from ext.order_encoder cimport EncodedMessage, OrderEncoder, limit_request
from ext.orders cimport OrderTable
from ext.text cimport write_decimal, write_padded
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
    LENGTH_DIGITS = 3
    METHOD_BYTES = 11                   # of "POST/orders" in the signed text
    PREFIX_BYTES = 21                   # of the signed text of an order: the second, and that
    CANCEL_PREFIX_BYTES = 16            # of that of a cancel: the second, and "DELETE"
    SIGNATURE_HEADER_BYTES = 16         # of its name

SELF_TRADE_RULES = ("", "dc", "co", "cn", "cb")
"""``stp``: decrement and cancel, cancel oldest, newest, both; empty leaves it to the venue."""

_SYMBOL = re.compile(r"[A-Za-z0-9._-]{1,23}")
_HEADER = re.compile(r"[!-~]{1,128}")
_SIDES = ("buy", "sell")
_TIMES_IN_FORCE = ("GTC", "IOC", "FOK")
_ID = "\1" * ID_BYTES                    # where an id is written over; no text holds this byte
_LINE = "\r\n"
_SIGNATURE = "CB-ACCESS-SIGN: "


@cython.final
cdef class CoinbaseRestOrderEncoder(OrderEncoder):
    """Writes the order requests of kept-alive connections to ``host``, and seals them.

    ``secret`` is base64 as the venue handed it out, ``self_trade_rule`` one of SELF_TRADE_RULES.
    Without a secret nothing can be sealed; what is encoded is the same.
    Raises ConfigError for those, and for a symbol, key, passphrase or host that no header may hold.
    """

    def __cinit__(
        self,
        InstrumentTable table not None,
        OrderTable orders not None,
        host: str,
        key: str,
        secret: str = "",
        passphrase: str = "",
        self_trade_rule: str = "cn",
    ) -> None:
        cdef int64_t index
        if self_trade_rule not in SELF_TRADE_RULES:
            rules = ", ".join(SELF_TRADE_RULES[1:])
            raise ConfigError(f"self_trade_rule was {self_trade_rule!r}; use {rules} or nothing")
        given = [("host", host), ("key", key)]
        if secret or passphrase:
            given.append(("passphrase", passphrase))
        for name, value in given:
            if not _HEADER.fullmatch(value):
                raise ConfigError(f"the {name} of a REST request must be 1 to 128 printable"
                                  " ASCII characters without spaces")
        if secret or passphrase:
            self._keep_secrets(secret, passphrase)
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
            texts = _make_texts(table.symbol(index), host, key, self_trade_rule)
            for at, text in enumerate(texts):
                _set_template(&self.templates[index * <int64_t>TEMPLATES + <int64_t>at], text)

    def __dealloc__(self) -> None:
        free(self.templates)
        free(self.decimals)

    def _keep_secrets(self, secret: str, passphrase: str) -> None:
        cdef bytes text
        cdef const char* start
        self.key = HmacSha256(_decode_secret(secret))
        text = (
            f"{_SIGNATURE}{'S' * SIGNATURE_CHARACTERS}{_LINE}"
            f"CB-ACCESS-PASSPHRASE: {passphrase}{_LINE}"
        ).encode()
        start = text
        self.secrets_size = len(text)
        memcpy(self.secrets, start, self.secrets_size)

    cdef EncodedMessage encode(
        self, const OrderRequest* request, int64_t sequence, int64_t wall_ns
    ) noexcept nogil:
        """What the journal keeps. The sequence is not written: the sender knows which connection
        a request left on, and an answer comes on the same."""
        cdef EncodedMessage message
        cdef Template* template = &self.templates[request.instrument * TEMPLATES]
        cdef Decimals* decimals = &self.decimals[request.instrument]
        cdef int64_t second = wall_ns // 1_000_000_000
        cdef char* end
        cdef char* length
        cdef int64_t at, size
        message.start = NULL
        message.size = 0
        self.wall_ns = wall_ns
        if second != self.second:
            self.second = second
            write_padded(self.second_text, second, SECOND_DIGITS)
        if request.kind == CANCEL_ORDER:
            template += CANCEL_TEMPLATE
            self.id_number = request.original_number
            write_client_order_id(
                template.text + template.client_id_at, &self.run, request.original_number
            )
            end = template.text + template.size
        elif request.kind == NEW_ORDER:
            template += _number_of(request)
            self.id_number = request.request_number
            write_client_order_id(
                template.text + template.client_id_at, &self.run, request.request_number
            )
            end = template.text + template.size
            end = write_decimal(end, request.price_ticks, decimals.price_step,
                                decimals.price_decimals, decimals.price_power)
            memcpy(end, b'","size":"', 10)
            end = write_decimal(end + 10, request.quantity_lots, decimals.quantity_step,
                                decimals.quantity_decimals, decimals.quantity_power)
            memcpy(end, b'"}', 2)
            end += 2
            size = end - template.text - template.body_at
            length = template.text + template.length_at
            for at in range(LENGTH_DIGITS - 1, -1, -1):
                length[at] = <char>(<char>b"0" + size % 10)
                size //= 10
        else:
            return message
        if template.second != second:
            self._write_second(template)
        message.start = template.text
        message.size = end - template.text
        return message

    cdef EncodedMessage seal(self, EncodedMessage message) noexcept nogil:
        """A copy of what ``encode`` has just written, with passphrase and signature; of size 0
        without a secret. It is valid until the next call."""
        cdef EncodedMessage copied
        cdef Template* template = <Template*>message.start
        cdef char* out = self.sealed
        cdef char* signature
        copied.start = out
        copied.size = 0
        if self.secrets_size == 0 or message.size == 0:
            return copied
        memcpy(out, message.start, template.line_size)
        out += template.line_size
        memcpy(out, self.secrets, self.secrets_size)
        signature = out + SIGNATURE_HEADER_BYTES
        out += self.secrets_size
        memcpy(out, message.start + template.line_size, message.size - template.line_size)
        copied.size = message.size + self.secrets_size
        if template.length_at > 0:
            self._sign_order(template, message.start + message.size, signature)
        else:
            self._sign_cancel(template, signature)
        return copied

    cdef void _write_second(self, Template* template) noexcept nogil:
        template.second = self.second
        template.is_hashed = False
        memcpy(template.text + template.timestamp_at, self.second_text, SECOND_DIGITS)

    cdef void _sign_order(self, Template* template, const char* end, char* out) noexcept nogil:
        """The signature of what is behind the blocks that were hashed."""
        cdef const char* rest
        if not template.is_hashed:
            self._hash_begin(template)
        rest = template.text + template.body_at + template.hashed - PREFIX_BYTES
        self.key.write_signature(out, &template.state, template.hashed, rest, end - rest)

    cdef void _hash_begin(self, Template* template) noexcept nogil:
        """Hashes the blocks that every order of this template begins with in its second."""
        cdef char text[TEMPLATE_BYTES]
        template.is_hashed = True
        memcpy(text, template.text + template.timestamp_at, SECOND_DIGITS)
        memcpy(text + SECOND_DIGITS, b"POST/orders", METHOD_BYTES)
        memcpy(text + PREFIX_BYTES, template.text + template.body_at, template.hashed)
        template.state = self.key.inner
        hash_blocks(&template.state, text, template.hashed // BLOCK_BYTES)

    cdef void _sign_cancel(self, Template* template, char* out) noexcept nogil:
        cdef char text[SIGNED_BYTES]
        memcpy(text, template.text + template.timestamp_at, SECOND_DIGITS)
        memcpy(text + SECOND_DIGITS, b"DELETE", CANCEL_PREFIX_BYTES - SECOND_DIGITS)
        memcpy(
            text + CANCEL_PREFIX_BYTES, template.text + template.body_at, template.path_size
        )
        self.key.write_signature(
            out, &self.key.inner, 0, text, CANCEL_PREFIX_BYTES + template.path_size
        )

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
        is_sealed: bool = True,
    ) -> bytes:
        """Test edge: the message of a request given field by field; empty for a replace."""
        cdef OrderRequest request
        cdef Order order
        cdef EncodedMessage message
        memset(&order, 0, sizeof(order))
        request = limit_request(
            kind, instrument, side, price_ticks, quantity_lots, request_number, original_number,
            time_in_force, post_only, &order
        )
        message = self.encode(&request, 0, wall_ns)
        if is_sealed:
            message = self.seal(message)
        return message.start[: message.size] if message.size else b""


cdef inline int64_t _number_of(const OrderRequest* request) noexcept nogil:
    """The template of a new order."""
    cdef int64_t at = 0 if request.side == BUY else CANCEL_TEMPLATE // 2
    if request.post_only != 0:
        return at + 3
    if request.time_in_force == IMMEDIATE_OR_CANCEL:
        return at + 1
    return at + 2 if request.time_in_force == FILL_OR_KILL else at


def _decode_secret(secret: str) -> bytes:
    try:
        decoded = base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not decoded:
        raise ConfigError(
            "the Coinbase Exchange API secret is not base64; copy it again as the venue showed it"
        )
    return decoded


def _make_texts(symbol: str, host: str, key: str, self_trade_rule: str) -> list[str]:
    """The templates of an instrument, in the order of their numbers."""
    if not _SYMBOL.fullmatch(symbol):
        raise ConfigError(f"symbol was {symbol!r}; use letters, digits, '.', '_' and '-'")
    head = _LINE.join((
        "%s HTTP/1.1",
        f"CB-ACCESS-TIMESTAMP: {'T' * SECOND_DIGITS}",
        f"CB-ACCESS-KEY: {key}",
        f"Host: {host}",
        "User-Agent: wow-engine",
        "Accept: application/json",
        "",
    ))
    posted = head % "POST /orders" + _LINE.join(
        ("Content-Type: application/json", "Content-Length: 000", "", "")
    )
    rule = f'"stp":"{self_trade_rule}",' if self_trade_rule else ""
    texts = []
    for side in _SIDES:
        kinds = [f'"time_in_force":"{each}","post_only":false' for each in _TIMES_IN_FORCE]
        for kind in (*kinds, '"time_in_force":"GTC","post_only":true'):
            texts.append(
                f'{posted}{{"product_id":"{symbol}","type":"limit","side":"{side}",{kind},{rule}'
                f'"client_oid":"{_ID}","price":"'
            )
    target = f"DELETE /orders/client:{_ID}?product_id={symbol}"
    return [*texts, head % target + _LINE]


cdef int _set_template(Template* template, str text) except -1:
    cdef bytes encoded = text.encode()
    cdef const char* start = encoded
    cdef int64_t changing
    if len(encoded) > TEMPLATE_BYTES - MAX_LIMITS_BYTES:
        raise UsageError(f"an order template of {len(encoded)} bytes; TEMPLATE_BYTES is too small")
    memcpy(template.text, start, len(encoded))
    template.size = len(encoded)
    template.second = -1
    template.line_size = _behind(text, _LINE)
    template.timestamp_at = _behind(text, "CB-ACCESS-TIMESTAMP: ")
    template.client_id_at = text.index(_ID)
    if text.startswith("POST"):
        template.length_at = _behind(text, "Content-Length: ")
        template.body_at = _behind(text, _LINE + _LINE)
        # The id's last 16 characters are the request's own, those before them the run's.
        changing = PREFIX_BYTES + template.client_id_at - template.body_at
        template.hashed = changing // BLOCK_BYTES * BLOCK_BYTES
    else:
        template.body_at = _behind(text, "DELETE ")
        template.path_size = text.index(" HTTP/1.1") - template.body_at
    return 0


def _behind(text: str, start: str) -> int:
    return text.index(start) + len(start)
