"""Coinbase Exchange REST encoder of ``POST /orders`` and ``DELETE /orders/client:…``: the whole
HTTP/1.1 request, and its seal: passphrase and signature.

Source: "Place an order", "Cancel an order", "REST API Authentication" of the venue's documents;
RFC 9112. What does not change stands in templates, one for each instrument and kind of order.

Facts that shaped it:

* The signature covers the timestamp first, then method, path and body. In whole seconds the
  timestamp is the same for many orders, and the body's names may stand in any order: so what
  changes stands last, and the blocks before it are hashed once a second.
* There is no amend: a replace has no message here (``EncodedMessage.size`` 0).
* A cancel is by client order id, with the product, which makes it quicker at the venue.
* The passphrase stands in every request, and requests are journaled. So ``encode`` writes what is
  kept and can be repeated by anyone, and ``seal`` makes a copy with the two secret headers, which
  goes to the socket and nowhere else.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.client_order_id cimport RunIdentity
from ext.hmac_sha256 cimport HashState, HmacSha256
from ext.order_encoder cimport EncodedMessage, OrderEncoder
from ext.text cimport TEXT_OVERRUN_BYTES
from ext.wire cimport OrderRequest

cdef enum:
    TEMPLATE_BYTES = 1024
    MAX_LIMITS_BYTES = 72           # two decimals of up to 21 bytes, a name, the end, an overrun
    CANCEL_TEMPLATE = 8             # behind side, and three times in force or post only
    TEMPLATES = 9                   # of an instrument
    SIGNED_BYTES = 256              # of a cancel
    SECRET_BYTES = 256              # two headers; a passphrase has at most 128 characters
    SEALED_BYTES = TEMPLATE_BYTES + SECRET_BYTES
    SECOND_DIGITS = 10

cdef struct Template:
    char text[TEMPLATE_BYTES]       # first: ``seal`` finds the template by its message
    int64_t line_size               # of the request line; behind it comes the seal
    int64_t timestamp_at
    int64_t length_at               # three digits of Content-Length; 0: it has no body
    int64_t client_id_at
    int64_t body_at                 # of a cancel: the path
    int64_t size                    # up to the first decimal, or all of it
    int64_t path_size               # of a cancel
    int64_t second                  # of its timestamp
    bint is_hashed                  # ``state`` is of that second
    int64_t hashed                  # bytes of the signed text that are in ``state``: whole blocks
    HashState state

cdef struct Decimals:
    int64_t price_decimals
    int64_t price_step
    int64_t price_power             # 10**price_decimals
    int64_t quantity_decimals
    int64_t quantity_step
    int64_t quantity_power


@cython.final
cdef class CoinbaseRestOrderEncoder(OrderEncoder):
    cdef Template* templates        # TEMPLATES of each instrument
    cdef Decimals* decimals         # of each instrument
    cdef RunIdentity run
    cdef HmacSha256 key             # None: nothing can be sealed, as in a replay
    cdef readonly int64_t wall_ns   # of the last request
    cdef int64_t id_number          # of the client id that it names
    cdef int64_t second             # that ``second_text`` stands for, since the epoch
    cdef char second_text[SECOND_DIGITS + TEXT_OVERRUN_BYTES]

    cdef char secrets[SECRET_BYTES]             # the two headers; the signature is written over
    cdef int64_t secrets_size
    cdef char sealed[SEALED_BYTES]

    cdef EncodedMessage seal(self, EncodedMessage message) noexcept nogil
    cdef void _write_second(self, Template* template) noexcept nogil
    cdef void _sign_order(self, Template* template, const char* end, char* out) noexcept nogil
    cdef void _hash_begin(self, Template* template) noexcept nogil
    cdef void _sign_cancel(self, Template* template, char* out) noexcept nogil
