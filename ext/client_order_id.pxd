"""Client order ids: a UUID in text form that carries the run and the request number.

Source: Coinbase Exchange FIX, NewOrderSingle: ClOrdID(11) must be a version 4, variant 1 UUID in
lower case with hyphens. 60 bits are drawn at random once per run, so that ids are unique across
restarts; 60 bits are the request number, so that a report finds its order without a search.
"""

cimport cython
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy

from ext.text cimport add_bytes
from ext.word cimport load_word, repeated, store_word

cdef enum:
    RUN_BYTES = 20                  # "xxxxxxxx-xxxx-4xxx-8": the part that a run shares

cdef struct RunIdentity:
    char prefix[RUN_BYTES]
    uint64_t prefix_sum             # of its bytes

cdef extern from *:
    uint64_t reverse_bytes "__builtin_bswap64"(uint64_t word) noexcept nogil


cdef inline uint64_t hexadecimal(uint64_t number) noexcept nogil:
    """The lowest 32 bits as eight hexadecimal digits, the first one lowest."""
    number &= <uint64_t>0x00000000FFFFFFFF
    number = (number | number << 16) & <uint64_t>0x0000FFFF0000FFFF
    number = (number | number << 8) & <uint64_t>0x00FF00FF00FF00FF
    number = (number | number << 4) & <uint64_t>0x0F0F0F0F0F0F0F0F
    number = reverse_bytes(number)
    # "a" is 39 above what would follow "9".
    return number + repeated(b"0") + 39 * (((number + repeated(6)) >> 4) & repeated(1))


cdef inline uint64_t hexadecimal_value(uint64_t word) noexcept nogil:
    """The 32 bits of eight hexadecimal digits; some number for any other text."""
    cdef uint64_t number = reverse_bytes((word & repeated(15)) + 9 * ((word >> 6) & repeated(1)))
    number = (number | number >> 4) & <uint64_t>0x00FF00FF00FF00FF
    number = (number | number >> 8) & <uint64_t>0x0000FFFF0000FFFF
    return (number | number >> 16) & <uint64_t>0x00000000FFFFFFFF


cdef inline char* put_client_order_id(
    char* out, const RunIdentity* run, int64_t number, uint64_t* sum
) noexcept nogil:
    """Writes the 36 bytes of a request number (1 to 2**60 - 1) and adds them to ``sum``."""
    cdef uint64_t high = hexadecimal(<uint64_t>number >> 32)        # the first digit is no part
    cdef uint64_t low = hexadecimal(<uint64_t>number)
    cdef uint64_t middle = (high >> 8 & 0xFFFFFF) | <uint64_t>(<char>b"-") << 24 | high >> 32 << 32
    memcpy(out, run.prefix, RUN_BYTES)
    store_word(out + 20, middle)
    store_word(out + 28, low)
    add_bytes(sum, middle)
    add_bytes(sum, low)
    sum[0] += run.prefix_sum
    return out + 36


cdef inline void write_client_order_id(
    char* out, const RunIdentity* run, int64_t number
) noexcept nogil:
    """``put_client_order_id`` where nobody asks for the sum."""
    cdef uint64_t sum = 0
    put_client_order_id(out, run, number, &sum)


cdef inline int64_t read_client_order_id(
    const char* text, Py_ssize_t size, const RunIdentity* run
) noexcept nogil:
    """The request number of an id of this run, 0 for any other text."""
    cdef char expected[36]
    cdef int64_t number
    if size != 36:
        return 0
    number = <int64_t>(
        hexadecimal_value(load_word(text + 28))
        | (hexadecimal_value(load_word(text + 24)) >> 16) << 32
        | (hexadecimal_value(load_word(text + 20)) >> 20) << 48
    )
    write_client_order_id(expected, run, number)    # says of every byte whether it was right
    return number if memcmp(text, expected, 36) == 0 else 0
