"""CRC-32, see the ``.pxd``."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from ext.errors import UsageError

cdef enum:
    POLYNOMIAL = 0xEDB88320         # of CRC-32, bits reversed

# TABLES[n][b]: what byte b does to the state when n more bytes follow it in the step.
cdef uint32_t TABLES[8][256]
cdef uint32_t _state
cdef int _byte, _bit, _step
for _byte in range(256):
    _state = <uint32_t>_byte
    for _bit in range(8):
        _state = (_state >> 1) ^ (<uint32_t>POLYNOMIAL if _state & 1 else 0)
    TABLES[0][_byte] = _state
for _step in range(1, 8):
    for _byte in range(256):
        _state = TABLES[_step - 1][_byte]
        TABLES[_step][_byte] = (_state >> 8) ^ TABLES[0][_state & 0xFF]

# SHIFTS[n]: x to the power of 8n modulo the polynomial, bits reversed: n bytes of zeros.
cdef uint32_t SHIFTS[MAX_SHIFT_BYTES + 1]
SHIFTS[0] = 0x80000000
for _step in range(1, MAX_SHIFT_BYTES + 1):
    SHIFTS[_step] = (SHIFTS[_step - 1] >> 8) ^ TABLES[0][SHIFTS[_step - 1] & 0xFF]


cdef uint32_t crc32_of(uint32_t state, const char* text, Py_ssize_t size) noexcept nogil:
    """State after ``size`` more bytes (of a little-endian machine, like the shared memory)."""
    cdef uint64_t word
    while size >= 8:
        memcpy(&word, text, 8)
        word ^= state
        state = TABLES[7][word & 0xFF] ^ TABLES[6][(word >> 8) & 0xFF] \
            ^ TABLES[5][(word >> 16) & 0xFF] ^ TABLES[4][(word >> 24) & 0xFF] \
            ^ TABLES[3][(word >> 32) & 0xFF] ^ TABLES[2][(word >> 40) & 0xFF] \
            ^ TABLES[1][(word >> 48) & 0xFF] ^ TABLES[0][word >> 56]
        text += 8
        size -= 8
    while size > 0:
        state = (state >> 8) ^ TABLES[0][(state ^ <unsigned char>text[0]) & 0xFF]
        text += 1
        size -= 1
    return state


cdef uint32_t crc32_shift(uint32_t state, Py_ssize_t size) noexcept nogil:
    """The state times x to the power of 8 ``size``: what a text of that size does to it."""
    cdef uint32_t factor = SHIFTS[size]
    cdef uint32_t product = 0
    cdef int _bit
    for _bit in range(32):              # without a branch: the bits are as good as random
        product ^= state & (0 - (factor >> 31))
        factor <<= 1
        state = (state >> 1) ^ (<uint32_t>POLYNOMIAL & (0 - (state & 1)))
    return product


def crc32_of_both(first: bytes, second: bytes) -> int:
    """Test edge of ``crc32_shift``: the CRC-32 of one text behind another."""
    if len(second) > MAX_SHIFT_BYTES:
        raise UsageError(f"the second text has {len(second)} bytes; use at most {MAX_SHIFT_BYTES}")
    cdef uint32_t state = crc32_shift(
        crc32_of(<uint32_t>CRC32_START, first, len(first)), len(second)
    )
    return <uint32_t>~(state ^ crc32_of(0, second, len(second)))


def crc32(text: bytes) -> int:
    """Test edge of ``crc32_of``: the CRC-32 of a whole text."""
    return <uint32_t>~crc32_of(<uint32_t>CRC32_START, text, len(text))
