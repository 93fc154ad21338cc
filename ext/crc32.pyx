"""CRC-32, see the ``.pxd``."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

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


def crc32(text: bytes) -> int:
    """Test edge of ``crc32_of``: the CRC-32 of a whole text."""
    return <uint32_t>~crc32_of(<uint32_t>CRC32_START, text, len(text))
