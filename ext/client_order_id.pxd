"""Client order ids: a UUID in text form that carries the run and the request number.

Source: Coinbase Exchange FIX, NewOrderSingle: ClOrdID(11) must be a version 4, variant 1 UUID in
lower case with hyphens. 60 bits are drawn at random once per run, so that ids are unique across
restarts; 60 bits are the request number, so that a report finds its order without a search.
"""

cimport cython
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy

cdef enum:
    RUN_BYTES = 20                  # "xxxxxxxx-xxxx-4xxx-8": the part that a run shares

cdef struct RunIdentity:
    char prefix[RUN_BYTES]

cdef inline void write_client_order_id(
    char* out, const RunIdentity* run, int64_t number
) noexcept nogil:
    """Writes the 36 bytes of a request number (1 to 2**60 - 1)."""
    cdef const char* digits = b"0123456789abcdef"
    cdef uint64_t rest = <uint64_t>number
    cdef int at
    memcpy(out, run.prefix, RUN_BYTES)
    for at in range(35, 23, -1):
        out[at] = digits[rest & 15]
        rest >>= 4
    out[23] = b"-"
    for at in range(22, 19, -1):
        out[at] = digits[rest & 15]
        rest >>= 4

cdef inline int64_t read_client_order_id(
    const char* text, Py_ssize_t size, const RunIdentity* run
) noexcept nogil:
    """The request number of an id of this run, 0 for any other text."""
    cdef int64_t number = 0
    cdef int at
    cdef char c
    if size != 36 or memcmp(text, run.prefix, RUN_BYTES) != 0 or text[23] != b"-":
        return 0
    for at in range(20, 36):
        if at == 23:
            continue
        c = text[at]
        if b"0" <= c and c <= b"9":
            number = number * 16 + (c - 48)
        elif b"a" <= c and c <= b"f":
            number = number * 16 + (c - 87)
        else:
            return 0
    return number
